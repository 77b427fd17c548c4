import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

import {
  Codex,
  CodexExitError,
  CodexNotFoundError,
  CodexProtocolError,
  TurnFailedError,
  type ThreadEvent,
} from "../src/index.js";
import { fake, folder, HELLO } from "./fake.js";

const LIMIT = { timeout: 20_000 };

/** Whether a process is there and not only waiting to be collected. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "utf8"));
}

/** Those of them that do not end. What was killed needs a moment to be gone. */
async function survivors(pids: readonly number[]): Promise<number[]> {
  for (const end = Date.now() + 5000; pids.some(lives) && Date.now() < end; ) {
    await new Promise((next) => setTimeout(next, 5));
  }
  return pids.filter(lives);
}

/** Starts a process below it that never ends by itself, tells both ids, and then does `rest`. */
const WITH_CHILD = (rest: string) => `
process.on("SIGTERM", () => {${rest}});
const child = require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true });
child.once("spawn", () => say({ type: "thread.started", thread_id: process.pid + " " + child.pid }));
setInterval(() => {}, 1000);
`;

test("run collects the items, the last message and the usage", async (t) => {
  const { path } = await fake(t, HELLO);
  const turn = await new Codex({ codexPathOverride: path }).startThread().run("hi");
  assert.deepEqual(turn, {
    items: [{ id: "item_0", type: "agent_message", text: "hello" }],
    finalResponse: "hello",
    usage: {
      input_tokens: 3,
      cached_input_tokens: 2,
      cache_write_input_tokens: 0,
      output_tokens: 1,
      reasoning_output_tokens: 0,
    },
  });
});

test("events come in their order, whatever separators their texts hold and however the bytes are split", LIMIT, async (t) => {
  const text = "a\u2028b\u2029c\r\u0085d\u{1f600}";
  const { path } = await fake(
    t,
    `const line = Buffer.from(JSON.stringify({ type: "item.completed", item: { id: "item_0", type: "agent_message", text: ${JSON.stringify(text)} } }) + "\\n");
(async () => { for (const byte of line) { fs.writeSync(1, Buffer.from([byte])); await new Promise(setImmediate); } say({ type: "future.event" }); })();`,
  );
  const { events } = await new Codex({ codexPathOverride: path }).startThread().runStreamed("hi");
  const found: ThreadEvent[] = [];
  for await (const event of events) {
    found.push(event);
  }
  assert.deepEqual(found, [
    { type: "item.completed", item: { id: "item_0", type: "agent_message", text } },
    { type: "future.event" },
  ]);
});

test("a failed turn throws what the program says", async (t) => {
  const { path } = await fake(t, `say({ type: "turn.failed", error: { message: "no such model" } }); process.exitCode = 6;`);
  const error = await new Codex({ codexPathOverride: path }).startThread().run("hi").catch((found: unknown) => found);
  assert(error instanceof TurnFailedError);
  assert.equal(error.message, "no such model");
});

test("another exit code throws it with the end of stderr", async (t) => {
  const { path } = await fake(t, `process.stderr.write("x".repeat(100_000) + "the end"); process.exitCode = 3;`);
  const error = await new Codex({ codexPathOverride: path }).startThread().run("hi").catch((found: unknown) => found);
  assert(error instanceof CodexExitError);
  assert.deepEqual([error.exitCode, error.signal, error.stderrTail.length], [3, null, 16 * 1024]);
  assert.match(error.message, /exited with code 3: x+the end$/);
});

test("a program that is killed is told with its signal", async (t) => {
  const { path } = await fake(t, `process.kill(process.pid, "SIGKILL");`);
  const error = await new Codex({ codexPathOverride: path }).startThread().run("hi").catch((found: unknown) => found);
  assert(error instanceof CodexExitError);
  assert.deepEqual([error.exitCode, error.signal], [null, "SIGKILL"]);
});

test("a program that does not read its input does no harm", async (t) => {
  const where = await folder(t);
  const { path } = await fake(t, HELLO);
  const lazy = join(where, "lazy");
  const { copyFile, readFile, writeFile } = await import("node:fs/promises");
  await copyFile(path, lazy);
  await writeFile(lazy, (await readFile(path, "utf8")).replace('fs.readFileSync(0, "utf8")', '""'));
  const turn = await new Codex({ codexPathOverride: lazy }).startThread().run("x".repeat(1_000_000));
  assert.equal(turn.finalResponse, "hello");
});

test("a missing program is named, with its cure", LIMIT, async () => {
  const run = new Codex({ codexPathOverride: "/nowhere/codex" }).startThread().run("hi");
  const error = await run.catch((found: unknown) => found);
  assert(error instanceof CodexNotFoundError);
  assert.match(error.message, /\/nowhere\/codex.*ENOENT.*codexPathOverride/);
});

for (const line of ["{not json", "[1]", "7", '{"type":7}']) {
  test(`the line ${line} is no event, and ends the program`, LIMIT, async (t) => {
    const { path } = await fake(t, `fs.writeSync(1, ${JSON.stringify(`${line}\n`)}); setInterval(() => {}, 1000);`);
    const error = await new Codex({ codexPathOverride: path }).startThread().run("hi").catch((found: unknown) => found);
    assert(error instanceof CodexProtocolError);
    assert.equal(error.line, line);
  });
}

test("a signal that was given before starts nothing", async (t) => {
  const { path } = await fake(t, HELLO);
  const run = new Codex({ codexPathOverride: path }).startThread().run("hi", { signal: AbortSignal.abort() });
  await assert.rejects(run, { name: "AbortError" });
  assert.equal(existsSync(join(dirname(path), "seen.json")), false);
});

test("an abort asks the program once, and it ends what it started", LIMIT, async (t) => {
  const { path } = await fake(
    t,
    WITH_CHILD(`fs.appendFileSync(__filename + ".told", "x"); child.kill("SIGKILL"); child.once("exit", () => process.exit(143));`),
  );
  const stop = new AbortController();
  const { events } = await new Codex({ codexPathOverride: path }).startThread().runStreamed("hi", { signal: stop.signal });
  let pids: number[] = [];
  await assert.rejects(
    async () => {
      for await (const event of events) {
        assert(event.type === "thread.started");
        pids = event.thread_id.split(" ").map(Number);
        stop.abort(new Error("that will do"));
      }
    },
    { message: "that will do" },
  );
  assert.equal(pids.length, 2);
  assert.deepEqual(await survivors(pids), []);
  assert.equal(readFileSync(`${path}.told`, "utf8"), "x");
});

test("a program that does not listen is killed after the grace, with all that it started", LIMIT, async (t) => {
  const { path } = await fake(t, WITH_CHILD(""));
  const stop = new AbortController();
  const thread = new Codex({ codexPathOverride: path, abortGraceMs: 50 }).startThread();
  const { events } = await thread.runStreamed("hi", { signal: stop.signal });
  await events.next();
  const pids = (thread.id ?? "").split(" ").map(Number);
  stop.abort();
  await assert.rejects(events.next(), { name: "AbortError" });
  assert.deepEqual(await survivors(pids), []);
});

test("giving the events up ends the program, and removes the schema", LIMIT, async (t) => {
  const { path } = await fake(t, WITH_CHILD(`child.kill("SIGKILL"); child.once("exit", () => process.exit(143));`));
  const { TMPDIR } = process.env;
  process.env["TMPDIR"] = await folder(t); // nobody else makes files there
  t.after(() => (TMPDIR === undefined ? delete process.env["TMPDIR"] : (process.env["TMPDIR"] = TMPDIR)));
  const thread = new Codex({ codexPathOverride: path }).startThread();
  const { events } = await thread.runStreamed("hi", { outputSchema: { type: "object" } });
  for await (const event of events) {
    assert.equal(event.type, "thread.started");
    assert.equal(schemas().length, 1);
    break;
  }
  assert.deepEqual(await survivors((thread.id ?? "").split(" ").map(Number)), []);
  assert.deepEqual(schemas(), []);
});

function schemas(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("codex-schema-"));
}
