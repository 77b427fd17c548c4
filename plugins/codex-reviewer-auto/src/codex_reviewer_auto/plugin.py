"""Offers the reviewer `auto`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable

from codex_plugin_sdk import Reviewer, ReviewerSetup, ReviewerSpec, hookimpl


@hookimpl
def codex_reviewers() -> Iterable[ReviewerSpec]:
    """The reviewer `auto`."""
    yield ReviewerSpec(name="auto", factory=_open)


def _open(setup: ReviewerSetup) -> Reviewer:
    from .reviewer import AutoReviewer

    return AutoReviewer(setup)
