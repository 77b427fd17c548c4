"""Where the user writes: text, pastes, images, mentions; history, completion, vi mode.

The composer has the focus and sees each key first; a key that is not about the text bubbles to the application. It
works in any application: keys, history and providers are given, or are the defaults.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, cast

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.widget import Widget

from codex_plugin_sdk import StoreError, UserError

from ..history import History
from ..keymap import keymap_of
from . import composer_messages as messages
from .buffer import Buffer
from .completing import Completing
from .completion import Provider
from .composer_messages import Mention
from .past import Past
from .paste import ImageReader, Parts, clean, clipboard_image
from .pasting import Pasting
from .popup import Popup
from .textbox import MARK, SHELL_MARK, TextBox
from .vi_keys import ViKeys

REWIND_WITHIN_S = 0.8
__all__ = ["Composer", "Mention"]


class Composer(Widget, can_focus=True):
    """`busy` says that a turn runs: escape interrupts it, tab queues. `providers` give the candidates for `/`, `@` and
    `$`. `read_image` gives the image of the clipboard."""

    DEFAULT_CSS = """
    Composer { height: auto; width: 100%; layout: vertical; }
    Composer.-shell TextBox > .textbox--mark { color: $warning; }
    """

    Submitted: TypeAlias = messages.Submitted
    Typed: TypeAlias = messages.Typed
    InterruptWanted: TypeAlias = messages.InterruptWanted
    RewindWanted: TypeAlias = messages.RewindWanted
    QuitWanted: TypeAlias = messages.QuitWanted
    ModeChanged: TypeAlias = messages.ModeChanged
    Notice: TypeAlias = messages.Notice

    def __init__(
        self,
        *,
        history: History | None = None,
        providers: Mapping[str, Provider] | None = None,
        placeholder: str = "",
        vim: bool = False,
        read_image: ImageReader = clipboard_image,
        clock: Callable[[], float] = time.monotonic,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.busy = False
        self.parts = Parts()
        self._placeholder = placeholder
        self._disabled_reason: str | None = None
        self._clock = clock
        self._box = TextBox(self.parts)
        self._box.placeholder = placeholder
        self._popup = Popup(providers or {})
        self._pasting = Pasting(self._box, self.parts, read_image)
        self._vi = ViKeys(self._box, on=vim)
        self._completing = Completing(self._box, self._popup)
        kept = history or History(os.devnull, persistence="none")
        self._past = Past(kept, self._box, self._popup, self._replace_all)
        self._escaped_at = float("-inf")
        self._told = (self.mode, False)

    def compose(self) -> ComposeResult:
        """The text, and below it what there is to choose."""
        yield self._box
        yield self._past.search
        yield self._popup

    # What the application asks and sets

    @property
    def text(self) -> str:
        """What is in it as it is kept: a paste or image is one character; see `text_to_send`."""
        return self._box.buffer.text

    @property
    def text_to_send(self) -> str:
        """What is in it, pastes in full."""
        return self.parts.expand(self.text)

    @property
    def images(self) -> tuple[str, ...]:
        """The paths of its images."""
        return self.parts.images(self.text)

    @property
    def mode(self) -> str:
        """The vi mode: insert, normal or visual; empty if vi mode is off."""
        return self._vi.mode

    @property
    def vim(self) -> bool:
        """Whether vi mode is on."""
        return self._vi.on

    @vim.setter
    def vim(self, on: bool) -> None:
        self._vi.on = on
        self._vi.start_insert()
        self._settle()

    @property
    def disabled_reason(self) -> str | None:
        """Why nothing can be sent now; writing goes on."""
        return self._disabled_reason

    @disabled_reason.setter
    def disabled_reason(self, reason: str | None) -> None:
        self._disabled_reason = reason
        self._box.placeholder = reason or self._placeholder
        self._box.refresh()

    @property
    def cursor_screen_offset(self) -> Offset:
        """Where the terminal's own cursor belongs."""
        return self._box.cursor_screen_offset

    def set_text(self, text: str, images: tuple[str, ...] = ()) -> None:
        """Put this in place of what is there, which undo brings back. An image whose label stands in the text becomes
        one again there, the others come at the end."""
        self._replace_all(self._pasting.with_images(clean(text), images))

    def fit(self) -> None:
        """The screen has another height, of which the text may take a part."""
        self._box.on_resize()

    def clear(self) -> None:
        """Empty it."""
        self._replace_all("")

    def keep_draft(self) -> None:
        """Empty it, keeping what is there in the history of the session: `up` brings it back."""
        self._past.put_aside(self.text_to_send, self.text)
        self.clear()

    # Keys

    async def on_key(self, event: events.Key) -> None:
        """Each key, before anybody else sees it."""
        self.post_message(self.Typed())
        if await self._take(event):
            event.stop()
            event.prevent_default()

    async def _take(self, event: events.Key) -> bool:
        """Whether the key was for us."""
        keymap, character = keymap_of(self), _typed(event)
        action, wide = keymap.action("composer", event.key), keymap.action("global", event.key)
        if self._past.search.is_open and self._past.search_key(character, action, wide):
            return True
        if self._popup.is_open and self._popup_key(action, wide):
            return True
        if self._vi.on and await self._vi_key(character or event.key):
            return True
        if action is not None and await self._act(action):
            return True
        if action is None and character is not None:
            if self._vi.writes:
                self._box.insert(character, typing=True)
                self._settle()
            return True
        return self._global(wide)

    async def _act(self, action: str) -> bool:
        if action in ("submit", "queue"):
            if action == "submit" or self.busy:
                self._submit(queue=action == "queue")
        elif action == "history-search":
            self._past.start_search()
        elif action == "paste-image":
            self.run_worker(cast(Any, self._paste_image), group="image", exclusive=True)
        elif action == "expand-paste":
            if self._pasting.expand():
                self._settle()
        elif action in ("up", "down"):
            await self._vertical(action)
        elif self._box.act(action):
            self._settle()
        else:
            return bool(self.text)  # on an empty composer the key may mean something to the application
        return True

    def _global(self, action: str | None) -> bool:
        """Keys of the application that mean something else while there is text; the rest bubbles."""
        if action == "cancel":
            if self.text:
                self.keep_draft()
            else:
                self.post_message(self.InterruptWanted() if self.busy else self.QuitWanted(sure=False))
        elif action == "quit" and not self.text:
            self.post_message(self.QuitWanted(sure=True))
        elif action == "interrupt" and self.busy:
            self.post_message(self.InterruptWanted())
        elif action == "interrupt" and not self.text:
            self._escape()
        else:
            return False
        return True

    def _escape(self) -> None:
        now = self._clock()
        if now - self._escaped_at <= REWIND_WITHIN_S:
            self._escaped_at = float("-inf")
            self.post_message(self.RewindWanted())
        else:
            self._escaped_at = now

    async def _vertical(self, action: str) -> None:
        """Up and down in the text, beyond its ends in the history."""
        if not self._past.is_shown and self._box.act(action):
            self._settle()
        else:
            await self._with_history(partial(self._past.walk, action))

    async def _vi_key(self, key: str) -> bool:
        edge = self._vi.press(key)
        if edge is None:
            return False
        if edge:
            await self._with_history(partial(self._past.walk, "up" if edge < 0 else "down"))
        self._settle()
        return True

    def _popup_key(self, action: str | None, wide: str | None) -> bool:
        if action in ("up", "down"):
            self._popup.move(-1 if action == "up" else 1)
        elif wide == "interrupt":
            self._popup.dismiss()
        elif action in ("submit", "queue") and self._popup.chosen is not None:
            runs = self._completing.take(run=action == "submit")
            self._settle()
            if runs:
                self._submit(queue=False)
        else:
            return False
        return True

    # Pastes and images

    def on_paste(self, event: events.Paste) -> None:
        """Text pasted, or files dropped. It is never sent by what is in it."""
        event.stop()
        event.prevent_default()
        self.post_message(self.Typed())
        text = clean(event.text)
        if self._past.search.is_open:
            self._past.search.type(self._past.search.words + text.partition("\n")[0])
            return
        self._pasting.paste(text)
        self._settle()

    async def _paste_image(self) -> None:
        try:
            await self._pasting.paste_image()
        except (UserError, OSError) as error:
            message, hint = (error.message, error.hint) if isinstance(error, UserError) else (str(error), "")
            self.post_message(self.Notice(message, hint))
            return
        self._settle()

    # The rest

    def _submit(self, *, queue: bool) -> None:
        raw, text, images = self.text, self.text_to_send.strip(), self.images
        if not text:
            return
        if self._disabled_reason is not None:
            self.post_message(self.Notice(self._disabled_reason, "your text stays here until it can be sent"))
            return
        mentions = self._completing.mentions(text)
        self._past.add(text, raw.strip())
        self._vi.start_insert()
        self._box.use(Buffer())
        self._popup.close()
        self._settle()
        self.post_message(self.Submitted(text, images, mentions, queue=queue))
        self.run_worker(cast(Any, partial(self._with_history, self._past.save)), group="history")

    async def _with_history(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreError as error:
            self.post_message(self.Notice(error.message, error.hint))

    def _replace_all(self, text: str) -> None:
        self._box.replace(0, len(self.text), text)
        self._settle()

    def _settle(self) -> None:
        """After whatever has changed text, cursor or mode."""
        buffer = self._box.buffer
        self._vi.settle()
        shell = buffer.text.startswith("!")
        self._box.mark = SHELL_MARK if shell else MARK
        self.set_class(shell, "-shell")
        if self._vi.writes:
            self._popup.follow(buffer.text, buffer.cursor)
        else:
            self._popup.close()
        if self._told != (self.mode, shell):
            self._told = (self.mode, shell)
            self.post_message(self.ModeChanged(self.mode, shell=shell))

    def on_focus(self) -> None:
        """Show the cursor."""
        self._box.shows_cursor = True
        self._box.refresh()

    def on_blur(self) -> None:
        """Hide it."""
        self._box.shows_cursor = False
        self._box.refresh()

    def on_text_box_pressed(self, event: TextBox.Pressed) -> None:
        """The mouse has moved the cursor."""
        event.stop()
        self._settle()

    def on_unmount(self) -> None:
        """Remove the images that came from the clipboard."""
        self._pasting.forget()


def _typed(event: events.Key) -> str | None:
    """What a key writes. With alt a terminal sends a character too, which is not meant."""
    character = event.character if event.is_printable else None
    head = event.key.rpartition("+")[0]
    return None if character is None or any(word in head for word in ("alt", "ctrl", "super", "hyper")) else character
