"""`codex replay --what-if`: recorded replies up to a turn, from there the real model. The fork is kept as a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalRequested,
    ElicitationRequested,
    Engine,
    ExitCode,
    QuestionsAsked,
    ReviewDecision,
    RolloutLibrary,
    ThreadOptions,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    UserError,
    UserTurn,
)

from .normal import mapped
from .opening import paths_of
from .running import Wish, play
from .workspace import Workspace, prepare

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation

    from .recording import RecordedTurn, Recording
    from .replaying import Source


def run_what_if(invocation: Invocation, source: Source, given: Mapping[str, Any], sandbox: str | None) -> int:
    """Carry out the command; the exit code of the turn that was asked anew. Raises `UserError` for a turn that is not
    there, and what a replay raises."""
    recording: Recording = source.recording
    number = given["at"] or len(recording.turns)
    turn = _turn(recording, number)
    workspace = prepare(recording, given["workspace"], files=source.files, keep=True)
    played = None
    if number > 1:
        wish = Wish(sandbox=sandbox, turns=number - 1, keep=True, elsewhere=source.home is not None)
        played = play(invocation, recording, workspace, wish)
        if played.divergence is not None:
            workspace.remove()
            _forget(invocation, played.thread_id)
            raise UserError(
                f"the replay diverges before turn {number}, at step {played.divergence.step}: {played.divergence.what}",
                hint="codex replay shows where; --at takes an earlier turn",
                exit_code=ExitCode.DIVERGED,
            )
    config = _config(invocation, recording, given, sandbox, workspace)
    options = ThreadOptions(
        cwd=workspace.cwd,
        resume=played.thread_id if played is not None else None,
        meta={} if played is not None else {"forked_from_id": recording.thread_id},
    )
    engine = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ)
    outcome = _ask(engine, options, turn, workspace)
    _tell(outcome, workspace, given, number)
    return int(outcome["exit_code"])


def _forget(invocation: Invocation, thread_id: str) -> None:
    """Remove what was kept of a fork that came to nothing."""
    config = invocation.load_config(cwd=None)
    store = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ).rollout_store()
    if isinstance(store, RolloutLibrary) and store.find(thread_id) is not None:
        store.delete(thread_id)


def _turn(recording: Recording, number: int) -> RecordedTurn:
    if number > len(recording.turns):
        raise UserError(f"--at {number}: the session has {len(recording.turns)} turns", exit_code=ExitCode.USAGE)
    turn = recording.turns[number - 1]
    if turn.input is None:
        raise UserError(
            f"turn {number} only shortened the history: there is nothing to ask", hint="choose another --at"
        )
    return turn


def _config(
    invocation: Invocation, recording: Recording, given: Mapping[str, Any], sandbox: str | None, workspace: Workspace
) -> Config:
    """The present configuration, as the real model is asked with it."""
    config = invocation.load_config(cwd=workspace.cwd, overrides=given["overrides"])
    model = given["model"] or invocation.flags.get("model")
    named = {str(text).partition("=")[0].strip() for text in (*invocation.overrides, *given["overrides"])}
    recorded = recording.turns[0].context.get("model")
    if model or ("model" not in named and isinstance(recorded, str)):
        config.merge_key("model", model or recorded, "-m")
    if "approval_policy" not in named:
        config.merge_key("approval_policy", "never", "the replay")
    if "sandbox_mode" not in named or sandbox:
        config.merge_key("sandbox_mode", sandbox or "workspace-write", "the replay")
    return config


def _ask(engine: Engine, options: ThreadOptions, turn: RecordedTurn, workspace: Workspace) -> dict[str, Any]:
    """Run the turn with the real model. Raises what stands in the way before it."""
    import anyio

    opened = engine.prepare(options)
    words = mapped([plainly(part) for part in turn.input or ()], paths_of(workspace).to_scratch)
    op = UserTurn(input=tuple(part.replace(**w) for part, w in zip(turn.input or (), words, strict=True)))
    found: dict[str, Any] = {
        "thread_id": opened.state.recorder.thread_id,
        "rollout": opened.state.recorder.path,
        "model": opened.state.settings.model,
        "exit_code": int(ExitCode.FAILED),
        "message": None,
        "error": None,
    }

    async def run() -> None:
        async with opened.running() as thread:
            await thread.submit(op)
            while True:
                msg = (await thread.next_event()).msg
                match msg:
                    case TurnCompleted():
                        found.update(exit_code=0, message=msg.last_agent_message, usage=msg.usage.as_dict())
                        return
                    case TurnFailed():
                        found.update(exit_code=msg.error.exit_code, error=msg.error.message)
                        return
                    case TurnInterrupted():
                        found.update(exit_code=int(ExitCode.INTERRUPTED), error=msg.reason)
                        return
                    case ApprovalRequested() | QuestionsAsked() | ElicitationRequested():
                        denied = ApprovalAnswer(approval_id=msg.approval_id, decision=ReviewDecision.DENIED)
                        await thread.submit(denied)

    anyio.run(run)
    return found


def plainly(part: Any) -> dict[str, str]:
    """The text of an input, by the name of its member; nothing of an image."""
    return {"text": part.text} if hasattr(part, "text") else {}


def _tell(outcome: Mapping[str, Any], workspace: Workspace, given: Mapping[str, Any], number: int) -> None:
    if given["as_json"]:
        body = {"schema": 1, "at": number, "workspace": workspace.cwd, **outcome}
        click.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(f"turn {number} was asked anew of {outcome['model']}, as session {outcome['thread_id']}")
    click.echo(f"workspace: {workspace.cwd}")
    click.echo(outcome["message"] if outcome["error"] is None else f"the turn failed: {outcome['error']}")
    click.echo(f"go on: codex -C {workspace.cwd} exec resume {outcome['thread_id']}", err=True)
