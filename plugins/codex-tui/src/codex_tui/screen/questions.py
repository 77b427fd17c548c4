"""Questions of the agent."""

from __future__ import annotations

from ..session.asks import Choice
from ..session.asks_questions import Question, QuestionsAsk
from .drawn import Line
from .filling import Filling, Group


class QuestionsDialog(Filling):
    """Answers with (`Choice`, answers by the id of the question), the answers None where none are sent."""

    def __init__(self, ask: QuestionsAsk) -> None:
        self.ask = ask
        super().__init__(ask.title, ask.facts, [_group(question) for question in ask.questions], ask.choices)

    def check(self) -> bool:
        """Whether every question has an answer."""
        for group in self.groups:
            self.check_one(group)
        return not any(group.error for group in self.groups)

    def check_one(self, group: Group) -> None:
        """An answer is an option, a text, or both."""
        group.error = "" if _answers(group) else "there is no answer yet"

    def press(self, button: Choice) -> None:
        """Send, or not."""
        self.answer((button, {group.name: _answers(group) for group in self.groups} if button.allows else None))

    def cancel(self) -> None:
        """No answer, and the turn stops."""
        self.answer((self.ask.cancel, None))


def _answers(group: Group) -> tuple[str, ...]:
    text = group.line.text if group.line is not None else ""
    if not group.secret:
        text = text.strip()
    return (*group.picked, text) if text else tuple(group.picked)


def _group(question: Question) -> Group:
    header = f"{question.header}: " if question.header else ""
    return Group(
        name=question.id,
        label=header + question.question,
        options=[(label, label, description) for label, description in question.options],
        line=Line() if question.free else None,
        line_label="something else" if question.options else "",
        secret=question.secret,
    )
