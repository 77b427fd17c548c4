"""What a thread may do: approval policy, sandbox policy, decisions, and the intents they judge."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from .value import Value, field, value


class ApprovalPolicy(StrEnum):
    """When the user is asked. `granular` is on-request with single kinds of question switched off; which
    ones is told by `GranularApproval`."""

    UNTRUSTED = "untrusted"
    ON_FAILURE = "on-failure"
    ON_REQUEST = "on-request"
    GRANULAR = "granular"
    NEVER = "never"


class Category(StrEnum):
    """What a question is about; the words are the keys of `approval_policy.granular`."""

    SANDBOX = "sandbox_approval"
    RULES = "rules"
    SKILL = "skill_approval"
    PERMISSIONS = "request_permissions"
    ELICITATION = "mcp_elicitations"


@value
class GranularApproval(Value):
    """Which kinds of question reach the user; one that is false is refused without asking."""

    sandbox_approval: bool = True
    rules: bool = True
    skill_approval: bool = False
    request_permissions: bool = False
    mcp_elicitations: bool = True

    def asks(self, category: Category) -> bool:
        """Whether the user is asked about this kind."""
        return bool(getattr(self, category.value))


class SandboxMode(StrEnum):
    """How far a command may reach."""

    READ_ONLY = "read-only"
    WORKSPACE_WRITE = "workspace-write"
    DANGER_FULL_ACCESS = "danger-full-access"


class SandboxPreference(StrEnum):
    """`[sandbox] preference`: the strongest backend with a notice where it is weaker than the policy's full
    meaning (auto), only one that is not weaker (require), or none at all, so that every command counts as
    leaving the sandbox and has to be approved (forbid)."""

    AUTO = "auto"
    REQUIRE = "require"
    FORBID = "forbid"


class Decision(StrEnum):
    """A policy's answer. `strictest` orders them: allow < prompt < forbidden."""

    ALLOW = "allow"
    PROMPT = "prompt"
    FORBIDDEN = "forbidden"


_STRICTNESS = {Decision.ALLOW: 0, Decision.PROMPT: 1, Decision.FORBIDDEN: 2}


def strictest(*decisions: Decision) -> Decision:
    """The strictest of at least one decision."""
    return max(decisions, key=_STRICTNESS.__getitem__)


class NetworkMode(StrEnum):
    """How far commands reach the network: not at all, through our proxy only, or freely."""

    OFF = "off"
    PROXIED = "proxied"
    ON = "on"


@value
class NetworkRules(Value):
    """What the proxy lets through. Patterns are host names: exact, `*.example.com` (subdomains),
    `**.example.com` (the domain too), or `*` (all). A denial outweighs every permission; what no pattern
    names is asked about. `limited` permits reading only (GET, HEAD, OPTIONS, and no tunnels);
    `allow_private` permits loopback, link-local and private addresses that are not named themselves."""

    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    limited: bool = False
    allow_private: bool = False
    socks5: bool = True

    def decision(self, host: str) -> Decision:
        """What the patterns alone say of a host name or address."""
        name = host.lower().rstrip(".")
        if any(_names(pattern, name) for pattern in self.denied):
            return Decision.FORBIDDEN
        return Decision.ALLOW if any(_names(pattern, name) for pattern in self.allowed) else Decision.PROMPT


def _names(pattern: str, host: str) -> bool:
    pattern = pattern.lower().rstrip(".")
    if pattern in ("*", host):
        return True
    if pattern.startswith("**."):
        return host == pattern[3:] or host.endswith(pattern[2:])
    return pattern.startswith("*.") and host.endswith(pattern[1:])


@value
class AdditionalPermissions(Value):
    """What one command may do beyond its thread's sandbox policy, once that is approved. Absolute paths."""

    writable_roots: tuple[str, ...] = ()
    readable_roots: tuple[str, ...] = ()
    network_access: bool = False

    def __bool__(self) -> bool:
        return bool(self.writable_roots or self.readable_roots or self.network_access)

    def in_words(self) -> str:
        """What is asked for, for a person."""
        words = [f"write {root}" for root in self.writable_roots]
        words += [f"read {root}" for root in self.readable_roots]
        return ", ".join([*words, *(["use the network"] if self.network_access else [])])

    def within(self, asked: AdditionalPermissions) -> AdditionalPermissions:
        """The part of these that was asked for: folders that were, or that lie in one that was."""

        from os.path import join, realpath

        def kept(paths: tuple[str, ...], roots: tuple[str, ...]) -> tuple[str, ...]:
            real = tuple(join(realpath(root), "") for root in roots)
            return tuple(path for path in paths if join(realpath(path), "").startswith(real))

        return AdditionalPermissions(
            writable_roots=kept(self.writable_roots, asked.writable_roots),
            readable_roots=kept(self.readable_roots, asked.readable_roots + asked.writable_roots),
            network_access=self.network_access and asked.network_access,
        )


@value
class Grant(Value):
    """What was granted for the commands to come: until the turn ends, or the thread (`session`)."""

    permissions: AdditionalPermissions
    session: bool = False


@value
class SandboxPolicy(Value):
    """What commands may read, write and reach.

    `writable_roots` are absolute paths and are meant beside the thread's cwd, which is always a writable root
    in workspace-write unless `cwd_writable` is false (then only the named roots are). `readable_roots` is what
    may be read at all, beside the writable roots and, without "/", what programs need to start (`/usr`, `/bin`,
    `/lib*`, `/etc`, `/dev`, `/proc`). `read_only_paths` stay read-only although they lie in a writable root.
    `denied_reads` are absolute globs (`*` crosses `/`) and outweigh every other field. `network_rules`
    are given where the network is proxied; `network_access` outweighs them.
    """

    mode: SandboxMode = SandboxMode.READ_ONLY
    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False
    denied_reads: tuple[str, ...] = ()
    readable_roots: tuple[str, ...] = ("/",)
    read_only_paths: tuple[str, ...] = ()
    cwd_writable: bool = True
    network_rules: NetworkRules | None = None

    @property
    def network(self) -> NetworkMode:
        """How far commands reach the network."""
        if self.unconfined or self.network_access:
            return NetworkMode.ON
        return NetworkMode.OFF if self.network_rules is None else NetworkMode.PROXIED

    def roots(self, cwd: str, tmpdir: str | None) -> tuple[str, ...]:
        """The folders that commands and edits may write: cwd, the named roots, /tmp and TMPDIR (as given, so
        neither resolved nor known to exist). Empty in the other modes."""
        if self.mode is not SandboxMode.WORKSPACE_WRITE:
            return ()
        found = [cwd, *self.writable_roots] if self.cwd_writable else [*self.writable_roots]
        if not self.exclude_slash_tmp:
            found.append("/tmp")  # noqa: S108 - it is what the policy is about
        if not self.exclude_tmpdir_env_var and tmpdir:
            found.append(tmpdir)
        return tuple(dict.fromkeys(found))

    def anchored(self, cwd: str) -> SandboxPolicy:
        """This policy with every path that is not absolute taken as below `cwd`."""
        import os

        changes = {}
        for name in ("writable_roots", "readable_roots", "read_only_paths", "denied_reads"):
            paths: tuple[str, ...] = getattr(self, name)
            if any(not path.startswith("/") for path in paths):
                changes[name] = tuple(os.path.normpath(os.path.join(cwd, path)) for path in paths)
        return self.replace(**changes) if changes else self

    def extended(self, extra: AdditionalPermissions | None) -> SandboxPolicy:
        """This policy with what was approved for one command. Nothing of it lifts a denied read or what
        keeps `.git`, `.codex` and `.agents` safe."""
        if not extra or self.unconfined:
            return self
        changes: dict[str, object] = {
            "readable_roots": (*self.readable_roots, *extra.readable_roots),
            "network_access": self.network_access or extra.network_access,
        }
        if extra.writable_roots:
            only = self.mode is SandboxMode.READ_ONLY
            changes["writable_roots"] = (*(() if only else self.writable_roots), *extra.writable_roots)
            if only:
                changes |= {"cwd_writable": False, "exclude_slash_tmp": True, "exclude_tmpdir_env_var": True}
            changes["mode"] = SandboxMode.WORKSPACE_WRITE
        return self.replace(**changes)

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


GUARANTEES = (
    "write-outside",  # files outside the writable roots are not created, changed or removed
    "metadata-outside",  # nor their modes, owners, times and attributes
    "protected-folders",  # .git, .codex and .agents of every writable root stay as they are
    "denied-reads",  # what the policy denies cannot be read
    "network-ip",  # no address is reached that the policy does not grant
    "network-unix-sockets",  # no socket of another program is reached (docker, ssh-agent, D-Bus)
    "processes",  # processes outside are neither seen, signalled, traced nor read
    "kernel-knobs",  # /proc/sys, /sys and other settings of the machine are not writable
    "devices",  # no device but null, zero, full, random, urandom, tty and a terminal of its own
    "ipc",  # no shared memory, queue or semaphore of another program
    "dies-with-us",  # whatever happens to this program, nothing that the command started survives it
)
"""The names of what a backend can promise, the same for all of them."""


@value
class Guarantee(Value):
    """One thing that a backend enforces here, or why it does not. `name` is one of `GUARANTEES`."""

    name: str
    enforced: bool
    why: str = ""


@value
class RunIntent(Value):
    """A tool wants to run a program. `argv` is what will be executed, `display` what the model wrote.

    `escalated` asks to run it outside the sandbox, `additional` to widen the sandbox for it; either is
    granted by an approval only. `prefix_rule` is the rule that the model proposes for the future.
    """

    argv: tuple[str, ...]
    cwd: str
    display: str = ""
    escalated: bool = False
    justification: str = ""
    prefix_rule: tuple[str, ...] = ()
    additional: AdditionalPermissions | None = None


@value
class EditIntent(Value):
    """A tool wants to change files; absolute paths, symlinks not yet resolved."""

    paths: tuple[str, ...]
    cwd: str
    summary: str = ""


@value
class ToolIntent(Value):
    """A tool wants to act in a way that is neither a command nor a file change (an MCP call, say). With
    `permissions` it asks that the sandbox be widened by them for the commands and edits to come."""

    tool: str
    arguments: Mapping[str, object] = field(factory=dict)
    summary: str = ""
    read_only: bool = False
    permissions: AdditionalPermissions | None = None


@value
class NetworkIntent(Value):
    """A confined command wants to reach a host through the proxy. `host` is the name as the command gave it,
    or an address; `protocol` is http, https, socks5_tcp or socks5_udp; `command` is what the model wrote."""

    host: str
    port: int
    protocol: str
    command: str = ""


Intent = RunIntent | EditIntent | ToolIntent | NetworkIntent


@value
class Verdict(Value):
    """One policy's answer to an intent, with the words that a user and the model will read. `grant` and `edited` are
    the gate's alone: what came of an intent with `permissions`, and what files shall hold instead of what a tool
    proposed (`ApprovalAnswer.edited`), with a `note` on that for the model."""

    decision: Decision
    reason: str = ""
    source: str = ""
    bypass_sandbox: bool = False
    category: Category = Category.RULES
    grant: Grant | None = None
    edited: Mapping[str, bytes | None] | None = None
    note: str = ""


@value
class PolicyAmendment(Value):
    """A rule that would have answered a question: `text` is the line that would be written to `file`, for
    the reviewer to read; `source` names the policy that wrote it and will carry it out. `prefix` (command
    words) or `host` say what it is about."""

    source: str
    text: str
    file: str
    prefix: tuple[str, ...] = ()
    host: str = ""


class ReviewDecision(StrEnum):
    """A reviewer's answer to an approval request. `approved_always` writes the amendments that the request
    proposed; without any it counts as `approved_for_session`."""

    APPROVED = "approved"
    APPROVED_FOR_SESSION = "approved_for_session"
    APPROVED_ALWAYS = "approved_always"
    DENIED = "denied"
    ABORT = "abort"
