"""The turn guard: keeps pre-images before commands and edits, and puts the quarantine in their way."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from codex_plugin_sdk import CodexError, Notice, PluginError, SandboxMode, TurnGuard

from .section import UndoSection, section_of

if TYPE_CHECKING:
    from codex_plugin_sdk import (
        ExecRequest,
        FileEdit,
        GuardSetup,
        ModelRequest,
        SandboxPolicy,
        ToolCall,
        ToolOutput,
        TurnFacts,
        TurnId,
    )

    from .quarantine import Quarantine
    from .recorder import Recorder

T = TypeVar("T")
HEAD_START_S = 0.1
"""The request to the model goes out first; files are read while the model thinks."""


def make_guard(setup: GuardSetup) -> TurnGuard | None:
    """The guard of a thread; None where nothing is to be done. An ephemeral thread leaves no journal."""
    section = section_of(setup.config)
    keeps = section.enabled and setup.rollout_path is not None and os.name == "posix"
    if not keeps and not (section.quarantine and os.name == "posix"):
        return None
    return UndoGuard(setup, section, keeps=keeps)


class UndoGuard(TurnGuard):
    """What it is asked in line waits for the journal, which works on threads; what it is told is done behind the turn's
    back, in order, by a thread of its own that is started when there is something to do."""

    def __init__(self, setup: GuardSetup, section: UndoSection, *, keeps: bool) -> None:
        self._setup, self._section, self._keeps = setup, section, keeps
        self._cwd = setup.cwd
        self._recorder: Recorder | None = None
        self._quarantine: Quarantine | None = None
        self._lock = threading.Lock()
        self._later: deque[Callable[[], None]] = deque()
        self._wake, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._failed: CodexError | None = None
        self._running: set[str] = set()
        self._goes_on = self._used = False
        self._told: set[str] = set()
        self._unprepared: tuple[bytes, ...] = ()

    # -- the turn ------------------------------------------------------------------------------------------

    def turn_begins(self, turn: TurnFacts) -> None:
        """Nothing is read yet."""
        self._used = False
        self._cwd = turn.cwd
        self._running.clear()
        self._stop.clear()
        if self._keeps:
            self._later.append(partial(self._begin, turn.turn_id, turn.cwd))
            self._unprepared = covered(turn.sandbox_policy, turn.cwd)

    def request_begins(self, request: ModelRequest) -> None:
        """With the first one of a turn, the files are read while the model thinks."""
        if roots := self._unprepared:
            self._unprepared = ()
            self._do_later(partial(self._prepare, roots))

    async def exec_begins(self, call_id: str, request: ExecRequest, policy: SandboxPolicy) -> ExecRequest:
        """What the command may change is kept first; its large deletes become moves."""
        if policy.mode is SandboxMode.READ_ONLY:
            return request
        roots = covered(policy, self._cwd)
        alone = not self._running and not self._goes_on
        self._running.add(call_id)
        given = _nothing(), request
        idle = self._recorder is not None and self._recorder.idle(roots)
        said, request = await self._do(lambda: self._before(request, policy, roots, alone=alone), given, quick=idle)
        if self._keeps:
            self._tell_left(said, roots, request.cwd)
        return request

    def _before(
        self, request: ExecRequest, policy: SandboxPolicy, roots: tuple[bytes, ...], *, alone: bool
    ) -> tuple[list[str], ExecRequest]:
        said = self._open().before_command(roots, alone=alone) if self._keeps else []
        if self._section.quarantine:
            request = self._open_quarantine().guarded(request, policy, roots)
        return said, request

    async def edits_begin(self, call_id: str, edits: Sequence[FileEdit]) -> None:
        """The files are kept as they are."""
        if self._keeps:
            self._running.add(call_id)
            said = await self._do(lambda: self._open().before_edits(_places(edits)), _nothing())
            self._tell_left(said, (), "")

    def call_ends(self, call: ToolCall, output: ToolOutput) -> None:
        """What was edited, and what the command changed, is looked at behind the turn's back."""
        if call.call_id in self._running:
            self._running.discard(call.call_id)
            self._goes_on = self._goes_on or output.goes_on
            if self._recorder is not None and self._recorder.due():
                self._do_later(self._after_call)
            else:
                self._later.append(self._after_call)

    async def turn_ends(self, turn_id: TurnId, state: str) -> None:
        """The entry of the turn is completed."""
        self._unprepared = ()
        if not self._used:
            self._stop.set()  # nobody needs any more what is being read
            self._later.clear()
            return
        await self._do(self._end, None)

    async def aclose(self) -> None:
        """The journal is closed."""
        import anyio

        self._closing = True
        for event in (self._stop, self._hurry, self._wake):
            event.set()

        def close() -> None:
            if self._thread is not None:
                self._thread.join()
            if self._recorder is not None:
                self._recorder.close()

        if self._thread is not None or self._recorder is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(close)

    # -- on threads ----------------------------------------------------------------------------------------

    def _begin(self, turn_id: str, cwd: str) -> None:
        self._open().begin(turn_id, cwd)

    def _prepare(self, roots: Sequence[bytes]) -> None:
        from .scan import Stopped

        with suppress(Stopped):
            self._open().prepare(roots, self._stop.is_set)

    def _after_call(self) -> None:
        if self._keeps:
            self._open().after_edits()
            if not self._running and not self._goes_on:
                self._open().after_command()
        if self._quarantine is not None:
            self._quarantine.collect()

    def _end(self) -> None:
        if self._quarantine is not None:
            self._quarantine.collect()
        if self._keeps:
            self._open().end()

    def _open(self) -> Recorder:
        if self._recorder is None:
            from .recorder import Recorder

            setup = self._setup
            self._recorder = Recorder(setup.codex_home, setup.thread_id, setup.root_id, self._section)
        return self._recorder

    def _open_quarantine(self) -> Quarantine:
        if self._quarantine is None:
            from .quarantine import Quarantine

            self._quarantine = Quarantine(self._setup.codex_home, self._setup.thread_id, self._section)
        return self._quarantine

    def _do_later(self, job: Callable[[], None]) -> None:
        self._later.append(job)
        self._wake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="codex-undo")
            self._thread.start()

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            self._hurry.wait(HEAD_START_S)
            if self._closing:
                return
            with self._lock:
                try:
                    self._drain()
                except CodexError as error:
                    self._failed = error
                except Exception as error:  # noqa: BLE001 - told by whoever asks next, in line
                    self._failed = PluginError(f"the undo journal failed: {type(error).__name__}: {error}")

    def _drain(self) -> None:
        while (job := self._next()) is not None:
            job()

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._later.popleft()
        except IndexError:  # a turn that ends may clear the rest at any moment
            return None

    async def _do(self, work: Callable[[], T], default: T, *, quick: bool = False) -> T:
        """Do it in line, after what waits; what is quick without the way to another thread and back. Raises what went
        wrong, or says it once where undo is not required."""
        import anyio

        def run() -> T:
            failed, self._failed = self._failed, None
            if failed is not None:
                raise failed
            self._drain()
            return work()

        def locked() -> T:
            with self._lock:
                return run()

        self._used = True
        self._hurry.set()
        try:
            if quick and self._lock.acquire(blocking=False):
                try:
                    return run()
                finally:
                    self._lock.release()
            return await anyio.to_thread.run_sync(locked)
        except CodexError as error:
            if self._section.required:
                raise
            self._keeps = False
            self._later.clear()
            self._tell(f"undo is off for the rest of this session: {error.message}")
            return default
        finally:
            self._hurry.clear()
            self._announce()

    # -- telling -------------------------------------------------------------------------------------------

    def _tell_left(self, said: Sequence[str], roots: Sequence[bytes], cwd: str) -> None:
        for one in said:
            self._tell(f"what this turn does to {one} cannot be undone")
        place = os.path.join(os.fsencode(os.path.realpath(cwd)), b"") if cwd else b""
        if place and not any(place.startswith(os.path.join(root, b"")) for root in roots):
            self._tell(f"what commands change in {cwd} cannot be undone: it is outside of the workspace")

    def _announce(self) -> None:
        if self._quarantine is not None:
            for text in self._quarantine.news():
                self._setup.tell(Notice(level="warning", message=text, source="undo"))

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._setup.tell(Notice(level="warning", message=text, source="undo"))


def _nothing() -> list[str]:
    return []


def covered(policy: SandboxPolicy, cwd: str) -> tuple[bytes, ...]:
    """The folders that are scanned: cwd and the named writable roots, resolved; not the folders for temporary files.
    None where commands can write nothing."""
    if policy.mode is SandboxMode.READ_ONLY:
        return ()
    folders = [cwd] if policy.cwd_writable or policy.unconfined else []
    real = {os.fsencode(os.path.realpath(folder)) for folder in (*folders, *policy.writable_roots)}
    real = {root for root in real if root != b"/" and os.path.isdir(root)}
    return tuple(sorted(root for root in real if not any(root.startswith(other + b"/") for other in real)))


def _places(edits: Sequence[FileEdit]) -> list[bytes]:
    """Where the edits really happen: content goes through a link, a removal takes the link itself."""
    found = []
    for edit in edits:
        gone = edit.move_from if edit.content is not None else edit.path
        if gone is not None:
            folder, name = os.path.split(os.path.abspath(gone))
            found.append(os.path.join(os.path.realpath(folder), name))
        if edit.content is not None:
            found.append(os.path.realpath(edit.path))
    return [os.fsencode(path) for path in dict.fromkeys(found)]
