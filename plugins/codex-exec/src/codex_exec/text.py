"""The text renderer: progress on stderr for a person who watches, the final message alone on stdout.

Everything that comes from the model, from a command or from a file passes `neutral` or `one_line` first.
"""

from __future__ import annotations

from codex_plugin_sdk import (
    AgentMessageItem,
    ApprovalRequested,
    Event,
    ItemCompleted,
    ItemStarted,
    ItemUpdated,
    McpServerStatus,
    Notice,
    OpRejected,
    RenderSetup,
    StreamRetry,
    ThreadItem,
    ThreadStarted,
    TokenUsage,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
)

from .blocks import Blocks
from .streams import Writer
from .terminal import Paint, neutral
from .wording import ServerFailures, retry_text


class TextRenderer:
    """Writes blocks to stderr as things happen.

    An agent message is held back until something follows it: the last one of a turn that completes goes to
    stdout and nowhere else, so that a terminal shows it once and a pipe gets nothing but it.
    """

    def __init__(self, setup: RenderSetup) -> None:
        self._out = Writer(setup.stdout)
        self._err = Writer(setup.stderr)
        self._paint = Paint(color=setup.color)
        self._blocks = Blocks(
            self._paint,
            show_reasoning=not setup.options.get("hide_agent_reasoning", False),
            show_raw_reasoning=bool(setup.options.get("show_raw_agent_reasoning", False)),
        )
        self._failures = ServerFailures()
        self._held: str | None = None
        self._recorded = False

    def handle(self, event: Event) -> None:
        """Show one event. Raises `BrokenPipeError`."""
        match event.msg:
            case ItemStarted(item=item):
                self._item(self._blocks.started(item))
            case ItemUpdated(item=item):
                self._item(self._blocks.updated(item))
            case ItemCompleted(item=item):
                self._completed(item)
            case ThreadStarted() as started:
                self._recorded = started.rollout_path is not None
                self._show(self._blocks.header(started, event.thread_id))
            case TurnCompleted() as completed:
                self._turn_completed(completed)
            case TurnFailed() as failed:
                self._turn_failed(failed)
            case TurnInterrupted() as interrupted:
                self._turn_interrupted(interrupted, event.thread_id)
            case _:
                self._aside(event)

    def close(self) -> None:
        """Show a message that nothing followed."""
        self._release()

    # -- parts ---------------------------------------------------------------------------------------

    def _completed(self, item: ThreadItem) -> None:
        if isinstance(item, AgentMessageItem):
            self._release()
            self._held = item.text
            return
        self._item(self._blocks.completed(item))

    def _item(self, block: str) -> None:
        if block:
            self._show(block)

    def _aside(self, event: Event) -> None:
        match event.msg:
            case StreamRetry() as retry:
                self._warn(f"{retry_text(retry)}, next attempt in {retry.delay_s:.1f} s")
            case Notice(source="mcp-startup"):
                pass  # each failure has been shown when it came
            case Notice(level=level, message=message):
                if level == "info":
                    self._show(self._paint(neutral(message), "dim") + "\n")
                elif level == "warning":
                    self._warn(message)
                else:
                    self._blocks.told(message)
                    self._error(message)
            case McpServerStatus() as status:
                if (failure := self._failures.text(status)) is not None:
                    self._warn(failure)
            case ApprovalRequested(reason=reason):
                self._warn(f"approval requested: {reason}")
            case OpRejected(message=message):
                self._warn(message)
            case _:
                pass

    def _turn_completed(self, completed: TurnCompleted) -> None:
        final = completed.last_agent_message
        if self._held is not None and self._held != final:
            self._release()
        self._held = None
        self._tokens(completed.usage)
        if final is not None:
            text = neutral(final)
            self._out.text(text if text.endswith("\n") else text + "\n")

    def _turn_failed(self, failed: TurnFailed) -> None:
        self._error(failed.error.message)
        if failed.error.hint:
            self._show(f"  hint: {neutral(failed.error.hint)}\n")
        self._tokens(failed.usage)

    def _turn_interrupted(self, interrupted: TurnInterrupted, thread_id: str) -> None:
        why = "" if interrupted.reason == "interrupted" else f": {neutral(interrupted.reason)}"
        self._show(self._paint(f"turn interrupted{why}", "yellow") + "\n")
        if self._recorded:
            self._show(f"  hint: go on with codex exec resume {thread_id}\n")
        self._tokens(interrupted.usage)

    def _tokens(self, usage: TokenUsage) -> None:
        """The figure that Codex shows (without what came from the cache), then where it comes from."""
        if not usage.input_tokens and not usage.output_tokens:
            return
        fresh = max(0, usage.input_tokens - usage.cached_input_tokens)
        detail = (
            f"input {usage.input_tokens} (cached {usage.cached_input_tokens}), "
            f"output {usage.output_tokens} (reasoning {usage.reasoning_output_tokens})"
        )
        figures = f"{fresh + usage.output_tokens}\n{self._paint(detail, 'dim')}"
        self._show(f"{self._paint('tokens used', 'dim')}\n{figures}\n")

    # -- writing -------------------------------------------------------------------------------------

    def _warn(self, message: str) -> None:
        self._show(f"{self._paint('warning:', 'bold', 'yellow')} {neutral(message)}\n")

    def _error(self, message: str) -> None:
        self._show(f"{self._paint('ERROR:', 'bold', 'red')} {neutral(message)}\n")

    def _release(self) -> None:
        if self._held is not None:
            text, self._held = self._held, None
            self._show(self._blocks.message(text))

    def _show(self, text: str) -> None:
        self._release()
        self._err.text(text)
