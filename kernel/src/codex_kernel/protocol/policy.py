"""What a thread may do: approval policy, sandbox policy, decisions, and the intents they judge."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from .value import Value, value


class ApprovalPolicy(StrEnum):
    """When the user is asked."""

    UNTRUSTED = "untrusted"
    ON_FAILURE = "on-failure"
    ON_REQUEST = "on-request"
    NEVER = "never"


class SandboxMode(StrEnum):
    """How far a command may reach."""

    READ_ONLY = "read-only"
    WORKSPACE_WRITE = "workspace-write"
    DANGER_FULL_ACCESS = "danger-full-access"


class Decision(StrEnum):
    """A policy's answer. `strictest` orders them: allow < prompt < forbidden."""

    ALLOW = "allow"
    PROMPT = "prompt"
    FORBIDDEN = "forbidden"


_STRICTNESS = {Decision.ALLOW: 0, Decision.PROMPT: 1, Decision.FORBIDDEN: 2}


def strictest(*decisions: Decision) -> Decision:
    """The strictest of at least one decision."""
    return max(decisions, key=_STRICTNESS.__getitem__)


@value
class SandboxPolicy(Value):
    """What commands may read, write and reach.

    `writable_roots` are absolute paths and are meant beside the thread's cwd, which is always a
    writable root in workspace-write; `denied_reads` are absolute globs.
    """

    mode: SandboxMode = SandboxMode.READ_ONLY
    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False
    denied_reads: tuple[str, ...] = ()

    @property
    def unconfined(self) -> bool:
        """Whether commands run without any sandbox."""
        return self.mode is SandboxMode.DANGER_FULL_ACCESS

    def denies_read(self, path: str) -> bool:
        """Whether a file, or a folder that it lies in, is one that must not be read; symlinks are resolved."""
        if not self.denied_reads:
            return False
        import os
        from fnmatch import fnmatchcase

        place = os.path.realpath(path)
        while True:
            if any(fnmatchcase(place, pattern) for pattern in self.denied_reads):
                return True
            parent = os.path.dirname(place)
            if parent == place:
                return False
            place = parent

    def as_dict(self) -> dict[str, object]:
        """The shape Codex records in `turn_context.sandbox_policy`."""
        if self.mode is not SandboxMode.WORKSPACE_WRITE:
            return {"type": self.mode.value}
        roots: dict[str, object] = {"writable_roots": list(self.writable_roots)} if self.writable_roots else {}
        return {
            "type": self.mode.value,
            **roots,
            "network_access": self.network_access,
            "exclude_tmpdir_env_var": self.exclude_tmpdir_env_var,
            "exclude_slash_tmp": self.exclude_slash_tmp,
        }


@value
class RunIntent(Value):
    """A tool wants to run a program. `argv` is what will be executed, `display` what the model wrote."""

    argv: tuple[str, ...]
    cwd: str
    display: str = ""
    escalated: bool = False
    justification: str = ""
    prefix_rule: tuple[str, ...] = ()


@value
class EditIntent(Value):
    """A tool wants to change files; absolute paths, symlinks not yet resolved."""

    paths: tuple[str, ...]
    cwd: str
    summary: str = ""


@value
class ToolIntent(Value):
    """A tool wants to act in a way that is neither a command nor a file change (an MCP call, say)."""

    tool: str
    arguments: Mapping[str, object] = attrs.field(factory=dict)
    summary: str = ""
    read_only: bool = False


Intent = RunIntent | EditIntent | ToolIntent


@value
class Verdict(Value):
    """One policy's answer to an intent, with the words that a user and the model will read."""

    decision: Decision
    reason: str = ""
    source: str = ""
    bypass_sandbox: bool = False


class ReviewDecision(StrEnum):
    """A reviewer's answer to an approval request."""

    APPROVED = "approved"
    APPROVED_FOR_SESSION = "approved_for_session"
    DENIED = "denied"
    ABORT = "abort"
