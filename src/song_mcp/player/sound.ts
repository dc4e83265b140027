// A clip's bytes and its waveform. Everything comes from the library, in chunks, through the host.
// Nothing is fetched, and a clip too large for the page is refused.

import { type Host, type Part, Refusal } from "./host.ts";
import { pause } from "./follow.ts";
import { size } from "./words.ts";

const TRIES = 4;
const FIRST_REST_MS = 500;
export const MOST_BYTES = 48 * 1024 * 1024;
const LOW_RATES = [8_000, 22_050, 44_100]; // the lowest one that this browser can decode to is used

let queue: Promise<unknown> = Promise.resolve();

/** Load one take after the other, in the order in which they were asked for. */
export function inTurn<T>(load: () => Promise<T>): Promise<T> {
  const mine = queue.then(load);
  queue = mine.catch(() => undefined);
  return mine;
}

export interface Loaded {
  readonly blob: Blob;
  readonly file: string;
}

/** The bytes of a part; `progress` is called with how much of it is loaded so far, 0 to 1. */
export async function whole(
  host: Host,
  clipId: string,
  part: Part,
  signal: AbortSignal,
  progress: (done: number) => void = () => undefined,
): Promise<Loaded> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let offset: number | undefined = 0;
  let type = "";
  let file = "";
  let expected: number | undefined;
  while (offset !== undefined) {
    const chunk = await patiently(() => host.read(clipId, offset as number, part), signal);
    if (chunk.total > MOST_BYTES) {
      throw new Refusal(`It is too large to be played here (${size(chunk.total)}).`);
    }
    if (expected !== undefined && chunk.total !== expected) {
      throw new Refusal("The file was changed while it was read. Try again.");
    }
    expected = chunk.total;
    const piece = bytesOf(chunk.content);
    if (chunk.next !== undefined && chunk.next !== offset + piece.length) {
      throw new Refusal("The answer cannot be read.");
    }
    pieces.push(piece);
    type = chunk.type;
    file = chunk.file;
    offset = chunk.next;
    progress((offset ?? chunk.total) / Math.max(1, chunk.total));
  }
  const kind = /^[\w.+/-]+$/.test(type) ? type : "application/octet-stream";
  return { blob: new Blob(pieces, { type: kind }), file };
}

async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Refusal || failures >= TRIES) throw error;
      await pause(FIRST_REST_MS * 2 ** failures, signal);
    }
  }
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < characters.length; at += 1) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

/** A `data:` URL, which the policy of hosts allows to play; it forbids `blob:`. */
export function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(String(reader.result)));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

export interface Shape {
  readonly seconds: number;
  /** How loud each slice of the clip is. */
  readonly levels: readonly number[];
}

const SLICES = 480;

/** Decode once, at a low rate, and keep only the loudness of each slice. */
export async function shapeOf(blob: Blob): Promise<Shape> {
  const audio = await decoded(await blob.arrayBuffer());
  return { seconds: audio.duration, levels: levelsOf(audio.getChannelData(0)) };
}

async function decoded(bytes: ArrayBuffer): Promise<AudioBuffer> {
  let failure: unknown;
  for (const rate of LOW_RATES) {
    try {
      return await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes.slice(0));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function levelsOf(samples: Float32Array): number[] {
  const step = Math.max(1, samples.length / SLICES);
  return Array.from({ length: SLICES }, (_, slice) => {
    const end = Math.min(samples.length, Math.floor((slice + 1) * step));
    let sum = 0;
    let count = 0;
    for (let at = Math.floor(slice * step); at < end; at += 1, count += 1) {
      sum += (samples[at] ?? 0) ** 2;
    }
    return Math.sqrt(sum / Math.max(1, count));
  });
}
