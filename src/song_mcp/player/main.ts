// The player: turns what the host tells into what the person sees. There is one view at a time, made
// for the last state that was told. A take that plays is never made anew.

import "./quiet.ts";
import { announce, h, setText, show } from "./dom.ts";
import { follow, REST_MS } from "./follow.ts";
import { Host, type Listener, type Seen } from "./host.ts";
import { type Clip, type Extra, type Task, extraIn, finished, isBeingSaved, isLate, isOpen, isUnsaved, text } from "./song.ts";
import { ending, failedTake, Head, Making, message, written } from "./stages.ts";
import { silence, Take } from "./take.ts";
import { CANNOT_ASK, chip, doing, GAVE_UP, money, stopped, takeName } from "./words.ts";

const TICK_MS = 1_000;
const SAVING_LOOKS = 8; // how many times an ended task is looked at until its files are saved
const LATE_LOOKS = 20; // how many times more if audio is missing, which may come later
const LONGEST_LATE_REST_MS = 20_000; // the server asks a service no more often about an ended task

class Player implements Listener {
  private readonly host = new Host();
  private readonly head = new Head();
  private readonly making = new Making();
  private readonly takes = h("div", { class: "takes" });
  private readonly note = h("p", { class: "note", hidden: true });
  private readonly rights = h("p", { class: "note", hidden: true });
  private readonly stage = h("div", { class: "stage" });
  private readonly life = new AbortController();
  private readonly cards = new Map<string, Take>();
  private args: Record<string, unknown> = {};
  private task: Task | undefined;
  private extra: Extra = extraIn(undefined);
  private seenAt = 0;
  private isFollowing = false;
  private looksLeft = SAVING_LOOKS;
  private lateLooks = 0;
  private view = "";

  async run(root: HTMLElement): Promise<void> {
    root.append(this.head.element, this.stage, this.note, this.rights);
    this.tellHead();
    this.stage.append(this.making.element);
    this.tick();
    const clockwork = setInterval(() => this.tick(), TICK_MS);
    this.life.signal.addEventListener("abort", () => clearInterval(clockwork));
    addEventListener("pagehide", () => this.ended());
    try {
      await this.host.meet(this);
    } catch {
      this.show("silent", message("question", "Nobody is there", "The chat did not answer the player."));
    }
  }

  // What the host tells --------------------------------------------------------------------

  asked(args: Record<string, unknown>): void {
    this.args = args;
    this.tellHead();
  }

  answered(seen: Seen): void {
    if (seen.task) {
      this.saw(seen);
    } else {
      this.show("error", message("cross", "That did not work", seen.words || "The answer is empty."));
      announce(seen.words);
    }
  }

  stopped(reason: string): void {
    if (this.task) return;
    this.show("stopped", message("dash", "Stopped", stopped(reason)));
    announce(stopped(reason));
  }

  themed(): void {
    for (const card of this.cards.values()) card.redraw();
  }

  ended(): void {
    silence();
    this.life.abort();
  }

  // What is seen of the task ----------------------------------------------------------------

  private saw(seen: Seen): number | undefined {
    const before = this.task;
    this.task = seen.task as Task;
    this.extra = this.merged(seen.extra);
    this.seenAt = Date.now();
    this.making.says("");
    this.tellHead();
    setText(this.rights, this.task.rights);
    show(this.rights, Boolean(this.task.rights));
    this.render(this.task);
    if (before && before.status !== this.task.status) announce(`${chip(this.task)}.`);
    const rest = this.rest(this.task);
    if (rest !== undefined && !this.isFollowing) this.follow(this.task.id, rest);
    return rest;
  }

  /** The known facts with this result's; what it does not say stays as it was. */
  private merged(extra: Extra): Extra {
    const before = this.extra;
    return {
      title: extra.title || before.title,
      description: extra.description || before.description,
      expected: extra.expected ?? before.expected,
      elapsed: extra.elapsed,
      focus: extra.focus || before.focus || text(this.args.clip_id),
      covers: extra.covers ?? before.covers,
      extendable: extra.extendable ?? before.extendable,
      coverable: extra.coverable ?? before.coverable,
      links: extra.links,
      tags: extra.tags,
      lyrics: extra.lyrics ?? before.lyrics,
      timed: extra.timed ?? before.timed,
    };
  }

  /** How long to rest before the next look, in ms; undefined if nothing more will come. */
  private rest(task: Task): number | undefined {
    if (isOpen(task)) return REST_MS;
    const lacksLyrics = task.status === "completed" && !this.extra.lyrics && !task.clips.some((clip) => clip.lyrics);
    if (isBeingSaved(task) || (lacksLyrics && this.looksLeft === SAVING_LOOKS)) {
      this.looksLeft -= 1;
      if (this.looksLeft >= 0) return REST_MS;
    }
    if (!isLate(task) || this.lateLooks >= LATE_LOOKS) return undefined;
    this.lateLooks += 1;
    return Math.min(REST_MS * 2 ** (this.lateLooks - 1), LONGEST_LATE_REST_MS);
  }

  private follow(taskId: string, rest: number): void {
    this.isFollowing = true;
    const follower = {
      saw: (seen: Seen) => this.saw(seen),
      gaveUp: (words: string) => {
        const told = this.host.asks ? [GAVE_UP, words].filter(Boolean).join(" ") : CANNOT_ASK;
        this.making.says(told);
        announce(told);
      },
    };
    void follow(this.host, taskId, rest, follower, this.life.signal).finally(() => (this.isFollowing = false));
  }

  // What is shown ----------------------------------------------------------------------------

  private wish(): string {
    return this.extra.description || text(this.args.description) || text(this.args.topic);
  }

  /** The title that was asked for, else the one that all takes share, else the description. */
  private title(): string {
    const titles = new Set((this.task?.clips ?? []).map((clip) => clip.title).filter(Boolean));
    const [first] = titles;
    const shared = titles.size === 1 ? first : undefined;
    const given = this.extra.title || text(this.args.title) || this.task?.lyrics?.title || shared;
    return given || this.wish() || first || "";
  }

  private tellHead(): void {
    this.head.tell(this.title(), this.wish(), this.task);
  }

  private render(task: Task): void {
    const clips = finished(task);
    if (clips.length) this.showTakes(task, clips);
    else if (task.lyrics) this.show("lyrics", written(task.lyrics.text));
    else if (isOpen(task)) this.show("making", this.making.element);
    else this.show(`ending ${task.status} ${task.error} ${task.note}`, ending(this.host, task));
    this.tick();
  }

  private showTakes(task: Task, clips: readonly Clip[]): void {
    const lost = task.clips.filter((clip) => clip.status === "failed");
    const key = `takes ${[...clips, ...lost].map((clip) => clip.id).join(" ")} ${isOpen(task)}`;
    if (this.view !== key) this.layOut(task, clips, lost);
    this.view = key;
    for (const clip of clips) {
      const card = this.cards.get(clip.id);
      const { covers, extendable } = this.extra;
      const can = {
        extend: extendable ? extendable.includes(clip.id) : true,
        cover: this.extra.coverable ?? false,
      };
      const told = { lyrics: this.extra.lyrics?.[clip.id], timed: this.extra.timed?.[clip.id] };
      card?.update(clip, told, this.title(), can);
      if (card && clip.file && (covers?.includes(clip.id) ?? true)) void card.paint();
    }
    const failed = task.status === "failed" ? `${task.error} ${money(task)}.` : "";
    // The takes themselves say which one was asked for, and which is not saved.
    const isTold = this.extra.focus !== "" || clips.some((clip) => isUnsaved(task, clip));
    const words = [failed, !isTold && task.note].filter(Boolean).join(" ");
    setText(this.note, words);
    show(this.note, Boolean(words));
  }

  private layOut(task: Task, clips: readonly Clip[], lost: readonly Clip[]): void {
    const numbers = new Map(task.clips.map((clip, at) => [clip.id, at + 1]));
    const of = Math.max(task.clips.length, isOpen(task) ? 2 : 1);
    const { focus } = this.extra;
    const isFocus = (clip: Clip) => clip.id === focus;
    const ordered = [...clips].sort((a, b) => Number(isFocus(b)) - Number(isFocus(a)));
    const cards = ordered.map((clip) => {
      const place = { number: numbers.get(clip.id) ?? 1, of, focused: isFocus(clip) };
      const known = this.cards.get(clip.id);
      known?.move(place);
      const card = known ?? new Take(this.host, task, clip, place, this.life.signal);
      this.cards.set(clip.id, card);
      return card.element;
    });
    const gone = lost.map((clip) => failedTake(takeName(numbers.get(clip.id) ?? 1, of), clip.error, task.service));
    this.takes.replaceChildren(...cards, ...gone);
    this.stage.replaceChildren(...(isOpen(task) ? [this.making.element] : []), this.takes);
  }

  private show(view: string, element: HTMLElement): void {
    if (this.view === view) return;
    this.view = view;
    silence();
    show(this.note, false);
    this.stage.replaceChildren(element);
  }

  private tick(): void {
    const { task } = this;
    if (!task) {
      this.making.tell(this.args.clip_id || this.args.task_id ? "One moment" : "Waiting for the answer", undefined, undefined);
      return;
    }
    if (isOpen(task)) this.making.tell(doing(task), this.elapsed(task), this.extra.expected, task.percent);
  }

  /** How long the task has taken, in seconds: as the server counts, else since `created_at`. */
  private elapsed(task: Task): number {
    if (this.extra.elapsed !== undefined) return this.extra.elapsed + (Date.now() - this.seenAt) / 1000;
    return Number.isNaN(task.madeAt) ? 0 : Math.max(0, (Date.now() - task.madeAt) / 1000);
  }
}

void new Player().run(document.getElementById("player") as HTMLElement);
