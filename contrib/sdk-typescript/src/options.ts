/** A value of the configuration; TOML has no null. Members that are undefined are left out. */
export type CodexConfigValue = string | number | boolean | CodexConfigValue[] | CodexConfigObject;
export type CodexConfigObject = { [key: string]: CodexConfigValue | undefined };

/** What holds for all threads of a `Codex`. */
export type CodexOptions = {
  /** The program; `codex` on PATH if it is not given. */
  codexPathOverride?: string;
  /** Where the model server is: `openai_base_url`. */
  baseUrl?: string;
  /** The key for it, handed over as CODEX_API_KEY. */
  apiKey?: string;
  /** Configuration, as objects: `{sandbox_workspace_write: {network_access: true}}`. */
  config?: CodexConfigObject;
  /** Configuration, as `key=value` with TOML values; it wins over `config`, the options below over both. */
  configOverrides?: string[];
  /** The whole environment of the program; that of this process if it is not given. */
  env?: Record<string, string>;
  /** After an abort: how long the program may take to end what it started before all of it is killed. 5000. */
  abortGraceMs?: number;
};

export type ApprovalMode = "never" | "on-request" | "on-failure" | "untrusted";
export type SandboxMode = "read-only" | "workspace-write" | "danger-full-access";
export type ModelReasoningEffort =
  | "none"
  | "minimal"
  | "low"
  | "medium"
  | "high"
  | "xhigh"
  | "max"
  | "ultra"
  | "persistent";
export type WebSearchMode = "disabled" | "cached" | "live";

/** What holds for all turns of a thread. What is left out follows config.toml. */
export type ThreadOptions = {
  model?: string;
  /** A label for where the thread comes from; kept with a new thread. */
  threadSource?: string;
  sandboxMode?: SandboxMode;
  /** Where the agent works; the folder of this process if it is not given. */
  workingDirectory?: string;
  /** Work outside a Git repository too. */
  skipGitRepoCheck?: boolean;
  modelReasoningEffort?: ModelReasoningEffort;
  /** Whether commands reach the network in `workspace-write`. */
  networkAccessEnabled?: boolean;
  webSearchMode?: WebSearchMode;
  /** `live` or `disabled`; `webSearchMode` wins. */
  webSearchEnabled?: boolean;
  /** Nobody can be asked, so what this policy would ask about is refused. */
  approvalPolicy?: ApprovalMode;
  /** More folders that may be written. */
  additionalDirectories?: string[];
};

/** What holds for one turn. */
export type TurnOptions = {
  /** A JSON Schema object that the last message follows. */
  outputSchema?: unknown;
  /** Ends the turn, and everything that it started. */
  signal?: AbortSignal;
};

export type UserInput = { type: "text"; text: string } | { type: "local_image"; path: string };

/** Texts are joined by empty lines; images are read by the program, relative to the working directory. */
export type Input = string | UserInput[];
