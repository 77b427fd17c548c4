"""One `codex exec`: a thread, one turn, a renderer, and signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from codex_plugin_sdk import (
    Engine,
    Event,
    ExitCode,
    RenderSetup,
    TextInput,
    ThreadOptions,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnOverrides,
    UserError,
    UserTurn,
    local_image,
)

from .last_message import LastMessageFile
from .options import ExecOptions, read_schema
from .prompt import read_prompt

if TYPE_CHECKING:
    from anyio import CancelScope

    from codex_plugin_sdk import Config, Invocation, OpenedThread, Renderer, Thread

SIGNAL_BASE = 128
CUSTOM_PROMPT = "/prompts:"
_REASONING_KEYS = ("hide_agent_reasoning", "show_raw_agent_reasoning")


def run_exec(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `CodexError` for what is wrong before the turn."""
    options = ExecOptions(invocation, given)
    config = options.config()
    options.check_trust(config)
    engine = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ)
    options.check_folder(config)
    schema = read_schema(options.flag("output_schema"))
    last_message = LastMessageFile(options.flag("output_last_message"))
    thread_id, argument = _target(engine, options)
    prompt = _prompt(argument, options, config)
    renderer = _renderer(invocation, options, config)
    images = tuple(local_image(path, options.cwd) for path in options.images)
    op = UserTurn(input=(TextInput(text=prompt), *images), overrides=TurnOverrides(output_schema=schema))
    opened = engine.prepare(ThreadOptions(cwd=options.cwd, resume=thread_id, ephemeral=bool(options.flag("ephemeral"))))
    # The turn is opened before the event loop is imported: its first request is then already on its way.
    opened.begin(op)
    import anyio

    session = _Session(opened, renderer, invocation.debug)
    anyio.run(session.run)
    last_message.write(session.last_message)
    if session.hint and options.flag("as_json"):
        sys.stderr.write(f"hint: {session.hint}\n")
    if session.broken_pipe:
        raise BrokenPipeError
    if session.output_error is not None:
        why = session.output_error.strerror or str(session.output_error)
        hint = "the session is kept: codex exec resume --last" if opened.state.recorder.path else "make room"
        raise UserError(f"the output cannot be written: {why}", hint=hint, exit_code=ExitCode.STORE)
    return session.exit_code


class _Session:
    """Feeds the renderer until the turn has ended."""

    def __init__(self, opened: OpenedThread, renderer: Renderer, debug: bool) -> None:
        self._opened = opened
        self._renderer: Renderer | None = renderer
        self._debug = debug
        self._signal = 0
        self.exit_code: int = ExitCode.FAILED
        self.last_message: str | None = None
        self.hint = ""
        self.broken_pipe = False
        self.output_error: OSError | None = None
        self._told_broken = False

    async def run(self) -> None:
        """The thread from its first event to the end of its turn."""
        import anyio

        from .signals import SignalWatch

        with SignalWatch() as self._signals:
            async with self._opened.running() as thread, anyio.create_task_group() as tasks:
                tasks.start_soon(self._obey_signals, thread, tasks.cancel_scope)
                await self._follow(thread)
                tasks.cancel_scope.cancel()
            self._show(lambda renderer: renderer.close())

    async def _follow(self, thread: Thread) -> None:
        while True:
            event = await thread.next_event()
            await self._render(event, thread)
            match event.msg:
                case TurnCompleted(last_agent_message=text):
                    self.exit_code, self.last_message = ExitCode.OK, text
                    return
                case TurnFailed(error=error):
                    self.exit_code, self.hint = error.exit_code, error.hint
                    return
                case TurnInterrupted():
                    self.exit_code = SIGNAL_BASE + (self._signal or signal.SIGINT)
                    return

    async def _obey_signals(self, thread: Thread, scope: CancelScope) -> None:
        from codex_plugin_sdk import Interrupt

        self._signal = await self._signals.next()
        await thread.submit(Interrupt(reason="interrupted"))
        # A second one: whoever sends it does not want to wait for the rest of the events.
        self.exit_code = SIGNAL_BASE + await self._signals.next()
        scope.cancel()

    async def _render(self, event: Event, thread: Thread) -> None:
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


def _prompt(argument: str | None, options: ExecOptions, config: Config) -> str:
    """The whole prompt. A custom one is expanded before stdin is appended to it, whose words are no arguments."""
    if argument is not None and argument.startswith(CUSTOM_PROMPT):
        from .custom_prompt import expanded

        return read_prompt(expanded(argument, options.cwd, config))
    prompt = read_prompt(argument)
    if prompt.startswith(CUSTOM_PROMPT):
        from .custom_prompt import expanded

        return expanded(prompt, options.cwd, config)
    return prompt


def _target(engine: Engine, options: ExecOptions) -> tuple[str | None, str | None]:
    """The thread to resume, if any, and the prompt argument."""
    words = list(options.words)
    if not words or words[0] != "resume":
        if options.flag("last"):
            raise click.UsageError("--last belongs to `codex exec resume`")
        if len(words) > 1:
            raise click.UsageError(f"unexpected argument {words[1]!r} found; quote the prompt")
        return None, words[0] if words else None
    words = words[1:]
    thread_id = _newest(engine, options) if options.flag("last") else None
    if thread_id is None:
        if not words:
            raise click.UsageError("resume wants a session id, or --last")
        found = engine.rollout_store().find(words[0])
        if found is None:
            raise UserError(
                f"no rollout found for thread id {words[0]}", hint="codex exec resume --last takes the newest session"
            )
        thread_id = found.thread_id
        words = words[1:]
    if len(words) > 1:
        raise click.UsageError(f"unexpected argument {words[1]!r} found; quote the prompt")
    return thread_id, words[0] if words else None


def _newest(engine: Engine, options: ExecOptions) -> str:
    page = engine.rollout_store().list(limit=1, cwd=None if options.flag("all_folders") else options.cwd)
    if not page.threads:
        raise UserError(f"no recorded session for {options.cwd}", hint="--all takes the newest of any folder")
    return page.threads[0].thread_id


def _renderer(invocation: Invocation, options: ExecOptions, config: Config) -> Renderer:
    choice = options.flag("color")
    color = choice == "always" or (choice != "never" and sys.stderr.isatty() and not options.environ.get("NO_COLOR"))
    shown = {"cwd": options.cwd, **{key: config.get(key, bool, False) for key in _REASONING_KEYS}}
    setup = RenderSetup(stdout=sys.stdout, stderr=sys.stderr, color=color, options=shown)
    return invocation.plugins.renderer("jsonl" if options.flag("as_json") else "text").factory(setup)
