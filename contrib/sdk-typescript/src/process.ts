import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { promisify } from "node:util";

import { CodexExitError, CodexNotFoundError } from "./errors.js";

const STDERR_TAIL_BYTES = 16 * 1024;

export type Start = {
  program: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  stdin: string;
  signal: AbortSignal | undefined;
  graceMs: number;
};

/**
 * Runs the program and yields the lines of its stdout; however the caller leaves, the program has ended then.
 * Throws CodexNotFoundError, CodexExitError, or the signal's reason.
 */
export async function* runLines(start: Start): AsyncGenerator<string, void, undefined> {
  start.signal?.throwIfAborted();
  const child = spawn(start.program, start.args, { env: start.env, windowsHide: true });
  const ended = ending(child, start.program);
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= endTree(child, start.graceMs)); // once: a second signal would hurry the program
  start.signal?.addEventListener("abort", stop, { once: true });
  const tail = keepTail(child.stderr);
  child.stdin.on("error", () => undefined); // it ended before it read everything: how it ended says why
  child.stdin.end(start.stdin);
  try {
    yield* lines(child.stdout);
    await ended;
    start.signal?.throwIfAborted();
    if (child.exitCode !== 0) {
      throw new CodexExitError(child.exitCode, child.signalCode, tail());
    }
  } catch (error) {
    start.signal?.throwIfAborted();
    if (child.pid === undefined) {
      await ended; // it says more than a stream that was closed early
    }
    throw error;
  } finally {
    start.signal?.removeEventListener("abort", stop);
    await stop();
  }
}

/** Settles when the program has ended and its output is read; fails if it never started. */
function ending(child: ChildProcessWithoutNullStreams, program: string): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    child.once("close", () => resolve());
    child.once("error", (error) => {
      if (child.pid === undefined) {
        reject(new CodexNotFoundError(program, error));
      }
    });
  });
  ended.catch(() => undefined); // whoever awaits it is told; nobody else has to be
  return ended;
}

/** Lines as UTF-8; only a line feed ends one, for JSON may hold the other separators as they are. */
async function* lines(stream: Readable): AsyncGenerator<string, void, undefined> {
  stream.setEncoding("utf8");
  let parts: string[] = [];
  for await (const chunk of stream as AsyncIterable<string>) {
    const pieces = chunk.split("\n");
    for (const piece of pieces.slice(0, -1)) {
      yield [...parts, piece].join("");
      parts = [];
    }
    parts.push(pieces[pieces.length - 1] ?? "");
  }
  const rest = parts.join("");
  if (rest !== "") {
    yield rest;
  }
}

function keepTail(stream: Readable): () => string {
  let kept = Buffer.alloc(0);
  stream.on("data", (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-STDERR_TAIL_BYTES);
  });
  return () => kept.toString("utf8");
}

/**
 * Asks the program to end, which ends its commands first; kills it with everything below it after the grace.
 * Returns when it has ended.
 */
async function endTree(child: ChildProcessWithoutNullStreams, graceMs: number): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) {
    return;
  }
  const exit = once(child, "exit");
  const timer = setTimeout(() => void killTree(child), graceMs);
  try {
    child.stdout.destroy(); // nobody reads any more, so nothing may wait for a reader
    child.kill("SIGTERM");
    if (!hasEnded(child)) {
      await exit;
    }
  } finally {
    clearTimeout(timer);
  }
}

function hasEnded(child: ChildProcessWithoutNullStreams): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function killTree(child: ChildProcessWithoutNullStreams): Promise<void> {
  const pid = child.pid;
  if (pid === undefined) {
    return;
  }
  if (process.platform === "win32") {
    await promisify(execFile)("taskkill", ["/PID", String(pid), "/T", "/F"]).catch(() => child.kill("SIGKILL"));
    return;
  }
  // Commands have groups and sessions of their own, so the tree is read instead of a group signalled.
  for (const one of [...(await descendants(pid)), pid]) {
    try {
      process.kill(one, "SIGKILL");
    } catch {
      continue; // it has ended meanwhile
    }
  }
}

/** Processes below one, the lowest first; none if `ps` cannot tell. */
async function descendants(root: number): Promise<number[]> {
  const table = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]).catch(() => ({ stdout: "" }));
  const children = new Map<number, number[]>();
  for (const line of table.stdout.trim().split("\n")) {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    if (pid !== undefined && parent !== undefined) {
      children.set(parent, [...(children.get(parent) ?? []), pid]);
    }
  }
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap((one) => [...below(one), one]);
  return below(root);
}
