"""`codex sessions export`: a session as a document, with secrets taken out, a turn at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import StoreError, UserError
from codex_plugin_sdk.redact import Redactor

from .files import new_file
from .home import Home, summary_body
from .transcript import Transcript

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

SCHEMA = 1
Body = Mapping[str, Any]
_ENDINGS = {".html": "html", ".htm": "html", ".json": "json"}


def export_session(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Write a session; 0. Raises `UserError` for a session that is not there or a file that is, `StoreError`."""
    home = Home(invocation)
    output = given["output"]
    if output and not given["force"] and os.path.lexists(output):
        raise _taken(output)
    found = home.require(given["session"])
    ending = os.path.splitext(output or "")[1].lower()
    form = given["form"] or _ENDINGS.get(ending, "md")
    clean = _cleaner(Redactor(home.environ))
    transcript = Transcript(home.read(found))
    turns = (clean(turn.body()) for turn in transcript.turns())
    pieces = renderer(form)(clean(summary_body(found)), turns, lambda: transcript.usage)
    if output:
        write_file(output, pieces, force=given["force"])
    else:
        for piece in pieces:
            click.echo(_encoded(piece), nl=False)
    return 0


Render = Callable[[Body, Iterable[Body], Callable[[], Body]], Iterator[str]]
"""Pieces of a document of a session, its turns, and what it has taken (to be asked at the end)."""


def renderer(form: str) -> Render:
    """What renders a format."""
    if form == "html":
        from .html_page import render_html

        return render_html
    if form == "md":
        from .markdown import render_markdown

        return render_markdown
    return render_json


def render_json(session: Body, turns: Iterable[Body], usage: Callable[[], Body]) -> Iterator[str]:
    """One object, as `codex sessions show --json` prints it."""
    yield orjson.dumps({"schema": SCHEMA, "session": session}).decode()[:-1] + ',"turns":['
    for at, turn in enumerate(turns):
        yield (",\n" if at else "\n") + orjson.dumps(turn).decode()
    yield '\n],"usage":' + orjson.dumps(usage() or None).decode() + "}\n"


def _cleaner(redactor: Redactor) -> Callable[[Body], Body]:
    def clean(body: Body) -> Body:
        found: Body = orjson.loads(redactor.redact_bytes(orjson.dumps(body)))
        return found

    return clean


# -- the file -----------------------------------------------------------------------------------------


def write_file(path: str, pieces: Iterable[str], *, force: bool) -> None:
    """Write a document for this user alone: whole or not at all. Raises `UserError` if the file is there and may not
    be replaced, `StoreError`."""
    try:
        with new_file(path, replace=force) as file:
            for piece in pieces:
                file.write(_encoded(piece))
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}",
            path=path,
            operation="write the export",
            hint="choose another place with -o FILE",
        ) from error


def _taken(path: str) -> UserError:
    return UserError(f"{path} is there already", hint="choose another name, or replace it with --force")


def _encoded(piece: str) -> bytes:
    return piece.encode("utf-8", "replace")
