"""Compares what was recorded with what happens now, and says in which way it differs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

import orjson

from codex_plugin_sdk import Value, field, value

from .normal import Paths, bare_item, item_form, mapped, stable_message

REQUEST, OUTPUT, PATCH, EXIT, ORDER = "request bytes", "tool output", "patch result", "exit code", "event order"
_EXIT = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d+)", re.MULTILINE)
_DIFF_LINES = 120
_LINE_CHARS = 400


@value
class Divergence(Value):
    """The first step that differs. `step` counts the model's replies from 1 over the whole thread: it is the request
    after so many less one; `turn` counts turns. `diff` is a unified diff, from what was recorded to what is now."""

    step: int
    turn: int
    kind: str
    what: str
    diff: str = ""
    call_id: str = ""
    tool: str = ""
    turn_id: str = field(default="")


class Comparer:
    """Compares items, texts and lists of tools of the two runs."""

    def __init__(self, paths: Paths, *, loose: bool = False) -> None:
        self._paths = paths
        self._loose = loose

    def form(self, item: Mapping[str, Any]) -> Any:
        """The form of an item of the present run, in recorded paths."""
        return item_form(mapped(item, self._paths.to_recorded))

    def same(self, recorded: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
        """Whether the two items say the same. `loose` lets an output have more after it, as hooks append."""
        here = mapped(bare_item(present), self._paths.to_recorded)
        if bare_item(recorded) == here:
            return True
        before, now = item_form(recorded), item_form(here)
        if before == now:
            return True
        if not self._loose or before.get("type") != now.get("type"):
            return False
        old, new = before.get("output"), now.get("output")
        return isinstance(old, str) and isinstance(new, str) and old.startswith(new)

    def same_text(self, recorded: Any, present: str) -> bool:
        """Whether two texts for the model say the same."""
        return isinstance(recorded, str) and stable_message(recorded) == stable_message(
            self._paths.to_recorded(present)
        )

    def diff(self, recorded: Any, present: Any) -> str:
        """A diff for a person, of what is compared."""
        before, now = _shown(item_form(recorded) if isinstance(recorded, dict) else recorded), _shown(present)
        return text_diff(before, now)

    def item_diff(self, recorded: Mapping[str, Any], present: Mapping[str, Any]) -> str:
        """A diff of two items."""
        return self.diff(recorded, self.form(present))

    def own(self, text: str) -> str:
        """A text of the present run in recorded paths."""
        return self._paths.to_recorded(text)


def kind_of(recorded: Mapping[str, Any], present: Mapping[str, Any], tool: str) -> str:
    """In which way two items differ."""
    if recorded.get("type") != present.get("type") or recorded.get("call_id") != present.get("call_id"):
        return ORDER
    if not str(recorded.get("type", "")).endswith("_output"):
        return REQUEST
    if tool == "apply_patch":
        return PATCH
    before, now = exit_code(recorded), exit_code(present)
    return EXIT if before is not None and now is not None and before != now else OUTPUT


def exit_code(item: Mapping[str, Any]) -> str | None:
    """The exit code that an output tells."""
    output = item.get("output")
    if isinstance(output, list):
        output = "".join(str(part.get("text") or "") for part in output if isinstance(part, dict))
    found = _EXIT.search(output) if isinstance(output, str) else None
    return found[1] if found else None


def text_diff(before: str, now: str) -> str:
    """A unified diff of at most some hundred lines."""
    lines = list(difflib.unified_diff(before.splitlines(), now.splitlines(), "recorded", "replayed", n=2, lineterm=""))
    shown = [line if len(line) <= _LINE_CHARS else line[: _LINE_CHARS - 1] + "…" for line in lines[:_DIFF_LINES]]
    if len(lines) > _DIFF_LINES:
        shown.append(f"… {len(lines) - _DIFF_LINES} more lines")
    return "\n".join(shown)


def _shown(found: Any) -> str:
    """The text of an item, or its JSON."""
    if isinstance(found, str):
        return found
    if isinstance(found, dict):
        for member in ("output", "content"):
            inner = found.get(member)
            if isinstance(inner, str):
                return inner
            if isinstance(inner, list) and all(isinstance(part, dict) for part in inner):
                return "\n".join(str(part.get("text") or f"<{part.get('type')}>") for part in inner)
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode()
