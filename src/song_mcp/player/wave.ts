// The waveform, which is the slider too. It shows the clip's own sound; until that is known, the bars
// are flat.

import { h } from "./dom.ts";
import { clock, spoken } from "./words.ts";

const BAR = 3;
const GAP = 2;
const STEP_S = 5;
const LEAP_S = 15;

export class Wave {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { "aria-hidden": "true" });
  private readonly hint = h("span", { class: "hint", "aria-hidden": "true", hidden: true });
  private levels: readonly number[] = [];
  private heights: readonly number[] = [];
  private length = 0;
  private position = 0;
  private arrived = 0;
  private readonly sizes = new ResizeObserver(() => this.draw());

  constructor(private readonly seek: (seconds: number) => void) {
    this.element = h(
      "div",
      {
        class: "wave",
        role: "slider",
        tabindex: "0",
        "aria-valuemin": "0",
        on: {
          pointerdown: (event) => this.grab(event as PointerEvent),
          pointermove: (event) => this.hover(event as PointerEvent),
          pointerleave: () => (this.hint.hidden = true),
          keydown: (event) => this.press(event as KeyboardEvent),
        },
      },
      this.canvas,
      this.hint,
    );
    this.sizes.observe(this.element);
    this.tell();
  }

  /** Set the slider's label for screen readers. */
  name(label: string): void {
    this.element.setAttribute("aria-label", label);
  }

  /** Show the position in the clip; both are in seconds. */
  place(position: number, length: number): void {
    this.position = Math.min(position, length || position);
    this.length = length;
    this.tell();
    this.draw();
  }

  /** Show how much of the clip is loaded, 0 to 1. */
  arriving(part: number): void {
    this.arrived = part;
    this.draw();
  }

  shape(levels: readonly number[]): void {
    this.levels = levels;
    this.heights = [];
    this.draw();
  }

  dispose(): void {
    this.sizes.disconnect();
  }

  private tell(): void {
    const set = (name: string, value: string) => this.element.setAttribute(name, value);
    set("aria-valuemax", String(Math.round(this.length)));
    set("aria-valuenow", String(Math.round(this.position)));
    const of = this.length ? ` of ${spoken(this.length)}` : "";
    set("aria-valuetext", `${spoken(this.position)}${of}`);
    if (this.length) this.element.removeAttribute("aria-disabled");
    else set("aria-disabled", "true");
  }

  private at(event: PointerEvent): number {
    const box = this.element.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.length;
  }

  private grab(event: PointerEvent): void {
    if (!this.length || event.button !== 0) return;
    this.element.setPointerCapture(event.pointerId);
    this.seek(this.at(event));
  }

  private hover(event: PointerEvent): void {
    if (!this.length) return;
    if (this.element.hasPointerCapture(event.pointerId)) this.seek(this.at(event));
    const seconds = this.at(event);
    this.hint.textContent = clock(seconds);
    this.hint.style.left = `${(seconds / this.length) * 100}%`;
    this.hint.hidden = event.pointerType === "touch";
  }

  private press(event: KeyboardEvent): void {
    const to = this.target(event.key);
    if (to === undefined || !this.length) return;
    event.preventDefault();
    this.seek(Math.min(this.length, Math.max(0, to)));
  }

  private target(key: string): number | undefined {
    const { position, length } = this;
    const steps: Record<string, number> = {
      ArrowLeft: position - STEP_S,
      ArrowDown: position - STEP_S,
      ArrowRight: position + STEP_S,
      ArrowUp: position + STEP_S,
      PageDown: position - LEAP_S,
      PageUp: position + LEAP_S,
      Home: 0,
      End: length,
    };
    return steps[key];
  }

  /** Draw the bars: played, loaded, and still to be loaded. */
  draw(): void {
    const { width, height } = this.element.getBoundingClientRect();
    const context = this.canvas.getContext("2d");
    if (!context || !width || !height) return;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    context.scale(scale, scale);
    const style = getComputedStyle(this.element);
    const [played, idle, absent] = ["--played", "--idle", "--absent"].map((name) =>
      style.getPropertyValue(name).trim(),
    ) as [string, string, string];
    const count = Math.max(1, Math.floor((width + GAP) / (BAR + GAP)));
    const heights = this.bars(count);
    const done = this.length ? this.position / this.length : 0;
    for (let bar = 0; bar < count; bar += 1) {
      const middle = (bar + 0.5) / count;
      const isHere = this.levels.length > 0 || middle <= this.arrived;
      context.fillStyle = done > 0 && middle <= done ? played : isHere ? idle : absent;
      const tall = Math.max(BAR, (heights[bar] ?? 0) * (height - 2));
      context.beginPath();
      context.roundRect(bar * (BAR + GAP), (height - tall) / 2, BAR, tall, BAR / 2);
      context.fill();
    }
  }

  /** How tall each bar is, 0 to 1. */
  private bars(count: number): readonly number[] {
    if (this.heights.length !== count) this.heights = this.levels.length ? spread(averaged(this.levels, count)) : [];
    return this.heights;
  }
}

function averaged(levels: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, bar) => {
    const from = Math.floor((bar / count) * levels.length);
    const slices = levels.slice(from, Math.max(from + 1, Math.floor(((bar + 1) / count) * levels.length)));
    return slices.reduce((sum, level) => sum + level, 0) / slices.length;
  });
}

/** Spread the levels over the height: music is loud throughout, and differs little in loudness. */
function spread(loud: readonly number[]): number[] {
  const sorted = [...loud].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? 0;
  const floor = 0.9 * at(0.06);
  const range = Math.max(at(0.98) - floor, 1e-6);
  return loud.map((level) => Math.min(1, Math.max(0, (level - floor) / range)));
}
