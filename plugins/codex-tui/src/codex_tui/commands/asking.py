"""What many commands need: words of a line, pages of a list, a thread to work on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ProtocolError, UserError

from ..link import Message

if TYPE_CHECKING:
    from .ui import Ui

NOT_SERVED = -32601
PAGE = 100
NAMED = 20
"""So many choices are named in an error."""
YES = ("yes", "-y", "--yes")
"""A last word that answers what would be asked."""


def need_thread(ui: Ui) -> str:
    """The id of the thread. Raises `UserError` if there is none yet."""
    if not ui.session.thread_id:
        raise UserError("the session is not open yet", hint="try again in a moment")
    return ui.session.thread_id


def agreed(words: Sequence[str]) -> tuple[list[str], bool]:
    """The words without a `yes` at their end, and whether there was one."""
    if words and words[-1] in YES:
        return list(words[:-1]), True
    return list(words), False


def wrong(found: str, choices: Sequence[str], what: str = "that") -> UserError:
    """The error for an argument that is none of the choices."""
    from difflib import get_close_matches

    near = get_close_matches(found, choices, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return UserError(f"{found!r} is no {what}{meant}", hint=_one_of(choices))


def needed(what: str, choices: Sequence[str] = ()) -> UserError:
    """The error where nothing can be asked and an argument is missing."""
    return UserError(f"nothing can be asked here: {what}", hint=_one_of(choices))


def _one_of(choices: Sequence[str]) -> str:
    more = f" and {len(choices) - NAMED} more" if len(choices) > NAMED else ""
    return f"one of: {', '.join(choices[:NAMED])}{more}" if choices else ""


async def sure(ui: Ui, yes: bool, title: str, detail: str = "") -> bool:
    """Whether to go on: it was said already, or the user agrees now. Raises `UserError` where nothing can be asked."""
    if yes:
        return True
    if not ui.interactive:
        raise needed(f"put `yes` at the end of the line to agree ({title})")
    return await ui.confirm(title, detail)


async def request(ui: Ui, method: str, **params: Any) -> Any:
    """The result of a request; params that are None are left out."""
    return await ui.session.link.request(method, {key: found for key, found in params.items() if found is not None})


async def every(ui: Ui, method: str, most: int = 1000, **params: Any) -> list[Message]:
    """The entries of a list, page by page, up to a number."""
    found: list[Message] = []
    cursor = None
    while len(found) < most:
        page = await request(ui, method, limit=PAGE, cursor=cursor, **params)
        found += page["data"]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    return found


def is_not_served(error: ProtocolError) -> bool:
    """Whether a server does not know a method, or says that it means nothing there."""
    return error.code == NOT_SERVED or "unknown variant" in error.message


async def optional(ui: Ui, method: str, **params: Any) -> Any:
    """The result, or None from a server that does not serve the method."""
    try:
        return await request(ui, method, **params)
    except ProtocolError as error:
        if is_not_served(error):
            return None
        raise


async def extension(ui: Ui, method: str, cure: str, **params: Any) -> Any:
    """The result of a method that a plugin adds. Raises `UserError` with the cure where none does."""
    try:
        return await request(ui, method, **params)
    except ProtocolError as error:
        if is_not_served(error):
            raise UserError(f"the server has no {method}", hint=cure) from error
        raise


def short(text: str, most: int = 80) -> str:
    """The first line of a text, cut."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def count(number: int | None) -> str:
    """A number with its thousands apart."""
    return "?" if number is None else f"{number:,}"
