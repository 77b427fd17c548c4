"""What slash commands do in plain lines (see `commands.ui.Ui`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..commands.ui import Option, SessionUi
from ..render import one_line, shown
from ..session.asks import Choice
from .choosing import choose
from .desk import Left

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from ..session.controller import Draft, Session
    from .app import LineApp

PICK = "Number: "
_SURE = (
    Choice(key="y", label="Yes", decision=True, allows=True),
    Choice(key="n", label="No", decision=False),
)


class LineUi(SessionUi):
    """A `Ui` on plain lines. A question is left with ctrl+c, a list with an empty line as well."""

    def __init__(self, app: LineApp, invocation: Invocation) -> None:
        super().__init__(invocation)
        self._app = app

    @property
    def session(self) -> Session:
        """The session that is shown."""
        return self._app.session

    @property
    def interactive(self) -> bool:
        """Whether somebody can answer."""
        return not self._app.desk.ended

    async def pick(
        self,
        title: str,
        options: Sequence[Option],
        *,
        note: str = "",
        on_move: Callable[[Any], None] | None = None,
    ) -> Any:
        """See `Ui`; nothing is pointed at here, so that `on_move` hears of nothing."""
        lines = ["", *shown(title).split("\n"), *(shown(note).split("\n") if note else ())]
        lines += [option_line(number, option) for number, option in enumerate(options, 1)]
        said = [*lines, "Enter a number or the words of one; an empty line leaves."]
        async with self._app.questions():
            while True:
                try:
                    line = (await self._app.desk.ask(said, PICK)).strip()
                except Left:
                    return None
                if not line:
                    return None
                found = read_option(options, line)
                if isinstance(found, Option):
                    return found.value
                said = [found]

    async def ask_text(self, title: str, *, initial: str = "", secret: bool = False) -> str | None:
        """See `Ui`."""
        lines = ["", *shown(title).split("\n")]
        if initial:
            lines.append(f"An empty line keeps: {one_line(initial)}")
        async with self._app.questions():
            try:
                line = (await self._app.desk.ask(lines, "Text: ", secret=secret)).strip()
            except Left:
                return None
        return line or initial or None

    async def confirm(self, title: str, detail: str = "") -> bool:
        """See `Ui`."""
        lines = ["", *shown(title).split("\n"), *(shown(detail).split("\n") if detail else ())]
        async with self._app.questions():
            try:
                choice, _ = await choose(self._app.desk, lines, _SURE)
            except Left:
                return False
        return bool(choice.decision)

    async def pick_session(self, title: str, *, all_folders: bool = False) -> str | None:
        """See `Ui`."""
        from .sessions import pick_session

        return await pick_session(self, title, "" if all_folders else self._app.options.cwd)

    async def perform(self, action: str, argument: str = "") -> bool:
        """See `Ui`."""
        return await self._app.perform(action)

    def set_composer(self, text: str) -> None:
        """See `Ui`: the next line goes on from there."""
        self._app.keep(text)

    async def submit(self, draft: Draft) -> None:
        """See `Ui`."""
        await self._app.typing.send(draft)

    def run_later(self, work: Callable[[], Awaitable[None]]) -> None:
        """See `Ui`."""
        self._app.run_later(work)

    def quit(self) -> None:
        """See `Ui`."""
        self._app.leave(0)


def option_line(number: int, option: Option) -> str:
    """One that can be picked, on a line."""
    now = " (the one in use)" if option.current else ""
    detail = f": {one_line(option.detail)}" if option.detail else ""
    cannot = f" (cannot be picked: {one_line(option.why_not)})" if option.why_not else ""
    return f"{number}. {one_line(option.label).strip()}{now}{detail}{cannot}"


def read_option(options: Sequence[Option], line: str) -> Option | str:
    """The one that a line names, by number or by its words; else what is wrong, in a sentence."""
    if line.isdecimal():
        found = [options[int(line) - 1]] if 0 < int(line) <= len(options) else []
    else:
        wanted = line.lower()
        found = [option for option in options if option.label.strip().lower() == wanted]
        found = found or [option for option in options if wanted in option.label.lower()]
    if not found:
        return f"{one_line(line)!r} is none of them: 1 to {len(options)}."
    if len(found) > 1:
        return f"{len(found)} of them are called so: enter the number."
    return f"It cannot be picked: {one_line(found[0].why_not)}." if found[0].why_not else found[0]
