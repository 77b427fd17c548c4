export { Codex } from "./codex.js";
export { Thread } from "./thread.js";
export type { RunResult, RunStreamedResult, StreamedTurn, Turn } from "./thread.js";
export { CodexError, CodexExitError, CodexNotFoundError, CodexProtocolError, TurnFailedError } from "./errors.js";
export type * from "./events.js";
export type * from "./items.js";
export type * from "./options.js";
