// Making elements. Whatever comes from outside becomes text, never markup.

type Child = Node | string | null | undefined | false;

export interface Props {
  readonly class?: string;
  readonly on?: Readonly<Record<string, (event: Event) => void>>;
  readonly [attribute: string]: unknown;
}

/** An element with attributes, listeners and children; strings become text. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false || name === "on") continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [event, listener] of Object.entries(props.on ?? {})) {
    element.addEventListener(event, listener);
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  play: "M8 5.2v13.6a.8.8 0 0 0 1.2.7l11-6.8a.8.8 0 0 0 0-1.4l-11-6.8a.8.8 0 0 0-1.2.7z",
  pause: "M7.5 5h2.6c.5 0 .9.4.9.9v12.2c0 .5-.4.9-.9.9H7.5a.9.9 0 0 1-.9-.9V5.9c0-.5.4-.9.9-.9zm6.4 0h2.6c.5 0 .9.4.9.9v12.2c0 .5-.4.9-.9.9h-2.6a.9.9 0 0 1-.9-.9V5.9c0-.5.4-.9.9-.9z",
  note: "M9 18.2V6.4l11-2.2v11.6M9 18.2a2.6 2.6 0 1 1-5.2 0 2.6 2.6 0 0 1 5.2 0zm11-2.4a2.6 2.6 0 1 1-5.2 0 2.6 2.6 0 0 1 5.2 0z",
  extend: "M4 12h13m0 0-5-5m5 5-5 5M21 5v14",
  join: "M3 8h7v8H3zm11 0h7v8h-7zM10 12h4",
  again: "M20 11a8 8 0 1 0-2.3 6.3M20 4v7h-7",
  file: "M6 3.5h7l5 5V19a1.5 1.5 0 0 1-1.5 1.5h-10A1.5 1.5 0 0 1 5 19V5a1.5 1.5 0 0 1 1-1.5zM13 3.5v5h5",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  copy: "M9 9h9.500A1.500 1.500 0 0 1 20 10.500V19a1.500 1.500 0 0 1-1.500 1.500H10.500A1.500 1.500 0 0 1 9 19zM5.500 15H5a1.500 1.500 0 0 1-1.500-1.500V5A1.500 1.500 0 0 1 5 3.500h8.500A1.500 1.500 0 0 1 15 5v.500",
  chevron: "m9 6 6 6-6 6",
  cross: "M6.500 6.500l11 11m0-11-11 11",
  question: "M9 9.200a3 3 0 1 1 4.300 2.700c-.900.400-1.300 1-1.300 2v.400m0 3.200v.100",
  check: "m5 12.500 4.500 4.500L19 7.500",
  dash: "M6 12h12",
} as const;

export type Icon = keyof typeof ICONS;

const FILLED: ReadonlySet<Icon> = new Set<Icon>(["play", "pause"]);

/** A picture of 24 by 24 pixels that screen readers skip. */
export function icon(name: Icon): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", FILLED.has(name) ? "icon filled" : "icon");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element: HTMLElement, isShown: boolean): void {
  element.hidden = !isShown;
}

const status = h("p", { class: "unseen", role: "status", "aria-live": "polite" });

/** Tell users of screen readers. */
export function announce(text: string): void {
  if (!status.isConnected) document.body.append(status);
  setText(status, text);
}

/** Say something in an element that is not there when there is nothing to say. */
export function tell(element: HTMLElement, words: string): void {
  setText(element, words);
  show(element, Boolean(words));
}
