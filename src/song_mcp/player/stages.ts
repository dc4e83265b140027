// What is shown before there is music, or instead of it. Progress is measured against the usual time,
// and never shows the end before it has come.

import { h, icon, setText, show, type Icon } from "./dom.ts";
import type { Host } from "./host.ts";
import { suggestion } from "./actions.ts";
import { type Task, isPlain, makesAudio } from "./song.ts";
import { anotherTake, chip, clock, expectation, haveChecked, heading, money, price, spoken } from "./words.ts";

/** Title, description and facts, above everything else. */
export class Head {
  private readonly title = h("h1");
  private readonly wish = h("p", { class: "wish" });
  private readonly facts = h("p", { class: "facts" });
  private readonly chip = h("span", { class: "chip", hidden: true });
  readonly element = h(
    "header",
    {},
    h("div", { class: "headline" }, this.title, this.chip),
    this.wish,
    this.facts,
  );

  tell(title: string, wish: string, task: Task | undefined): void {
    setText(this.title, title);
    show(this.title, Boolean(title));
    show(this.element, Boolean(title || task));
    setText(this.wish, wish);
    show(this.wish, Boolean(wish) && wish !== title);
    const where = task && [task.model, task.service].filter(Boolean).join(" at ");
    const facts = task ? [where, price(task)] : [];
    setText(this.facts, facts.filter(Boolean).join("  ·  "));
    show(this.facts, facts.length > 0);
    show(this.chip, Boolean(task));
    if (!task) return;
    setText(this.chip, chip(task));
    this.chip.dataset.status = task.status;
  }
}

const BARS = 56;

/** A song in the making: a stand-in for its waveform that fills as time goes by. */
export class Making {
  private readonly bars = Array.from({ length: BARS }, (_, at) => {
    const bar = h("i");
    const wave = Math.sin(at * 0.55) * Math.sin(at * 0.17 + 1) * Math.sin(at * 1.7 + 0.4);
    bar.style.setProperty("--tall", `${22 + Math.round(Math.abs(wave) * 78)}%`);
    bar.style.setProperty("--late", `${((at * 37) % 100) / -40}s`);
    return bar;
  });
  private readonly meter = h(
    "div",
    { class: "meter", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" },
    ...this.bars,
  );
  private readonly doing = h("strong");
  private readonly elapsed = h("span", { class: "elapsed" });
  private readonly about = h("span", { class: "about" });
  private readonly trouble = h("p", { class: "said", hidden: true });
  readonly element = h(
    "section",
    { class: "making", "aria-label": "In the making" },
    h("p", { class: "line" }, this.doing, this.elapsed),
    this.meter,
    h("p", { class: "line" }, this.about),
    this.trouble,
  );

  /** Show the current step, the seconds so far and how many are usual. */
  tell(what: string, elapsed: number | undefined, expected: number | undefined, percent?: number): void {
    setText(this.doing, what);
    setText(this.elapsed, elapsed === undefined ? "" : clock(elapsed));
    const usual = elapsed === undefined ? "" : expectation(elapsed, expected);
    const theirs = percent ? `${percent} % as the service says` : "";
    setText(this.about, [usual, theirs].filter(Boolean).join("  ·  "));
    const part = elapsed === undefined || expected === undefined ? undefined : partOf(elapsed, expected);
    this.fill(part, usual, elapsed);
  }

  says(words: string): void {
    setText(this.trouble, words);
    show(this.trouble, Boolean(words));
  }

  private fill(part: number | undefined, usual: string, elapsed: number | undefined): void {
    this.meter.classList.toggle("unknown", part === undefined);
    this.bars.forEach((bar, at) => bar.classList.toggle("done", part !== undefined && at < part * BARS));
    const gone = elapsed === undefined ? "" : `${spoken(elapsed)} gone. `;
    this.meter.setAttribute("aria-valuetext", `${gone}${usual}`.trim() || "Just begun");
    if (part === undefined) this.meter.removeAttribute("aria-valuenow");
    else this.meter.setAttribute("aria-valuenow", String(Math.round(part * 100)));
  }
}

/** How full the bar is: nearly straight to nine tenths at the usual time, then ever slower. */
export function partOf(elapsed: number, expected: number): number {
  const usual = Math.max(1, expected);
  if (elapsed <= usual) return (0.9 * Math.max(0, elapsed)) / usual;
  return 0.9 + 0.08 * (1 - Math.exp(1 - elapsed / usual));
}

const FACES: Record<string, Icon> = { failed: "cross", rejected: "cross", in_doubt: "question", abandoned: "dash" };

/** A task that brought no music: why, in the service's words or ours, and what it cost. */
export function ending(host: Host, task: Task): HTMLElement {
  const answers = h("div", { class: "panels" });
  const wish = task.status === "in_doubt" ? haveChecked(task) : anotherTake(task);
  const label = task.status === "in_doubt" ? "Have it checked" : "Ask for another try";
  const act = () => answers.replaceChildren(suggestion(host, wish, answers));
  const button =
    isPlain(task.id) && makesAudio(task) && task.status !== "abandoned" &&
    h("button", { class: "action", type: "button", on: { click: act } }, icon("again"), label);
  return h(
    "section",
    { class: "ending", "data-status": task.status },
    h("div", { class: "face" }, icon(FACES[task.status] ?? "dash")),
    h(
      "div",
      {},
      h("h2", {}, heading(task)),
      ...(task.status === "failed" ? quote(task.error, task.service) : [h("p", {}, task.error)]),
      task.note && h("p", {}, task.note),
      h("p", { class: "money" }, money(task)),
      button && h("div", { class: "actions" }, button),
      answers,
    ),
  );
}

/** A quotation of a service, with its name. */
function quote(words: string, service: string): HTMLElement[] {
  if (!words) return [];
  return [h("blockquote", {}, words), h("p", { class: "source" }, `in the words of ${service}`)];
}

/** A failed clip, beside one that did not fail. */
export function failedTake(name: string, words: string, service: string): HTMLElement {
  const badge = h("p", { class: "badge" }, h("span", {}, name));
  const naming = h("div", { class: "naming" }, badge, h("h2", {}, "This take failed"));
  return h(
    "article",
    { class: "take lost", "aria-label": `${name}, failed` },
    h("div", { class: "top" }, h("div", { class: "art" }, icon("cross")), naming),
    ...quote(words, service),
  );
}

/** Words without a task: an error, or a call that was stopped. */
export function message(face: Icon, title: string, words: string): HTMLElement {
  return h(
    "section",
    { class: "ending" },
    h("div", { class: "face" }, icon(face)),
    h("div", {}, h("h2", {}, title), h("p", {}, words)),
  );
}

/** Lyrics that a task wrote; their title stands above. */
export function written(words: string): HTMLElement {
  return h("section", { class: "written", "aria-label": "Lyrics" }, h("pre", { class: "lyrics" }, words.trim()));
}
