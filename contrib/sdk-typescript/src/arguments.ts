import type { CodexOptions, ThreadOptions } from "./options.js";
import { configArguments } from "./toml.js";

/** One turn: what `codex exec` is called with. */
export type Call = {
  codex: CodexOptions;
  thread: ThreadOptions;
  threadId: string | null;
  images: string[];
  schemaPath: string | undefined;
};

/** The arguments after the program's name. The prompt is none of them: it goes to stdin. */
export function execArguments({ codex, thread, threadId, images, schemaPath }: Call): string[] {
  const words = ["exec", "--experimental-json"];
  for (const setting of settings(codex, thread)) {
    words.push("--config", setting);
  }
  const options: [string, string | undefined][] = [
    ["--model", thread.model],
    ["--thread-source", threadId === null ? thread.threadSource : undefined],
    ["--sandbox", thread.sandboxMode],
    ["--cd", thread.workingDirectory],
    ...(thread.additionalDirectories ?? []).map((path): [string, string] => ["--add-dir", path]),
    ["--output-schema", schemaPath],
    ...images.map((path): [string, string] => ["--image", imagePath(path)]),
  ];
  for (const [name, value] of options) {
    if (value !== undefined) {
      words.push(`${name}=${value}`); // as one word, so that a value may begin with a dash
    }
  }
  if (thread.skipGitRepoCheck) {
    words.push("--skip-git-repo-check");
  }
  return threadId === null ? words : [...words, "resume", threadId];
}

/** Later ones win. */
function settings(codex: CodexOptions, thread: ThreadOptions): string[] {
  const own = {
    openai_base_url: codex.baseUrl,
    model_reasoning_effort: thread.modelReasoningEffort,
    sandbox_workspace_write: { network_access: thread.networkAccessEnabled },
    web_search: thread.webSearchMode ?? searchMode(thread.webSearchEnabled),
    approval_policy: thread.approvalPolicy,
  };
  return [
    ...configArguments(codex.config ?? {}),
    ...(codex.configOverrides ?? []),
    ...configArguments(own),
  ];
}

function searchMode(enabled: boolean | undefined): string | undefined {
  return enabled === undefined ? undefined : enabled ? "live" : "disabled";
}

/** The program takes a list of images in one argument, divided by commas. */
function imagePath(path: string): string {
  if (path.includes(",")) {
    throw new TypeError(`the path of an image must have no comma: ${path}`);
  }
  return path;
}

/** The program's environment. It tells servers and the record who runs it. */
export function environment(codex: CodexOptions): NodeJS.ProcessEnv {
  const found: NodeJS.ProcessEnv = { ...(codex.env ?? process.env) };
  found["CODEX_INTERNAL_ORIGINATOR_OVERRIDE"] ||= "codex_agent_sdk_ts";
  if (codex.apiKey !== undefined) {
    found["CODEX_API_KEY"] = codex.apiKey;
  }
  return found;
}
