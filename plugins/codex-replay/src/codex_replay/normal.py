"""What differs from run to run and means nothing, put into one form: paths of the scratch copy, ids, times, process
ids, temporary names. What is left must be the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_WORD_BEFORE, _WORD_AFTER = r"(?<![\w/.-])", r"(?![\w.-]*[\w-])"

_HEAD = (
    (re.compile(r"^Chunk ID: [0-9a-zA-Z]+$", re.MULTILINE), "Chunk ID: …"),
    (re.compile(r"^Wall time: [0-9.]+ seconds$", re.MULTILINE), "Wall time: … seconds"),
    (re.compile(r"^Process running with session ID \d+$", re.MULTILINE), "Process running with session ID …"),
    (re.compile(r"^Original token count: \d+$", re.MULTILINE), "Original token count: …"),
)
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_BODY = (
    # `ls -l`: the folder above is another one, and sizes and links of folders depend on what is in `.git`
    (re.compile(r"^d[rwxsStT-]{9}[.+@]? +\d+ +\S+ +\S+ +\d+ .* \.\.$", re.MULTILINE), "<the folder above>"),
    (re.compile(r"^(d[rwxsStT-]{9}[.+@]?) +\d+ +(\S+) +(\S+) +\d+ ", re.MULTILINE), r"\1 … \2 \3 … "),
    (re.compile(r"^total \d+$", re.MULTILINE), "total …"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?Z| ?[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(rf"\b(?:{_DAYS}),? (?:{_MONTHS}) +\d+ \d\d:\d\d:\d\d(?: [A-Z]{{2,5}})? \d{{4}}\b"), "<time>"),
    (re.compile(rf"\b(?:{_DAYS}),? \d+ (?:{_MONTHS}) \d{{4}} \d\d:\d\d:\d\d\b"), "<time>"),
    (re.compile(rf"\b(?:{_MONTHS}) +\d+ +(?:\d\d:\d\d|\d{{4}})\b"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
    (re.compile(r"\b1[6789]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?\b"), "<time>"),
    (re.compile(r"\b\d+\.\d+ ?(?:ms|s|µs|us|ns|secs?|seconds?)\b|\b\d+ ?ms\b"), "<duration>"),
    (re.compile(r"\b\d+m\d+\.\d+s\b"), "<duration>"),
    (re.compile(r"\b(pid|PID|process id)([ =:]+)\d+"), r"\1\2<pid>"),
    (re.compile(r"^\[(\d+)\] \d+$", re.MULTILINE), r"[\1] <pid>"),
    (re.compile(r"\b0x[0-9a-f]{8,16}\b"), "<address>"),
    (re.compile(r"(?<=/)(tmp[.-]?|pytest-of-\w+/pytest-)[A-Za-z0-9_]{1,12}\b"), r"\1<temp>"),
    (re.compile(r"(?<=/tmp/)([\w-]+[._-])[A-Za-z0-9_]{6,12}\b"), r"\1<temp>"),
    (re.compile(r"^\[([\w/.-]+)( \(root-commit\))? [0-9a-f]{7,12}\]", re.MULTILINE), r"[\1\2 <commit>]"),
)
_CONTEXT = ((re.compile(r"<current_date>[^<]*</current_date>"), "<current_date>…</current_date>"),)
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_SEPARATOR = "\nOutput:\n"
_DROPPED = frozenset({"id", "internal_chat_message_metadata_passthrough", "metadata"})


class Paths:
    """Two folders that stand for one another: where it was recorded, and the scratch copy."""

    def __init__(self, recorded: str, scratch: str) -> None:
        # A folder as short as `/` or `/w` stands in too many other paths to be told from them.
        pairs = [(recorded, scratch)] if recorded.count("/") >= 1 and len(recorded) > 1 else []
        self._to_scratch = [(_pattern(old), new) for old, new in pairs]
        self._to_recorded = [(_pattern(new), old) for old, new in pairs]

    def to_scratch(self, text: str) -> str:
        """Recorded paths as paths of the scratch copy."""
        return _replaced(text, self._to_scratch)

    def to_recorded(self, text: str) -> str:
        """The other way."""
        return _replaced(text, self._to_recorded)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_WORD_BEFORE + re.escape(path.rstrip("/")) + _WORD_AFTER)


def _replaced(text: str, pairs: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, new in pairs:
        text = pattern.sub(new.replace("\\", r"\\"), text)
    return text


def mapped(found: Any, change: Callable[[str], str]) -> Any:
    """Plain data with every text changed, keys apart."""
    if isinstance(found, str):
        return change(found)
    if isinstance(found, Mapping):
        return {key: mapped(below, change) for key, below in found.items()}
    if isinstance(found, list | tuple):
        return [mapped(below, change) for below in found]
    return found


def bare_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item without its id, and without members that are null."""
    return {key: found for key, found in item.items() if key not in _DROPPED and found is not None}


def item_form(item: Mapping[str, Any]) -> Any:
    """An item as it is compared: without its id, volatile words replaced."""
    bare = bare_item(item)
    if str(bare.get("type", "")).endswith("_output"):
        return mapped(bare, stable_output)
    return mapped(bare, stable_message)


def stable_message(text: str) -> str:
    """A text that is told to the model, without the date of the day."""
    for pattern, word in _CONTEXT:
        text = pattern.sub(word, text)
    return _numbered(text)


def stable_output(text: str) -> str:
    """An output of a tool without what differs from run to run."""
    head, separator, body = text.partition(_SEPARATOR)
    for pattern, word in _HEAD:
        head = pattern.sub(word, head)
    if not separator:
        head = _stable_body(head)
    return _numbered(head + separator + _stable_body(body))


def _stable_body(text: str) -> str:
    for pattern, word in _BODY:
        text = pattern.sub(word, text)
    return text


def _numbered(text: str) -> str:
    """UUIDs by their order."""
    seen: dict[str, int] = {}
    return _UUID.sub(lambda match: f"<id {seen.setdefault(match[0], len(seen) + 1)}>", text)
