"""Questions of the server to the user, and how each is answered. Both user interfaces show these.

`read_ask` makes one of a request. What it is about is read with care, since somebody will say yes to it: a request that
does not have what it needs is not guessed at, it is a `BadAsk` and refused.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..link import Message
from .cells import AnyCell


class BadAsk(Exception):
    """A request that cannot be put to the user. The text is for the server, with which the request is refused."""


@attrs.frozen(kw_only=True)
class Fact:
    """Something to know before answering. `name` is a word or two of ours; `text` may be the model's or a server's, of
    any length and with line ends, and is shown whole. `code` keeps its spaces and lines."""

    name: str
    text: str
    code: bool = False


@attrs.frozen(kw_only=True)
class Choice:
    """One answer that can be picked. `key` is the letter that picks it; `decision` goes into the answer as it is;
    `detail` is what it leads to, such as the rule that would be written. One with `wants_text` takes a sentence too:
    no, and tell the model why. `allows` says whether something happens then that else would not; `interrupts` that the
    turn is to be interrupted once the answer is given, since the answer alone does not stop it."""

    key: str
    label: str
    decision: Any
    detail: str = ""
    wants_text: bool = False
    allows: bool = False
    interrupts: bool = False


@attrs.frozen(kw_only=True)
class Reply:
    """An answer. `result` goes to the server. `follow_up` is input of the user: where the turn `goes_on` it is sent to
    it before the answer, so that the model reads it with what comes of the answer, else it is for the next turn.
    `interrupts`: the turn is interrupted before it has the answer. `outcome` is one sentence for the transcript,
    `approved` None where there is no yes or no."""

    result: Any
    outcome: str
    approved: bool | None = None
    follow_up: str | None = None
    interrupts: bool = False
    goes_on: bool = True


@attrs.define(kw_only=True, eq=False)
class Ask:
    """What the server wants to know. `id` is that of its request; `thread_id` may be a sub-agent's."""

    id: object
    method: str
    params: Message
    thread_id: str = ""
    turn_id: str = ""
    item_id: str = ""

    @property
    def title(self) -> str:
        """One sentence: what is asked. It is announced to screen readers and in notifications."""
        raise NotImplementedError

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What, where, why, and which rule asked, as far as the server tells."""
        return ()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The answers, in the order to show them; each has a key of its own."""
        raise NotImplementedError

    @property
    def cancel(self) -> Choice:
        """What Esc picks: no, and the turn stops if that can be said."""
        stops = (choice for choice in self.choices if choice.decision == "cancel" or choice.interrupts)
        return next(stops, None) or next(c for c in self.choices if not c.allows and not c.wants_text)

    def know(self, cell: AnyCell | None) -> None:
        """Take over what the transcript has of the item that it is about, before it is shown."""

    def result(self, choice: Choice, text: str = "") -> Any:
        """The answer on the wire. `text` is told with `follow_up`, since the protocol has no place for it here."""
        raise NotImplementedError

    def follow_up(self, choice: Choice, text: str = "") -> str | None:
        """What the user says beside the answer, since the protocol has no place for it there: input (see `Reply`)."""
        return text.strip() or None if choice.wants_text else None

    def reply(self, choice: Choice, text: str = "") -> Reply:
        """All that follows from a choice."""
        outcome, approved = self.outcome(choice, text)
        return Reply(
            result=self.result(choice, text),
            outcome=outcome,
            approved=approved,
            follow_up=self.follow_up(choice, text),
            interrupts=choice.interrupts,
            goes_on=not (choice.interrupts or choice.decision == "cancel"),
        )

    def outcome(self, choice: Choice, text: str = "") -> tuple[str, bool | None]:
        """One sentence on how it was answered, for the transcript, and whether that was a yes."""
        word = "Allowed" if choice.allows else "Refused"
        return f"{word} ({choice.label}): {self.subject}", choice.allows

    @property
    def subject(self) -> str:
        """What it is about, in as few words as possible."""
        return self.title


def read_ask(message: Message) -> Ask | None:
    """The question in a request of the server; None for a request that asks the user nothing (a tool of the client's,
    a login token). Raises `BadAsk` for one that cannot be put to the user: `link.refuse(id, str(error))`."""
    from . import asks_approval, asks_mcp, asks_questions

    method, params = message.get("method"), message.get("params")
    readers = {
        "item/commandExecution/requestApproval": asks_approval.read_command,
        "item/fileChange/requestApproval": asks_approval.read_change,
        "item/permissions/requestApproval": asks_approval.read_permissions,
        "mcpServer/elicitation/request": asks_mcp.read_elicitation,
        "item/tool/requestUserInput": asks_questions.read_questions,
    }
    reader = readers.get(str(method))
    if reader is None or "id" not in message:
        return None
    if not isinstance(params, dict):
        raise BadAsk(f"{method} has no params")
    try:
        return reader(message["id"], params)
    except BadAsk as error:
        raise BadAsk(f"{method} cannot be put to the user: {error}") from error
