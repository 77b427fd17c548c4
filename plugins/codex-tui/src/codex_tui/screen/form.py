"""What MCP servers ask of the user: forms and pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual import events

from ..session.asks import Choice
from ..session.asks_form import Field, Raw
from ..session.asks_mcp import FormAsk, UrlAsk
from .approval import ApprovalDialog
from .drawn import Line
from .filling import Filling, Group

_YES_NO = (("yes", "yes", ""), ("no", "no", ""))


class FormDialog(Filling):
    """Answers with (`Choice`, content): the content of the form, valid, where the choice is to send it, else None."""

    def __init__(self, ask: FormAsk) -> None:
        self.ask = ask
        self._fields = {field.name: field for field in ask.form.fields}
        super().__init__(ask.title, ask.facts, [_group(field) for field in ask.form.fields], ask.choices)

    def check(self) -> bool:
        """Whether all fields are valid."""
        _, wrong = self.ask.form.check({group.name: self._raw(group) for group in self.groups})
        for group in self.groups:
            group.error = wrong.get(group.name, "")
        return not wrong

    def check_one(self, group: Group) -> None:
        """What is wrong with a field, as soon as the user is done with it."""
        try:
            self._fields[group.name].value(self._raw(group))
        except ValueError as error:
            group.error = str(error)
        else:
            group.error = ""

    def press(self, button: Choice) -> None:
        """Send, decline or cancel."""
        content: dict[str, Any] | None = None
        if button.allows:
            content, _ = self.ask.form.check({group.name: self._raw(group) for group in self.groups})
        self.answer((button, content))

    def cancel(self) -> None:
        """The server is told that nobody answered."""
        self.answer((self.ask.cancel, None))

    def _raw(self, group: Group) -> Raw:
        kind = self._fields[group.name].kind
        if kind == "many":
            return tuple(group.picked)
        if kind == "boolean":
            return group.picked[0] == "yes" if group.picked else None
        if kind == "one":
            return group.picked[0] if group.picked else None
        return group.line.text if group.line is not None else ""


def _group(field: Field) -> Group:
    start = field.start
    options: Sequence[tuple[str, str, str]] = ()
    picked: list[str] = []
    if field.kind in ("one", "many"):
        options = [(value, label, "") for value, label in field.options]
        picked = list(start) if isinstance(start, tuple) else [str(start)] if start is not None else []
    elif field.kind == "boolean":
        options = _YES_NO
        picked = [] if start is None else ["yes" if start else "no"]
    return Group(
        name=field.name,
        label=field.label,
        hint=field.hint,
        description=field.description,
        options=options,
        many=field.kind == "many",
        picked=picked,
        line=None if options else Line(str(start or "")),
    )


class UrlDialog(ApprovalDialog):
    """Answers like `ApprovalDialog`. The page is opened by a key alone (`open_url`; by default as textual does)."""

    def __init__(self, ask: UrlAsk, *, open_url: Callable[[str], None] | None = None) -> None:
        super().__init__(ask)
        self._url, self._open = ask.url, open_url

    def _take(self, event: events.Key) -> bool:
        if event.character != "o":
            return super()._take(event)
        if self.has_seen(self._facts):
            (self._open or self.app.open_url)(self._url)
        else:
            self._warning = "read on first"
            self.read_on()
        return True

    @property
    def more_hints(self) -> Sequence[str]:
        """The key that opens it."""
        return ("o opens it in the browser",)
