"""Questions of the server, put in words and answered in lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..render import one_line, shown
from ..session.asks import Ask, Choice, Reply
from ..session.asks_approval import ChangeAsk
from ..session.asks_mcp import FormAsk, UrlAsk
from ..session.asks_questions import Question, QuestionsAsk
from ..session.cells import FileDiff
from ..session.hunks import PatchReview, Piece
from .choosing import choose, fact_lines
from .desk import Desk
from .filling import fill_in
from .words import diff_words

HUNKS = "hunks"
SKIP = "/skip"
END = "."


async def put_ask(desk: Desk, ask: Ask, *, place: str = "", whose: str = "") -> Reply:
    """The answer of the user. `place` is such as ` (1 of 2)`, `whose` such as ` of a sub-agent`. Raises `Left`."""
    match ask:
        case ChangeAsk():
            return await _put_change(desk, ask, _head(ask, place, whose))
        case FormAsk():
            return await _put_form(desk, ask, _head(ask, place, whose))
        case QuestionsAsk():
            return await _put_questions(desk, ask, _head(ask, place, whose))
    choice, text = await choose(desk, _head(ask, place, whose), ask.choices)
    return ask.reply(choice, text)


def _head(ask: Ask, place: str, whose: str) -> list[str]:
    word = "Question" if isinstance(ask, FormAsk | QuestionsAsk | UrlAsk) else "Approval needed"
    return ["", f"{word}{whose}: {one_line(ask.title)}{place}", *fact_lines(ask.facts)]


# -- changes of files ----------------------------------------------------------------------------------


async def _put_change(desk: Desk, ask: ChangeAsk, head: list[str]) -> Reply:
    lines = head + [line for change in ask.changes for line in change_lines(change)]
    choices = list(ask.choices)
    review = _review(ask)
    if review is not None:
        taken = {choice.key for choice in choices}
        key = next(letter for letter in "hpqw" if letter not in taken)
        label = "Go through it hunk by hunk"
        choices.insert(1, Choice(key=key, label=label, decision=HUNKS))
    while True:
        choice, text = await choose(desk, lines, choices)
        if choice.decision != HUNKS or review is None:
            return ask.reply(choice, text)
        if await _go_through(desk, review):
            result, follow_up = review.answer(takes_parts=ask.takes_parts)
            return Reply(result=result, outcome=review.outcome(), approved=not review.is_nothing, follow_up=follow_up)
        review = _review(ask)


def _review(ask: ChangeAsk) -> PatchReview | None:
    """What can be gone through; None for one piece, or where it cannot be taken apart."""
    try:
        review = PatchReview(ask.changes)
    except ValueError:
        return None
    return review if len(review.pieces) > 1 or review.pieces[0].editable else None


def change_lines(change: FileDiff) -> list[str]:
    """A change of a file: what it is, then its lines."""
    mark = {"add": "+", "delete": "-"}.get(change.kind, "")
    lines = shown(change.diff.rstrip("\n")).split("\n") if change.diff else []
    return [diff_words(change), *(mark + line for line in lines)]


_PIECE = (
    Choice(key="y", label="Take it", decision=True, allows=True),
    Choice(key="n", label="Refuse it", decision=False),
    Choice(key="e", label="Edit it", decision="edit"),
    Choice(key="a", label="Take this and all that follow", decision="all", allows=True),
    Choice(key="d", label="Refuse this and all that follow", decision="none"),
    Choice(key="q", label="Back to the whole change", decision="back"),
)


async def _go_through(desk: Desk, review: PatchReview) -> bool:
    """Decide piece by piece; False: back, nothing is decided."""
    total = len(review.pieces)
    for number, piece in enumerate(review.pieces, 1):
        while piece.taken is None:
            choices = [choice for choice in _PIECE if choice.decision != "edit" or piece.editable]
            head = ["", f"Part {number} of {total}: {one_line(piece.title)}"]
            choice, _ = await choose(desk, [*head, *shown(piece.now.rstrip("\n")).split("\n")], choices)
            match choice.decision:
                case bool():
                    piece.taken = choice.decision
                case "edit":
                    await _edit(desk, piece)
                case "back":
                    return False
                case _:
                    review.decide_all(choice.decision == "all")
    return True


async def _edit(desk: Desk, piece: Piece) -> None:
    """The new lines one by one."""
    signs = "" if piece.hunk is None else " Each begins with a blank (kept), a plus (added) or a minus (removed)."
    said = [f"Enter all lines of it anew, then a line with only a full stop.{signs}"]
    lines: list[str] = []
    while (line := await desk.ask(said, "Line: ")) != END:
        lines.append(line)
        said = []
    try:
        piece.edit("".join(f"{line}\n" for line in lines))
    except ValueError as error:
        await desk.tell([f"Not taken: {error}"])


# -- forms and questions -------------------------------------------------------------------------------


async def _put_form(desk: Desk, ask: FormAsk, head: list[str]) -> Reply:
    send, *leave = ask.choices
    first = attrs.evolve(send, label="Fill it in") if ask.form.fields else send
    lines = head
    while True:
        choice, _ = await choose(desk, lines, [first, *leave])
        if not choice.allows:
            return ask.reply(choice)
        content = await fill_in(desk, ask.form)
        summary = [f"{field.label}: {_as_text(content.get(field.name))}" for field in ask.form.fields]
        choice, _ = await choose(desk, ["", "This would be sent:", *map(one_line, summary)], [send, _AGAIN, *leave])
        if choice.allows:
            outcome, approved = ask.outcome(choice)
            return Reply(result=ask.accept(content), outcome=outcome, approved=approved)
        if choice is not _AGAIN:
            return ask.reply(choice)
        lines = ["", "Once more."]


_AGAIN = Choice(key="f", label="Fill it in once more", decision="again")


def _as_text(found: Any) -> str:
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, list):
        return ", ".join(found)
    return "(nothing)" if found is None else str(found)


async def _put_questions(desk: Desk, ask: QuestionsAsk, head: list[str]) -> Reply:
    answers: dict[str, list[str]] = {}
    for number, question in enumerate(ask.questions, 1):
        place = f" ({number} of {len(ask.questions)})" if len(ask.questions) > 1 else ""
        found = await _put_question(desk, question, head if number == 1 else [], place)
        if found:
            answers[question.id] = [found]
    by_decision: Mapping[bool, Choice] = {choice.allows: choice for choice in reversed(ask.choices)}
    if not answers:
        return ask.reply(next(choice for choice in ask.choices if not choice.allows and not choice.interrupts))
    outcome, approved = ask.outcome(by_decision[True])
    return Reply(result=ask.accept(answers), outcome=outcome, approved=approved)


async def _put_question(desk: Desk, question: Question, head: list[str], place: str) -> str:
    """What was answered; empty for nothing."""
    title = f"{question.header}: {question.question}" if question.header else question.question
    first, *rest = shown(title).split("\n")
    lines = [*head, f"{first}{place}", *rest]
    for number, (label, detail) in enumerate(question.options, 1):
        lines.append(one_line(f"{number}. {label}{f': {detail}' if detail else ''}"))
    how = ["a number" if question.options else "", "your own words" if question.free else "", f"{SKIP} for no answer"]
    lines.append(f"Answer with {', or '.join(filter(None, how))}.")
    while True:
        line = (await desk.ask(lines, secret=question.secret)).strip()
        if line == SKIP:
            return ""
        found = _answered(question, line)
        if found:
            return found
        lines = ["That is none of the answers." if line else "Nothing was answered."]


def _answered(question: Question, line: str) -> str:
    labels = [label for label, _ in question.options]
    if line.isdecimal() and 0 < int(line) <= len(labels):
        return labels[int(line) - 1]
    same = [label for label in labels if label.lower() == line.lower()]
    return same[0] if same else line if question.free else ""
