"""Strict mode: are the tool outputs of a request those that were recorded?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from codex_plugin_sdk import CustomToolCallOutput, FunctionCallOutput, HistoryEntry

_VOLATILE = (
    (re.compile(r"^Chunk ID: [0-9a-zA-Z]+$", re.MULTILINE), "Chunk ID: …"),
    (re.compile(r"^Wall time: [0-9.]+ seconds$", re.MULTILINE), "Wall time: … seconds"),
    (re.compile(r"^Process running with session ID \d+$", re.MULTILINE), "Process running with session ID …"),
)
_BODY = "\nOutput:\n"


def stable(output: str) -> str:
    """An output without what differs from run to run: chunk id, wall time and session id of its head. The
    command's own output, below `Output:`, stays as it is."""
    head, separator, body = output.partition(_BODY)
    for pattern, word in _VOLATILE:
        head = pattern.sub(word, head)
    return head + separator + body


def outputs_of(entries: Iterable[HistoryEntry]) -> dict[str, str]:
    """The text outputs of a history by call id; of those with images, the text."""
    found = {}
    for entry in entries:
        item = entry.item
        if isinstance(item, FunctionCallOutput | CustomToolCallOutput):
            text = item.output if isinstance(item.output, str) else "".join(p.text or "" for p in item.output)
            found[item.call_id] = text
    return found


def divergence(recorded: Mapping[str, str], present: Mapping[str, str]) -> str:
    """The first difference in words, or an empty string."""
    for call_id, wanted in recorded.items():
        if call_id not in present:
            return f"there is no output of call {call_id}"
        before, now = stable(wanted).splitlines(), stable(present[call_id]).splitlines()
        for number, (old, new) in enumerate(zip(before, now, strict=False), 1):
            if old != new:
                return f"the output of call {call_id} differs in line {number}: recorded {_cut(old)}, now {_cut(new)}"
        if len(before) != len(now):
            return f"the output of call {call_id} has {len(now)} lines, recorded were {len(before)}"
    return ""


def _cut(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:119] + "…")
