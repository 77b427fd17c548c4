"""Runs the application on a link, and ends both."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from ..link.local import LocalLink
from ..link.remote import connector
from ..session.controller import Session
from .app import CodexApp
from .legacy_keys import teach_keys
from .run import run_app

if TYPE_CHECKING:
    from ..options import Options
    from .splash import Splash

START_S = 0.05
"""Until the server is started: the first frames are drawn, keys that were typed are taken."""
PATIENCE_S = 12.0
"""After a signal to end: the turn is stopped, threads are closed."""
FOREVER_S = 7 * 24 * 3600.0


class _LinkedApp(CodexApp):
    """The application with the life of its link around its own."""

    def __init__(self, options: Options, splash: Splash) -> None:
        self._local = None if options.invocation.flags.get("remote") else LocalLink()
        session = Session(self._local, options.settings)  # type: ignore[arg-type] # a remote one is connected below
        super().__init__(session, options, terminal=splash.terminal, painter=splash.painter)

    async def run_async(self, **given: Any) -> Any:
        """Run with the link bound to this loop."""
        async with AsyncExitStack() as stack:
            if self._local is not None:
                self._local.bind()
                # later, not now: the screen comes first
                asyncio.get_running_loop().call_later(START_S, self._local.start, self.options.invocation)
                stack.push_async_callback(self._local.close)
            else:
                found = await stack.enter_async_context(connector(self.options.invocation))
                self.session.link = await found.connect()
                self.session.reconnect = found.connect
            return await super().run_async(**given)


def run_screen(options: Options, splash: Splash) -> int:
    """The exit code. Raises `CodexError` when the session could not begin."""
    teach_keys()
    app = _LinkedApp(options, splash)
    finish = options.section.on_hangup == "finish"
    code = run_app(app, stuck_s=FOREVER_S if finish else PATIENCE_S)
    if app.failure is not None:
        raise app.failure
    sys.stdout.write(app.act.farewell())
    return code
