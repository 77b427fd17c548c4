"""The renderer of `codex review --json`: the findings, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from codex_plugin_sdk import (
    Event,
    ItemCompleted,
    Notice,
    RenderSetup,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    UnknownThreadItem,
)
from codex_plugin_sdk.review.items import EXITED
from codex_plugin_sdk.review.output import NO_RESPONSE, ReviewOutput, review_dict


class FindingsRenderer:
    """Writes one JSON object to stdout when the review is complete, and what went wrong to stderr.

    A reviewer that said nothing gives an object without findings, whose explanation says so.
    """

    def __init__(self, setup: RenderSetup) -> None:
        self._stdout, self._stderr = setup.stdout, setup.stderr
        self._found: Mapping[str, Any] | None = None

    def handle(self, event: Event) -> None:
        """Take in one event. Raises `BrokenPipeError`."""
        match event.msg:
            case ItemCompleted(item=UnknownThreadItem(tag=tag, raw=raw)) if tag == EXITED:
                self._found = raw.get("review_output")
            case TurnCompleted():
                found = self._found or review_dict(ReviewOutput(overall_explanation=NO_RESPONSE))
                self._stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
                self._stdout.flush()
            case TurnFailed(error=error):
                self._tell(f"error: {error.message}", f"  hint: {error.hint}" if error.hint else "")
            case TurnInterrupted():
                self._tell("interrupted: there is no review")
            case Notice(level="warning" | "error", message=message):
                self._tell(f"warning: {message}")

    def close(self) -> None:
        """Nothing is left."""

    def _tell(self, *lines: str) -> None:
        shown = "".join(f"{line}\n" for line in lines if line)
        self._stderr.write("".join(c for c in shown if c.isprintable() or c == "\n"))
        self._stderr.flush()
