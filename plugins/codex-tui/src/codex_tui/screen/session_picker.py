"""The resume picker: finds a recorded session among any number of them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import anyio
from rich.text import Text
from textual import events

from codex_plugin_sdk import CodexError

from ..link import Link
from ..preview import Previews
from ..render import Theme, load_theme
from .drawn import MOVES, NO_POINTER, Drawn, Line, Pointer, between, fitted, plain
from .session_change import SessionChange
from .session_pages import SessionPages, Thread
from .session_rows import Columns, thread_rows

SEARCH_S, PREVIEW_S = 0.15, 0.12
"""So long nothing must change before the server is asked."""
WIDE, TALL = 90, 20
"""Terminals from here on have room for a preview, and for two rows for each session."""
LEAST_HEIGHT, MOST_HEIGHT = 12, 30


class SessionPicker(Drawn):
    """Answers with the id of a thread, or None. Sessions of the folder `cwd`, or with `all_folders` of all of them;
    `open_thread` is the one that is shown already. `verb` is what enter does (resume, fork). `theme` is one of
    `render.theme`, for the preview. With `interactive_only` False those of `codex exec` are there as well."""

    def __init__(
        self,
        link: Link,
        cwd: str,
        all_folders: bool = False,
        *,
        title: str = "Resume a session",
        verb: str = "resume",
        dense: bool = False,
        theme: Theme | None = None,
        open_thread: str = "",
        interactive_only: bool = True,
    ) -> None:
        super().__init__()
        self.announcement = title
        self._pages = SessionPages(link, cwd, all_folders=all_folders, interactive_only=interactive_only)
        self._link, self._title, self._verb = link, title, verb
        self._dense, self._open_thread = dense, open_thread
        self._theme, self._full_preview = theme, False
        self._previews: Previews = Previews(link, theme or load_theme(environ=os.environ))
        self._search, self._pointer = Line(), Pointer()
        self._loading, self._told = True, ""
        self._change = SessionChange(self._begin_change)
        self._page, self._first_row, self._each, self._tallest = 10, 2, 1, 0

    def on_mount(self) -> None:
        """Load the first page."""
        if self._theme is None and (theme := getattr(self.app, "colours", None)) is not None:
            self._previews = Previews(self._link, theme)
        self._reload()

    # -- what is there ---------------------------------------------------------------------------

    @property
    def pointed(self) -> Thread | None:
        """The thread that is pointed at."""
        return self._pages.threads[self._pointer.at] if self._pointer.at < len(self._pages) else None

    def _reload(self, after_s: float = 0) -> None:
        """Read the list from its start, what was under way is given up."""
        self._loading, self._told = True, ""
        self.redraw()
        self.run_worker(self._load_first(after_s), group="list", exclusive=True)

    async def _load_first(self, after_s: float) -> None:
        await anyio.sleep(after_s)
        self._pages.search = self._search.text.strip()
        try:
            await self._pages.first()
        except CodexError as error:
            self._failed(error)
            return
        self._loading, self._pointer = False, Pointer()
        self.redraw(resized=True)
        self._moved()

    def _load_more(self) -> None:
        """Read the next page when the end of what is there comes into sight."""
        near = self._pointer.at + 2 * self._page >= len(self._pages)
        if near and self._pages.has_more and not self._loading:
            self._loading = True
            self.run_worker(self._load_next(), group="list", exclusive=True)

    async def _load_next(self) -> None:
        try:
            await self._pages.more()
        except CodexError as error:
            self._failed(error)
            return
        self._loading = False
        self.redraw()
        self._load_more()

    def _failed(self, error: CodexError) -> None:
        self._loading, self._told = False, str(error)
        self.redraw()

    def _moved(self) -> None:
        self._told = ""
        self.redraw()
        self._load_more()
        self._load_preview()

    # -- preview ---------------------------------------------------------------------------------

    def _load_preview(self) -> None:
        thread = self.pointed
        wanted = self._full_preview or self.content_size.width >= WIDE
        if thread is not None and wanted and not self._previews.known(_stamp(thread)):
            self.run_worker(self._preview(thread), group="preview", exclusive=True)

    async def _preview(self, thread: Thread) -> None:
        await anyio.sleep(PREVIEW_S)
        try:
            await self._previews.load(thread["id"], _stamp(thread))
        except CodexError as error:
            self._told = f"no preview: {error}"
        self.redraw()

    # -- keys ------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """All keys are for the picker, but those that the application keeps for itself."""
        if self._change.is_asked:
            self._change.take(event, self.list_action(event.key))
            self.redraw()
            taken = True
        else:
            taken = self._list_key(event)
        if taken:
            event.stop()
            event.prevent_default()

    def _list_key(self, event: events.Key) -> bool:
        action = self.list_action(event.key)
        if action in MOVES:
            self._move(action)
        elif action == "accept":
            if (thread := self.pointed) is not None:
                self.answer(thread["id"])
        elif action == "cancel":
            self._leave()
        elif event.key in _SETTINGS:
            self._pages.toggle(_SETTINGS[event.key])
            self._reload()
        elif event.key in _COMMANDS:
            getattr(self, _COMMANDS[event.key])()
        elif self._search.take(event):
            self._reload(SEARCH_S)
        else:
            return False
        return True

    def _move(self, action: str) -> None:
        # Going round would need all pages: up from the first one goes nowhere while there are more.
        if not (action == "up" and self._pointer.at == 0 and self._pages.has_more):
            self._pointer.move(action, len(self._pages), self._page)
        self._moved()

    def _leave(self) -> None:
        if self._full_preview:
            self._full_preview = False
            self.redraw()
        elif self._search.text:
            self._search.text = ""
            self._reload()
        else:
            self.answer(None)

    def on_paste(self, event: events.Paste) -> None:
        """What is looked for, or the new name, may be pasted."""
        if self._change.is_asked:
            self._change.paste(event.text)
            self.redraw()
        else:
            self._search.paste(event.text)
            self._reload(SEARCH_S)
        event.stop()

    def _toggle_view(self) -> None:
        self._dense = not self._dense
        self.redraw()

    def _toggle_preview(self) -> None:
        self._full_preview = not self._full_preview
        self._load_preview()
        self.redraw()

    # -- changes ---------------------------------------------------------------------------------

    def _ask_name(self) -> None:
        self._ask("rename")

    def _ask_delete(self) -> None:
        self._ask("delete")

    def _ask_archive(self) -> None:
        self._ask("unarchive" if self._pages.archived else "archive")

    def _ask(self, what: str) -> None:
        thread = self.pointed
        if thread is None:
            return
        if what != "rename" and thread["id"] == self._open_thread:
            self._told = f"this session is open: leave it before you {what} it"
        else:
            self._change.ask(what, thread)
        self.redraw()

    def _begin_change(self, method: str, thread_id: str, name: str | None) -> None:
        self.run_worker(self._carry_out(method, thread_id, name), group="change")

    async def _carry_out(self, method: str, thread_id: str, name: str | None) -> None:
        try:
            await self._pages.change(method, thread_id, name)
        except CodexError as error:
            self._told = str(error)
            self.redraw()
            return
        self._pointer.at = max(0, min(self._pointer.at, len(self._pages) - 1))
        self._moved()

    # -- mouse -----------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """A click points, a second one picks."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self._first_row or self._full_preview or self._change.is_asked:
            return
        place = self._pointer.top + (offset.y - self._first_row) // self._each
        if place == self._pointer.at and (thread := self.pointed) is not None:
            self.answer(thread["id"])
        elif place < len(self._pages):
            self._pointer.at = place
            self._moved()

    def wheel(self, step: int) -> None:
        """The wheel moves the pointer, without going round."""
        if 0 <= self._pointer.at + step < len(self._pages):
            self._pointer.at += step
            self._moved()

    # -- drawing ---------------------------------------------------------------------------------

    def wanted_height(self, width: int) -> int:
        """As much as is needed, within bounds; it grows, but never shrinks under the user's eyes."""
        needed = 3 + len(self._pages) * (1 if self._dense else 2)
        least = LEAST_HEIGHT if width < WIDE else LEAST_HEIGHT + 6
        self._tallest = max(self._tallest, least, min(needed, MOST_HEIGHT))
        return self._tallest

    def draw(self, width: int, height: int) -> Sequence[Text]:
        """See `Drawn`."""
        title = self.title_row(self._title)
        head = [
            between(title, self._state(width - title.cell_len), width),
            self.typed_row(self._search.text, "type to search names and first words", width),
        ]
        foot = [self._foot(width)]
        room = max(1, height - len(head) - len(foot))
        rows = self._preview_rows(width, room) if self._full_preview else self._list(width, room)
        rows = [*rows, *[Text()] * (room - len(rows))]
        self._first_row = len(head)
        return [*head, *rows[:room], *foot][:height]

    def _list(self, width: int, room: int) -> list[Text]:
        left = max(44, width * 9 // 20) if width >= WIDE else width
        self._each = 1 if self._dense or self.app.size.height < TALL else 2
        self._page = max(1, room // self._each)
        rows = self._thread_rows(left)
        if left == width:
            return rows
        beside = self._preview_rows(width - left - 3, room)
        return self.side_by_side(rows, beside, left, width, room)

    def _thread_rows(self, width: int) -> list[Text]:
        if not self._pages.threads:
            nothing = "looking…" if self._loading else self._pages.nothing()
            return [fitted(Text(NO_POINTER + nothing, self.ink("muted")), width)]
        columns = Columns(
            width=width,
            folders=self._pages.all_folders,
            now=time.time(),
            created=self._pages.by_start,
            muted=self.ink("muted"),
            pointed=self.ink("pointed"),
            good=self.ink("good"),
            open_thread=self._open_thread,
        )
        rows: list[Text] = []
        for place in self._pointer.show(len(self._pages), self._page):
            pointed = place == self._pointer.at
            rows += thread_rows(self._pages.threads[place], columns, pointed=pointed, dense=self._each == 1)
        return rows

    def _preview_rows(self, width: int, height: int) -> list[Text]:
        thread = self.pointed
        if thread is None:
            return []
        if not self._previews.known(_stamp(thread)):
            return [Text("…", self.ink("muted"))]
        return self._previews.rows(_stamp(thread), width, height)

    def _state(self, room: int) -> Text:
        more = "+" if self._pages.has_more else ""
        at = self._pointer.at + 1 if self._pages.threads else 0
        count = "…" if self._loading else f"{at}/{len(self._pages)}{more}"
        whole = f"{self._pages.setting()} · {count}"
        return Text(whole if len(whole) < room else count, self.ink("muted"))

    def _foot(self, width: int) -> Text:
        if self._change.is_asked:
            return self._change.row(self.ink, width)
        if self._told:
            return fitted(Text(plain(self._told), self.ink("bad")), width)
        back = "put back" if self._pages.archived else "archive"
        keys = f"enter {self._verb} · esc leave · tab folders · → preview · ^s sort · ^r rename · ^e {back}"
        return fitted(Text(f"{keys} · ^x delete · ^a archived · ^v view", self.ink("muted")), width)


_SETTINGS = {"tab": "all_folders", "ctrl+s": "by_start", "ctrl+a": "archived"}
_COMMANDS = {
    "ctrl+v": "_toggle_view",
    "right": "_toggle_preview",
    "left": "_toggle_preview",
    "ctrl+r": "_ask_name",
    "ctrl+e": "_ask_archive",
    "ctrl+x": "_ask_delete",
}


def _stamp(thread: Thread) -> tuple[Any, Any]:
    return thread["id"], thread.get("updatedAt")
