"""Dialogs: one at a time, in the place of the composer, and never under the fingers of somebody who types."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import attrs

if TYPE_CHECKING:
    from .app import CodexApp
    from .dialog import Dialog

QUIET_S = 0.6
"""How long nobody must have typed before a dialog that nobody asked for takes the keys."""
SEEN_S = 0.25
"""How long such a dialog has been on the screen before a key can be an answer to it."""
MAX_DIALOGS = 64


@attrs.define(eq=False)
class _Waiting:
    make: Callable[[], Dialog]
    wanted: bool
    """Opened by the user: it need not wait until the keys are still."""
    settled: anyio.Event = attrs.field(factory=anyio.Event)
    result: Any = None


class Dialogs:
    """Shows dialogs one after another. Those the user opened come at once; those of the server wait for their turn
    and for still keys."""

    def __init__(self, app: CodexApp) -> None:
        self._app = app
        self._waiting: deque[_Waiting] = deque()
        self._shown: _Waiting | None = None
        self._dialog: Dialog | None = None
        self._timer: Any = None
        self._shown_at = 0.0
        self.last_key_at = 0.0

    @property
    def open(self) -> Dialog | None:
        """The dialog that is shown."""
        return self._dialog

    @property
    def held_back(self) -> int:
        """How many wait until the user stops typing."""
        return len(self._waiting) if self._dialog is None else 0

    @property
    def too_new(self) -> bool:
        """Whether a dialog that nobody asked for has only just come: a key was pressed before it could be read."""
        shown = self._shown
        return shown is not None and not shown.wanted and time.monotonic() - self._shown_at < SEEN_S

    async def key_came(self) -> None:
        """A key comes. One that was pressed before the dialog could be read takes it away until the user has stopped
        typing, and goes where it was meant to go."""
        if not self.too_new:
            return
        entry, dialog = self._shown, self._dialog
        assert entry is not None
        assert dialog is not None
        self._shown = self._dialog = None
        self._waiting.appendleft(entry)
        self.key_pressed()
        await self._app.hide_dialog(dialog)
        self._app.screen.set_focus(self._app.composer)  # now: the key is about to follow
        await self._show_next()

    async def ask(self, make: Callable[[], Dialog], *, wanted: bool = True) -> Any:
        """The answer to a dialog, None if it was left. Cancelled, it goes away."""
        entry = _Waiting(make, wanted)
        if wanted:
            self._waiting.appendleft(entry)
        elif len(self._waiting) < MAX_DIALOGS:
            self._waiting.append(entry)
        else:
            return None
        await self._show_next()
        try:
            await entry.settled.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._drop(entry)
            raise
        return entry.result

    def key_pressed(self) -> None:
        """The user types."""
        self.last_key_at = time.monotonic()

    async def _show_next(self) -> None:
        if self._dialog is not None or not self._waiting:
            return
        entry = self._waiting[0]
        left_s = 0.0 if entry.wanted else self.last_key_at + QUIET_S - time.monotonic()
        if left_s > 0:
            if self._timer is None:
                self._timer = self._app.set_timer(left_s + 0.01, self._try_again)
            self._app.refresh_status()
            return
        self._waiting.popleft()
        self._shown, self._dialog = entry, entry.make()
        self._shown_at = time.monotonic()
        if self.too_new:
            self._app.refresh_status()
            self._app.set_timer(SEEN_S + 0.01, self._app.refresh_status)
        await self._app.show_dialog(self._dialog)

    async def _try_again(self) -> None:
        self._timer = None
        await self._show_next()

    async def answered(self, dialog: Dialog, result: Any) -> None:
        """A dialog has its answer."""
        if dialog is not self._dialog or self._shown is None:
            return
        entry, self._shown, self._dialog = self._shown, None, None
        entry.result = result
        self.key_pressed()  # the key that answered: pressed twice, or held, it must not answer the next one
        await self._app.hide_dialog(dialog)
        entry.settled.set()
        if entry.wanted:
            self._app.type_again(dialog.late)
        await self._show_next()

    async def _drop(self, entry: _Waiting) -> None:
        if entry is self._shown and self._dialog is not None:
            dialog, self._shown, self._dialog = self._dialog, None, None
            await self._app.hide_dialog(dialog)
            await self._show_next()
        elif entry in self._waiting:
            self._waiting.remove(entry)
