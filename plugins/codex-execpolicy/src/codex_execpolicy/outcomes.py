"""What rules make of recorded commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from codex_plugin_sdk import ApprovalPolicy, Decision, RunIntent

from .judging import Judgement, Lookup, judge
from .recorded import Command


class Outcome(StrEnum):
    """What happens to a command, from the loosest to the strictest."""

    OUTSIDE = "allowed outside the sandbox"
    ALLOWED = "allowed"
    ASKED = "asked"
    REFUSED = "refused"


class Found(NamedTuple):
    """An outcome with its reason, and the judgement that led to it."""

    outcome: Outcome
    reason: str
    judgement: Judgement


class Bench:
    """Judges commands by one set of rules, each different one once."""

    def __init__(self, lookup: Lookup, *, home: str, tmpdir: str | None) -> None:
        self._lookup, self._home, self._tmpdir = lookup, home, tmpdir
        self._known: dict[Command, Found] = {}

    def try_out(self, command: Command, *, attended: bool = False) -> Found:
        """What happens to it. `attended` takes it that somebody can be asked, whatever the session's policy."""
        found = self._known.get(command)
        if found is None:
            found = self._known[command] = self._try_out(command)
        if found.outcome is Outcome.ASKED and command.approval is ApprovalPolicy.NEVER and not attended:
            return found._replace(outcome=Outcome.REFUSED, reason=f"{found.reason} (approval policy never)".lstrip())
        return found

    def _try_out(self, command: Command) -> Found:
        intent = RunIntent(argv=command.argv, cwd=command.cwd, escalated=command.escalated)
        judgement = judge(intent, command.sandbox, self._lookup, home=self._home, tmpdir=self._tmpdir)
        verdict = judgement.verdict()
        leaves = command.escalated and not command.sandbox.unconfined
        if verdict is None:
            untrusted = command.approval is ApprovalPolicy.UNTRUSTED
            reason = "it asks to leave the sandbox" if leaves else "it is not known to be safe" if untrusted else ""
            return Found(Outcome.ASKED if reason else Outcome.ALLOWED, reason, judgement)
        if verdict.decision is Decision.ALLOW:
            if verdict.bypass_sandbox and not command.sandbox.unconfined:
                return Found(Outcome.OUTSIDE, verdict.reason, judgement)
            if leaves:
                return Found(Outcome.ASKED, "it asks to leave the sandbox", judgement)
            return Found(Outcome.ALLOWED, verdict.reason, judgement)
        outcome = Outcome.ASKED if verdict.decision is Decision.PROMPT else Outcome.REFUSED
        return Found(outcome, verdict.reason, judgement)


def counted(commands: Iterable[Command]) -> Counter[Command]:
    """How often each different command was asked for, in the order of first appearance."""
    return Counter(commands)


def shown(argv: tuple[str, ...], width: int = 0) -> str:
    """A command on one line: the script alone where a shell runs one, and nothing that a terminal would obey."""
    from .examples import join_tokens

    text = argv[2] if len(argv) == 3 and argv[1] in ("-lc", "-c") else join_tokens(argv)
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if not width or len(text) <= width else text[: width - 1] + "…"
