"""What each kind of item looks like on a terminal, as text ready to be written."""

from __future__ import annotations

from codex_plugin_sdk import (
    AgentMessageItem,
    CollabAgentToolCallItem,
    CommandExecutionItem,
    ContextCompactionItem,
    ErrorItem,
    FileChange,
    FileChangeItem,
    ImageInput,
    ImageViewItem,
    ItemStatus,
    LocalImageInput,
    McpToolCallItem,
    ReasoningItem,
    SandboxMode,
    SandboxPolicy,
    TextInput,
    ThreadItem,
    ThreadStarted,
    TodoListItem,
    ToolCallItem,
    UnknownThreadItem,
    UserInput,
    UserMessageItem,
    WebSearchItem,
    __version__,
)
from codex_plugin_sdk.quoting import command_line

from .terminal import MAX_DIFF_CHARS, MAX_DIFF_LINES, Paint, in_time, neutral, one_line, shorten
from .wording import in_snake_case, reasoning_text, search_query

_RULE = "--------"
_MARKS = {"completed": "✓", "in_progress": "→"}
_LETTERS = {"add": "A", "delete": "D"}


class Blocks:
    """Makes the blocks of one thread; remembers where it works and which command was announced last."""

    def __init__(self, paint: Paint, *, show_reasoning: bool = True, show_raw_reasoning: bool = False) -> None:
        self._paint = paint
        self._show_reasoning = show_reasoning
        self._show_raw_reasoning = show_raw_reasoning
        self._cwd = ""
        self._announced: str | None = None
        self._plans: set[str] = set()
        self._told: list[str] = []
        self._reviewing = False

    def told(self, message: str) -> None:
        """A reason that was shown; a refused command need not repeat it."""
        self._told.append(message)

    def header(self, started: ThreadStarted, thread_id: str) -> str:
        """What the thread runs with."""
        self._cwd = started.cwd
        rows = [
            ("workdir", one_line(started.cwd)),
            ("model", one_line(started.model)),
            ("provider", one_line(started.model_provider)),
            ("approval", str(started.approval_policy)),
            ("sandbox", _sandbox(started.sandbox_policy)),
            *([("reasoning effort", one_line(started.effort))] if started.effort else ()),
            ("session id", thread_id),
        ]
        lines = [f"{self._paint(f'{name}:', 'bold')} {text}" for name, text in rows]
        return "\n".join([f"codex-agent {__version__}", _RULE, *lines, _RULE]) + "\n"

    def message(self, text: str) -> str:
        """What the agent says."""
        return f"{self._paint('codex', 'italic', 'magenta')}\n{_lines(neutral(text))}"

    # -- items ---------------------------------------------------------------------------------------

    def started(self, item: ThreadItem) -> str:
        """An item begins; empty for those that are shown when they are complete."""
        match item:
            case CommandExecutionItem():
                self._announced = item.id
                return self._command_head(item)
            case TodoListItem():
                return self._plan(item)
            case _:
                return ""

    def updated(self, item: ThreadItem) -> str:
        """An item changed."""
        return self._plan(item) if isinstance(item, TodoListItem) else ""

    def completed(self, item: ThreadItem) -> str:
        """An item is complete."""
        match item:
            case CommandExecutionItem():
                return self._command_end(item)
            case FileChangeItem():
                return self._patch(item)
            case ReasoningItem():
                return self._reasoning(item)
            case UserMessageItem() if self._reviewing:
                return ""  # the reviewer's task; what the user asked for is shown already
            case UserMessageItem():
                text = "\n".join(map(_input_text, item.content))
                return f"{self._paint('user', 'cyan')}\n{_lines(neutral(shorten(text)))}"
            case AgentMessageItem(text=text):
                return self.message(text)
            case ErrorItem(message=message):
                return f"{self._paint('warning:', 'bold', 'yellow')} {neutral(message)}\n"
            case TodoListItem():
                return "" if item.id in self._plans else self._plan(item)
            case _:
                return self._brief(item)

    def _brief(self, item: ThreadItem) -> str:
        match item:
            case McpToolCallItem():
                return self._call(f"{item.server}.{item.tool}", item.status, _failure(item), item.duration_ms)
            case ToolCallItem():
                return self._call(item.tool, item.status, item.output)
            case CollabAgentToolCallItem():
                return self._collab(item)
            case WebSearchItem():
                return f"{self._paint('web search:', 'bold')} {one_line(search_query(item))}\n"
            case ImageViewItem(path=path):
                return f"{self._paint('viewed image:', 'bold')} {one_line(self._short(path))}\n"
            case ContextCompactionItem(fallback=fallback):
                how = " without a summary" if fallback else ""
                return self._paint(f"the conversation was shortened{how}", "dim") + "\n"
            case UnknownThreadItem():
                return self._tagged(item)
            case _:
                return ""

    def _tagged(self, item: UnknownThreadItem) -> str:
        from codex_plugin_sdk.review.items import ENTERED, review_item_text

        text = review_item_text(item.tag, item.raw)
        if text is None:
            return self._paint(f"({one_line(item.tag)})", "dim") + "\n"
        self._reviewing = item.tag == ENTERED
        # The review itself is the message that follows.
        return f"{self._paint('user', 'cyan')}\n{_lines(neutral(shorten(text)))}" if self._reviewing else ""

    # -- kinds ---------------------------------------------------------------------------------------

    def _command_head(self, item: CommandExecutionItem) -> str:
        command = self._paint(neutral(shorten(command_line(item.command))), "bold")
        return f"{self._paint('exec', 'italic', 'magenta')}\n{command} in {one_line(item.cwd)}\n"

    def _command_end(self, item: CommandExecutionItem) -> str:
        # Commands of one response may run side by side: say which one this is about.
        head = "" if self._announced == item.id else self._command_head(item)
        self._announced = None
        if item.status is ItemStatus.DECLINED:
            if any(reason in item.aggregated_output for reason in self._told):
                return f"{head}{self._paint(' declined', 'yellow')} (for the reason above)\n"
            self._told += [item.aggregated_output] if item.aggregated_output else []
            verdict = self._paint(" declined", "yellow")
        elif item.exit_code == 0:
            verdict = self._paint(f" succeeded in {in_time(item.duration_ms)}", "green")
        elif item.exit_code is None:
            verdict = self._paint(f" {item.status.value} after {in_time(item.duration_ms)}", "yellow")
        else:
            verdict = self._paint(f" exited {item.exit_code} in {in_time(item.duration_ms)}", "red")
        output = self._output(item.aggregated_output)
        return f"{head}{verdict}{':' if output else ''}\n{output}"

    def _call(self, name: str, status: ItemStatus, text: str, duration_ms: int | None = None) -> str:
        good = status is ItemStatus.COMPLETED
        verdict = self._paint("succeeded" if good else status.value, "green" if good else "red")
        took = "" if duration_ms is None else f" in {in_time(duration_ms)}"
        output = self._output(text)
        head = f"{self._paint('tool', 'italic', 'magenta')}\n{self._paint(one_line(name), 'bold')} {verdict}{took}"
        return f"{head}{':' if output else ''}\n{output}"

    def _collab(self, item: CollabAgentToolCallItem) -> str:
        """One line: what was done, with whom, and what came of it."""
        names = [str(item.agents.get(id, {}).get("nickname") or id) for id in item.receiver_thread_ids]
        states = [in_snake_case(str(state["status"])) for state in item.agents.values()]
        told = [f"{name} ({state})" for name, state in zip(names, states, strict=False)] or names
        about = ", ".join(told) + (f": {item.prompt}" if item.prompt else "")
        failed = "" if item.status is ItemStatus.COMPLETED else f" {self._paint(item.status.value, 'red')}"
        head = self._paint("collab:", "bold")
        return f"{head} {in_snake_case(item.tool)}{failed} {one_line(about)}".rstrip() + "\n"

    def _output(self, text: str) -> str:
        return self._paint(_lines(neutral(shorten(text))), "dim") if text else ""

    def _reasoning(self, item: ReasoningItem) -> str:
        texts = [reasoning_text(item)] if self._show_reasoning else []
        if self._show_raw_reasoning:
            texts += item.raw_content
        text = "\n".join(filter(None, texts))
        return self._paint(_lines(neutral(shorten(text))), "italic", "dim") if text else ""

    def _plan(self, item: TodoListItem) -> str:
        self._plans.add(item.id)
        rows = [f"  {_MARKS.get(entry.status, '•')} {one_line(entry.text)}" for entry in item.items]
        why = [self._paint(one_line(item.explanation), "dim")] if item.explanation else []
        return "\n".join([self._paint("plan", "italic", "magenta"), *why, *rows]) + "\n"

    def _patch(self, item: FileChangeItem) -> str:
        color = "green" if item.status is ItemStatus.COMPLETED else "red"
        lines = [self._paint("apply patch", "italic", "magenta"), self._paint(f"patch: {item.status.value}", color)]
        lines += [f"{_LETTERS.get(c.kind, 'M')} {one_line(self._short(c.path))}" for c in item.changes]
        diff = shorten("".join(map(self._diff, item.changes)), MAX_DIFF_LINES, MAX_DIFF_CHARS)
        text = "\n".join([*lines, *map(self._diff_line, neutral(diff).splitlines())]) + "\n"
        return text + (self._output(item.stderr) if item.status is not ItemStatus.COMPLETED else "")

    def _diff(self, change: FileChange) -> str:
        path = one_line(self._short(change.path))
        if change.kind == "add":
            added = "".join(f"+{line}\n" for line in change.content.splitlines())
            return f"--- /dev/null\n+++ {path}\n{added}"
        if change.kind == "delete":
            return ""  # the list of files says it; the content is in the rollout
        new = one_line(self._short(change.move_path)) if change.move_path else path
        return f"--- {path}\n+++ {new}\n{_lines(change.unified_diff)}"

    def _diff_line(self, line: str) -> str:
        if line.startswith(("+++", "---")):
            return self._paint(line, "bold")
        styles = {"+": "green", "-": "red", "@": "cyan"}
        style = styles.get(line[:1])
        return self._paint(line, style) if style else line

    def _short(self, path: str) -> str:
        prefix = self._cwd.rstrip("/") + "/"
        return path[len(prefix) :] if self._cwd and path.startswith(prefix) else path


def _lines(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _failure(item: McpToolCallItem) -> str:
    """What went wrong with a call, in the server's words where it has some."""
    if item.error is not None or item.status is ItemStatus.COMPLETED or item.result is None:
        return item.error or ""
    parts = item.result.get("content")
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "\n".join(text for text in texts if isinstance(text, str))


def _input_text(part: UserInput) -> str:
    match part:
        case TextInput(text=text):
            return text
        case LocalImageInput(path=path):
            return f"[image: {path}]"
        case ImageInput(url=url):
            return f"[image: {url[:60]}{'…' if len(url) > 60 else ''}]"


def _sandbox(policy: SandboxPolicy) -> str:
    if policy.mode is not SandboxMode.WORKSPACE_WRITE:
        return str(policy.mode)
    places = ["workdir"]
    places += [] if policy.exclude_slash_tmp else ["/tmp"]  # noqa: S108 - a name to show
    places += [] if policy.exclude_tmpdir_env_var else ["$TMPDIR"]
    places += map(one_line, policy.writable_roots)
    network = " (network access enabled)" if policy.network_access else ""
    return f"{policy.mode} [{', '.join(places)}]{network}"
