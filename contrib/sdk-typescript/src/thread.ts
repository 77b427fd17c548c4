import { environment, execArguments } from "./arguments.js";
import { CodexProtocolError, TurnFailedError } from "./errors.js";
import type { ThreadEvent, Usage } from "./events.js";
import type { ThreadItem } from "./items.js";
import type { CodexOptions, Input, ThreadOptions, TurnOptions } from "./options.js";
import { runLines } from "./process.js";
import { withSchemaFile } from "./schemaFile.js";

const ABORT_GRACE_MS = 5000;

/** A turn that has ended well: its items as they were completed, the last message, and what it cost. */
export type Turn = { items: ThreadItem[]; finalResponse: string; usage: Usage | null };
export type RunResult = Turn;

/** A turn under way. It begins when the events are first asked for, and ends when they are given up. */
export type StreamedTurn = { events: AsyncGenerator<ThreadEvent> };
export type RunStreamedResult = StreamedTurn;

/** A conversation; its turns run one after the other. Made by `Codex`. */
export class Thread {
  private _id: string | null;

  /** @internal */
  constructor(
    private readonly codex: CodexOptions,
    private readonly options: ThreadOptions,
    id: string | null,
  ) {
    this._id = id;
  }

  /** Null until the first turn has begun. */
  get id(): string | null {
    return this._id;
  }

  /** A whole turn. Throws TurnFailedError, another CodexError, or the reason of the signal. */
  async run(input: Input, turn: TurnOptions = {}): Promise<Turn> {
    const found: Turn = { items: [], finalResponse: "", usage: null };
    for await (const event of this.events(input, turn)) {
      if (event.type === "item.completed") {
        found.items.push(event.item);
        if (event.item.type === "agent_message") {
          found.finalResponse = event.item.text;
        }
      } else if (event.type === "turn.completed") {
        found.usage = event.usage;
      } else if (event.type === "turn.failed") {
        throw new TurnFailedError(event.error);
      }
    }
    return found;
  }

  /** A turn, event by event. After `turn.failed` the events end by throwing CodexExitError. */
  async runStreamed(input: Input, turn: TurnOptions = {}): Promise<StreamedTurn> {
    return { events: this.events(input, turn) };
  }

  private async *events(input: Input, turn: TurnOptions): AsyncGenerator<ThreadEvent> {
    const { text, images } = divided(input);
    const lines = withSchemaFile(turn.outputSchema, (schemaPath) =>
      runLines({
        program: this.codex.codexPathOverride ?? "codex",
        args: execArguments({ codex: this.codex, thread: this.options, threadId: this._id, images, schemaPath }),
        env: environment(this.codex),
        stdin: text,
        signal: turn.signal,
        graceMs: this.codex.abortGraceMs ?? ABORT_GRACE_MS,
      }),
    );
    for await (const line of lines) {
      const event = parsed(line);
      if (event.type === "thread.started") {
        this._id = event.thread_id;
      }
      yield event;
    }
  }
}

function divided(input: Input): { text: string; images: string[] } {
  if (typeof input === "string") {
    return { text: input, images: [] };
  }
  const texts = input.flatMap((one) => (one.type === "text" ? [one.text] : []));
  const images = input.flatMap((one) => (one.type === "local_image" ? [one.path] : []));
  return { text: texts.join("\n\n"), images };
}

/** Events of kinds that this version does not know are passed on as they are. */
function parsed(line: string): ThreadEvent {
  let found: unknown;
  try {
    found = JSON.parse(line);
  } catch (error) {
    throw new CodexProtocolError(line, error);
  }
  if (typeof found !== "object" || found === null || typeof (found as { type?: unknown }).type !== "string") {
    throw new CodexProtocolError(line);
  }
  const event = found as ThreadEvent;
  if (event.type === "turn.completed") {
    event.usage.cache_write_input_tokens ??= 0; // older programs do not tell it
  }
  return event;
}
