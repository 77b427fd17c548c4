"""The two items that frame a review, as rollouts hold them.

The kernel has no kind of its own for them: they are items with a tag and their payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_kernel.protocol.ids import new_item_id
from codex_kernel.protocol.thread_items import UnknownThreadItem

from .output import NO_RESPONSE, ReviewOutput, render_review, review_dict, review_from
from .target import ReviewTarget, hint, target_dict

ENTERED = "EnteredReviewMode"
EXITED = "ExitedReviewMode"


def entered_item(target: ReviewTarget) -> UnknownThreadItem:
    """A review begins."""
    raw = {"target": target_dict(target), "user_facing_hint": hint(target)}
    return UnknownThreadItem(id=new_item_id("review"), tag=ENTERED, raw=raw)


def exited_item(output: ReviewOutput | None) -> UnknownThreadItem:
    """A review is over; None where the reviewer did not get to say anything."""
    raw = {"review_output": None if output is None else review_dict(output)}
    return UnknownThreadItem(id=new_item_id("review"), tag=EXITED, raw=raw)


def review_item_text(tag: str, raw: Mapping[str, Any]) -> str | None:
    """What clients show for one of the two items: what is reviewed, or the review. None for any other item."""
    if tag == ENTERED:
        return str(raw.get("user_facing_hint") or raw.get("review") or "")
    if tag != EXITED:
        return None
    found = raw.get("review_output")
    if isinstance(found, Mapping):
        return render_review(review_from(found))
    return str(raw.get("review") or NO_RESPONSE)
