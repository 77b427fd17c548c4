"""An application with nothing but a composer, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual import events
from textual.app import App, ComposeResult
from textual.keys import key_to_character
from textual.message import Message
from textual.pilot import Pilot

from codex_tui.keymap import Keymap
from codex_tui.screen.composer import Composer

WIDTH, HEIGHT = 40, 15


class ComposerApp(App[None]):
    """Keeps what the composer tells, and the keys that reach the application."""

    def __init__(self, composer: Composer, keymap: Keymap | None) -> None:
        super().__init__()
        self.composer = composer
        self.told: list[Message] = []
        self.bubbled: list[str] = []
        if keymap is not None:
            self.keymap = keymap  # type: ignore[assignment]

    def compose(self) -> ComposeResult:
        yield self.composer

    def on_mount(self) -> None:
        self.composer.focus()

    def on_composer_submitted(self, message: Message) -> None:
        self.told.append(message)

    on_composer_interrupt_wanted = on_composer_submitted
    on_composer_rewind_wanted = on_composer_submitted
    on_composer_quit_wanted = on_composer_submitted
    on_composer_mode_changed = on_composer_submitted
    on_composer_notice = on_composer_submitted
    on_composer_typed = on_composer_submitted

    def on_key(self, event: events.Key) -> None:
        self.bubbled.append(event.key)

    def of(self, kind: type[Any]) -> list[Any]:
        """What was told of a kind."""
        return [message for message in self.told if isinstance(message, kind)]


class Desk:
    """The application, with hands."""

    def __init__(self, app: ComposerApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot, self.composer = app, pilot, app.composer

    async def press(self, *keys: str) -> None:
        """All of them at once, as from a fast hand: the pilot's own way waits after each."""
        for key in keys:
            character = key if len(key) == 1 else key_to_character(key)
            self.app.post_message(events.Key(key, character))
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*text)

    async def paste(self, text: str) -> None:
        self.app.post_message(events.Paste(text))
        await self.pilot.pause()

    async def settled(self) -> None:
        """What runs beside the keys has ended."""
        while self.app.workers._workers:
            await self.app.workers.wait_for_complete()
            await self.pilot.pause()

    def rows(self) -> list[str]:
        """The screen, without blank rows at its end."""
        strips = self.app.screen._compositor.render_strips(self.app.screen.size)
        rows = ["".join(segment.text for segment in strip).rstrip().replace("\u203a", ">") for strip in strips]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def with_cursor(self) -> str:
        """The text with a bar where the cursor is."""
        buffer = self.composer._box.buffer
        return buffer.text[: buffer.cursor] + "|" + buffer.text[buffer.cursor :]


@asynccontextmanager
async def desk(
    composer: Composer | None = None, *, keymap: Keymap | None = None, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> AsyncIterator[Desk]:
    """A running application with this composer."""
    app = ComposerApp(composer or Composer(), keymap)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Desk(app, pilot)
