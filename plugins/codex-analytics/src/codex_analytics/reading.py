"""From a thread's events to the kinds that are kept."""

from __future__ import annotations

import re

import codex_plugin_sdk as sdk

from . import kinds

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}(/[A-Za-z0-9][A-Za-z0-9_.:-]{0,63})?")


def kind_of(msg: sdk.EventMsg) -> kinds.Kind | None:
    """What is kept of an event message; None if nothing is."""
    match msg:
        case sdk.ItemCompleted():
            return _of_item(msg.item)
        case sdk.ThreadStarted():
            return _opened(msg)
        case sdk.ThreadClosed():
            return kinds.ThreadClosed()
        case sdk.TurnStarted():
            return kinds.TurnStarted(model=_model(msg.model), context_window=msg.context_window)
        case sdk.TurnCompleted():
            return kinds.TurnCompleted(**kinds.tokens(msg.usage), duration_ms=msg.duration_ms)
        case sdk.TurnInterrupted():
            return kinds.TurnInterrupted(**kinds.tokens(msg.usage), duration_ms=msg.duration_ms)
        case sdk.TurnFailed(error=error):
            return kinds.TurnFailed(
                **kinds.tokens(msg.usage),
                duration_ms=msg.duration_ms,
                error_kind=_word(error.kind),
                http_status=error.http_status,
            )
        case sdk.TokenCount():
            return kinds.ModelAnswered(**kinds.tokens(msg.last))
        case sdk.StreamRetry():
            return kinds.ModelRetried(
                attempt=msg.attempt, max_attempts=msg.max_attempts, delay_ms=int(msg.delay_s * 1000)
            )
        case _:
            return _of_others(msg)


def _of_others(msg: sdk.EventMsg) -> kinds.Kind | None:
    match msg:
        case sdk.ApprovalRequested():
            intent = type(msg.intent).__name__.removesuffix("Intent").lower()
            return kinds.ApprovalRequested(intent=intent, category=msg.category.value)
        case sdk.ApprovalResolved():
            return kinds.RequestResolved(decision=msg.decision.value, reviewer=_word(msg.reviewer))
        case sdk.QuestionsAsked():
            return kinds.QuestionsAsked(questions=len(msg.questions))
        case sdk.ElicitationRequested():
            return kinds.ElicitationRequested(form=msg.url is None)
        case sdk.HookRun() if msg.status != "running":
            return kinds.HookFinished(event=_word(msg.event), status=_word(msg.status), duration_ms=msg.duration_ms)
        case sdk.McpServerStatus() if msg.status != "starting":
            return kinds.McpServerChanged(status=_word(msg.status))
        case sdk.SandboxSelected():
            missing = sum(not guarantee.enforced for guarantee in msg.guarantees)
            return kinds.SandboxSelected(backend=_word(msg.backend), degraded=msg.degraded, unenforced=missing)
        case sdk.NetworkDecided():
            return kinds.NetworkDecided(decision=msg.decision.value, protocol=_word(msg.protocol))
        case sdk.Notice():
            return kinds.NoticeShown(level=_word(msg.level))
        case sdk.OpRejected():
            return kinds.OpRejected(op=_word(msg.op))
        case _:
            return None  # states, beginnings and updates of items: their ends tell it


def _of_item(item: sdk.ThreadItem) -> kinds.Kind | None:
    match item:
        case sdk.UserMessageItem():
            texts = [part.text for part in item.content if isinstance(part, sdk.TextInput)]
            return kinds.UserMessage(characters=sum(map(len, texts)), images=len(item.content) - len(texts))
        case sdk.AgentMessageItem():
            return kinds.AgentMessage(characters=len(item.text))
        case sdk.ReasoningItem():
            return kinds.ReasoningShown(summaries=len(item.summary))
        case sdk.WebSearchItem():
            return kinds.WebSearched()
        case sdk.ImageViewItem():
            return kinds.ImageViewed()
        case sdk.TodoListItem():
            done = sum(step.status == "completed" for step in item.items)
            return kinds.PlanChanged(steps=len(item.items), completed=done)
        case sdk.ContextCompactionItem():
            return kinds.HistoryCompacted(fallback=item.fallback)
        case sdk.ErrorItem():
            return kinds.ErrorShown()
        case _:
            return _of_call(item)


def _of_call(item: sdk.ThreadItem) -> kinds.Kind | None:
    match item:
        case sdk.CommandExecutionItem():
            return kinds.CommandRun(
                status=item.status.value,
                exit_code=item.exit_code,
                duration_ms=item.duration_ms,
                output_characters=len(item.aggregated_output),
            )
        case sdk.FileChangeItem():
            how = [change.kind for change in item.changes]
            counts = {"added": how.count("add"), "updated": how.count("update"), "deleted": how.count("delete")}
            return kinds.PatchApplied(status=item.status.value, **counts)
        case sdk.McpToolCallItem():
            return kinds.McpToolCalled(status=item.status.value, duration_ms=item.duration_ms)
        case sdk.CollabAgentToolCallItem():
            return kinds.ToolCalled(tool=_word(item.tool), status=item.status.value)
        case sdk.ToolCallItem():
            return kinds.ToolCalled(tool=_word(item.tool), status=item.status.value)
        case _:
            return None


def _opened(msg: sdk.ThreadStarted) -> kinds.Kind:
    cls = kinds.ThreadResumed if msg.resumed else kinds.ThreadStarted
    return cls(
        model=_model(msg.model),
        provider=_word(msg.model_provider),
        approval_policy=str(getattr(msg.approval_policy, "value", "granular")),
        sandbox_mode=msg.sandbox_policy.mode.value,
        effort=None if msg.effort is None else _word(msg.effort),
        ephemeral=msg.rollout_path is None,
    )


def _word(text: str) -> str:
    """A name, or `other`: what looks like anything but a name is not kept."""
    return text if _WORD.fullmatch(text) else "other"


def _model(text: str) -> str:
    return text if _MODEL.fullmatch(text) else "other"
