"""Recorded rollouts, ours or Codex's: what the model wrote, put together into answers again.

Lines that do not decode are passed over, as when a thread is resumed. A rollout tells where an answer ends by
its usage (`token_usage_record`, or the `token_count` event of older versions), or by what follows it and is not
the model's: a tool output, a message of the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from codex_plugin_sdk import ModelInfo, ResponseItem, TokenUsage, decode_item, text_message

from .script import COMPACT, CONTEXT_WINDOW, Answer, Fault, Script, ScriptError, usage_from

_PASSTHROUGH = "internal_chat_message_metadata_passthrough"
_WANTED = (b'"response_item"', b'"event_msg"', b'"token_usage_record"', b'"compacted"')


def read_rollout(path: str, data: bytes) -> Script:
    """The answers of a rollout. Raises `ScriptError` if it holds none."""
    builder = _Builder()
    for number, line in enumerate(data.split(b"\n"), 1):
        # To look is cheaper than to decode. In the whole line: a tool may have put its members in another order.
        if any(word in line for word in _WANTED):
            entry = _decoded(line)
            if entry is not None:
                builder.take(str(entry.get("type")), entry["payload"], number)
    answers = builder.finish()
    if not answers:
        raise ScriptError("holds no answer of a model", path=path, hint="was the session interrupted at once?")
    return Script(
        path=path,
        answers=answers,
        model_info=ModelInfo(known=True, context_window=builder.context_window or CONTEXT_WINDOW),
    )


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("payload"), dict) else None


class _Builder:
    """Takes lines in order; keeps the answer that is still growing apart from those that are complete."""

    def __init__(self) -> None:
        self.context_window: int | None = None
        self._answers: list[Answer] = []
        self._items: list[ResponseItem] = []
        self._usage: TokenUsage | None = None
        self._where = ""
        self._outputs: dict[str, str] = {}
        self._spare: TokenUsage | None = None
        self._began = False

    def take(self, kind: str, payload: Mapping[str, Any], number: int) -> None:
        """One line."""
        match kind:
            case "response_item":
                self._item(payload, number)
            case "token_usage_record":
                self._count(payload.get("usage"))
            case "event_msg":
                self._event(payload)
            case "compacted":
                self._compacted(payload, number)

    def finish(self) -> tuple[Answer, ...]:
        """All answers."""
        self._close()
        return tuple(self._answers)

    def _event(self, payload: Mapping[str, Any]) -> None:
        match payload.get("type"):
            case "task_started":
                if not self._began:
                    # What stands before the first turn was inherited from the thread that this one forked from.
                    self._answers, self._items, self._outputs, self._began = [], [], {}, True
                window = payload.get("model_context_window")
                self.context_window = window if isinstance(window, int) else self.context_window
            case "token_count":
                info = payload.get("info")
                self._count(info.get("last_token_usage") if isinstance(info, dict) else None)
            case "task_complete" | "turn_aborted":
                self._close()

    def _item(self, payload: Mapping[str, Any], number: int) -> None:
        raw = {name: found for name, found in payload.items() if name != _PASSTHROUGH}
        tag = str(raw.get("type", ""))
        if tag.endswith("_output"):
            self._close()
            if isinstance(raw.get("call_id"), str) and isinstance(raw.get("output"), str):
                self._outputs[raw["call_id"]] = raw["output"]
        elif tag == "message" and raw.get("role") != "assistant":
            self._close()
        else:
            self._where = self._where or f"line {number}"
            self._items.append(decode_item(raw))

    def _count(self, raw: object) -> None:
        """Usage ends the answer that is open; else it belongs to the last one, if that has none yet."""
        if not isinstance(raw, dict):
            return
        try:
            usage = usage_from(raw)
        except (ValueError, TypeError):
            return
        if self._items:
            self._usage = usage
            self._close()
        elif self._answers and self._answers[-1].usage is None and self._answers[-1].fault is None:
            self._answers[-1] = self._answers[-1].replace(usage=usage)
        else:
            self._spare = usage

    def _compacted(self, payload: Mapping[str, Any], number: int) -> None:
        """The summary was an answer of its own, which is recorded here and nowhere else."""
        self._close()
        text = payload.get("message")
        where = f"line {number}"
        if isinstance(text, str) and text:
            item = text_message("assistant", text)
            self._answers.append(Answer(where=where, items=(item,), usage=self._spare, kind=COMPACT))
        else:
            fault = Fault(kind="failed", message="the summary failed when this was recorded")
            self._answers.append(Answer(where=where, kind=COMPACT, fault=fault))
        self._spare = None

    def _close(self) -> None:
        if not self._items:
            return
        self._answers.append(
            Answer(where=self._where, items=tuple(self._items), usage=self._usage, outputs=self._outputs)
        )
        self._items, self._usage, self._where, self._outputs, self._spare = [], None, "", {}, None
