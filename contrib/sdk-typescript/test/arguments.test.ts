import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";

import { Codex } from "../src/index.js";
import { fake, HELLO } from "./fake.js";

test("every option of a thread becomes an argument", async (t) => {
  const { path, seen } = await fake(t, HELLO);
  const codex = new Codex({ codexPathOverride: path, baseUrl: "http://127.0.0.1:1/v1", apiKey: "sk-1" });
  const thread = codex.startThread({
    model: "gpt-5.5",
    threadSource: "nightly",
    sandboxMode: "workspace-write",
    workingDirectory: "-odd",
    skipGitRepoCheck: true,
    modelReasoningEffort: "high",
    networkAccessEnabled: false,
    webSearchEnabled: true,
    approvalPolicy: "on-request",
    additionalDirectories: ["/a", "/b"],
  });
  await thread.run("do it");
  const found = await seen();
  assert.deepEqual(found.args, [
    "exec",
    "--experimental-json",
    ...["--config", 'openai_base_url="http://127.0.0.1:1/v1"'],
    ...["--config", 'model_reasoning_effort="high"'],
    ...["--config", "sandbox_workspace_write.network_access=false"],
    ...["--config", 'web_search="live"'],
    ...["--config", 'approval_policy="on-request"'],
    "--model=gpt-5.5",
    "--thread-source=nightly",
    "--sandbox=workspace-write",
    "--cd=-odd",
    "--add-dir=/a",
    "--add-dir=/b",
    "--skip-git-repo-check",
  ]);
  assert.equal(found.stdin, "do it");
  assert.equal(found.env["CODEX_API_KEY"], "sk-1");
});

test("without options nothing is said", async (t) => {
  const { path, seen } = await fake(t, HELLO);
  await new Codex({ codexPathOverride: path }).startThread().run("hi");
  assert.deepEqual((await seen()).args, ["exec", "--experimental-json"]);
});

test("a web search mode wins over the switch", async (t) => {
  const { path, seen } = await fake(t, HELLO);
  const thread = new Codex({ codexPathOverride: path }).startThread({ webSearchMode: "cached", webSearchEnabled: false });
  await thread.run("hi");
  assert.deepEqual((await seen()).args.slice(2), ["--config", 'web_search="cached"']);
});

test("the second turn resumes the thread, without its source", async (t) => {
  const { path, seen } = await fake(t, HELLO);
  const thread = new Codex({ codexPathOverride: path }).startThread({ threadSource: "nightly" });
  assert.equal(thread.id, null);
  await thread.run("one");
  assert.equal(thread.id, "thread-1");
  await thread.run("two");
  assert.deepEqual((await seen()).args.slice(2), ["resume", "thread-1"]);
});

test("texts are joined and images are arguments", async (t) => {
  const { path, seen } = await fake(t, HELLO);
  const thread = new Codex({ codexPathOverride: path }).resumeThread("old");
  await thread.run([
    { type: "text", text: "one" },
    { type: "local_image", path: "a b.png" },
    { type: "text", text: "two" },
    { type: "local_image", path: "c.png" },
  ]);
  const found = await seen();
  assert.deepEqual(found.args.slice(2), ["--image=a b.png", "--image=c.png", "resume", "old"]);
  assert.equal(found.stdin, "one\n\ntwo");
});

test("an image whose path the program would divide is refused", async (t) => {
  const { path } = await fake(t, HELLO);
  const run = new Codex({ codexPathOverride: path }).startThread().run([{ type: "local_image", path: "a,b.png" }]);
  await assert.rejects(run, { name: "TypeError", message: /comma/ });
});

test("configuration is flattened, and raw overrides come after it", async (t) => {
  const { path, seen } = await fake(t, HELLO);
  const config = {
    model_verbosity: "low",
    a: { b: { c: 1.5, left_out: undefined }, d: [true, "x\x7f\"", { "e f": 2 }], empty: {} },
    projects: { "/srv/x": { trust_level: "trusted" } },
  };
  await new Codex({ codexPathOverride: path, config, configOverrides: ['a."b.c"=3'] }).startThread().run("hi");
  const settings = (await seen()).args.slice(2).filter((word) => word !== "--config");
  assert.deepEqual(settings, [
    'model_verbosity="low"',
    "a.b.c=1.5",
    'a.d=[true, "x\\u007f\\"", {"e f" = 2}]',
    "a.empty={}",
    'projects./srv/x.trust_level="trusted"',
    'a."b.c"=3',
  ]);
});

for (const [what, config] of Object.entries({
  "a number that is none": { a: { b: Number.NaN } },
  "null": { a: { b: null } },
  "a path that cannot be told": { a: { "b.c": 1 } },
})) {
  test(`configuration with ${what} is refused`, async (t) => {
    const { path } = await fake(t, HELLO);
    const codex = new Codex({ codexPathOverride: path, config: config as never });
    await assert.rejects(codex.startThread().run("hi"), { name: "TypeError", message: /^config: / });
  });
}

test("an environment replaces that of this process", async (t) => {
  const { path, seen } = await fake(t, HELLO);
  await new Codex({ codexPathOverride: path, env: { ONLY: "this" }, apiKey: "k" }).startThread().run("hi");
  const { ONLY, CODEX_API_KEY, HOME } = (await seen()).env;
  assert.deepEqual([ONLY, CODEX_API_KEY, HOME], ["this", "k", undefined]);
});

test("an output schema is a file while the turn runs, and no longer", async (t) => {
  const { path, seen } = await fake(t, HELLO);
  const outputSchema = { type: "object", properties: { ok: { type: "boolean" } } };
  await new Codex({ codexPathOverride: path }).startThread().run("hi", { outputSchema });
  const found = await seen();
  assert.deepEqual(JSON.parse(found.schema ?? ""), outputSchema);
  const file = found.args[2]?.replace("--output-schema=", "") ?? "";
  assert.equal(existsSync(file), false);
  await assert.rejects(new Codex({ codexPathOverride: path }).startThread().run("hi", { outputSchema: [] }), TypeError);
});
