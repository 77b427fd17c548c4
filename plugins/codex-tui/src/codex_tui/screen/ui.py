"""What slash commands do on the screen (see `commands.ui.Ui`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..commands.ui import Option, SessionUi

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from ..session.controller import Draft, Session
    from .app import CodexApp
    from .picker import PickItem


class ScreenUi(SessionUi):
    """A `Ui` on the textual application."""

    interactive = True

    def __init__(self, app: CodexApp, invocation: Invocation) -> None:
        super().__init__(invocation)
        self._app = app

    @property
    def session(self) -> Session:
        """The session that is shown."""
        return self._app.session

    async def pick(
        self,
        title: str,
        options: Sequence[Option],
        *,
        note: str = "",
        on_move: Callable[[Any], None] | None = None,
    ) -> Any:
        """See `Ui`."""
        from .picker import Picker

        items = pick_items(options)
        return await self._app.dialogs.ask(lambda: Picker(title, items, note=note, on_move=on_move))

    async def ask_text(self, title: str, *, initial: str = "", secret: bool = False) -> str | None:
        """See `Ui`."""
        from .text_dialog import TextDialog

        found: str | None = await self._app.dialogs.ask(lambda: TextDialog(title, initial=initial, secret=secret))
        return found

    async def confirm(self, title: str, detail: str = "") -> bool:
        """See `Ui`."""
        options = [Option(value=False, label="No"), Option(value=True, label="Yes")]
        return bool(await self.pick(title, options, note=detail))

    async def pick_session(self, title: str, *, all_folders: bool = False, verb: str = "resume") -> str | None:
        """See `Ui`; `verb` is what enter does."""
        from .session_picker import SessionPicker

        app = self._app
        found: str | None = await app.dialogs.ask(
            lambda: SessionPicker(
                app.session.link,
                app.options.cwd,
                all_folders,
                title=title,
                verb=verb,
                dense=app.options.section.session_picker_view == "dense",
                theme=app.colours,
                open_thread=app.session.thread_id,
            )
        )
        return found

    async def perform(self, action: str, argument: str = "") -> bool:
        """See `Ui`."""
        return await self._app.perform(action, argument)

    def set_composer(self, text: str) -> None:
        """See `Ui`."""
        self._app.composer.set_text(text)

    async def submit(self, draft: Draft) -> None:
        """See `Ui`."""
        await self._app.send(draft)

    def run_later(self, work: Callable[[], Awaitable[None]]) -> None:
        """See `Ui`."""
        self._app.go(_awaited(work))

    def quit(self) -> None:
        """See `Ui`."""
        self._app.leave()


def pick_items(options: Iterable[Option]) -> list[PickItem]:
    """What a picker takes."""
    from .picker import PickItem

    return [
        PickItem(
            value=option.value,
            label=option.label,
            detail=option.detail,
            current=option.current,
            disabled_reason=option.why_not,
        )
        for option in options
    ]


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
