"""`codex sessions search`: a text in all sessions.

Where there is an index, sessions in which it was said come first, at once. The others are read: a file is first looked
through as bytes, for a part of the text that stands in JSON as it is; that goes through a gigabyte in some two seconds.
Only a file that has it is read as a session, and of that only the items that have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import StoreError, UserError
from codex_plugin_sdk.command_line import working_folder

from .entries import texts
from .home import Home, encodable
from .indexed import in_turn
from .transcript import Transcript
from .wording import moment, one_line, plural

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, ThreadSummary

SCHEMA = 1
_SAID = ("user", "agent")
_BLOCK = 1024 * 1024
_BEFORE, _AFTER = 50, 90
# What no writer escapes in JSON. Letters outside ASCII may stand as \uXXXX, quotes and backslashes always differ.
_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;=+*()\[\]{}#@!?%$~^|-]+")


class Needle:
    """A text that is looked for; capitals count if they are to, or if it has some."""

    def __init__(self, text: str, *, case_sensitive: bool = False) -> None:
        self._exact = case_sensitive or text != text.lower()
        self.text = self._text = text
        runs = [run.encode() for run in _PLAIN.findall(text)]
        longest: bytes = max(runs, key=len, default=b"")
        self._bytes = longest if self._exact else longest.lower()

    def may_be_in(self, data: bytes) -> bool:
        """Whether encoded JSON may hold the text; False is certain."""
        return not self._bytes or self._bytes in (data if self._exact else data.lower())

    def may_be_in_file(self, path: str) -> bool:
        """The same of a file, in blocks. Raises `StoreError`."""
        overlap = b""
        try:
            with open(path, "rb", buffering=0) as file:
                while block := file.read(_BLOCK):
                    if self.may_be_in(overlap + block):
                        return True
                    overlap = block[-len(self._bytes) :]
        except FileNotFoundError:
            return False  # deleted while we looked
        except OSError as error:
            raise StoreError(
                f"cannot search {path}: {error.strerror}", path=path, operation="search the rollout"
            ) from error
        return False

    def find(self, text: str) -> tuple[int, int] | None:
        """Where the text first stands in another one, and where it ends."""
        if self._exact:
            at = text.find(self._text)
            return None if at < 0 else (at, at + len(self._text))
        match = re.search(re.escape(self._text), text, re.IGNORECASE)
        return None if match is None else match.span()


def print_matches(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Print the matches as they are found; 0 if there are any, else 1."""
    if not given["text"].strip():
        raise UserError("there is nothing to search for", hint='codex sessions search "some words"')
    home = Home(invocation)
    needle = Needle(given["text"], case_sensitive=given["case_sensitive"])
    cwd = working_folder(given["cwd"], must_exist=False) if given["cwd"] else None
    show: Callable[[ThreadSummary, Mapping[str, Any]], None] = _show_json if given["as_json"] else _Printer()
    if given["as_json"]:
        _write({"type": "search", "schema": SCHEMA, "text": encodable(given["text"])})
    count = searched = 0
    more = False
    for found, read in in_turn(home, needle.text, archived=given["archived"], cwd=cwd, messages=given["messages"]):
        searched += 1
        for match in _without_damage(home, found, needle) if read else ():
            if given["messages"] and match["in"] not in _SAID:
                continue
            if count == given["limit"]:
                more = True
                break
            count += 1
            show(found, match)
        if more:
            break
    if given["as_json"]:
        _write({"type": "done", "sessions": searched, "matches": count, "complete": not more})
    else:
        rest = "; there are more: --limit" if more else ""
        click.echo(f"{plural(count, 'match')} in {plural(searched, 'session')}{rest}", err=True)
    return 0 if count else 1


def matches(home: Home, found: ThreadSummary, needle: Needle) -> Iterator[dict[str, Any]]:
    """Turn, kind of text and snippet of each entry of a session that holds the text."""
    if found.path and not needle.may_be_in_file(found.path):
        return
    for turn in Transcript(home.read(found), needle.may_be_in).turns():
        for entry in turn.entries:
            for where, text in texts(entry):
                span = needle.find(text)
                if span is not None:
                    yield {"turn": turn.number, "turn_id": turn.id, "in": where, "snippet": _snippet(text, *span)}


def _without_damage(home: Home, found: ThreadSummary, needle: Needle) -> Iterator[dict[str, Any]]:
    """The matches of a session; one that cannot be read is said, and the others are searched."""
    try:
        yield from matches(home, found, needle)
    except StoreError as error:
        click.echo(f"warning: not searched: {error.message}", err=True)


def _snippet(text: str, begin: int, end: int) -> str:
    end = min(end, begin + _AFTER)
    before, after = max(begin - _BEFORE, 0), min(end + _AFTER, len(text))
    line = " ".join(text[before:after].split())
    return f"{'…' if before else ''}{line}{'…' if after < len(text) else ''}"


class _Printer:
    def __init__(self) -> None:
        self._last = ""

    def __call__(self, found: ThreadSummary, match: Mapping[str, Any]) -> None:
        if self._last != found.thread_id:
            name = f"  [{one_line(found.name, 60)}]" if found.name else ""
            click.echo(f"{found.thread_id}  {moment(found.updated_at_ms)}{name}  {one_line(found.preview, 60)}")
            self._last = found.thread_id
        click.echo(f"  turn {match['turn']}  {match['in']}: {one_line(match['snippet'])}")


def _show_json(found: ThreadSummary, match: Mapping[str, Any]) -> None:
    _write({"type": "match", "session": found.thread_id, "name": found.name or None, "cwd": found.cwd, **match})


def _write(body: Mapping[str, Any]) -> None:
    click.echo(orjson.dumps(body))
