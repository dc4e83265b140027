// One take: its cover, sound, lyrics and what can be done with it. At most one take on the page plays,
// and a take that cannot be played says why.

import { h, icon, setText, show, tell } from "./dom.ts";
import { type Host, type Part, Refusal } from "./host.ts";
import { gotAgain, tellTrouble } from "./again.ts";
import { action, copyRow, suggestion, tool } from "./actions.ts";
import { type Can, type Clip, type Task, type TimedLine, isPlain } from "./song.ts";
import { dataUrl, inTurn, shapeOf, whole } from "./sound.ts";
import { Verses } from "./verses.ts";
import { Wave } from "./wave.ts";
import { anotherTake, clock, coverOf, extendFrom, madeOtherwise, partOf, takeName, unplayable, WHOLE } from "./words.ts";

export interface Place {
  readonly number: number;
  readonly of: number;
  /** Whether this is the take that was asked for. */
  readonly focused: boolean;
}

/** What is told of a clip's lyrics beside the clip. */
export interface Told {
  readonly lyrics?: string | undefined;
  readonly timed?: readonly TimedLine[] | undefined;
}

let playing: Take | undefined;

export function silence(): void {
  playing?.pause();
}

export class Take {
  readonly element: HTMLElement;
  private readonly audio = h("audio", { preload: "auto" });
  private readonly wave: Wave;
  private readonly button: HTMLButtonElement;
  private readonly time = h("span", { class: "time" });
  private readonly length = h("span", { class: "time" });
  private readonly trouble = h("div", { class: "trouble", hidden: true });
  private readonly art = h("div", { class: "art" });
  private readonly title = h("h2");
  private readonly take = h("span");
  private readonly asked = h("span", { class: "asked" }, "asked for");
  private readonly tags = h("p", { class: "tags" });
  private readonly part = h("p", { class: "part", hidden: true });
  private readonly made = h("p", { class: "made", hidden: true });
  private readonly actions = h("div", { class: "actions" });
  private readonly tools = h("div", { class: "tools" });
  private readonly panels = h("div", { class: "panels" });
  private readonly verses = new Verses();
  private readonly sight = new IntersectionObserver((seen) => {
    if (seen.some((entry) => entry.isIntersecting)) void this.load();
  });
  private clip: Clip;
  private seconds = 0;
  private state: "idle" | "loading" | "ready" | "broken" = "idle";
  private wantsToPlay = false;
  private hasCover = false;
  private can: Can = { extend: true, cover: false };
  private extendLabel = h("span");
  private readonly joinLabel = h("span");
  private plays: Part = "audio";
  private wholeFile = "";

  constructor(
    private readonly host: Host,
    private readonly task: Task,
    clip: Clip,
    private place: Place,
    private readonly signal: AbortSignal,
  ) {
    this.clip = clip;
    this.wave = new Wave((to) => this.seek(to));
    this.button = h("button", { class: "play", type: "button", on: { click: () => this.toggle() } });
    this.element = this.laidOut();
    this.listen();
    this.update(clip, {}, "", this.can);
    this.move(place);
    this.sight.observe(this.element);
    signal.addEventListener("abort", () => this.dispose(), { once: true });
  }

  /** Take the place among the takes, which is known only when all of them are. */
  move(place: Place): void {
    this.place = place;
    const name = this.spokenName();
    this.element.setAttribute("aria-label", name);
    this.wave.name(`Position in ${name}`);
    show(this.asked, place.focused && place.of > 1);
    this.tellButton();
    this.makeActions();
  }

  /** Take new facts about the clip; `songTitle` is shown above it already. */
  update(clip: Clip, told: Told, songTitle: string, can: Can): void {
    const wasSaved = Boolean(this.clip.file);
    const isSame = can.extend === this.can.extend && can.cover === this.can.cover;
    this.clip = clip;
    this.can = can;
    this.tellPart();
    const take = takeName(this.place.number, this.place.of);
    const isTold = clip.title === songTitle && Boolean(take);
    setText(this.title, isTold ? take : clip.title || "Untitled");
    setText(this.take, isTold ? "" : take);
    tell(this.tags, clip.tags.join(" · "));
    tell(this.made, madeOtherwise(this.task.model, clip.madeWith));
    this.verses.tell(told.lyrics || clip.lyrics, told.timed ?? []);
    if (this.state !== "ready") this.setLength(clip.seconds ?? 0);
    if (!isSame || (!wasSaved && clip.file)) this.makeActions();
    if (!wasSaved && clip.file && this.state === "broken") void this.load();
  }

  /** Show the cover; call this once it is known that there is one. */
  async paint(): Promise<void> {
    if (this.hasCover) return;
    this.hasCover = true;
    try {
      const picture = await whole(this.host, this.clip.id, "cover", this.signal);
      const image = h("img", { alt: "", src: await dataUrl(picture.blob) });
      await image.decode();
      this.art.replaceChildren(image);
    } catch {
      // A song can be played without a picture: the placeholder stays.
    }
  }

  pause(): void {
    this.wantsToPlay = false;
    this.audio.pause();
  }

  redraw(): void {
    this.wave.draw();
  }

  // Laying out ------------------------------------------------------------------------------

  private spokenName(): string {
    const take = takeName(this.place.number, this.place.of).toLowerCase();
    return [take, this.clip.title].filter(Boolean).join(", ") || "the song";
  }

  private laidOut(): HTMLElement {
    const hue = [...this.clip.id].reduce((sum, sign) => (sum * 31 + sign.charCodeAt(0)) % 360, 7);
    this.art.style.setProperty("--hue", String(hue));
    this.art.append(icon("note"));
    const badge = h("p", { class: "badge" }, this.take, this.asked);
    return h(
      "article",
      { class: "take", on: { keydown: (event) => this.press(event as KeyboardEvent) } },
      h("div", { class: "top" }, this.art, h("div", { class: "naming" }, badge, this.title, this.tags, this.made, this.part), this.tools),
      h("div", { class: "deck" }, this.button, this.wave.element),
      h("div", { class: "times" }, this.time, this.length),
      this.trouble,
      this.actions,
      this.panels,
      this.verses.element,
      this.audio,
    );
  }

  private makeActions(): void {
    const { clip, task } = this;
    const named = this.spokenName();
    const plain = isPlain(clip.id) && isPlain(task.id);
    const extend = action(this.extendLabel, "extend", "", () => this.extend());
    const again = action("Another take", "again", `Another take of ${named}`, () => this.suggest(anotherTake(task)));
    const cover = action("Cover", "note", `Cover of ${named}`, () => this.suggest(coverOf(this.clip)));
    for (const each of [extend, cover, again])
      each.setAttribute("title", "Hands the wish to the assistant; nothing is paid by this click");
    const join = action(this.joinLabel, "join", "", () => void this.change());
    const path = () => (this.plays === "whole" && this.wholeFile) || this.clip.file;
    const file = tool("file", `Show the file of ${named}`, () => this.panel("File", path()));
    const link = tool("link", `Copy the link to ${named}`, () => this.panel("Link", clip.link, true));
    this.actions.replaceChildren(
      ...(clip.continues && clip.file ? [join] : []),
      ...(plain && this.can.extend ? [extend] : []),
      ...(plain && clip.file && this.can.cover ? [cover] : []),
      ...(plain ? [again] : []),
    );
    this.tools.replaceChildren(...(clip.file ? [file] : []), ...(clip.link ? [link] : []));
    this.tellExtend();
  }

  // Acting -----------------------------------------------------------------------------------

  /** Where an extension would start: the playhead, or the end if it was not moved. */
  private extendAt(): number {
    const length = Math.floor((this.clip.seconds ?? this.seconds) * 10) / 10;
    const before = this.plays === "whole" ? this.seconds - (this.clip.seconds ?? this.seconds) : 0;
    const at = Math.round((this.audio.currentTime - before) * 10) / 10;
    return at >= 1 && at < length ? at : length;
  }

  private tellExtend(): void {
    const at = this.extendAt();
    const isEnd = at >= Math.floor((this.clip.seconds ?? this.seconds) * 10) / 10;
    setText(this.extendLabel, isEnd ? "Extend from end" : `Extend from ${clock(at)}`);
  }

  private extend(): void {
    this.suggest(extendFrom(this.clip, this.extendAt()));
  }

  private suggest(sentence: string): void {
    this.panels.replaceChildren(suggestion(this.host, sentence, this.panels));
  }

  /** Play the whole song in place of this part, or this part again. */
  private async change(): Promise<void> {
    await this.loading;
    this.pause();
    this.plays = this.plays === "whole" ? "audio" : "whole";
    this.state = "idle";
    this.audio.removeAttribute("src");
    this.panels.replaceChildren();
    this.tellPart();
    await this.load();
  }

  private tellPart(): void {
    const isWhole = this.plays === "whole";
    setText(this.joinLabel, isWhole ? "This part alone" : "Whole song");
    setText(this.part, isWhole ? WHOLE : partOf(this.clip));
    show(this.part, Boolean(this.clip.continues));
  }

  private panel(label: string, content: string, copies = false): void {
    const isOpen = this.panels.dataset.of === label && this.panels.childElementCount > 0 && !copies;
    this.panels.dataset.of = label;
    if (isOpen) this.panels.replaceChildren();
    else this.panels.replaceChildren(copyRow(label, content, copies));
  }

  // Playing ----------------------------------------------------------------------------------

  private listen(): void {
    const on = (event: string, listener: () => void) => this.audio.addEventListener(event, listener);
    on("play", () => this.started());
    on("pause", () => this.halted());
    on("ended", () => this.halted());
    on("timeupdate", () => this.moved());
    on("seeked", () => this.moved());
    on("durationchange", () => this.setLength(this.audio.duration));
    on("error", () => {
      if (this.state === "ready") this.fail(unplayable(this.audio.src));
    });
  }

  private toggle(): void {
    if (this.state === "broken") this.state = "idle";
    if (!this.audio.paused || this.wantsToPlay) {
      this.pause();
      this.tellButton();
    } else {
      void this.play();
    }
  }

  private async play(): Promise<void> {
    this.wantsToPlay = true;
    this.tellButton();
    if (this.state !== "ready") await this.load();
    if (this.state !== "ready" || !this.wantsToPlay) return;
    try {
      await this.audio.play();
    } catch {
      this.wantsToPlay = false; // the host forbids it, or a pause came first
      this.tellButton();
    }
  }

  private started(): void {
    if (playing !== this) playing?.pause();
    playing = this;
    this.tellButton();
    this.tick();
  }

  private halted(): void {
    this.wantsToPlay = false;
    if (playing === this) playing = undefined;
    this.tellButton();
    this.moved();
  }

  private tick(): void {
    if (this.audio.paused) return;
    this.moved();
    requestAnimationFrame(() => this.tick());
  }

  private seek(to: number): void {
    if (this.state !== "ready") return;
    this.audio.currentTime = to;
    this.moved();
  }

  private moved(): void {
    this.wave.place(this.audio.currentTime, this.seconds);
    setText(this.time, clock(this.audio.currentTime));
    this.verses.mark(this.plays === "whole" ? undefined : this.audio.currentTime);
    this.tellExtend();
  }

  private setLength(seconds: number): void {
    if (!Number.isFinite(seconds) || seconds <= 0) return;
    this.seconds = seconds;
    setText(this.length, clock(seconds));
    if (this.state === "ready") this.moved();
    else setText(this.time, clock(0));
  }

  private tellButton(): void {
    const isOn = !this.audio.paused || this.wantsToPlay;
    const isWaiting = isOn && this.state === "loading";
    this.button.replaceChildren(icon(isOn ? "pause" : "play"));
    this.button.setAttribute("aria-label", `${isOn ? "Pause" : "Play"} ${this.spokenName()}`);
    this.button.classList.toggle("waiting", isWaiting);
    this.element.classList.toggle("on", isOn);
  }

  private press(event: KeyboardEvent): void {
    const isControl = (event.target as Element).closest("button, summary, input, a");
    if (event.key !== " " || isControl) return;
    event.preventDefault();
    this.toggle();
  }

  // Loading ----------------------------------------------------------------------------------

  private async load(): Promise<void> {
    if (this.state === "ready") return;
    this.sight.disconnect();
    if (this.state !== "loading") {
      this.state = "loading";
      show(this.trouble, false);
      this.tellButton();
      this.loading = inTurn(() => this.fetched());
    }
    await this.loading;
  }

  private loading: Promise<void> = Promise.resolve();

  private async fetched(): Promise<void> {
    try {
      this.element.setAttribute("aria-busy", "true");
      const loaded = await whole(this.host, this.clip.id, this.plays, this.signal, (part) => {
        this.wave.arriving(part);
        setText(this.time, `Loading ${Math.round(part * 100)} %`);
      });
      this.audio.src = await dataUrl(loaded.blob);
      this.state = "ready";
      this.wholeFile = loaded.file;
      this.moved();
      await this.draw(loaded.blob);
    } catch (error) {
      if (!this.signal.aborted) this.fail(error instanceof Refusal ? error.message : "");
    } finally {
      this.element.removeAttribute("aria-busy");
      this.tellButton();
    }
  }

  private async draw(sound: Blob): Promise<void> {
    try {
      const shape = await shapeOf(sound);
      this.wave.shape(shape.levels);
      this.setLength(shape.seconds);
    } catch {
      this.wave.arriving(1); // it may still play; the bars stay flat
    }
  }

  private fail(words: string): void {
    this.state = "broken";
    this.wantsToPlay = false;
    this.wave.arriving(0);
    setText(this.time, clock(0));
    tellTrouble(this.trouble, words, (isDeleted) => void this.again(isDeleted));
    show(this.trouble, true);
  }

  private async again(isDeleted: boolean): Promise<void> {
    if (isDeleted) this.clip = await gotAgain(this.host, this.clip, this.trouble);
    this.state = "idle";
    this.makeActions();
    await this.load();
  }

  private dispose(): void {
    this.pause();
    this.sight.disconnect();
    this.wave.dispose();
    this.audio.removeAttribute("src");
  }
}
