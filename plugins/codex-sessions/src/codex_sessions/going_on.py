"""`codex resume` and `codex fork`: which session is meant, what was said there, and the turn that `codex exec` does."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import click

from codex_plugin_sdk import PluginMissing, ThreadSummary, UserError
from codex_plugin_sdk.lineage import is_subagent

from .home import Home
from .listing import row
from .root_options import ON_ROOT, all_options, with_root_options
from .show import head_rows, turn_rows
from .transcript import Transcript
from .wording import one_line

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

_TURNS, _SESSIONS = 3, 10
_OWN = ("words", "last", "all_folders", "include_non_interactive", *ON_ROOT)
_NOT_THERE = ("json", "output_last_message", "output_schema", "turn", "before_compaction")
"""What the terminal UI does not do: asked for it, `codex exec` goes on."""


def go_on(ctx: click.Context, verb: str) -> int:
    """Carry out the command; the exit code. Raises `UserError`, `UsageError`, `PluginMissing`, and what `codex exec`
    raises."""
    invocation: Invocation = ctx.obj
    given = ctx.params
    session, prompt = _named(given)
    if prompt is None and (ui := _terminal_ui(ctx)) is not None:
        return _begin(ctx, ui, verb, session)
    ctx.obj = invocation = with_root_options(invocation, given)
    if given.get("remote") or invocation.flags.get("remote"):  # the sessions are that server's
        if session is None and not given["last"]:
            raise click.UsageError(f"{verb} wants a session id, or --last")
        return _exec(ctx, verb, session, prompt)
    home = Home(invocation, given["cwd"])
    attended = _is_terminal()
    if session is None and not given["last"]:
        if not attended:
            raise click.UsageError(f"{verb} wants a session, or --last")
        return _offer(home, verb, everywhere=given["all_folders"])
    found = home.require(session) if session is not None else _newest(home, everywhere=given["all_folders"])
    if prompt is None and attended and verb == "resume":
        return _show_tail(home, found)
    code = _exec(ctx, verb, found.thread_id, prompt)
    if verb == "fork" and prompt is None and code == 0:
        click.echo('go on with the new session: codex resume --last "what to do"', err=True)
    return code


def _named(given: dict[str, Any]) -> tuple[str | None, str | None]:
    """The session and the prompt among the words: with --last there is only a prompt. Raises `UsageError`."""
    words = list(given["words"])
    session = None if given["last"] or not words else words.pop(0)
    if len(words) > 1:
        raise click.UsageError(f"unexpected argument {words[1]!r} found; quote the prompt")
    return session, words[0] if words else None


def _newest(home: Home, *, everywhere: bool) -> ThreadSummary:
    found = next(_begun_by_user(home, everywhere=everywhere), None)
    if found is None:
        raise UserError(f"no recorded session for {home.cwd}", hint="--all takes the newest of any folder")
    return found


def _begun_by_user(home: Home, *, everywhere: bool) -> Iterator[ThreadSummary]:
    """The user's own sessions, newest first: those of sub-agents are parts of these."""
    cursor, cwd = None, None if everywhere else home.cwd
    while True:
        page = home.page(archived=False, limit=_SESSIONS, cursor=cursor, cwd=cwd)
        yield from (found for found in page.threads if not is_subagent(found.meta))
        cursor = page.next_cursor
        if cursor is None:
            return


def _offer(home: Home, verb: str, *, everywhere: bool) -> int:
    """List what could be meant: the sessions of this folder, or of all if there is none."""
    found = list(islice(_begun_by_user(home, everywhere=everywhere), _SESSIONS))
    if not found and not everywhere:
        click.echo(f"no session began in {one_line(home.cwd)}; those of other folders:", err=True)
        return _offer(home, verb, everywhere=True)
    if not found:
        raise UserError("no session is recorded", hint='begin one with codex exec "what to do"')
    for one in found:
        click.echo(row(one, with_cwd=everywhere))
    click.echo(f'choose one: codex {verb} SESSION "what to do", or --last for the newest', err=True)
    return 0


def _show_tail(home: Home, found: ThreadSummary) -> int:
    """The last turns, and how to go on."""
    transcript = Transcript(home.read(found))
    turns = deque(transcript.turns(), maxlen=_TURNS)
    for line in head_rows(found):
        click.echo(line)
    if transcript.count > len(turns):
        click.echo(f"\n… {transcript.count - len(turns)} earlier turns: codex sessions show {found.thread_id}")
    for turn in turns:
        click.echo()
        for line in turn_rows(turn, full=False):
            click.echo(line)
    click.echo(f'\ngo on with: codex exec resume {found.thread_id} "what to do"', err=True)
    return 0


# -- the terminal UI -------------------------------------------------------------------------------------


def _terminal_ui(ctx: click.Context) -> click.Command | None:
    """The command, where there is somebody to use it and nothing that it cannot do."""
    offer = ctx.obj.plugins.commands().get("tui")
    attended = _is_terminal() and sys.stdout is not None and not sys.stdout.closed and sys.stdout.isatty()
    if offer is None or not attended or any(ctx.params.get(name) for name in _NOT_THERE):
        return None
    return cast("click.Command", offer.spec.load())


def _begin(ctx: click.Context, ui: click.Command, verb: str, session: str | None) -> int:
    """Go on in the terminal UI: with this session, the newest one, or the one that the user picks."""
    given, invocation = ctx.params, all_options(ctx.obj, ctx.params)
    everywhere = ["--all"] if given["all_folders"] else []
    if invocation.flags.get("remote"):  # the sessions are that server's
        which = (
            [f"--{verb}-picker", *(["--last"] if given["last"] else [])] if session is None else [f"--{verb}", session]
        )
    elif session is None and not given["last"]:
        which = [f"--{verb}-picker"]
    else:
        home = Home(invocation, given["cwd"])
        found = home.require(session) if session is not None else _newest(home, everywhere=given["all_folders"])
        which = [f"--{verb}", found.thread_id]
    return cast("int", ui.main(args=[*which, *everywhere], prog_name="codex", obj=invocation, standalone_mode=False))


# -- codex exec --------------------------------------------------------------------------------------------


def _exec(ctx: click.Context, verb: str, session: str | None, prompt: str | None) -> int:
    """Do it as `codex exec` does."""
    invocation: Invocation = ctx.obj
    offer = invocation.plugins.commands().get("exec")
    if offer is None:
        raise PluginMissing("the command 'exec' is not installed", hint="pip install codex-exec")
    words = [verb, *([] if session is None else [session]), *([] if prompt is None else [prompt])]
    options = _options(ctx)
    if session is None:
        options += ["--last"] + (["--all"] if ctx.params["all_folders"] else [])
    command = offer.spec.load()
    args = [*options, "--", *words]
    return cast("int", command.main(args=args, prog_name="codex exec", obj=invocation, standalone_mode=False))


def _options(ctx: click.Context) -> list[str]:
    """The options of the command line that `codex exec` has too, as they are written there."""
    args: list[str] = []
    for parameter in ctx.command.params:
        found = ctx.params.get(parameter.name or "")
        if parameter.name in _OWN or found in (None, False, ()):
            continue
        name = max(parameter.opts, key=len)
        values: Sequence[object] = found if isinstance(found, tuple) else (found,)
        for one in values:
            args += [name] if one is True else [name, str(one)]
    return args


def _is_terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
