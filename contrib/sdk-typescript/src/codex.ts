import type { CodexOptions, ThreadOptions } from "./options.js";
import { Thread } from "./thread.js";

/** Starts and resumes threads. Each turn is a process of its own; nothing runs in between. */
export class Codex {
  constructor(private readonly options: CodexOptions = {}) {}

  /** A new thread; it is recorded below CODEX_HOME/sessions when its first turn begins. */
  startThread(options: ThreadOptions = {}): Thread {
    return new Thread(this.options, options, null);
  }

  /** A recorded thread, by its id. */
  resumeThread(id: string, options: ThreadOptions = {}): Thread {
    return new Thread(this.options, options, id);
  }
}
