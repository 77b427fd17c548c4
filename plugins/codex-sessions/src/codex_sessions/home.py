"""The rollout store of a home, and the one session that an argument means."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from codex_plugin_sdk import (
    Engine,
    PluginMissing,
    RolloutLibrary,
    RolloutLine,
    RolloutStore,
    StoreError,
    ThreadPage,
    ThreadQuery,
    ThreadSummary,
    UserError,
    is_uuid,
)
from codex_plugin_sdk.command_line import working_folder

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation

PAGE = 200
"""Sessions that are asked for at once when all are gone through."""


class Home:
    """What the commands share: configuration, store, and the folder that they are called in."""

    def __init__(self, invocation: Invocation, cwd: str | None = None) -> None:
        chosen = cwd or invocation.flags.get("cwd")
        self.cwd = working_folder(chosen, must_exist=False)
        at = self.cwd if os.path.isdir(self.cwd) else None  # sessions outlive the folder they began in
        self.config: Config = invocation.load_config(cwd=at)
        self.environ: Mapping[str, str] = invocation.environ
        self.plugins = invocation.plugins
        engine = Engine(config=self.config, plugins=invocation.plugins, environ=invocation.environ)
        self.store: RolloutStore = engine.rollout_store()

    @property
    def library(self) -> RolloutLibrary:
        """The store, for changing it. Raises `PluginMissing` where it is not made for that."""
        if not isinstance(self.store, RolloutLibrary):
            raise PluginMissing(
                "the rollout store that is installed does not archive, name or delete sessions",
                hint="pip install codex-rollout-jsonl",
            )
        return cast("RolloutLibrary", self.store)

    # -- one session ---------------------------------------------------------------------------------

    def require(self, id_or_name: str) -> ThreadSummary:
        """The session of an id, of the beginning of one, of a name or of a file. Raises `UserError`."""
        found = self.store.find(id_or_name) if id_or_name else None
        if found is None:
            raise missing("active or archived", id_or_name)
        return found

    def require_here(self, id_or_name: str, *, archived: bool | None = None) -> ThreadSummary:
        """One that may be changed: a session of this home, with `archived` only one that is so. Raises `UserError`."""
        if id_or_name.endswith(".jsonl"):
            raise UserError(f"{id_or_name} is a file", hint="a session is changed by its id or its name")
        kind = {None: "active or archived", True: "archived", False: "active"}[archived]
        found = self.store.find(id_or_name) if id_or_name else None
        if found is None or archived not in (None, found.archived):
            raise missing(kind, id_or_name)
        return found

    def forks_of(self, found: ThreadSummary) -> Iterator[ThreadSummary]:
        """Sessions whose rollout goes on from this one's without holding a copy of it. They are younger."""
        for archived in (False, True):
            for one in self.all_of(archived=archived):
                if one.created_at_ms < found.created_at_ms:
                    break
                if base_of(one) == found.thread_id:
                    yield one

    def read(self, found: ThreadSummary) -> Iterator[RolloutLine]:
        """The lines of a session, one at a time; at the end a warning on stderr if some could not be read. Raises
        `StoreError` at once for a file that is no rollout."""
        lines = self.store.read(found.thread_id)
        first = next(lines, None)
        if first is None or first.type != "session_meta":
            raise StoreError(
                f"the rollout {found.path} is damaged: its first line is not `session_meta`",
                path=found.path,
                operation="read the rollout",
                hint="restore it from a backup, or delete it with codex sessions delete",
            )
        return _counted(first, lines, found.path)

    # -- changing one --------------------------------------------------------------------------------

    def archive(self, thread_id: str) -> None:
        """Put a session aside. This and the next two raise `StoreError`, also for one that is open."""
        self.library.archive(thread_id)

    def unarchive(self, thread_id: str) -> None:
        """Put it back."""
        self.library.unarchive(thread_id)

    def delete(self, thread_id: str) -> None:
        """Delete it for good."""
        self.library.delete(thread_id)

    # -- many sessions -------------------------------------------------------------------------------

    def page(self, *, archived: bool, limit: int, cursor: str | None, cwd: str | None) -> ThreadPage:
        """A page of sessions, newest first; with `cwd`, of those that began there."""
        if not archived:
            return self.store.list(cursor=cursor, limit=limit, cwd=cwd)
        query = ThreadQuery(archived=True, limit=limit, cursor=cursor, wanted=_in_folder(cwd))
        return self.library.browse(query)

    def all_of(self, *, archived: bool = False, cwd: str | None = None) -> Iterator[ThreadSummary]:
        """All sessions that are archived, or all that are not, newest first; read as they are needed."""
        cursor: str | None = None
        while True:
            page = self.page(archived=archived, limit=PAGE, cursor=cursor, cwd=cwd)
            yield from page.threads
            cursor = page.next_cursor
            if cursor is None:
                return

    def everything(self, *, cwd: str | None = None) -> Iterator[ThreadSummary]:
        """Active sessions, then archived ones."""
        yield from self.all_of(cwd=cwd)
        if isinstance(self.store, RolloutLibrary):
            yield from self.all_of(archived=True, cwd=cwd)


def _counted(first: RolloutLine, lines: Iterator[RolloutLine], path: str) -> Iterator[RolloutLine]:
    """The lines; the store passes over damaged ones, and their numbers are missing then."""
    yield first
    lost, last = 0, first.ordinal
    alone = b'"history_base"' not in first.payload  # else lines of another file stand between, with their own numbers
    for line in lines:
        if alone and last is not None and line.ordinal is not None:
            lost += max(line.ordinal - last - 1, 0)
            last = line.ordinal
        yield line
    if lost:
        click.echo(f"warning: {lost} damaged line(s) of {path} are left out", err=True)


def missing(kind: str, id_or_name: str) -> UserError:
    """What is said of a session that is not there, in Codex's words."""
    beginning = "" if is_uuid(id_or_name) else ", or give at least 6 characters of an id"
    hint = f"codex sessions list --all shows what there is{beginning}"
    return UserError(f"No {kind} session found matching '{id_or_name}'.", hint=hint)


def base_of(found: ThreadSummary) -> str:
    """The thread whose rollout this one goes on from; empty if it stands alone."""
    base = found.meta.get("history_base")
    thread_id = base.get("thread_id") if isinstance(base, dict) else None
    return thread_id if isinstance(thread_id, str) and thread_id != found.thread_id else ""


def summary_body(found: ThreadSummary) -> dict[str, Any]:
    """A session as JSON: the members of every command's `--json`."""
    from .wording import utc

    return {
        "id": found.thread_id,
        "name": found.name or None,
        "archived": found.archived,
        "created_at": utc(found.created_at_ms),
        "updated_at": utc(found.updated_at_ms),
        "cwd": found.cwd,
        "preview": found.preview,
        "model": found.model or None,
        "model_provider": found.model_provider or None,
        "source": found.source or None,
        "originator": _word(found.meta, "originator"),
        "cli_version": _word(found.meta, "cli_version"),
        "forked_from": _word(found.meta, "forked_from_id"),
        "git": found.meta.get("git"),
        "size_bytes": found.size_bytes,
        "path": encodable(found.path),
    }


def encodable(path: str) -> str:
    """A path as JSON can hold it: undecodable bytes become replacement characters."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def shown_name(found: ThreadSummary) -> str:
    """The id, with the name where there is one."""
    return f"{found.name} ({found.thread_id})" if found.name else found.thread_id


def _word(meta: Mapping[str, Any], member: str) -> str | None:
    word = meta.get(member)
    return word if isinstance(word, str) and word else None


def _in_folder(cwd: str | None) -> Callable[[Mapping[str, Any]], bool] | None:
    if cwd is None:
        return None
    wanted = os.path.normpath(cwd)

    def began_there(meta: Mapping[str, Any]) -> bool:
        found = meta.get("cwd")
        return isinstance(found, str) and os.path.normpath(found) == wanted

    return began_there


def names(found: Sequence[ThreadSummary], limit: int = 3) -> str:
    """Some of the sessions, by id and name."""
    some = ", ".join(shown_name(one) for one in found[:limit])
    return some + (", …" if len(found) > limit else "")
