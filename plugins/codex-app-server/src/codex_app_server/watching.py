"""Watching a file or a folder for changes, with the system's notifications."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import anyio

from .paths import on_disk
from .wire import RpcError

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

DEBOUNCE_MS = 200
STEP_MS = 50
MAX_WATCHES = 128
"""Of one client: each takes a thread."""


class Watchers:
    """The watches of one client, by the id that it gave them."""

    def __init__(self) -> None:
        self._open: dict[str, Watch] = {}
        self._threads: anyio.CapacityLimiter | None = None

    def add(self, id: str, path: str) -> Watch:
        """A watch that has not begun. Raises `RpcError` for an id that is taken, or too many."""
        if id in self._open:
            raise RpcError(f"watchId already exists: {id}")
        if len(self._open) >= MAX_WATCHES:
            raise RpcError(f"too many watches: at most {MAX_WATCHES} for one client")
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(MAX_WATCHES)
        watch = self._open[id] = Watch(path, self._threads)
        return watch

    def remove(self, id: str) -> None:
        """End a watch; nothing if there is none."""
        if (watch := self._open.pop(id, None)) is not None:
            watch.scope.cancel()

    def forget(self, id: str, watch: Watch) -> None:
        """This one has ended."""
        if self._open.get(id) is watch:
            del self._open[id]


class Watch:
    """A folder, of which what lies directly in it is told, or a file, which may come and go."""

    def __init__(self, path: str, threads: anyio.CapacityLimiter) -> None:
        self.path = path
        self.scope = anyio.CancelScope()
        self._threads = threads
        self._notify: RustNotify | None = None
        self._whole = False

    async def begin(self) -> None:
        """From now on nothing is missed. Raises `RpcError`."""

        def make() -> RustNotify:
            from watchfiles._rust_notify import RustNotify  # late: a compiled library

            self._whole = os.path.isdir(self.path)
            folder = self.path if self._whole else os.path.dirname(self.path)
            os.stat(folder)  # its failure has a number, that of the library has not
            return RustNotify([folder], False, False, 300, False, True)

        self._notify = await on_disk(make)

    async def run(self, tell: Callable[[Sequence[str]], None]) -> None:
        """Tell of changes until cancelled: the paths in order."""
        assert self._notify is not None
        stop, notify = threading.Event(), self._notify
        with self.scope:
            try:
                while True:
                    found = await anyio.to_thread.run_sync(
                        notify.watch, DEBOUNCE_MS, STEP_MS, 0, stop, abandon_on_cancel=True, limiter=self._threads
                    )
                    paths = sorted({path for _, path in found}) if isinstance(found, set) else []
                    if changed := [path for path in paths if self._concerns(path)]:
                        tell(changed)
            finally:
                stop.set()

    def _concerns(self, path: str) -> bool:
        return path == self.path or (self._whole and os.path.dirname(path) == self.path)
