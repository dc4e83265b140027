// A file that the person deleted, or that was not saved: what a card says of it, and its one button.

import { announce, h, icon } from "./dom.ts";
import type { Host } from "./host.ts";
import type { Clip } from "./song.ts";
import { DELETED, GETTING_AGAIN } from "./words.ts";

const CAN_BE_GOT_AGAIN = "get_again=true"; // the server says so of a file that the person deleted
const SAVED_WITHIN_S = 20; // the server answers sooner if it is saved

/** Fill `trouble` with what was said and a button: to try again, or to get a deleted file again. */
export function tellTrouble(trouble: HTMLElement, words: string, act: (isDeleted: boolean) => void): void {
  const isDeleted = words.includes(CAN_BE_GOT_AGAIN);
  const said = isDeleted ? DELETED : words || "The song could not be loaded: the chat did not answer.";
  const props = { class: "action", type: "button", on: { click: () => act(isDeleted) } };
  trouble.replaceChildren(h("p", {}, said), h("button", props, icon("again"), isDeleted ? "Get it again" : "Try again"));
  announce(said);
}

/** Have the file saved anew that the person deleted; returns the clip as it is then.
 *
 * If that fails, reading the audio says why. */
export async function gotAgain(host: Host, clip: Clip, trouble: HTMLElement): Promise<Clip> {
  trouble.replaceChildren(h("p", {}, GETTING_AGAIN));
  announce(GETTING_AGAIN);
  const seen = await host.look(clip.id, SAVED_WITHIN_S, false, true).catch(() => undefined);
  return seen?.task?.clips.find((each) => each.id === clip.id) ?? clip;
}
