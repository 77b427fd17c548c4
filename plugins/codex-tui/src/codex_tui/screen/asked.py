"""The questions of a server on the screen: put, told to who looks elsewhere, taken back."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from ..notify import Notifier
    from ..session.asks import Ask
    from .app import CodexApp


class Asked:
    """Puts each question of the session to the user, with as many dialogues as it takes; `changed` follows those that
    are open. `notifier` calls a user who is not there."""

    def __init__(self, app: CodexApp, notifier: Notifier) -> None:
        self._app, self._notifier = app, notifier
        self._put: dict[object, asyncio.Task[Any]] = {}

    def changed(self) -> None:
        """Questions have come, or were settled elsewhere."""
        asks = self._app.session.asks
        for id in self._put.keys() - {ask.id for ask in asks}:
            self._put.pop(id).cancel()
        for ask in asks:
            if ask.id not in self._put:
                self._put[ask.id] = self._app.go(self._ask(ask))
                self._notifier.waiting(ask.title)

    async def _ask(self, ask: Ask) -> None:
        from .put_ask import put_ask

        app = self._app
        rounds = count()  # what follows the first dialogue the user has asked for

        try:
            reply = await put_ask(
                ask,
                lambda make: app.dialogs.ask(make, wanted=next(rounds) > 0),
                edit=app.act.edit_text,
                open_url=app.act.open_url,
            )
        finally:
            self._put.pop(ask.id, None)
        if reply is not None:
            await app.session.reply(ask, reply)
