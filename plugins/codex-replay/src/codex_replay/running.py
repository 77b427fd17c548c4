"""Runs a replay: the recorded turns, one after the other, in a scratch copy of the workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import (
    ApprovalAnswer,
    ApprovalPolicy,
    ApprovalRequested,
    Compact,
    ElicitationRequested,
    EndOfThread,
    Engine,
    Interrupt,
    OpRejected,
    QuestionsAsked,
    ReviewDecision,
    RunIntent,
    Steer,
    TurnCompleted,
    TurnFailed,
    TurnId,
    TurnInterrupted,
    TurnOverrides,
    UserInput,
    UserTurn,
    Value,
    field,
    value,
)
from codex_plugin_sdk.redact import Redactor

from .comparing import ORDER, Divergence
from .opening import NARROWED, environ_of, open_thread, paths_of, recorded_mode, replay_config
from .player import Player, tool_of
from .recording import RecordedTurn, Recording
from .stand_ins import Results

if TYPE_CHECKING:
    from codex_plugin_sdk import Event, Invocation, OpenedThread, Thread

    from .workspace import Workspace

_HOOKS = "hooks are not run"


@value
class Played(Value):
    """What came of a replay. `used` are the calls whose recorded results were used, by call id; `notes` is what a
    reader should know of it; `thread_id` and `rollout` are those of a thread that was kept."""

    divergence: Divergence | None
    steps: int
    turns: int
    requests_compared: int
    outputs_compared: int
    used: Mapping[str, str] = field(factory=dict)
    notes: tuple[str, ...] = ()
    thread_id: str = ""
    rollout: str | None = None


@value
class Wish(Value):
    """How to replay. `until` counts replies of the model; `turns` is how many turns are played, None for all;
    `elsewhere` says that this is not the machine, or not the home, of the recording."""

    sandbox: str | None = None
    until: int | None = None
    turns: int | None = None
    overrides: tuple[str, ...] = ()
    live_mcp: bool = False
    elsewhere: bool = False
    keep: bool = False
    codex_home: str | None = None


def play(invocation: Invocation, recording: Recording, workspace: Workspace, wish: Wish) -> Played:
    """Replay. Raises `CodexError` for what stands in the way before the first turn."""
    import anyio

    config, notes = replay_config(invocation, recording, wish.overrides, wish.sandbox, foreign=wish.elsewhere)
    if wish.codex_home is not None:
        config.codex_home = wish.codex_home
    environ, others = environ_of(recording, invocation.environ, foreign=wish.elsewhere)
    notes += [f"{', '.join(others)} of the environment differ from those of the recording"] if others else []
    engine = Engine(config=config, plugins=invocation.plugins, environ=environ)
    paths = paths_of(workspace)
    unconfined = engine.settings.sandbox_policy.unconfined
    changed = (
        bool(wish.overrides)
        or NARROWED in notes
        or "TMPDIR" in others
        or engine.settings.sandbox_policy.mode.value != recorded_mode(recording)
    )
    results = Results(recording, paths, may_escalate=unconfined)
    opened, missing = open_thread(engine, recording, workspace, results, keep=wish.keep, live_mcp=wish.live_mcp)
    called = {tool_of(item) for turn in recording.turns for reply in turn.replies for item in reply.items}
    if absent := [name for name in missing if name in called]:
        notes.append(f"not run, their recorded results are used: {', '.join(absent)}")
    player = Player(
        recording,
        opened.state.provider,
        paths=paths,
        redactor=Redactor(invocation.environ),
        until=wish.until,
        elsewhere=wish.elsewhere or changed,
        loose=any(note.startswith(_HOOKS) for note in notes),
    )
    player.tools_in_order = not missing
    opened.state.provider = player
    run = _Run(opened, recording, player, results, wish.turns)
    anyio.run(run.all)
    return Played(
        divergence=player.divergence,
        steps=player.steps,
        turns=run.turns,
        requests_compared=player.requests_compared,
        outputs_compared=player.outputs_compared,
        used=results.used,
        notes=(*notes, *player.notes),
        thread_id=opened.state.recorder.thread_id,
        rollout=opened.state.recorder.path,
    )


class _Run:
    def __init__(
        self, opened: OpenedThread, recording: Recording, player: Player, results: Results, turns: int | None
    ) -> None:
        self.turns = 0
        self._opened = opened
        self._recording = recording
        self._player = player
        self._results = results
        self._limit = turns

    async def all(self) -> None:
        """The turns in order, up to the first divergence."""
        async with self._opened.running() as thread:
            self._player.steer = partial(_steer, thread)
            interrupt = partial(thread.submit, Interrupt(reason="interrupted"))
            self._player.interrupt = self._results.interrupt = interrupt
            for number, turn in enumerate(self._recording.turns, 1):
                if self._limit is not None and number > self._limit:
                    return
                if not turn.replies and turn.input is None:
                    continue
                self._player.begin(turn, number)
                state = await self._turn(thread, turn, number)
                self.turns = number
                if self._player.divergence is not None or self._player.reached_end:
                    return
                self._player.end(state)
                if self._player.divergence is not None:
                    return

    async def _turn(self, thread: Thread, turn: RecordedTurn, number: int) -> str:
        if turn.input is None:
            await thread.submit(Compact())
        else:
            overrides = self._overrides(turn) if number > 1 else TurnOverrides()
            await thread.submit(UserTurn(input=turn.input, turn_id=TurnId(turn.turn_id), overrides=overrides))
        while True:
            try:
                event = await thread.next_event()
            except EndOfThread:
                return "failed"
            state = await self._handle(thread, event)
            if state:
                return state

    async def _handle(self, thread: Thread, event: Event) -> str:
        """The state in which the turn ended; empty while it runs."""
        match event.msg:
            case TurnCompleted():
                return "completed"
            case TurnInterrupted():
                return "interrupted"
            case TurnFailed(error=error):
                self._failed(error.message)
                return "failed"
            case OpRejected(message=message):
                self._failed(message)
                return "failed"
            case ApprovalRequested():
                await thread.submit(self._answer(event.msg))
            case QuestionsAsked() | ElicitationRequested():
                await thread.submit(ApprovalAnswer(approval_id=event.msg.approval_id, decision=ReviewDecision.DENIED))
        return ""

    def _failed(self, message: str) -> None:
        """A turn that fails for another reason than the recorded one diverges there."""
        turn = self._recording.turns[self.turns]
        player = self._player
        if player.divergence is None and not player.reached_end and turn.state == "completed":
            player.divergence = Divergence(
                step=player.steps + 1,
                turn=self.turns + 1,
                turn_id=turn.turn_id,
                kind=ORDER,
                what=f"the turn failed: {message}",
            )

    def _answer(self, asked: ApprovalRequested) -> ApprovalAnswer:
        """What would leave the sandbox is not run here: its recorded result was used, or it is refused."""
        intent = asked.intent
        good = isinstance(intent, RunIntent) and not intent.escalated and not intent.additional
        decision = ReviewDecision.APPROVED if good else ReviewDecision.DENIED
        return ApprovalAnswer(approval_id=asked.approval_id, decision=decision)

    def _overrides(self, turn: RecordedTurn) -> TurnOverrides:
        """What a later turn changed: the model and how hard it thinks, and when the user is asked."""
        context: Mapping[str, Any] = turn.context
        model, effort, asks = context.get("model"), context.get("effort"), context.get("approval_policy")
        known = [policy for policy in ApprovalPolicy if policy == asks and policy is not ApprovalPolicy.GRANULAR]
        return TurnOverrides(
            model=model if isinstance(model, str) else None,
            effort=effort if isinstance(effort, str) else None,
            approval_policy=known[0] if known else None,
        )


async def _steer(thread: Thread, given: Sequence[UserInput]) -> None:
    await thread.submit(Steer(input=tuple(given)))
