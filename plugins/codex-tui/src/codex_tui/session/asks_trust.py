"""Whether the files of a project are obeyed. No request of the server: the client asks it with `trust/show`, and tells
it with `trust/set`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..link import Message
from .asks import Ask, Choice, Fact
from .asks_read import as_json, optional_text, records, text, texts

_STATES = {
    "trusted": "as you agreed to it",
    "changed": "changed since you agreed to it",
    "first-use": "you have not agreed to it yet",
}
_MARKS = {"same": " ", "new": "+", "changed": "~", "gone": "-"}


@attrs.define(kw_only=True, eq=False)
class TrustAsk(Ask):
    """`root` is the project in which one works in `cwd`, `seen` what names the state of its
    files that is shown: to agree is to agree to that."""

    root: str
    cwd: str
    state: str
    seen: str
    level: str = ""
    broken: str = ""
    """The file of it that cannot be understood, and why: there is no agreeing to it then."""
    in_session: bool = False
    """Whether a thread is open already: it goes on with what counted when it was opened."""
    rows: tuple[Fact, ...] = ()

    @property
    def title(self) -> str:
        return f"Trust the project in {self.root}?"

    @property
    def needed(self) -> bool:
        """Whether there is anything to ask: files that would count, and nobody has agreed to as they are."""
        return bool(self.rows) and (self.state != "trusted" or self.level != "trusted")

    @property
    def facts(self) -> tuple[Fact, ...]:
        broken = (Fact(name="broken", text=f"{self.broken}\nmend it first"),) if self.broken else ()
        return (Fact(name="state", text=_STATES.get(self.state, self.state)), *broken, *self.rows)

    @property
    def choices(self) -> tuple[Choice, ...]:
        trust = Choice(
            key="y",
            label="Trust it, as it is now",
            decision=True,
            detail=f"this counts from {'the next session' if self.in_session else 'now'} on, until it changes",
            allows=True,
        )
        without = "this session goes on as it is" if self.in_session else "none of this counts in this session"
        later = Choice(key="n", label="Not now", decision=False, detail=without)
        return (later,) if self.broken else (trust, later)

    def result(self, choice: Choice, text: str = "") -> Any:
        """The params of `trust/set`; None where there is nothing to tell the server."""
        return {"cwd": self.cwd, "trusted": True, "seen": self.seen} if choice.allows else None


def read_trust(shown: Message, *, in_session: bool = False) -> TrustAsk:
    """Of the result of `trust/show`. Raises `BadAsk`."""
    return TrustAsk(
        id=None,
        method="trust/show",
        params=shown,
        root=text(shown, "root"),
        cwd=text(shown, "cwd"),
        state=text(shown, "state"),
        seen=text(shown, "seen"),
        level=optional_text(shown, "trustLevel"),
        broken=optional_text(shown, "broken"),
        in_session=in_session,
        rows=tuple(_rows(shown)),
    )


def _rows(shown: Message) -> Iterator[Fact]:
    for row in records(shown, "hooks"):
        matcher = f" ({row['matcher']})" if row.get("matcher") else ""
        yield Fact(name="runs", text=f"{row.get('command')}\nat {row.get('event')}{matcher}, says {row['source']}")
    for row in records(shown, "mcpServers"):
        yield Fact(name="MCP server", text=f"{row.get('name')}: {_program(row)}\nsays {row['source']}")
    for row in records(shown, "settings"):
        yield Fact(name="sets", text=f"{row['key']} = {as_json(row.get('value'))}\nsays {row['source']}")
    for row in records(shown, "leftOut"):
        yield Fact(name="left out", text=f"{row['key']}: {row.get('reason')}")
    files = records(shown, "files")
    if files:
        found = [f"{_MARKS.get(row['state'], '?')} {row['kind']:<8} {row['path']}" for row in files]
        yield Fact(name="files", text="\n".join(found), code=True)
    if differences := texts(shown, "differences"):
        yield Fact(name="changes", text="".join(differences).rstrip("\n"), code=True)


def _program(row: Mapping[str, Any]) -> str:
    if row.get("url"):
        return str(row["url"])
    args = row.get("args")
    return " ".join(map(str, [row.get("command"), *(args if isinstance(args, list) else ())]))
