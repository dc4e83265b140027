// The lyrics of a take. If it is known when each line is sung, the one that is sung is marked.

import { h, icon, setText, show } from "./dom.ts";
import type { TimedLine } from "./song.ts";

export class Verses {
  private readonly words = h("pre", { class: "lyrics" });
  readonly element = h(
    "details",
    { class: "words", hidden: true },
    h("summary", {}, icon("chevron"), "Lyrics"),
    this.words,
  );
  private lines: readonly TimedLine[] = [];
  private rows: readonly HTMLElement[] = [];
  private marked: HTMLElement | undefined;

  /** Show lyrics, with the time of each line if that is known: then they are open from the start. */
  tell(words: string, lines: readonly TimedLine[]): void {
    show(this.element, Boolean(words) || lines.length > 0);
    if (!lines.length) return setText(this.words, words);
    if (isSame(lines, this.lines)) return;
    this.lines = lines;
    this.rows = lines.map((line) => h("span", { class: "line" }, line.text));
    this.words.replaceChildren(...this.rows);
    this.marked = undefined;
    this.element.open = true;
  }

  /** Mark the line that is sung at a time, in seconds; none if that is not given. */
  mark(seconds: number | undefined): void {
    const next = seconds === undefined ? -1 : this.lines.findLastIndex((line) => line.at <= seconds);
    const row = this.rows[next];
    if (row === this.marked) return;
    this.marked?.removeAttribute("aria-current");
    this.marked = row;
    if (!row) return;
    row.setAttribute("aria-current", "true");
    this.words.scrollTop = row.offsetTop - (this.words.clientHeight - row.offsetHeight) / 2;
  }
}

function isSame(some: readonly TimedLine[], others: readonly TimedLine[]): boolean {
  return (
    some.length === others.length &&
    some.every((line, place) => line.at === others[place]?.at && line.text === others[place]?.text)
  );
}
