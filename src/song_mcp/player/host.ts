// The host: the page's only connection. What is asked of the server is free of charge. What costs
// money is only suggested to the conversation, as a message of the person.

import { App, applyDocumentTheme, applyHostFonts, applyHostStyleVariables } from "@modelcontextprotocol/ext-apps";
import type { McpUiHostContext } from "@modelcontextprotocol/ext-apps";
import { type Extra, type Task, extraIn, number, taskIn, text, values } from "./song.ts";

/** What a result says: a task, or the words of an error. */
export interface Seen {
  readonly task: Task | undefined;
  readonly extra: Extra;
  readonly words: string;
}

export interface Chunk {
  readonly content: string;
  readonly next: number | undefined;
  readonly total: number;
  readonly type: string;
  /** Where a joined song is; "" for what a result tells anyway. */
  readonly file: string;
}

/** What of a clip is read: its own audio, its picture, or the song that ends with it. */
export type Part = "audio" | "cover" | "whole";

/** The server refused: asking again brings the same answer. */
export class Refusal extends Error {}

export interface Listener {
  asked(arguments_: Record<string, unknown>): void;
  answered(seen: Seen): void;
  stopped(reason: string): void;
  themed(): void;
  ended(): void;
}

interface Result {
  readonly content?: readonly unknown[];
  readonly structuredContent?: unknown;
  readonly _meta?: unknown;
  readonly isError?: boolean | undefined;
}

function wordsOf(result: Result): string {
  const blocks = (result.content ?? []).map((block) => text(values(block).text));
  return blocks.filter(Boolean).join("\n");
}

function seenIn(result: Result): Seen {
  const extra = extraIn(result._meta);
  return { task: taskIn(result.structuredContent, extra), extra, words: wordsOf(result) };
}

const ANSWER_WITHIN_MS = 50_000;

export class Host {
  private readonly app = new App(
    { name: "song-mcp player", version: "1" },
    { availableDisplayModes: ["inline", "fullscreen"] },
    { autoResize: true },
  );

  /** Connect to the host; from then on `listener` is called with what it tells. */
  async meet(listener: Listener): Promise<void> {
    this.app.ontoolinput = (params) => listener.asked(values(params.arguments));
    this.app.ontoolinputpartial = (params) => listener.asked(values(params.arguments));
    this.app.ontoolresult = (params) => listener.answered(seenIn(params as Result));
    this.app.ontoolcancelled = (params) => listener.stopped(text(params.reason));
    this.app.onhostcontextchanged = (params) => this.dress(params, listener);
    this.app.onteardown = async () => {
      listener.ended();
      return {};
    };
    await this.app.connect();
    this.dress(this.app.getHostContext() ?? {}, listener);
  }

  /** Whether the host says that the page may call tools; some hosts allow it without saying so. */
  get asks(): boolean {
    return this.app.getHostCapabilities()?.serverTools !== undefined;
  }

  /** Look at a task, waiting up to `waitSeconds` for its end; have deleted files saved anew if asked; free. */
  async look(taskId: string, waitSeconds: number, withLyrics: boolean, getAgain = false): Promise<Seen> {
    const seen = seenIn(
      await this.call("get_task", {
        task_id: taskId,
        wait_seconds: waitSeconds,
        include_lyrics: withLyrics,
        ...(getAgain ? { get_again: true } : {}),
      }),
    );
    if (!seen.task) throw new Refusal(seen.words || "The answer cannot be read.");
    return seen;
  }

  /** Read a piece of a clip's audio or cover, or of the whole song, from the library; free. */
  async read(clipId: string, offset: number, part: Part): Promise<Chunk> {
    const result = await this.call("read_clip", { clip_id: clipId, offset, part });
    const from = values(result.structuredContent);
    const total = number(from.total_bytes);
    if (result.isError || total === undefined) {
      throw new Refusal(wordsOf(result) || "The answer cannot be read.");
    }
    return {
      content: text(from.content),
      next: number(from.next_offset),
      total,
      type: text(from.mime_type),
      file: text(from.file),
    };
  }

  /** Hand a sentence to the conversation; resolves to whether the host took it. */
  async suggest(sentence: string): Promise<boolean> {
    try {
      const content = [{ type: "text" as const, text: sentence }];
      const answer = await this.app.sendMessage({ role: "user", content });
      return !answer.isError;
    } catch {
      return false;
    }
  }

  private async call(name: "get_task" | "read_clip", arguments_: Record<string, unknown>): Promise<Result> {
    const params = { name, arguments: arguments_ };
    return (await this.app.callServerTool(params, { timeout: ANSWER_WITHIN_MS })) as Result;
  }

  private dress(context: McpUiHostContext, listener: Listener): void {
    if (context.theme) applyDocumentTheme(context.theme);
    if (context.styles?.variables) applyHostStyleVariables(context.styles.variables);
    if (context.styles?.css?.fonts) applyHostFonts(context.styles.css.fonts);
    const insets = context.safeAreaInsets;
    if (insets) {
      const { top, right, bottom, left } = insets;
      document.body.style.padding = `${top}px ${right}px ${bottom}px ${left}px`;
    }
    listener.themed();
  }
}
