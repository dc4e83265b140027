// The sentences of the page. Each says what is known and no more. A sentence for the conversation
// holds ids and numbers, never a word that a service wrote.

import type { Clip, Task } from "./song.ts";

export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function spoken(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  const said = whole % 60 === 1 ? "1 second" : `${whole % 60} seconds`;
  if (!minutes) return said;
  return `${minutes === 1 ? "1 minute" : `${minutes} minutes`} ${said}`;
}

export function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What is said of a file that the browser has no decoder for, such as AIFF in most of them. */
export function unplayable(dataUrl: string): string {
  const type = /^data:([^;,]+)/.exec(dataUrl)?.[1];
  return `This browser cannot play this kind of file${type ? ` (${type})` : ""}. Other programs can.`;
}

const DOING: Record<string, string> = {
  submitting: "Waiting for the service's answer",
  pending: "Waiting for its turn",
  processing: "Making the music",
};

export function doing(task: Task): string {
  if (task.kind === "lyrics" && task.status === "processing") return "Writing the words";
  return DOING[task.status] ?? task.status;
}

export function expectation(elapsed: number, expected: number | undefined): string {
  if (expected === undefined) return "Usually one to five minutes";
  const about = `about ${clock(Math.round(expected / 5) * 5 || expected)}`;
  return elapsed <= expected ? `Usually ${about}` : `Longer than usual (${about})`;
}

const ENDS: Record<string, string> = {
  failed: "This one failed",
  rejected: "The service did not take it",
  in_doubt: "Nobody knows yet whether it was taken",
  abandoned: "This one was closed",
};

export function heading(task: Task): string {
  return ENDS[task.status] ?? "Nothing to play";
}

const CHIPS: Record<string, string> = {
  submitting: "Asking",
  pending: "In line",
  processing: "In the making",
  completed: "Ready",
  failed: "Failed",
  rejected: "Refused",
  in_doubt: "In doubt",
  abandoned: "Closed",
};

export function chip(task: Task): string {
  return CHIPS[task.status] ?? task.status;
}

export function money(task: Task): string {
  if (task.charged === "no") return "Not charged";
  if (task.charged === "unknown") return "It may have been charged";
  return task.cost === undefined ? "Charged" : `Cost $${task.cost}`;
}

/** What a task cost, for the header; "" if nothing was charged or that is not known. */
export function price(task: Task): string {
  if (task.charged !== "yes") return "";
  return task.cost === undefined ? "charged" : `$${task.cost}`;
}

export const DELETED =
  "Its file is no longer in the library's folder: deleted by you; get it again? That costs nothing.";

export const GETTING_AGAIN = "Getting it again…";

export const WHOLE = "The whole song: this part and what comes before it";

/** What is to be said of a clip that is not heard from the beginning of its song. */
export function partOf(clip: Clip): string {
  if (!clip.continues) return "";
  const place = clip.startsAt === undefined ? "the clip before" : `${clock(clip.startsAt)} of the clip before`;
  return `The new part alone, which follows ${place}`;
}

/** What is to be said of a clip that another model made than the one that was asked for. */
export function madeOtherwise(asked: string, madeWith: string): string {
  return madeWith && `Asked for ${asked}, made by ${madeWith}`;
}

export function takeName(number: number, of: number): string {
  return of > 1 ? `Take ${number}` : "";
}

export function stopped(reason: string): string {
  const why = reason ? ` (${reason})` : "";
  return (
    `The call was stopped before it answered${why}. If the request had left by then, the song is ` +
    "being made all the same and is kept: ask for the list of songs before trying again."
  );
}

export const CANNOT_ASK =
  "This chat does not let the player look by itself. Ask the assistant how the song stands.";

export const GAVE_UP = "The player has stopped looking after several tries that failed.";

// What is handed to the conversation -------------------------------------------------------------

export function extendFrom(clip: Clip, seconds: number): string {
  return (
    `Extend clip ${clip.id} from ${clock(seconds)} on ` +
    `(extend_song with clip_id ${clip.id} and continue_at_seconds ${seconds}).`
  );
}

export function coverOf(clip: Clip): string {
  return (
    `Make a cover of clip ${clip.id} in another style: ask me which ` +
    `(cover_song with clip_id ${clip.id} and description).`
  );
}

export function anotherTake(task: Task): string {
  const tool = { extension: "extend_song", cover: "cover_song" }[task.kind] ?? "generate_song";
  return (
    `Make another take of task ${task.id}: the same request once more, as a new payment ` +
    `(${tool} with another_take true).`
  );
}

export function haveChecked(task: Task): string {
  return (
    `Check task ${task.id}, which is in doubt ` +
    `(resolve_task with action check, which pays nothing).`
  );
}
