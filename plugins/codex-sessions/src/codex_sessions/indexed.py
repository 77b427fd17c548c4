"""The index of sessions, where one is installed: which sessions there are, and in which of them something was said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from codex_plugin_sdk import CodexError, PluginMissing, StoreError, ThreadSummary
from codex_plugin_sdk.state import IndexedThreads, RolloutIndex, open_state

from .home import Home
from .wording import one_line, plural

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

REFRESH_S = 0.25
"""What a command may spend on the index before it begins. What is left unread then is read as files."""
_FEW = 100
"""So many files may be unread and the index is still of use; with more, and most of them, results would come late."""


def open_index(home: Home) -> RolloutIndex | None:
    """The index of the home; None where none is installed, or it cannot be used, which is told."""
    try:
        state = open_state(home.config, home.plugins, home.environ)
    except CodexError as error:
        click.echo(f"warning: {one_line(error.message)}", err=True)
        return None
    return state if isinstance(state, RolloutIndex) else None


def known_threads(home: Home, text: str | None = None) -> IndexedThreads | None:
    """What the index knows, after it has caught up for a moment."""
    index = open_index(home)
    if index is None:
        return None
    index.refresh(REFRESH_S)
    found = index.threads(text)
    _tell(index)
    return found


def all_threads(home: Home) -> list[ThreadSummary]:
    """All sessions, archived ones too, newest first, of several files of a session the newest."""
    known = known_threads(home)
    found = list(home.everything()) if known is None else [*known.threads, *_looked_up(home, known.unread)]
    by_id: dict[str, ThreadSummary] = {}
    for one in sorted(found, key=lambda one: os.path.basename(one.path)):
        by_id[one.thread_id] = one
    return sorted(by_id.values(), key=_born, reverse=True)


def in_turn(
    home: Home, text: str, *, archived: bool, cwd: str | None, messages: bool
) -> Iterator[tuple[ThreadSummary, bool]]:
    """Sessions in the order in which they are searched, and whether they need to be read: with `messages` those need
    not of which the index knows that nobody said it there."""
    known = known_threads(home, text)
    if known is None or known.said is None or len(known.unread) > max(len(known.threads), _FEW):
        everything = home.everything(cwd=cwd) if archived else home.all_of(cwd=cwd)
        yield from ((one, True) for one in everything)
        return
    fitting = _fitting([*known.threads, *_looked_up(home, known.unread)], archived=archived, cwd=cwd)
    unread = frozenset(known.unread)
    yield from ((one, True) for one in fitting if one.path in known.said)
    for one in fitting:
        if one.path not in known.said:
            yield one, not messages or one.path in unread


def bring_up_to_date(invocation: Invocation, *, rebuild: bool) -> int:
    """Read everything that was not read; 0, or 8 where there can be no index. Raises `PluginMissing`."""
    home = Home(invocation)
    index = open_index(home)
    if index is None:
        raise PluginMissing("no index of sessions is installed", hint="pip install codex-state-sqlite")
    forgotten = not rebuild or index.forget()
    while not index.refresh(1.0):
        pass
    found = index.threads()
    told = _tell(index)
    if found is None or not forgotten:
        if not told:
            click.echo("the index is switched off ([state] index = false)", err=True)
        return StoreError.exit_code
    click.echo(f"{plural(len(found.threads), 'session')} indexed", err=True)
    if not (told and found.unread):  # one that is being written may be ahead at any time
        return 0
    click.echo(f"{plural(len(found.unread), 'session')} not", err=True)
    return StoreError.exit_code


def _fitting(found: list[ThreadSummary], *, archived: bool, cwd: str | None) -> list[ThreadSummary]:
    """Those that are wanted: active ones first, each kind newest first."""
    wanted = None if cwd is None else os.path.normpath(cwd)
    kept = [
        one
        for one in found
        if (archived or not one.archived) and (wanted is None or os.path.normpath(one.cwd) == wanted)
    ]
    kept.sort(key=_born, reverse=True)
    return sorted(kept, key=lambda one: one.archived)


def _looked_up(home: Home, paths: tuple[str, ...]) -> Iterator[ThreadSummary]:
    for path in paths:
        try:
            found = home.store.find(path)
        except StoreError as error:
            click.echo(f"warning: not looked at: {error.message}", err=True)
            continue
        if found is not None:
            yield found


def _tell(index: RolloutIndex) -> bool:
    notices = index.notices()
    for text in notices:
        click.echo(f"warning: {one_line(text)}", err=True)
    return bool(notices)


def _born(found: ThreadSummary) -> tuple[int, str]:
    return (found.created_at_ms, found.thread_id)
