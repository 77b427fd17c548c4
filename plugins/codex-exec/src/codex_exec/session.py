"""One `codex exec`: a thread, one turn, a renderer, and signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from codex_plugin_sdk import (
    CodexError,
    Engine,
    Event,
    ExitCode,
    RenderSetup,
    TextInput,
    ThreadOptions,
    ThreadStarted,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnOverrides,
    UserError,
    UserTurn,
    local_image,
)
from codex_plugin_sdk.lineage import is_subagent

from .last_message import LastMessageFile
from .options import ExecOptions, read_schema
from .prompt import read_prompt

if TYPE_CHECKING:
    from anyio import CancelScope

    from codex_plugin_sdk import Config, Invocation, OpenedThread, Renderer, Thread
    from codex_plugin_sdk.remote.thread import RemoteOpening, RemoteThread
    from codex_plugin_sdk.review.session import ReviewSession, ReviewThread

    from .custom_prompt import ServerPrompt

    AnyThread = Thread | ReviewThread | RemoteThread
    Ask = Callable[[], Awaitable[UserTurn]]

SIGNAL_BASE = 128
NEWEST = ""
SESSIONS_A_PAGE = 25
CUSTOM_PROMPT = "/prompts:"
ORIGINATOR = "CODEX_INTERNAL_ORIGINATOR_OVERRIDE"
"""By this variable programs that run us, as SDKs do, say who they are; servers and the record are told."""
_REASONING_KEYS = ("hide_agent_reasoning", "show_raw_agent_reasoning")


def run_exec(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `CodexError` for what is wrong before the turn."""
    options = ExecOptions(invocation, given)
    config = options.config()
    options.check_trust(config)
    if options.flag("remote"):
        from .attached import run_attached

        return run_attached(invocation, options, config)
    engine = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ)
    options.check_folder(config)
    last_message = LastMessageFile(options.flag("output_last_message"))
    renderer = make_renderer(invocation, options, config)
    # The turn is opened before the event loop is imported: its first request is then already on its way.
    ask = None
    opened: OpenedThread | ReviewSession
    if options.reviews:
        opened = _review(engine, options)
    else:
        opened, ask = _conversation(engine, options, config)
    import anyio

    idle = ask is None and not options.reviews and target(options)[1] is None and options.forks
    session = Session(opened, renderer, invocation.debug, ask, idle=idle)
    anyio.run(session.run)
    return finished(session, options, last_message)


def finished(session: Session, options: ExecOptions, last_message: LastMessageFile) -> int:
    """The exit code, once what is left has been written. Raises `BrokenPipeError`, `CodexError`."""
    if session.problem is not None:
        raise session.problem
    last_message.write(session.last_message)
    if session.hint and options.flag("as_json"):
        sys.stderr.write(f"hint: {session.hint}\n")
    if session.broken_pipe:
        raise BrokenPipeError
    if session.output_error is not None:
        why = session.output_error.strerror or str(session.output_error)
        hint = "the session is kept: codex exec resume --last" if session.recorded else "make room"
        raise UserError(f"the output cannot be written: {why}", hint=hint, exit_code=ExitCode.STORE)
    return session.exit_code


def _conversation(engine: Engine, options: ExecOptions, config: Config) -> tuple[OpenedThread, Ask | None]:
    """A thread, new or resumed, whose turn has begun; or has still to be asked for."""
    options.check_no_review()
    schema = read_schema(options.flag("output_schema"))
    thread_id, argument = _target(engine, options)
    idle = options.forks and argument is None
    prompt = "" if idle else whole_prompt(argument, options, config)
    images = tuple(local_image(path, options.cwd) for path in options.images)
    text = (TextInput(text=prompt),) if isinstance(prompt, str) else ()
    source = options.flag("thread_source")
    where = ThreadOptions(
        cwd=options.cwd,
        **_origin(engine, options, thread_id),
        ephemeral=bool(options.flag("ephemeral")),
        meta={"thread_source": source} if source else {},
        originator=options.environ.get(ORIGINATOR) or "codex_exec",
    )
    opened = engine.prepare(where)
    # After the thread, so that its id is the later one: that tells turns of a fork from those it took over.
    op = UserTurn(input=(*text, *images), overrides=TurnOverrides(output_schema=schema))
    if isinstance(prompt, str):
        if not idle:
            opened.begin(op)
        return opened, None
    return opened, partial(prompt.turn, op, opened.state.sources)


def _origin(engine: Engine, options: ExecOptions, thread_id: str | None) -> dict[str, Any]:
    """What the thread goes on from, as `ThreadOptions` has it. Raises `UserError`, `StoreError`."""
    if not options.forks or thread_id is None:
        return {"resume": thread_id}
    from .forking import check_compaction, turn_after

    store, turn, compaction = engine.rollout_store(), options.flag("turn"), options.flag("before_compaction")
    if compaction is not None:
        check_compaction(store, thread_id, compaction)
    before = None if turn is None else turn_after(store, thread_id, turn)
    return {"fork": thread_id, "fork_before_turn": before, "fork_before_compaction": compaction}


def _review(engine: Engine, options: ExecOptions) -> ReviewSession:
    """A new thread whose review has begun."""
    from .review import open_review_session

    return open_review_session(engine, options)


class Session:
    """Feeds the renderer until the turn has ended. `ask` gives a turn that has not begun; `problem` is why it could
    not. An `idle` one has none, and ends when the thread is there."""

    def __init__(
        self,
        opened: OpenedThread | ReviewSession | RemoteOpening,
        renderer: Renderer,
        debug: bool,
        ask: Ask | None = None,
        *,
        idle: bool = False,
    ) -> None:
        self._opened, self._ask, self._idle = opened, ask, idle
        self._renderer: Renderer | None = renderer
        self._debug = debug
        self._signal = 0
        self.exit_code: int = ExitCode.FAILED
        self.last_message: str | None = None
        self.hint = ""
        self.recorded = False
        self.broken_pipe = False
        self.output_error: OSError | None = None
        self.problem: CodexError | None = None
        self._told_broken = False

    async def run(self) -> None:
        """The thread from its first event to the end of its turn."""
        import anyio

        from .signals import SignalWatch

        with SignalWatch() as self._signals:
            async with self._opened.running() as thread, anyio.create_task_group() as tasks:
                tasks.start_soon(self._obey_signals, thread, tasks.cancel_scope)
                if self._ask is not None:
                    tasks.start_soon(self._begin, self._ask, thread, tasks.cancel_scope)
                await self._follow(thread)
                tasks.cancel_scope.cancel()
            self._show(lambda renderer: renderer.close())

    async def _begin(self, ask: Ask, thread: AnyThread, scope: CancelScope) -> None:
        """Ask for the turn, while what happens meanwhile is shown."""
        try:
            op = await ask()
        except CodexError as error:
            self.problem = error
            scope.cancel()
        else:
            self._ask = None
            await thread.submit(op)

    async def _follow(self, thread: AnyThread) -> None:
        while True:
            event = await thread.next_event()
            await self._render(event, thread)
            match event.msg:
                case ThreadStarted(rollout_path=path):
                    self.recorded = path is not None
                    if self._idle:
                        self.exit_code = ExitCode.OK
                        return
                case TurnCompleted(last_agent_message=text):
                    self.exit_code, self.last_message = ExitCode.OK, text
                    return
                case TurnFailed(error=error):
                    self.exit_code, self.hint = error.exit_code, error.hint
                    return
                case TurnInterrupted():
                    self.exit_code = SIGNAL_BASE + (self._signal or signal.SIGINT)
                    return

    async def _obey_signals(self, thread: AnyThread, scope: CancelScope) -> None:
        from codex_plugin_sdk import Interrupt

        self._signal = await self._signals.next()
        if self._ask is not None:  # there is no turn yet that could end
            self.exit_code = SIGNAL_BASE + self._signal
            scope.cancel()
            return
        await thread.submit(Interrupt(reason="interrupted"))
        # A second one: whoever sends it does not want to wait for the rest of the events.
        self.exit_code = SIGNAL_BASE + await self._signals.next()
        scope.cancel()

    async def _render(self, event: Event, thread: AnyThread) -> None:
        self._show(lambda renderer: renderer.handle(event))
        if self.broken_pipe and not self._told_broken:
            from codex_plugin_sdk import Interrupt

            self._told_broken = True
            await thread.submit(Interrupt(reason="nobody reads the output any more"))

    def _show(self, show: Callable[[Renderer], None]) -> None:
        if self._renderer is None:
            return
        try:
            try:
                self._signals.writing = True
                show(self._renderer)
            finally:
                self._signals.writing = False
        except BrokenPipeError as error:
            from .signals import ReaderStuck

            # Where a signal ended the write, the signal says how we exit.
            self._renderer, self.broken_pipe = None, not isinstance(error, ReaderStuck)
        except OSError as error:
            self._renderer, self.output_error = None, error
        except Exception as error:  # noqa: BLE001 - observers can never hurt a turn
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        self._renderer = None
        sys.stderr.write(f"warning: the renderer failed and shows nothing more: {type(error).__name__}: {error}\n")
        if self._debug:
            import traceback

            traceback.print_exception(error)


def whole_prompt(argument: str | None, options: ExecOptions, config: Config) -> str | ServerPrompt:
    """The whole prompt. A custom one is expanded before stdin is appended to it, whose words are no arguments; one of
    an MCP server is a question to the running thread."""
    if argument is not None and argument.startswith(CUSTOM_PROMPT):
        from .custom_prompt import expanded

        return read_prompt(expanded(argument, options.cwd, config))
    prompt = read_prompt(argument)
    if prompt.startswith(CUSTOM_PROMPT):
        from .custom_prompt import expanded

        return expanded(prompt, options.cwd, config)
    if prompt.startswith("/"):
        from .custom_prompt import server_prompt

        return server_prompt(argument, prompt, config)
    return prompt


def _target(engine: Engine, options: ExecOptions) -> tuple[str | None, str | None]:
    """The thread to resume, if any, and the prompt argument."""
    wanted, argument = target(options)
    if wanted is None:
        return None, argument
    if wanted == NEWEST:
        return _newest(engine, options), argument
    found = engine.rollout_store().find(wanted)
    if found is None:
        raise UserError(
            f"no rollout found for thread id {wanted}", hint="codex exec resume --last takes the newest session"
        )
    return found.thread_id, argument


def target(options: ExecOptions) -> tuple[str | None, str | None]:
    """The session to resume or to fork as the user named it, `NEWEST` for the newest, None for none; and the prompt
    argument. Raises `UsageError`."""
    words = list(options.words)
    options.check_fork()
    if not words or words[0] not in ("resume", "fork"):
        if options.flag("last"):
            raise click.UsageError("--last belongs to `codex exec resume` and `codex exec fork`")
        if len(words) > 1:
            raise click.UsageError(f"unexpected argument {words[1]!r} found; quote the prompt")
        return None, words[0] if words else None
    verb, words = words[0], words[1:]
    wanted = NEWEST
    if not options.flag("last"):
        if not words:
            raise click.UsageError(f"{verb} wants a session id, or --last")
        wanted, words = words[0], words[1:]
    if len(words) > 1:
        raise click.UsageError(f"unexpected argument {words[1]!r} found; quote the prompt")
    if options.forks and options.images and not words:
        raise click.UsageError("--image wants a prompt")
    return wanted, words[0] if words else None


def _newest(engine: Engine, options: ExecOptions) -> str:
    store, cwd = engine.rollout_store(), None if options.flag("all_folders") else options.cwd
    page = store.list(limit=1, cwd=cwd)
    while page.threads:
        for found in page.threads:
            if not is_subagent(found.meta):
                return found.thread_id
        if page.next_cursor is None:
            break
        page = store.list(limit=SESSIONS_A_PAGE, cursor=page.next_cursor, cwd=cwd)
    raise UserError(f"no recorded session for {options.cwd}", hint="--all takes the newest of any folder")


def make_renderer(invocation: Invocation, options: ExecOptions, config: Config) -> Renderer:
    """The renderer that the options ask for."""
    choice = options.flag("color")
    color = choice == "always" or (choice != "never" and sys.stderr.isatty() and not options.environ.get("NO_COLOR"))
    shown = {"cwd": options.cwd, **{key: config.get(key, bool, False) for key in _REASONING_KEYS}}
    setup = RenderSetup(stdout=sys.stdout, stderr=sys.stderr, color=color, options=shown)
    name = options.flag("renderer") or ("jsonl" if options.flag("as_json") else "text")
    return invocation.plugins.renderer(name).factory(setup)
