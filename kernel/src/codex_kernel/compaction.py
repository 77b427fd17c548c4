"""Shortening the history: a summary by the model, or without its help a deterministic cut, so that no session strands.

What is pinned stays word for word: the context messages (told anew by their sources), the plan, questions that
are open, and the last user message. The full history stays in the rollout.
"""

from __future__ import annotations

from collections.abc import Sequence

from .history import BYTES_PER_TOKEN
from .instructions import FALLBACK_NOTE, SUMMARY_PREFIX
from .protocol.ids import new_item_id
from .protocol.response_items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryEntry,
    Message,
    Reasoning,
    text_message,
)
from .protocol.thread_items import TodoListItem

KEPT_USER_TOKENS = 20_000
FALLBACK_KEEP_SHARE = 0.4
FALLBACK_OUTPUT_BYTES = 4096
_OURS = ("<environment_context>", "# AGENTS.md instructions for ", "<permissions>", "<turn_aborted>")


def summarised(
    entries: Sequence[HistoryEntry], summary: str, plan: TodoListItem | None, open_questions: Sequence[str] = ()
) -> list[HistoryEntry]:
    """The history after a good summary: recent user messages, pinned state, the summary."""
    kept = _recent_user_messages(entries, KEPT_USER_TOKENS * BYTES_PER_TOKEN)
    return [*kept, *_pinned(plan, open_questions), _entry("user", SUMMARY_PREFIX + "\n" + summary)]


def shortened(
    entries: Sequence[HistoryEntry],
    budget_tokens: int,
    plan: TodoListItem | None,
    open_questions: Sequence[str] = (),
) -> list[HistoryEntry]:
    """The history after a cut without a summary: the newest entries that fit, long outputs cut, every kept
    output with its call, and the last user message in any case."""
    budget = int(budget_tokens * BYTES_PER_TOKEN * FALLBACK_KEEP_SHARE)
    last_user = _recent_user_messages(entries, 0)
    kept: list[HistoryEntry] = []
    used = sum(len(entry.encoded) for entry in last_user)
    for entry in reversed(entries):
        if entry in last_user or _is_context(entry):
            continue
        slim = _slim(entry)
        used += len(slim.encoded)
        if used > budget:
            break
        kept.append(slim)
    whole = _paired(kept[::-1])
    return [*_pinned(plan, open_questions), _entry("user", FALLBACK_NOTE), *_in_order(whole, last_user, entries)]


def _recent_user_messages(entries: Sequence[HistoryEntry], budget_bytes: int) -> list[HistoryEntry]:
    """The newest user messages within the budget, and the last one whatever its size."""
    kept: list[HistoryEntry] = []
    used = 0
    for entry in reversed(entries):
        if not isinstance(entry.item, Message) or entry.item.role != "user" or _is_context(entry):
            continue
        used += len(entry.encoded)
        if kept and used > budget_bytes:
            break
        kept.append(entry)
        if used > budget_bytes:
            break
    return kept[::-1]


def _is_context(entry: HistoryEntry) -> bool:
    """Context messages are told anew after a compaction; older summaries go into the new one."""
    item = entry.item
    if not isinstance(item, Message):
        return False
    return item.role == "developer" or item.text.startswith((*_OURS, SUMMARY_PREFIX, FALLBACK_NOTE))


def _pinned(plan: TodoListItem | None, open_questions: Sequence[str]) -> list[HistoryEntry]:
    texts = []
    if plan is not None:
        steps = "\n".join(f"- [{step.status}] {step.text}" for step in plan.items)
        texts.append(f"The current plan:\n{steps}")
    if open_questions:
        texts.append("Waiting for the user's decision on:\n" + "\n".join(f"- {text}" for text in open_questions))
    return [_entry("developer", text) for text in texts]


def _entry(role: str, text: str) -> HistoryEntry:
    return HistoryEntry.of(text_message(role, text, id=new_item_id("msg")))


def _slim(entry: HistoryEntry) -> HistoryEntry:
    item = entry.item
    if len(entry.encoded) <= FALLBACK_OUTPUT_BYTES:
        return entry
    match item:
        case FunctionCallOutput() | CustomToolCallOutput():
            text = item.output if isinstance(item.output, str) else "".join(part.text or "" for part in item.output)
            half = FALLBACK_OUTPUT_BYTES // 2
            return HistoryEntry.of(item.replace(output=f"{text[:half]}\n… cut …\n{text[-half:]}"))
        case _:
            return entry


def _paired(entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    calls = {e.item.call_id for e in entries if isinstance(e.item, FunctionCall | CustomToolCall)}
    outputs = {e.item.call_id for e in entries if isinstance(e.item, FunctionCallOutput | CustomToolCallOutput)}
    both = calls & outputs
    whole = []
    for entry in entries:
        item = entry.item
        if isinstance(item, Reasoning):
            continue  # reasoning must stand before what followed from it, which may be gone
        if isinstance(item, FunctionCall | CustomToolCall | FunctionCallOutput | CustomToolCallOutput):
            if item.call_id in both:
                whole.append(entry)
        else:
            whole.append(entry)
    return whole


def _in_order(
    kept: Sequence[HistoryEntry], last_user: Sequence[HistoryEntry], entries: Sequence[HistoryEntry]
) -> list[HistoryEntry]:
    """Put the last user message where it stood: before what came after it."""
    if not last_user:
        return list(kept)
    place = max(index for index, entry in enumerate(entries) if entry is last_user[-1])
    after = len([entry for entry in entries[place + 1 :] if not _is_context(entry)])
    split = max(0, len(kept) - after)
    return [*kept[:split], *last_user, *kept[split:]]
