/** What a turn consists of, as `codex exec --json` tells it. Ids are unique within one turn's stream. */

/** Text of the agent; JSON if an output schema was asked for. */
export type AgentMessageItem = { id: string; type: "agent_message"; text: string };

/** A summary of what the model thought. */
export type ReasoningItem = { id: string; type: "reasoning"; text: string };

export type CommandExecutionStatus = "in_progress" | "completed" | "failed" | "declined";

/** A command. `aggregated_output` holds stdout and stderr; `exit_code` is null while it runs. */
export type CommandExecutionItem = {
  id: string;
  type: "command_execution";
  command: string;
  aggregated_output: string;
  exit_code?: number | null;
  status: CommandExecutionStatus;
};

export type PatchChangeKind = "add" | "delete" | "update";
export type FileUpdateChange = { path: string; kind: PatchChangeKind };
export type PatchApplyStatus = "in_progress" | "completed" | "failed";

/** Files that a patch changes. */
export type FileChangeItem = {
  id: string;
  type: "file_change";
  changes: FileUpdateChange[];
  status: PatchApplyStatus;
};

export type McpToolCallStatus = "in_progress" | "completed" | "failed";

/** A block of a tool's answer, such as `{type: "text", text: "…"}`. */
export type McpContentBlock = { type: string; [member: string]: unknown };

/** A call of an MCP server's tool, or of a plugin's tool (server `plugin`). */
export type McpToolCallItem = {
  id: string;
  type: "mcp_tool_call";
  server: string;
  tool: string;
  arguments: unknown;
  result?: { content: McpContentBlock[]; structured_content: unknown } | null;
  error?: { message: string } | null;
  status: McpToolCallStatus;
};

export type CollabTool = "spawn_agent" | "send_input" | "wait" | "close_agent" | "interrupt_agent" | "list_agents";
export type CollabAgentStatus =
  | "pending_init"
  | "running"
  | "interrupted"
  | "completed"
  | "errored"
  | "shutdown"
  | "not_found";

/** What the agent does with sub-agents; how it stands with them, by thread id. */
export type CollabToolCallItem = {
  id: string;
  type: "collab_tool_call";
  tool: CollabTool;
  sender_thread_id: string;
  receiver_thread_ids: string[];
  prompt?: string | null;
  agents_states: { [threadId: string]: { status: CollabAgentStatus; message?: string | null } };
  status: "in_progress" | "completed" | "failed";
};

/** A search on the web. */
export type WebSearchItem = { id: string; type: "web_search"; query: string; action?: unknown };

export type TodoItem = { text: string; completed: boolean };

/** The agent's plan; it is updated as the steps are done. */
export type TodoListItem = { id: string; type: "todo_list"; items: TodoItem[] };

/** Something went wrong, and the turn goes on. */
export type ErrorItem = { id: string; type: "error"; message: string };

export type ThreadItem =
  | AgentMessageItem
  | ReasoningItem
  | CommandExecutionItem
  | FileChangeItem
  | McpToolCallItem
  | CollabToolCallItem
  | WebSearchItem
  | TodoListItem
  | ErrorItem;
