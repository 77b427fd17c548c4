"""What `codex replay` does, and how it tells what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import ExitCode, UserError, Value, value

from .opening import open_recording
from .running import Played, Wish, play
from .workspace import Workspace, prepare

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from .recording import Recording

SCHEMA = 1
SANDBOXES = ("read-only", "workspace-write", "danger-full-access")


@value
class Source(Value):
    """A recording and where it comes from: `files` and `home` are folders of a capsule that was opened."""

    recording: Any
    files: str | None = None
    home: str | None = None


def run_replay(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; 0, or 12 for a divergence. Raises `UserError` for what cannot be replayed."""
    sandbox = given["sandbox"] or invocation.flags.get("sandbox")
    if sandbox is not None and sandbox not in SANDBOXES:
        raise UserError(f"--sandbox {sandbox} is not one of {', '.join(SANDBOXES)}", exit_code=ExitCode.USAGE)
    if not given["what_if"] and (given["at"] or given["model"]):
        raise UserError("-m and --at belong to --what-if", exit_code=ExitCode.USAGE)
    with opened(invocation, given["session"]) as source:
        if given["what_if"]:
            from .what_if import run_what_if

            return run_what_if(invocation, source, given, sandbox)
        began = time.monotonic()
        workspace = prepare(source.recording, given["workspace"], files=source.files)
        try:
            wish = Wish(
                sandbox=sandbox,
                until=given["until"],
                overrides=given["overrides"],
                live_mcp=given["live_mcp"],
                elsewhere=source.home is not None,
                codex_home=source.home,
            )
            played = play(invocation, source.recording, workspace, wish)
        finally:
            if not given["keep"]:
                workspace.remove()
        report(source.recording, played, workspace, given, time.monotonic() - began)
    return ExitCode.OK if played.divergence is None else ExitCode.DIVERGED


@contextmanager
def opened(invocation: Invocation, wanted: str) -> Iterator[Source]:
    """The recording that an argument means; a capsule is unpacked as long as this lasts. Raises `UserError`."""
    path = os.path.expanduser(wanted)
    if path.endswith((".tar.gz", ".tgz")) and os.path.isfile(path):
        from .capsule import unpacked

        with unpacked(path) as (recording, files, home):
            yield Source(recording=recording, files=files, home=home)
        return
    yield Source(recording=open_recording(invocation, wanted))


def report(recording: Recording, played: Played, workspace: Workspace, given: Mapping[str, Any], took_s: float) -> None:
    """Tell what came of it, on stdout."""
    body = _body(recording, played, workspace, took_s, kept=given["keep"])
    if given["as_json"]:
        click.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
        return
    for line in _words(body, workspace, kept=given["keep"]):
        click.echo(line)


def _body(recording: Recording, played: Played, workspace: Workspace, took_s: float, *, kept: bool) -> dict[str, Any]:
    found = played.divergence
    total = sum(len(turn.replies) for turn in recording.turns)
    return {
        "schema": SCHEMA,
        "thread_id": recording.thread_id,
        "rollout": recording.path,
        "traced": recording.trace is not None,
        "workspace": workspace.source,
        "scratch": workspace.root if kept else None,
        "steps": played.steps,
        "steps_recorded": total,
        "turns": played.turns,
        "requests_compared": played.requests_compared,
        "outputs_compared": played.outputs_compared,
        "diverged": found is not None,
        "divergence": None if found is None else {n: getattr(found, n) for n in type(found).field_names()},
        "recorded_results_used": dict(played.used),
        "notes": [*_about(recording), *workspace.notes, *played.notes],
        "duration_s": round(took_s, 3),
    }


def _about(recording: Recording) -> list[str]:
    notes = []
    if recording.trace is None:
        notes.append("there is no trace: outputs, patch results and their order are compared, requests are not")
    elif recording.trace.is_full:
        notes.append("the trace reached [trace] max_bytes: later turns are compared by their outputs alone")
    if recording.damaged:
        notes.append(f"{recording.damaged} damaged lines of the rollout are left out")
    return notes


def _words(body: Mapping[str, Any], workspace: Workspace, *, kept: bool) -> Iterator[str]:
    yield f"session {body['thread_id']}"
    yield f"workspace: {body['workspace']}"
    for note in body["notes"]:
        yield f"note: {note}"
    used = body["recorded_results_used"]
    if used:
        shown = [f"{call_id} {why}" for call_id, why in list(used.items())[:5]]
        more = f", and {len(used) - 5} more" if len(used) > 5 else ""
        yield f"recorded results used: {', '.join(shown)}{more}"
    if kept:
        yield f"scratch copy: {workspace.root}"
    counted = f"{body['requests_compared']} requests" if body["traced"] else "no requests"
    yield (
        f"replayed {body['steps']} of {body['steps_recorded']} replies in {body['duration_s']:.1f} s; "
        f"compared {counted} and {body['outputs_compared']} outputs"
    )
    found = body["divergence"]
    if found is None:
        yield "no divergence"
        return
    named = f", call {found['call_id']} ({found['tool']})" if found["call_id"] else ""
    yield f"DIVERGED at step {found['step']} (turn {found['turn']}{named}): {found['kind']}"
    yield f"  {found['what']}"
    yield from (f"  {line}" for line in found["diff"].splitlines())
