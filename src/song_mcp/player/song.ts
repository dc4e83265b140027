// What the page knows about a task: read from results only, which a host may have shortened. A value
// of the wrong type counts as not given.

export interface Clip {
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly seconds: number | undefined;
  readonly link: string;
  readonly tags: readonly string[];
  readonly error: string;
  readonly file: string;
  readonly lyrics: string;
  /** The clip that is heard before this one, which is the new part alone; "" if there is none. */
  readonly continues: string;
  readonly startsAt: number | undefined;
  /** The model that made it, if it is not the one that was asked for; else "". */
  readonly madeWith: string;
}

/** A line of lyrics, and when it is sung, in seconds. */
export interface TimedLine {
  readonly at: number;
  readonly text: string;
}

export interface Task {
  readonly id: string;
  readonly service: string;
  readonly model: string;
  readonly kind: string;
  readonly status: string;
  readonly percent: number | undefined;
  readonly clips: readonly Clip[];
  readonly lyrics: { readonly title: string; readonly text: string } | undefined;
  readonly error: string;
  readonly charged: string;
  readonly cost: number | undefined;
  readonly madeAt: number;
  readonly note: string;
  /** What is known of the rights in the audio, with the day on which it was read. */
  readonly rights: string;
}

/** What the assistant can be asked to make of a take. */
export interface Can {
  readonly extend: boolean;
  readonly cover: boolean;
}

/** What the server adds for the page alone; a host may strip all of it. */
export interface Extra {
  readonly title: string;
  readonly description: string;
  readonly expected: number | undefined;
  readonly elapsed: number | undefined;
  readonly focus: string;
  readonly covers: readonly string[] | undefined;
  readonly extendable: readonly string[] | undefined;
  /** Whether one of the user's services makes covers. */
  readonly coverable: boolean | undefined;
  readonly lyrics: Readonly<Record<string, string>> | undefined;
  /** Of saved clips, which results tell without them: where the service has the audio, and what it calls the style. */
  readonly links: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, readonly string[]>>;
  /** Of each clip of which it is known when its lines are sung. */
  readonly timed: Readonly<Record<string, readonly TimedLine[]>> | undefined;
}

export const EXTRA_KEY = "song-mcp/player";
const OPEN = new Set(["submitting", "pending", "processing"]);
const SERVICES: Record<string, string> = {
  piapi: "PiAPI",
  gptge: "gpt.ge",
  minimax: "MiniMax",
  acestep: "ACE-Step",
};

type Values = Record<string, unknown>;

export function values(of: unknown): Values {
  return typeof of === "object" && of !== null && !Array.isArray(of) ? (of as Values) : {};
}

export function text(of: unknown): string {
  return typeof of === "string" ? of : "";
}

export function number(of: unknown): number | undefined {
  return typeof of === "number" && Number.isFinite(of) ? of : undefined;
}

function texts(of: unknown): string[] {
  return Array.isArray(of) ? of.filter((item) => typeof item === "string") : [];
}

function mapped<T>(of: unknown, read: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(values(of)).map(([id, value]) => [id, read(value)]));
}

function timedLines(of: unknown): TimedLine[] {
  const lines = (Array.isArray(of) ? of : []).filter(Array.isArray);
  const isLine = ([at, words]: unknown[]) => (number(at) ?? -1) >= 0 && typeof words === "string";
  return lines.filter(isLine).map(([at, words]) => ({ at: Number(at), text: text(words) }));
}

function clip(of: unknown, extra: Extra): Clip {
  const from = values(of);
  const id = text(from.clip_id);
  return {
    id,
    title: text(from.title),
    status: text(from.status),
    seconds: number(from.duration_seconds),
    link: text(from.audio_url) || text(extra.links[id]),
    tags: texts(from.tags ?? extra.tags[id]),
    error: text(from.error),
    file: text(from.file),
    lyrics: text(from.lyrics),
    continues: text(from.continues_clip_id),
    startsAt: number(from.starts_at_seconds),
    madeWith: text(from.made_with),
  };
}

/** The task in a tool's structured content, or undefined if there is none. */
export function taskIn(structured: unknown, extra: Extra): Task | undefined {
  const from = values(structured);
  if (!text(from.task_id) || !text(from.status)) return undefined;
  const words = values(from.lyrics);
  return {
    id: text(from.task_id),
    service: SERVICES[text(from.service)] ?? text(from.service),
    model: text(from.model),
    kind: text(from.kind),
    status: text(from.status),
    percent: number(from.progress_percent),
    clips: (Array.isArray(from.clips) ? from.clips : []).map((each) => clip(each, extra)).filter((each) => each.id),
    lyrics: text(words.text) ? { title: text(words.title), text: text(words.text) } : undefined,
    error: text(from.error),
    charged: text(from.charged),
    cost: number(from.cost_usd),
    madeAt: Date.parse(text(from.created_at)),
    note: text(from.note),
    rights: text(from.rights),
  };
}

/** What was added for the page in a result's `_meta`. */
export function extraIn(meta: unknown): Extra {
  const from = values(values(meta)[EXTRA_KEY]);
  return {
    title: text(from.title),
    description: text(from.description),
    expected: number(from.expected_seconds),
    elapsed: number(from.elapsed_seconds),
    focus: text(from.focus),
    covers: from.covers === undefined ? undefined : texts(from.covers),
    extendable: from.extendable === undefined ? undefined : texts(from.extendable),
    coverable: typeof from.coverable === "boolean" ? from.coverable : undefined,
    links: mapped(from.links, text),
    tags: mapped(from.tags, texts),
    lyrics: from.lyrics === undefined ? undefined : mapped(from.lyrics, text),
    timed: from.timed_lyrics === undefined ? undefined : mapped(from.timed_lyrics, timedLines),
  };
}

export function isOpen(task: Task): boolean {
  return OPEN.has(task.status);
}

export function makesAudio(task: Task): boolean {
  return ["song", "extension", "cover"].includes(task.kind);
}

export function finished(task: Task): Clip[] {
  return task.clips.filter((each) => each.status === "completed");
}

/** Whether the person deleted a finished clip's file: it comes back only if they ask for it. */
export function isDeleted(clip: Clip): boolean {
  return clip.status === "completed" && !clip.file && clip.error !== "";
}

/** Whether the server says that it could not save a clip, or that there is nothing to save. */
export function isUnsaved(task: Task, clip: Clip): boolean {
  if (isDeleted(clip)) return true;
  return ["not in the library", "finished, but"].some((how) => task.note.includes(`Clip ${clip.id} is ${how}`));
}

/** Whether a task ended without all of its audio, which may come later. */
export function isLate(task: Task): boolean {
  if (task.status !== "completed" || !makesAudio(task)) return false;
  return task.clips.length === 0 || finished(task).some((each) => !each.file && !isDeleted(each));
}

/** Whether a finished clip is still on its way into the library. */
export function isBeingSaved(task: Task): boolean {
  return finished(task).some((each) => !each.file && !isUnsaved(task, each));
}

/** Whether an id may stand in a sentence that is handed to the conversation. */
export function isPlain(id: string): boolean {
  return /^[\w.:~-]{1,200}$/.test(id);
}
