"""The textual application: a region below the terminal's scrollback, or the whole screen."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical

from codex_plugin_sdk import CodexError

from ..history import History
from ..link.errors import LinkLost
from ..notify import Notifier
from ..render import RenderCache, Theme, joins, render_cell
from ..session.controller import Draft, Session
from .actions import Actions
from .asking import Dialogs
from .composer import Composer
from .dialog import Dialog
from .drawing import Drawing
from .feed import Feed
from .news import News
from .opening import open_session
from .providers import providers
from .rows import Rows
from .tasks import Tasks
from .terminal import TerminalApp
from .themes import textual_theme
from .transcript_view import TranscriptSource, TranscriptView
from .ui import ScreenUi

if TYPE_CHECKING:
    from ..options import Options
    from .painter import Painter
    from .restore import Terminal
    from .viewport import Blocks

STOP_S = 1.5
"""How long a turn gets to stop when the application has to end at once."""
PLACEHOLDER = "Ask Codex to do anything"
log = logging.getLogger("codex.tui")


class CodexApp(TerminalApp[None]):
    """`session` is opened once the screen is there. `return_code` is the exit code."""

    CSS = """
    Screen { layout: vertical; background: transparent; }
    #bottom { height: auto; max-height: 100%; }
    #status { height: 1; }
    TranscriptView { height: 1fr; }
    """

    def __init__(
        self,
        session: Session,
        options: Options,
        *,
        terminal: Terminal | None = None,
        painter: Painter | None = None,
    ) -> None:
        super().__init__(terminal=terminal, painter=painter, full_screen=not options.inline)
        self.session, self.options = session, options
        self.keymap = options.keymap
        self.colours: Theme = options.theme
        self.begin_with(textual_theme(options.theme, inline=options.inline))
        self.dialogs = Dialogs(self)
        self.commands = ScreenUi(self, options.invocation)
        self.act = Actions(self)
        self.cache = RenderCache(max_rows=2_000)  # what a resize shows again; a row takes more than a kilobyte
        self.feed = Feed(session.transcript, self.print_above, options.theme, self.cache)
        self.source = TranscriptSource(session.transcript, render_cell, options.theme, joins=joins)
        self.history = History.from_config(options.config, lambda: session.thread_id)
        self.notifier = Notifier(options.section, options.environ, self.write_control, lambda: self.app_focus)
        self.hint = ""
        """What a key would do now, in the status line."""
        self.hung_up_by = 0
        self.failure: CodexError | None = None
        """Why the session could not begin."""
        self.drawing = Drawing(self)
        self._view: TranscriptView | None = None if options.inline else TranscriptView(self.source)
        self._tasks = Tasks(self._failed)
        self.news = News(self, self.notifier)

    # -- building --------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """What changes, what goes on and waits, where the user writes, the status."""
        section = self.options.section
        if self._view is None:
            yield Rows(id="live")
        else:
            yield self._view
        yield Rows(id="between")
        with Vertical(id="bottom"):
            yield Composer(
                history=self.history,
                providers=providers(self),
                placeholder=PLACEHOLDER,
                vim=section.vim_mode_default,
                id="composer",
            )
        yield Rows(id="status")

    @property
    def composer(self) -> Composer:
        """Where the user writes."""
        return self.screen_stack[0].query_one(Composer)

    def on_mount(self) -> None:
        """Everything is there: begin."""
        self.composer.focus()
        self.drawing.now()
        self.go(self.session.listen())
        self.go(open_session(self))

    def use_theme(self, theme: Theme) -> None:
        """Draw with these colours from now on; what is in the scrollback stays as it is."""
        self.colours = self.feed.theme = self.source.theme = theme
        made = textual_theme(theme, inline=self.options.inline)
        self.register_theme(made)
        self.theme = made.name
        self.cache.forget()
        self.draw_soon()

    # -- tasks -----------------------------------------------------------------------------------

    def go(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something beside the rest. An error that is meant for the user becomes a notice; another one ends the
        application, as an error in a widget does."""
        return self._tasks.go(work)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, LinkLost) and self.session.status.phase == "lost":
            return  # `listen` has said so
        if isinstance(error, CodexError):
            self.session.notice("error", error.message, error.hint)
        elif not self.screen_stack:  # the screen has gone while it went on
            log.debug("what went on at the end has failed", exc_info=error)
        else:
            self._handle_exception(error)  # type: ignore[arg-type]

    async def run_async(self, **given: Any) -> Any:
        """Run; afterwards what still goes on is brought to its end, while the terminal is the user's again."""
        try:
            return await super().run_async(**given)
        finally:
            try:
                await self._finish()
            finally:
                await self._tasks.end()
                self.notifier.close()

    async def _finish(self) -> None:
        """A turn that still runs: it is finished where that is wanted, else stopped."""
        session = self.session
        if session.thread_id and session.busy and session.status.phase != "lost":
            if not (self.hung_up_by == signal.SIGHUP and self.options.section.on_hangup == "finish"):
                await asyncio.wait_for(session.interrupt(), STOP_S)
            await session.until_quiet()

    async def on_terminate(self, signum: int) -> None:
        """See `TerminalApp`: `run_async` brings the turn to its end."""
        self.hung_up_by = signum
        self._keep_unsent()

    def _keep_unsent(self) -> None:
        """What is written or queued and will not be sent any more: `up` brings it back in the next session."""
        for text in (*(draft.text for draft in self.session.queue), self.composer.text_to_send):
            self.history.add(text)
        with suppress(CodexError):  # it was said when it could be seen
            self.history.save()

    # -- drawing ---------------------------------------------------------------------------------

    def draw_soon(self) -> None:
        """Something has changed."""
        self.drawing.soon()

    def refresh_status(self) -> None:
        """Draw the last line anew."""
        self.drawing.status()

    def transcript_tail(self, width: int, count: int) -> Sequence[Text]:
        """See `TerminalApp`."""
        most = self.options.section.terminal_resize_reflow_max_rows
        self.draw_soon()
        return self.feed.last_rows(width, count if most is None else min(count, most))

    def on_resize(self, event: events.Resize) -> None:
        """Another width, other rows."""
        if self.dialogs.open is not None:
            self.dialogs.open.refresh(layout=True)  # how high it may be depends on the height, which textual forgets
        self.call_later(self.composer.fit)  # once the size is known
        self.draw_soon()

    # -- dialogs ---------------------------------------------------------------------------------

    async def show_dialog(self, dialog: Dialog) -> None:
        """Put a dialog where the composer is (see `Dialogs`)."""
        self.composer.display = False
        await self.screen_stack[0].query_one("#bottom").mount(dialog)
        if dialog.can_focus:
            dialog.focus()
        self.draw_soon()

    async def hide_dialog(self, dialog: Dialog) -> None:
        """Take it away; the composer comes back unless another one has come."""
        await dialog.remove()
        if self.dialogs.open is None and self.screen_stack:
            self.composer.display = True
            self.composer.focus()
        self.draw_soon()

    @on(Dialog.Answered)
    async def _answered(self, event: Dialog.Answered) -> None:
        event.stop()
        await self.dialogs.answered(event.dialog, event.result)

    # -- what the user writes --------------------------------------------------------------------

    @on(Composer.Typed)
    def _typed(self) -> None:
        self.dialogs.key_pressed()
        self.typed()  # when much goes on, the frame for the key came before the composer had it
        if self.hint:
            self.hint = ""
            self.refresh_status()

    @on(Composer.Submitted)
    def _submitted(self, event: Composer.Submitted) -> None:
        mentions = tuple(
            {"type": "skill" if one.kind == "skill" else "mention", "name": one.name, "path": one.path}
            for one in event.mentions
        )
        self.go(self.act.send_line(Draft(text=event.text, images=event.images, mentions=mentions), queue=event.queue))

    async def send(self, draft: Draft, *, queue: bool = False) -> None:
        """Send input. What cannot be sent comes back into the composer."""
        try:
            await self.session.submit(draft, queue=queue)
        except CodexError as error:
            self.session.notice("error", error.message, error.hint)
            self.restore([draft])

    def restore(self, drafts: Sequence[Draft]) -> None:
        """Put what was not sent in front of what is being written."""
        written = self.composer.text_to_send
        texts = [draft.text for draft in drafts] + ([written] if written else [])
        images = tuple(image for draft in drafts for image in draft.images) + self.composer.images
        self.composer.set_text("\n\n".join(texts), images)

    @on(Composer.Notice)
    def _composer_says(self, event: Composer.Notice) -> None:
        self.session.notice("info", event.text, event.hint)

    @on(Composer.ModeChanged)
    def _mode_changed(self) -> None:
        self.refresh_status()

    @on(Composer.InterruptWanted)
    def _interrupt(self) -> None:
        self.go(self.session.interrupt())

    @on(Composer.RewindWanted)
    def _rewind(self) -> None:
        self.go(self.act.rewind())

    @on(Composer.QuitWanted)
    def _quit_wanted(self, event: Composer.QuitWanted) -> None:
        self.act.quit_pressed(sure=event.sure)

    async def on_event(self, event: events.Event) -> None:
        """See textual. A key that was pressed before a question could be read is no answer to it."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded and len(self.screen_stack) == 1:
            await self.dialogs.key_came()
        await super().on_event(event)

    async def on_key(self, event: events.Key) -> None:
        """Keys that nobody else has taken."""
        action = self.keymap.action("global", event.key)
        if action is not None and await self.act.key(action):
            event.stop()
            event.prevent_default()

    def show_overlay(self, title: str, blocks: Blocks) -> None:
        """Fill the screen with something, its end first, until the user has seen enough."""
        from .overlay import Overlay

        if self.options.overlays:
            self.enter_alternate()
        overlay = Overlay(title, blocks, at_end=True)

        def closed(_: object) -> None:
            self.leave_alternate()
            self.type_again(overlay.pager.late)

        self.push_screen(overlay, closed)

    def type_again(self, late: Sequence[events.Key | events.Paste]) -> None:
        """What came while something was closing goes to what was below it."""
        for event in late:
            if isinstance(event, events.Key):
                self.post_message(events.Key(event.key, event.character))
            else:
                self.post_message(events.Paste(event.text))

    def clear_screen(self) -> None:
        """Begin with an empty screen; the scrollback stays."""
        if self.options.inline:
            self.print_above([Text("")] * max(0, self.size.height - 4))

    @property
    def transcript_view(self) -> TranscriptView | None:
        """The transcript that fills the screen; None in inline mode."""
        return self._view

    def fail(self, error: CodexError) -> None:
        """The session cannot begin: end, and say why."""
        self.failure = error
        self.exit(return_code=int(error.exit_code) or 1)

    async def perform(self, action: str, argument: str = "") -> bool:
        """What slash commands ask of a screen (see `commands.ui.Ui`)."""
        return await self.act.perform(action, argument)

    def leave(self, signum: int = 0) -> None:
        """End: at the user's wish, or (`signum`) because of a signal."""
        if signum:
            super().leave(signum)
        else:
            self._keep_unsent()
            self.exit()
