"""Where the user writes: text, pastes, images, mentions; history, completion, vi mode.

The composer has the focus and sees each key first; a key that is not about the text bubbles to the application. It
works in any application: keys, history and providers are given, or are the defaults.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias, cast

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.widget import Widget

from codex_plugin_sdk import StoreError, UserError

from ..history import History
from ..keymap import keymap_of
from . import composer_messages as messages
from .buffer import Buffer, is_part
from .completion import Provider, inserted
from .composer_messages import Mention
from .history_search import HistorySearch
from .paste import ImageReader, Parts, clean, clipboard_image, image_paths, is_long, save_image
from .popup import Popup
from .recall import Recall
from .textbox import MARK, SHELL_MARK, TextBox
from .vim import INSERT, Vim
from .vim_motions import settled

REWIND_WITHIN_S = 0.8
_MENTIONED = {"@": "file", "$": "skill"}
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
        self._read_image = read_image
        self._clock = clock
        self._vim = Vim()
        self._uses_vim = vim
        self._box = TextBox(self.parts)
        self._box.placeholder = placeholder
        self._popup = Popup(providers or {})
        self._recall = Recall(history or History(os.devnull, persistence="none"))
        self._search = HistorySearch(self._recall.history, self._show_found)
        self._draft = Buffer()
        self._mentions: dict[str, Mention] = {}
        self._escaped_at = float("-inf")
        self._told = (self.mode, False)
        self._saved_images: list[str] = []

    def compose(self) -> ComposeResult:
        """The text, and below it what there is to choose."""
        yield self._box
        yield self._search
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
        return self._vim.mode if self._uses_vim else ""

    @property
    def vim(self) -> bool:
        """Whether vi mode is on."""
        return self._uses_vim

    @vim.setter
    def vim(self, on: bool) -> None:
        self._uses_vim = on
        self._vim.start_insert()
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
        text = clean(text)
        for path in images:
            label = re.search(r"\[Image #\d+: " + re.escape(os.path.basename(path)) + r"\]", text)
            start, end = label.span() if label else (len(text), len(text))
            text = text[:start] + self.parts.add_image(path, text) + text[end:]
        self._replace_all(text)

    def fit(self) -> None:
        """The screen has another height, of which the text may take a part."""
        self._box.on_resize()

    def clear(self) -> None:
        """Empty it."""
        self._replace_all("")

    def keep_draft(self) -> None:
        """Empty it, keeping what is there in the history of the session: `up` brings it back."""
        whole = self.text_to_send
        self._recall.history.keep(whole)
        self._recall.keep(whole, self.text)
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
        if self._search.is_open and self._search_key(character, action, wide):
            return True
        if self._popup.is_open and self._popup_key(action, wide):
            return True
        if self._uses_vim and await self._vim_key(character or event.key):
            return True
        if action is not None and await self._act(action):
            return True
        if action is None and character is not None:
            if not self._uses_vim or self._vim.mode == INSERT:
                self._box.insert(character, typing=True)
                self._settle()
            return True
        return self._global(wide)

    async def _act(self, action: str) -> bool:
        if action in ("submit", "queue"):
            if action == "submit" or self.busy:
                self._submit(queue=action == "queue")
        elif action == "history-search":
            self._start_search()
        elif action == "paste-image":
            self.run_worker(cast(Any, self._paste_image), group="image", exclusive=True)
        elif action == "expand-paste":
            self._expand_paste()
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
        buffer = self._box.buffer
        walking = self._recall.is_at(self.text) and buffer.cursor == len(self.text)
        if not walking and self._box.act(action):
            self._settle()
            return
        await self._walk(action)

    async def _walk(self, action: str) -> None:
        try:
            text = await self._recall.older(self.text) if action == "up" else self._recall.newer(self.text)
        except StoreError as error:
            self.post_message(self.Notice(error.message, error.hint))
            return
        if text is not None:
            self._replace_all(text)
            self._popup.dismiss()

    async def _vim_key(self, key: str) -> bool:
        buffer = self._box.buffer
        step = self._vim.press(key, buffer.text, buffer.cursor)
        if step is None:
            return False
        if step.edit is not None:
            self._box.replace(*step.edit, cursor=step.cursor)
        elif step.edge:
            await self._walk("up" if step.edge < 0 else "down")
        else:
            self._box.move(step.cursor)
        for _ in range(step.undo):
            self._box.undo()
        for _ in range(step.redo):
            self._box.redo()
        self._settle()
        return True

    def _popup_key(self, action: str | None, wide: str | None) -> bool:
        if action in ("up", "down"):
            self._popup.move(-1 if action == "up" else 1)
        elif wide == "interrupt":
            self._popup.dismiss()
        elif action in ("submit", "queue") and self._popup.chosen is not None:
            self._complete(run=action == "submit")
        else:
            return False
        return True

    def _complete(self, *, run: bool) -> None:
        """Take the chosen candidate; enter runs a command that needs no more."""
        chosen = self._popup.chosen
        assert chosen is not None
        token, candidate = chosen
        text = clean(inserted(token.sign, candidate))
        kind = _MENTIONED.get(token.sign)
        if kind:
            self._mentions[text] = Mention(kind=kind, name=candidate.value, path=candidate.path or candidate.value)
        exact = token.query == candidate.value
        runs = run and token.sign == "/" and (exact or not candidate.takes_more)
        blank = "" if runs or self.text[token.end : token.end + 1].isspace() else " "
        self._box.replace(token.start, token.end, text + blank)
        self._settle()
        if runs:
            self._submit(queue=False)

    # Searching the history

    def _start_search(self) -> None:
        self._popup.close()
        self._draft = self._box.buffer
        self._search.open()

    def _search_key(self, character: str | None, action: str | None, wide: str | None) -> bool:
        if action == "history-search":
            self._search.older()
        elif action == "history-search-next":
            self._search.newer()
        elif action == "delete-left":
            self._search.type(self._search.words[:-1])
        elif wide in ("interrupt", "cancel"):
            self._end_search(take=False)
        elif action is None and character is not None:
            self._search.type(self._search.words + character)
        else:
            self._end_search(take=True)
            return action == "submit"  # what was found is looked at before it is sent
        return True

    def _show_found(self, text: str | None) -> None:
        if self._search.is_open:
            shown = self._draft if text is None else Buffer(self._recall.raw(text))
            shown.cursor = len(shown.text) if text is not None else shown.cursor
            self._box.use(shown)

    def _end_search(self, *, take: bool) -> None:
        found = self._search.found
        self._search.close()
        self._box.use(self._draft)
        if take and found is not None:
            self._replace_all(self._recall.raw(found))
        self._popup.dismiss()

    # Pastes and images

    def on_paste(self, event: events.Paste) -> None:
        """Text pasted, or files dropped. It is never sent by what is in it."""
        event.stop()
        event.prevent_default()
        self.post_message(self.Typed())
        text = clean(event.text)
        if self._search.is_open:
            self._search.type(self._search.words + text.partition("\n")[0])
            return
        if paths := image_paths(text):
            for path in paths:
                self._add_image(path)
        elif text:
            self._box.insert(self.parts.add_paste(text, self.text) if is_long(text) else text)
        self._settle()

    def _add_image(self, path: str) -> None:
        buffer = self._box.buffer
        before = buffer.text[buffer.cursor - 1 : buffer.cursor] if buffer.cursor else ""
        lead = "" if not before or before.isspace() else " "
        self._box.insert(f"{lead}{self.parts.add_image(path, buffer.text)} ")

    async def _paste_image(self) -> None:
        try:
            path = save_image(await self._read_image())
        except (UserError, OSError) as error:
            message, hint = (error.message, error.hint) if isinstance(error, UserError) else (str(error), "")
            self.post_message(self.Notice(message, hint))
            return
        self._saved_images.append(path)
        self._add_image(path)
        self._settle()

    def _expand_paste(self) -> None:
        """Put the paste before or at the cursor in full, so that it can be edited."""
        buffer = self._box.buffer
        for place in (buffer.cursor - 1, buffer.cursor):
            character = buffer.text[place : place + 1] if place >= 0 else ""
            part = self.parts.get(character) if character and is_part(character) else None
            if part is not None and not part.is_image:
                self._box.replace(place, place + 1, part.text)
                self._settle()
                return

    # The rest

    def _submit(self, *, queue: bool) -> None:
        raw, text, images = self.text, self.text_to_send.strip(), self.images
        if not text:
            return
        if self._disabled_reason is not None:
            self.post_message(self.Notice(self._disabled_reason, "your text stays here until it can be sent"))
            return
        mentions = tuple(mention for word, mention in self._mentions.items() if word in text)
        self._recall.history.add(text)
        self._recall.keep(text, raw.strip())
        self._mentions.clear()
        self._vim.start_insert()
        self._box.use(Buffer())
        self._popup.close()
        self._settle()
        self.post_message(self.Submitted(text, images, mentions, queue=queue))
        self.run_worker(cast(Any, self._save_history), group="history")

    async def _save_history(self) -> None:
        try:
            await asyncio.to_thread(self._recall.history.save)
        except StoreError as error:
            self.post_message(self.Notice(error.message, error.hint))

    def _replace_all(self, text: str) -> None:
        self._box.replace(0, len(self.text), text)
        self._settle()

    def _settle(self) -> None:
        """After whatever has changed text, cursor or mode."""
        buffer = self._box.buffer
        if self.mode not in ("", INSERT) and (place := settled(buffer.text, buffer.cursor)) != buffer.cursor:
            self._box.move(place)  # in normal mode the cursor is on a character
        shell = buffer.text.startswith("!")
        self._box.mark = SHELL_MARK if shell else MARK
        self._box.selected = self._vim.selection(buffer.text, buffer.cursor)
        self.set_class(shell, "-shell")
        if self._uses_vim and self._vim.mode != INSERT:
            self._popup.close()
        else:
            self._popup.follow(buffer.text, buffer.cursor)
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
        for path in self._saved_images:
            with suppress(FileNotFoundError):
                os.unlink(path)


def _typed(event: events.Key) -> str | None:
    """What a key writes. With alt a terminal sends a character too, which is not meant."""
    character = event.character if event.is_printable else None
    head = event.key.rpartition("+")[0]
    return None if character is None or any(word in head for word in ("alt", "ctrl", "super", "hyper")) else character
