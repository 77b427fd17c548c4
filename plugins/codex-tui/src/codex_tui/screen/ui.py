"""What slash commands do on the screen (see `commands.ui.Ui`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..commands.ui import Option
from ..session.cells import CardCell, DiffCell

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from ..session.controller import Draft, Session
    from .app import CodexApp


class ScreenUi:
    """A `Ui` on the textual application."""

    interactive = True

    def __init__(self, app: CodexApp, invocation: Invocation) -> None:
        self._app = app
        self.invocation = invocation
        self.environ: Mapping[str, str] = invocation.environ

    @property
    def session(self) -> Session:
        """The session that is shown."""
        return self._app.session

    def say(self, level: str, text: str, hint: str = "") -> None:
        """See `Ui`."""
        self.session.notice(level, text, hint)

    def card(self, title: str, rows: Sequence[tuple[str, str]] = (), text: str = "") -> None:
        """See `Ui`."""
        key = self.session.new_key("card")
        self.session.transcript.add(CardCell(key=key, title=title, rows=tuple(rows), text=text))

    def show_diff(self, title: str, diff: str) -> None:
        """See `Ui`."""
        self.session.transcript.add(DiffCell(key=self.session.new_key("diff"), title=title, diff=diff))

    async def pick(
        self,
        title: str,
        options: Sequence[Option],
        *,
        note: str = "",
        on_move: Callable[[Any], None] | None = None,
    ) -> Any:
        """See `Ui`."""
        from .picker import Picker, PickItem

        items = [
            PickItem(
                value=option.value,
                label=option.label,
                detail=option.detail,
                current=option.current,
                disabled_reason=option.why_not,
            )
            for option in options
        ]
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

    async def pick_session(self, title: str, *, all_folders: bool = False) -> str | None:
        """See `Ui`."""
        return await self._app.pick_session(title, all_folders=all_folders)

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


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
