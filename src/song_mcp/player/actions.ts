// What can be done beside playing. Nothing here costs money: a wish goes to the conversation as a
// sentence. What the host does not let the page do, the person can do.

import { announce, h, type Icon, icon, setText } from "./dom.ts";
import type { Host } from "./host.ts";

/** A button with a picture; `spoken` is said instead of the label if that says too little. */
export function action(label: Node | string, picture: Icon, spoken: string, act: () => void): HTMLButtonElement {
  const props = { class: "action", type: "button", "aria-label": spoken || undefined, on: { click: act } };
  return h("button", props, icon(picture), label);
}

/** A button that is a picture alone. */
export function tool(picture: Icon, spoken: string, act: () => void): HTMLButtonElement {
  const props = { class: "action tool", type: "button", "aria-label": spoken, title: spoken, on: { click: act } };
  return h("button", props, icon(picture));
}

/** A line of text that can be copied; if copying is forbidden it is left selected. */
export function copyRow(label: string, content: string, atOnce = false): HTMLElement {
  const field = h("input", { readonly: true, value: content, "aria-label": label });
  const done = h("span", {}, "Copy");
  const copy = async () => {
    const isCopied = await copied(content, field);
    setText(done, isCopied ? "Copied" : "Press Ctrl+C");
    announce(isCopied ? `${label} copied` : `${label} selected: copy it with Ctrl+C`);
  };
  const button = h("button", { class: "action", type: "button", on: { click: () => void copy() } }, icon("copy"), done);
  const row = h("div", { class: "copy" }, field, button);
  if (atOnce) requestAnimationFrame(() => void copy());
  return row;
}

async function copied(content: string, field: HTMLInputElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    field.focus();
    field.select();
    return document.execCommand("copy");
  }
}

/** Hand a sentence to the conversation, and show what became of it. */
export function suggestion(host: Host, sentence: string, within: HTMLElement): HTMLElement {
  const note = h("p", { class: "said" }, "Handing it to the assistant…");
  void host.suggest(sentence).then((isTaken) => {
    if (isTaken) {
      const told = "Asked. The assistant takes it from here, and asks before anything is paid.";
      note.replaceChildren(icon("check"), told);
      announce(told);
    } else {
      const told = "This chat takes no messages from the player. Copy the wish and send it:";
      within.replaceChildren(h("p", { class: "said" }, told), copyRow("Wish", sentence));
      announce(told);
    }
  });
  return note;
}
