import type { ThreadError } from "./events.js";

/** What all errors of this package are. An abort is none of them: it throws the signal's reason. */
export class CodexError extends Error {
  override name = "CodexError";
}

/** The program could not be started. */
export class CodexNotFoundError extends CodexError {
  override name = "CodexNotFoundError";

  constructor(
    readonly path: string,
    cause: Error,
  ) {
    super(`cannot start ${path}: ${cause.message}. Install codex, or name it with codexPathOverride`, { cause });
  }
}

/** The program ended with something else than 0. `stderrTail` are the last 16 KiB that it said. */
export class CodexExitError extends CodexError {
  override name = "CodexExitError";

  constructor(
    readonly exitCode: number | null,
    readonly signal: NodeJS.Signals | null,
    readonly stderrTail: string,
  ) {
    const how = signal === null ? `code ${exitCode}` : `signal ${signal}`;
    super(`codex exec exited with ${how}: ${stderrTail.trim() || "it said nothing on stderr"}`);
  }
}

/** A line on stdout is not an event. */
export class CodexProtocolError extends CodexError {
  override name = "CodexProtocolError";

  constructor(
    readonly line: string,
    cause?: unknown,
  ) {
    super(`codex exec wrote a line that is not an event: ${line.slice(0, 200)}`, { cause });
  }
}

/** `run` reached `turn.failed`. */
export class TurnFailedError extends CodexError {
  override name = "TurnFailedError";

  constructor(readonly error: ThreadError) {
    super(error.message);
  }
}
