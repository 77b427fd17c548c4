"""Which dialogue asks what, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..session.asks import Ask, Choice, Reply
from ..session.asks_approval import ChangeAsk
from ..session.asks_mcp import FormAsk, UrlAsk
from ..session.asks_questions import QuestionsAsk
from ..session.hunks import PatchReview
from .dialog import Dialog
from .patch_review import Edit

Show = Callable[[Callable[[], Dialog]], Awaitable[Any]]
"""Shows the dialog that it makes; gives its answer, None if it was left or taken away."""


async def put_ask(
    ask: Ask, show: Show, *, edit: Edit | None = None, open_url: Callable[[str], None] | None = None
) -> Reply | None:
    """Put a question to the user, with as many dialogues as it takes. None: it is not answered, since it was taken
    away. `edit` has a text edited outside."""
    if isinstance(ask, ChangeAsk):
        return await _put_change(ask, show, edit)
    answer = await show(lambda: dialog_of(ask, open_url=open_url))
    if answer is None:
        return None
    choice, given = answer
    return ask.reply(choice, given) if isinstance(given, str) else _filled(ask, choice, given)


def dialog_of(ask: Ask, *, open_url: Callable[[str], None] | None = None) -> Dialog:
    """The dialogue for a question."""
    from .approval import ApprovalDialog
    from .form import FormDialog, UrlDialog
    from .questions import QuestionsDialog

    match ask:
        case FormAsk():
            return FormDialog(ask)
        case QuestionsAsk():
            return QuestionsDialog(ask)
        case UrlAsk():
            return UrlDialog(ask, open_url=open_url)
        case _:
            return ApprovalDialog(ask)


def _filled(ask: Ask, choice: Choice, content: Any) -> Reply:
    if content is None or not isinstance(ask, FormAsk | QuestionsAsk):
        return ask.reply(choice)
    outcome, approved = ask.outcome(choice)
    return Reply(result=ask.accept(content), outcome=outcome, approved=approved)


async def _put_change(ask: ChangeAsk, show: Show, edit: Edit | None) -> Reply | None:
    from .approval import HUNKS, ApprovalDialog
    from .patch_review import PatchReviewDialog

    problem = ""
    while True:
        answer = await show(lambda: ApprovalDialog(ask, problem=problem))  # noqa: B023 - made before the next round
        if answer is None:
            return None
        if answer != HUNKS:
            return ask.reply(*answer)
        try:
            review = PatchReview(ask.changes)
        except ValueError as error:
            problem = f"it cannot be taken apart: {error}"
            continue
        if await show(lambda: PatchReviewDialog(review, edit=edit)) is not None:  # noqa: B023 - as above
            result, follow_up = review.answer(takes_parts=ask.takes_parts)
            return Reply(result=result, outcome=review.outcome(), approved=not review.is_nothing, follow_up=follow_up)
