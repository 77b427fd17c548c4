"""Runs the application on a link, and ends both."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from ..link.local import LocalLink
from ..session.controller import Session
from .app import CodexApp
from .legacy_keys import teach_keys
from .run import run_app

if TYPE_CHECKING:
    from ..options import Options
    from .splash import Splash

SWITCH_S = 0.001
"""How long the server's thread may go on while the UI waits for the interpreter: five times as long is usual, and a key
waits for it several times on its way to the screen."""
LATEST_S = 0.1
"""After this the server is started in any case."""
PATIENCE_S = 12.0
"""After a signal to end: the turn is stopped, threads are closed."""
FOREVER_S = 7 * 24 * 3600.0


class _LinkedApp(CodexApp):
    """The application with the life of its link around its own."""

    def __init__(self, options: Options, splash: Splash) -> None:
        self._local = None if options.invocation.flags.get("remote") else LocalLink()
        session = Session(self._local, options.settings)  # type: ignore[arg-type] # a remote one is connected below
        super().__init__(session, options, terminal=splash.terminal, painter=splash.painter)
        self._server_begun = False

    def on_mount(self) -> None:
        """Start the server, now that the screen is there and the keys are taken that were typed: both need the
        processor."""
        if self._local is not None:
            self.call_after_refresh(self._start_server)
            self.set_timer(LATEST_S, self._start_server)  # a screen that was drawn before all this calls nobody

    def _start_server(self) -> None:
        if self._local is not None and not self._server_begun:
            self._server_begun = True
            self._local.start(self.options.invocation)

    async def run_async(self, **given: Any) -> Any:
        """Run with the link bound to this loop."""
        async with AsyncExitStack() as stack:
            if self._local is not None:
                self._local.bind()
                stack.push_async_callback(self._local.close)
            else:
                from ..link.remote import connector

                found = await stack.enter_async_context(connector(self.options.invocation))
                self.session.link = await found.connect()
                self.session.reconnect = found.connect
            return await super().run_async(**given)


def run_screen(options: Options, splash: Splash) -> int:
    """The exit code. Raises `CodexError` when the session could not begin."""
    sys.setswitchinterval(SWITCH_S)
    teach_keys()
    app = _LinkedApp(options, splash)
    finish = options.section.on_hangup == "finish"
    code = run_app(app, stuck_s=FOREVER_S if finish else PATIENCE_S)
    if app.failure is not None:
        raise app.failure
    # past Python's own buffer, which would fail once more at the end where the terminal has gone
    app.terminal.write_now(app.act.farewell())
    return code
