import type { ThreadItem } from "./items.js";

/** The first event; the id resumes the thread later. */
export type ThreadStartedEvent = { type: "thread.started"; thread_id: string };

/** The model is asked from here on. */
export type TurnStartedEvent = { type: "turn.started" };

/** Tokens of a turn. Input counts what was read from the cache too, output counts reasoning too. */
export type Usage = {
  input_tokens: number;
  cached_input_tokens: number;
  cache_write_input_tokens: number;
  output_tokens: number;
  reasoning_output_tokens: number;
};

/** The turn's good end. */
export type TurnCompletedEvent = { type: "turn.completed"; usage: Usage };

export type ThreadError = { message: string };

/** The turn's bad end. */
export type TurnFailedEvent = { type: "turn.failed"; error: ThreadError };

/** An item has begun; messages and reasoning are shown only when complete. */
export type ItemStartedEvent = { type: "item.started"; item: ThreadItem };

/** An item that has begun has changed. */
export type ItemUpdatedEvent = { type: "item.updated"; item: ThreadItem };

/** An item is complete. */
export type ItemCompletedEvent = { type: "item.completed"; item: ThreadItem };

/** A failure: a request that is tried again, or the text of the `turn.failed` that follows. */
export type ThreadErrorEvent = { type: "error"; message: string };

/** One line of `codex exec --json`. */
export type ThreadEvent =
  | ThreadStartedEvent
  | TurnStartedEvent
  | TurnCompletedEvent
  | TurnFailedEvent
  | ItemStartedEvent
  | ItemUpdatedEvent
  | ItemCompletedEvent
  | ThreadErrorEvent;
