"""`codex sessions list`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import ThreadPage
from codex_plugin_sdk.command_line import working_folder
from codex_plugin_sdk.lineage import is_subagent

from .home import Home, summary_body
from .wording import moment, one_line, size

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, ThreadSummary

SCHEMA = 1
_PREVIEW = 60


def print_list(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Print a page; 0. Costs the heads of what is shown, and with a folder of what is passed over."""
    home = Home(invocation)
    cwd = None if given["everywhere"] and not given["cwd"] else home.cwd
    if given["cwd"]:
        cwd = working_folder(given["cwd"], must_exist=False)
    page = _page(home, given, cwd)
    if given["as_json"]:
        body = {
            "schema": SCHEMA,
            "sessions": [summary_body(found) for found in page.threads],
            "next_cursor": page.next_cursor,
        }
        click.echo(orjson.dumps(body))
    else:
        _print_page(page, cwd, archived=given["archived"])
    return 0


def _page(home: Home, given: Mapping[str, Any], cwd: str | None) -> ThreadPage:
    """The sessions of the user, with `agents` also those that sessions began for themselves."""
    kept: list[ThreadSummary] = []
    cursor = given["cursor"]
    while True:
        limit = given["limit"] - len(kept)
        page = home.page(archived=given["archived"], limit=limit, cursor=cursor, cwd=cwd)
        kept += [found for found in page.threads if given["agents"] or not is_subagent(found.meta)]
        cursor = page.next_cursor
        if cursor is None or len(kept) >= given["limit"]:
            return ThreadPage(threads=tuple(kept), next_cursor=cursor)


def _print_page(page: ThreadPage, cwd: str | None, *, archived: bool) -> None:
    for found in page.threads:
        click.echo(row(found, with_cwd=cwd is None))
    if not page.threads:
        kind = "archived session" if archived else "session"
        where = "" if cwd is None else f" began in {one_line(cwd)}; --all lists those of every folder"
        click.echo(f"no {kind}{where or ' is recorded'}", err=True)
    if page.next_cursor is not None:
        click.echo(f"more: --cursor {page.next_cursor}", err=True)


def row(found: ThreadSummary, *, with_cwd: bool) -> str:
    """A session on one line."""
    parts = [found.thread_id, moment(found.updated_at_ms), f"{size(found.size_bytes):>8}"]
    if found.name:
        parts.append(f"[{one_line(found.name, _PREVIEW)}]")
    parts.append(one_line(found.preview, _PREVIEW) or "(nothing said yet)")
    if with_cwd and found.cwd:
        parts.append(f"({one_line(found.cwd)})")
    return "  ".join(parts)
