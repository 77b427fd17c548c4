"""The guard: compares what a tool is about to run with two lists of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from codex_plugin_sdk import Decision, Intent, PolicyContext, RunIntent, Verdict

SOURCE = "acme-guard"


@attrs.frozen
class GuardSection:
    """The table `[guard]`: texts that make a command need a yes, and texts that forbid it."""

    prompt: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


@attrs.frozen
class Guard:
    """Made once per thread."""

    section: GuardSection

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Guard:
        """The guard of a configuration; the kernel has checked the table against `GuardSection`."""
        table = options.get("guard", {})
        return cls(GuardSection(**{key: tuple(texts) for key, texts in table.items()}))

    def evaluate(self, intent: Intent, context: PolicyContext) -> Verdict | None:
        """Judge commands; silent about everything else. Called before each command, so it does no I/O."""
        if not isinstance(intent, RunIntent):
            return None
        command = " ".join([intent.display, *intent.argv])
        for decision, texts in (
            (Decision.FORBIDDEN, self.section.forbidden),
            (Decision.PROMPT, self.section.prompt),
        ):
            for text in texts:
                if text in command:
                    reason = f"the command mentions {text!r}"
                    return Verdict(decision=decision, reason=reason, source=SOURCE)
        return None
