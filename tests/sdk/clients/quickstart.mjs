// What the quick starts of the TypeScript SDKs do, one scene a run: `node quickstart.mjs MODULE SCENE`. The module is
// the official SDK or ours: one is put in the place of the other by this import alone.
import { writeSync } from "node:fs";

const { Codex, Thread } = await import(process.argv[2]);
const codex = new Codex({ codexPathOverride: process.env.CODEX_BIN });
const options = { workingDirectory: process.env.WORK, skipGitRepoCheck: true, sandboxMode: "workspace-write" };

function tell(name, value) {
  writeSync(1, JSON.stringify([name, value]) + "\n");
}

const scenes = {
  async run() {
    const thread = codex.startThread({ ...options, threadSource: "quickstart", modelReasoningEffort: "high" });
    tell("class", [thread instanceof Thread, thread.id]);
    tell("first", await thread.run("Diagnose the failure"));
    tell("thread", thread.id);
    tell("second", await thread.run("Implement the fix"));
  },

  async resume() {
    const first = codex.startThread(options);
    await first.run("Remember 41.");
    const again = new Codex({ codexPathOverride: process.env.CODEX_BIN }).resumeThread(first.id, options);
    tell("same", again.id === first.id);
    tell("turn", await again.run("What was it?"));
    tell("still", again.id === first.id);
  },

  async streamed() {
    const { events } = await codex.startThread(options).runStreamed("Look around");
    const heard = [];
    for await (const event of events) {
      heard.push(event);
    }
    tell("events", heard);
  },

  async inputs() {
    const input = [
      { type: "text", text: "Describe these" },
      { type: "local_image", path: process.env.PICTURE },
      { type: "text", text: "in JSON" },
    ];
    const outputSchema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };
    tell("turn", await codex.startThread(options).run(input, { outputSchema }));
  },

  async account() {
    const own = new Codex({
      codexPathOverride: process.env.CODEX_BIN,
      baseUrl: process.env.BASE_URL,
      apiKey: "sk-of-the-test",
      env: { PATH: process.env.PATH, HOME: process.env.HOME, CODEX_HOME: process.env.CODEX_HOME },
      config: { model_verbosity: "low", sandbox_workspace_write: { exclude_slash_tmp: true } },
    });
    const thread = own.startThread({
      ...options,
      model: "gpt-5.4",
      networkAccessEnabled: false,
      webSearchMode: "disabled",
      approvalPolicy: "never",
      additionalDirectories: [process.env.MORE],
    });
    tell("turn", await thread.run("Write there"));
  },

  async abort() {
    const stop = new AbortController();
    const thread = codex.startThread(options);
    const { events } = await thread.runStreamed("Wait", { signal: stop.signal });
    try {
      for await (const event of events) {
        if (event.type === "item.started") {
          tell("running", thread.id);
          stop.abort();
        }
      }
    } catch (error) {
      tell("error", error.name);
    }
  },

  async fail() {
    try {
      await codex.startThread(options).run("Fail");
    } catch (error) {
      tell("error", error.message);
    }
  },
};

await scenes[process.argv[3]]();
