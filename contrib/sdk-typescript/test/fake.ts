/** Programs that stand in for `codex`: what they were called with, and whatever else a test makes them do. */

import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export type Seen = { args: string[]; stdin: string; env: Record<string, string>; schema: string | null };

/** A folder that goes with the test. */
export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "codex-fake-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  await writeFile(join(path, "package.json"), "{}"); // wherever this is, its programs are CommonJS
  return path;
}

/** A program that runs `body` (JavaScript; `seen` is what came in, `say` prints an event). */
export async function fake(t: TestContext, body: string): Promise<{ path: string; seen: () => Promise<Seen> }> {
  const where = await folder(t);
  const path = join(where, "codex");
  const record = join(where, "seen.json");
  const text = `#!${process.execPath}
const fs = require("node:fs");
const args = process.argv.slice(2);
const schema = args.find((word) => word.startsWith("--output-schema="))?.slice(16);
const seen = { args, stdin: fs.readFileSync(0, "utf8"), env: process.env, schema: schema ? fs.readFileSync(schema, "utf8") : null };
fs.writeFileSync(${JSON.stringify(record)}, JSON.stringify(seen));
const say = (event) => fs.writeSync(1, JSON.stringify(event) + "\\n");
${body}
`;
  await writeFile(path, text);
  await chmod(path, 0o755);
  return { path, seen: async () => JSON.parse(await readFile(record, "utf8")) as Seen };
}

/** A turn that answers `hello`. */
export const HELLO = `
say({ type: "thread.started", thread_id: "thread-1" });
say({ type: "turn.started" });
say({ type: "item.completed", item: { id: "item_0", type: "agent_message", text: "hello" } });
say({ type: "turn.completed", usage: { input_tokens: 3, cached_input_tokens: 2, output_tokens: 1, reasoning_output_tokens: 0 } });
`;
