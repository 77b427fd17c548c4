"""What a server says to a session: taken in batches, and after a break the server is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import CodexError

from ..link.errors import LinkLost
from .asks import BadAsk, read_ask

if TYPE_CHECKING:
    from ..link import Message
    from .controller import Session

BREATH_S = 0.008
"""Between two batches of messages: a screen is drawn less often than deltas come."""
RECONNECT_S = (0.5, 1, 2, 4, 8, 15, 30)


class Listener:
    """Listens for a session; see `run`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def run(self) -> None:
        """Take what the server says, for as long as there is one. Returns when it is gone for good."""
        while True:
            try:
                await self._take_batch()
            except LinkLost as error:
                self._lost(error)
                if not await self._connect_again():
                    return
            except CodexError as error:  # a server that could not even start
                self._lost(error)
                return

    # -- what comes ------------------------------------------------------------------------------

    async def _take_batch(self) -> None:
        session = self._session
        message = await session.link.next_message()
        while True:
            await self._handle(message)
            if not session.link.waiting():
                break
            message = await session.link.next_message()
        session.on_change()
        await session.turns.send_next()
        await anyio.sleep(BREATH_S)

    async def _handle(self, message: Message) -> None:
        session = self._session
        if "id" in message:
            await self._asked(message)
            return
        if session.reader is not None:
            session.reader.handle(message)
        method = message["method"]
        if method == "serverRequest/resolved":
            self._settled(message["params"].get("requestId"))
        elif method == "turn/completed" and message["params"].get("threadId") == session.thread_id:
            session.turns.ended(message["params"]["turn"].get("status") or "")
        session.on_message(message)

    async def _asked(self, message: Message) -> None:
        session = self._session
        try:
            ask = read_ask(message)
        except BadAsk as error:
            session.notice("warning", f"a question of the server cannot be shown: {error}")
            await session.link.refuse(message["id"], str(error))
            return
        if ask is None:
            await session.link.refuse(message["id"], f"{message['method']} is not known here")
            return
        if session.reader is not None:
            ask.know(session.reader.cell(ask.turn_id, ask.item_id))
        session.asks.append(ask)
        session.on_ask()

    def _settled(self, id: object) -> None:
        asks = self._session.asks
        left = [ask for ask in asks if ask.id != id]
        if len(left) != len(asks):
            asks[:] = left
            self._session.on_ask()

    # -- a server that has gone ------------------------------------------------------------------

    def _lost(self, error: CodexError) -> None:
        session = self._session
        session.turns.lost()
        session.asks.clear()
        session.on_ask()
        hint = error.hint
        if session.reconnect is not None:
            hint = "it is looked for; what you write is kept"
        elif session.thread_id:
            hint = f"what was said is recorded: codex resume {session.thread_id}"
        session.notice("error", error.message, hint)

    async def _connect_again(self) -> bool:
        """Find the server again and go on with the thread; False if there is no way to. Gives up after the last of
        `RECONNECT_S`."""
        session = self._session
        if session.reconnect is None:
            return False
        for delay_s in RECONNECT_S:
            await anyio.sleep(delay_s)
            try:
                session.link = await session.reconnect()
                await self._go_on()
            except CodexError:
                continue
            session.notice("info", f"connected to {session.link.name} again")
            return True
        name = session.link.name
        session.notice("error", f"{name} does not come back", "codex --remote ADDRESS resumes the session there")
        return False

    async def _go_on(self) -> None:
        """Open the thread again, with what was chosen for its next turn."""
        session = self._session
        chosen = dict(session.overrides)
        if session.thread_id:
            await session.resume(session.thread_id)
        else:
            await session.start()
        session.overrides.update(chosen)
