// Polling a task: one look at a time, with a pause between two that is longer after each failure.
// There is no look after the end, after the page was closed, or after too many failures.

import { type Host, Refusal, type Seen } from "./host.ts";

const WAIT_S = 8; // the server answers sooner if the task ends
export const REST_MS = 2_000;
const LONGEST_REST_MS = 30_000;
const FAILURES = 6;

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

export interface Follower {
  /** Take what was seen; returns how long to rest before the next look, in ms, if there is one. */
  saw(seen: Seen): number | undefined;
  /** Take the reason why nothing more will come. */
  gaveUp(words: string): void;
}

export async function follow(
  host: Host,
  taskId: string,
  firstRest: number,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  let rest = firstRest;
  let id = taskId;
  while (!signal.aborted) {
    await pause(failures ? Math.min(REST_MS * 2 ** failures, LONGEST_REST_MS) : rest, signal);
    if (signal.aborted) return;
    try {
      const seen = await host.look(id, WAIT_S, true);
      failures = 0;
      id = seen.task?.id ?? id;
      if (signal.aborted) return;
      const next = follower.saw(seen);
      if (next === undefined) return;
      rest = next;
    } catch (error) {
      failures += 1;
      if (failures >= (host.asks ? FAILURES : 1)) {
        follower.gaveUp(error instanceof Refusal ? error.message : "");
        return;
      }
    }
  }
}
