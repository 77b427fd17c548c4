"""Questions of the agent to the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..link import Message
from .asks import Ask, BadAsk, Choice, Fact
from .asks_read import number, optional_text, records, text


@attrs.frozen(kw_only=True)
class Question:
    """`options` are label and description; `other` says that something else may be written, which is also so where
    there are none. What is typed into one that is `secret` is not shown."""

    id: str
    header: str
    question: str
    options: tuple[tuple[str, str], ...] = ()
    other: bool = False
    secret: bool = False

    @property
    def free(self) -> bool:
        """Whether text can be the answer."""
        return self.other or not self.options


@attrs.define(kw_only=True, eq=False)
class QuestionsAsk(Ask):
    """`accept` takes the answers. `resolves_in_s`: after so long the agent goes on without them."""

    questions: tuple[Question, ...]
    resolves_in_s: float | None = None

    @property
    def title(self) -> str:
        count = len(self.questions)
        return "The agent asks you something" if count == 1 else f"The agent asks you {count} things"

    @property
    def facts(self) -> tuple[Fact, ...]:
        if self.resolves_in_s is None:
            return ()
        return (Fact(name="time", text=f"without an answer it goes on after {self.resolves_in_s:g} s"),)

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (
            Choice(key="y", label="Send", decision="accept", allows=True),
            Choice(key="n", label="Do not answer", decision="none", detail="the agent decides by itself"),
            Choice(key="x", label="Do not answer, and stop the turn", decision="none", interrupts=True),
        )

    def accept(self, answers: Mapping[str, Sequence[str]]) -> Any:
        """The answers by the id of their question: what was chosen, or written, or both."""
        return {"answers": {id: {"answers": list(given)} for id, given in answers.items() if given}}

    def result(self, choice: Choice, text: str = "") -> Any:
        """No answer at all."""
        if choice.allows:
            raise ValueError("answers are sent with `accept`")
        return {"answers": {}}

    def outcome(self, choice: Choice, text: str = "") -> tuple[str, bool | None]:
        headers = ", ".join(question.header or question.question for question in self.questions)
        return f"{'Answered' if choice.allows else 'Did not answer'}: {headers}", choice.allows


def read_questions(id: object, params: Message) -> QuestionsAsk:
    """Of `item/tool/requestUserInput`. Raises `BadAsk`."""
    questions = tuple(_question(row) for row in records(params, "questions"))
    if not questions:
        raise BadAsk("it has no questions")
    if len({question.id for question in questions}) != len(questions):
        raise BadAsk("two of its questions have the same id")
    wait_ms = number(params, "autoResolutionMs")
    return QuestionsAsk(
        id=id,
        method="item/tool/requestUserInput",
        params=params,
        thread_id=text(params, "threadId"),
        item_id=text(params, "itemId"),
        questions=questions,
        resolves_in_s=None if wait_ms is None else wait_ms / 1000,
    )


def _question(row: Message) -> Question:
    options = records(row, "options")
    return Question(
        id=text(row, "id"),
        header=optional_text(row, "header"),
        question=text(row, "question"),
        options=tuple((text(option, "label"), optional_text(option, "description")) for option in options),
        other=row.get("isOther") is True,
        secret=row.get("isSecret") is True,
    )
