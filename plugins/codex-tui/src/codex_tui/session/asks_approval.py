"""May a command run, may files be changed, may the sandbox be widened?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from ..link import Message
from .asks import Ask, BadAsk, Choice, Fact
from .asks_read import as_json, optional_record, optional_text, record, records, text, texts
from .cells import AnyCell, FileDiff, PatchCell

PARTS = "acceptWithChanges"
"""The decision with which a part of a change is taken; servers that know it offer it."""
SIMPLE = ("accept", "acceptForSession", "decline", "cancel")
_SPARE_KEYS = "abcfghijklmopqruvwz"
"""For answers that have no letter of their own: d and e do something else in an approval."""


@attrs.define(kw_only=True, eq=False)
class Approval(Ask):
    """What the three have in common. `source` names the rule or policy that asked, `rules` are (line, file) of what
    would be written; both are told by servers that know `capabilities.approvalDetails`."""

    reason: str = ""
    source: str = ""
    rules: tuple[tuple[str, str], ...] = ()
    decisions: tuple[Any, ...] = ()

    @property
    def why(self) -> Iterator[Fact]:
        """Reason, rule and thread."""
        if self.reason:
            yield Fact(name="why", text=self.reason)
        if self.source:
            yield Fact(name="asked by", text=self.source)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Those of the server, what allows first, and one more: no, and tell the model why."""
        return tuple(_with_keys([*self._known()]))

    def _known(self) -> Iterator[Choice]:
        refusals = [word for word in ("decline", "cancel") if word in self.decisions]
        for decision in self.decisions:
            if decision not in refusals and decision != PARTS:  # a part is what comes of going through a change
                yield self._acceptance(decision)
        if "decline" in refusals:
            yield self._refusal("decline")
        yield Choice(key="t", label="No, and tell the model why", decision=refusals[0], wants_text=True)
        if "cancel" in refusals:
            yield self._refusal("cancel")

    def _refusal(self, decision: str) -> Choice:
        if decision == "decline":
            return Choice(key="n", label="No", decision=decision, detail="the turn goes on without it")
        return Choice(key="x", label="No, and stop the turn", decision=decision)

    def _acceptance(self, decision: Any) -> Choice:
        match decision:
            case "accept":
                return Choice(key="y", label="Yes, this once", decision=decision, allows=True)
            case "acceptForSession":
                return self._for_session(decision)
            case {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": list(words)}}:
                prefix = shlex.join(map(str, words))
                detail = f"commands that begin with: {prefix}{self._rule(prefix, alone=True)}"
                return Choice(key="a", label="Yes, always", decision=decision, detail=detail, allows=True)
            case {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": str(host), "action": "allow"}}}:
                detail = f"any command may reach {host}{self._rule(host)}"
                label = "Yes, always reach this host"
                return Choice(key="a", label=label, decision=decision, detail=detail, allows=True)
            case {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": str(host), "action": "deny"}}}:
                detail = f"no command may reach {host}"
                return Choice(key="", label="No, never reach this host", decision=decision, detail=detail)
        # It is the server's to say what it means, and the user's to decide: never dropped, never dressed up.
        detail = "an answer that this version does not know"
        return Choice(key="", label=f"Answer {as_json(decision)}", decision=decision, detail=detail, allows=True)

    def _for_session(self, decision: Any) -> Choice:
        return Choice(
            key="s",
            label="Yes, for the session",
            decision=decision,
            detail="exactly this is not asked about again until the session ends",
            allows=True,
        )

    def _rule(self, about: str, *, alone: bool = False) -> str:
        found = [rule for rule in self.rules if about in rule[0]]
        if not found and alone and len(self.rules) == 1:
            found = list(self.rules)
        return "".join(f"\nwrites to {file}: {line}" for line, file in found)

    def result(self, choice: Choice, text: str = "") -> Any:
        """The decision."""
        return {"decision": choice.decision}


@attrs.define(kw_only=True, eq=False)
class CommandAsk(Approval):
    """May a command run, or reach a `host` (with `protocol`)? `command` may be unknown then."""

    command: str = ""
    cwd: str = ""
    host: str = ""
    protocol: str = ""
    permissions: tuple[Fact, ...] = ()

    @property
    def title(self) -> str:
        if self.host:
            return f"Allow the command to reach {self.host}?"
        return "Run this command with more than the sandbox permits?" if self.permissions else "Run this command?"

    @property
    def subject(self) -> str:
        return f"reach {self.host}" if self.host else self.command

    @property
    def facts(self) -> tuple[Fact, ...]:
        found = []
        if self.host:
            found.append(Fact(name="host", text=f"{self.host} ({self.protocol})"))
        if self.command:
            found.append(Fact(name="command", text=self.command, code=True))
        if self.cwd:
            found.append(Fact(name="in", text=self.cwd))
        return (*found, *self.permissions, *self.why)


@attrs.define(kw_only=True, eq=False)
class ChangeAsk(Approval):
    """May files be changed? `changes` are those of the item, which the client was told of before; empty if they are not
    known; paths below `folder` are shown from there. `takes_parts`: the server takes a part of them."""

    grant_root: str = ""
    changes: tuple[FileDiff, ...] = ()
    folder: str = ""
    takes_parts: bool = False

    def know(self, cell: AnyCell | None) -> None:
        if isinstance(cell, PatchCell):
            self.changes, self.folder = cell.changes, cell.folder

    @property
    def title(self) -> str:
        count = len(self.changes)
        return "Change files?" if count != 1 else "Change this file?"

    @property
    def subject(self) -> str:
        start = f"{self.folder}/" if self.folder else ""
        return ", ".join(change.path.removeprefix(start) for change in self.changes) or "a change of files"

    @property
    def facts(self) -> tuple[Fact, ...]:
        found = [] if self.changes else [Fact(name="files", text="not known here: look at the item in another client")]
        if self.grant_root:
            found.append(Fact(name="asks for", text=f"writing below {self.grant_root} until the session ends"))
        return (*found, *self.why)

    def _for_session(self, decision: Any) -> Choice:
        if not self.grant_root:
            detail = "changes of exactly these files are not asked about again until the session ends"
        else:
            detail = f"writing below {self.grant_root} is not asked about again until the session ends"
        return Choice(key="s", label="Yes, for the session", decision=decision, detail=detail, allows=True)


@attrs.define(kw_only=True, eq=False)
class PermissionsAsk(Approval):
    """May commands do more than the sandbox permits? Nothing but `permissions`, as they were asked for, is granted."""

    cwd: str = ""
    permissions: Mapping[str, Any] = attrs.field(factory=dict)
    asked: tuple[Fact, ...] = ()

    @property
    def title(self) -> str:
        return "Let commands do more than the sandbox permits?"

    @property
    def subject(self) -> str:
        return "; ".join(f"{fact.name} {fact.text}" for fact in self.asked)

    @property
    def facts(self) -> tuple[Fact, ...]:
        where = (Fact(name="in", text=self.cwd),) if self.cwd else ()
        return (*self.asked, *where, *self.why)

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (
            Choice(key="y", label="Yes, for this turn", decision="turn", allows=True),
            Choice(
                key="s",
                label="Yes, for the session",
                decision="session",
                detail="all commands of this session may, until it ends",
                allows=True,
            ),
            Choice(key="n", label="No", decision="", detail="the turn goes on without it"),
            Choice(key="t", label="No, and tell the model why", decision="", wants_text=True),
            Choice(key="x", label="No, and stop the turn", decision="", interrupts=True),
        )

    def result(self, choice: Choice, text: str = "") -> Any:
        """What is granted: all of it or nothing."""
        granted = {name: part for name, part in self.permissions.items() if part is not None} if choice.allows else {}
        return {"permissions": granted, "scope": "session" if choice.decision == "session" else "turn"}


# -- reading -------------------------------------------------------------------------------------------


def _common(id: object, method: str, params: Message) -> dict[str, Any]:
    rules = [(text(rule, "text"), text(rule, "file")) for rule in records(params, "rules")]
    return {
        "id": id,
        "method": method,
        "params": params,
        "thread_id": text(params, "threadId"),
        "turn_id": text(params, "turnId"),
        "item_id": text(params, "itemId"),
        "reason": optional_text(params, "reason"),
        "source": optional_text(params, "source"),
        "rules": tuple(rules),
    }


def read_command(id: object, params: Message) -> CommandAsk:
    """Of `item/commandExecution/requestApproval`. Raises `BadAsk`."""
    context = optional_record(params, "networkApprovalContext")
    command = optional_text(params, "command")
    if not context and not command:
        raise BadAsk("it names neither a command nor a host")
    if params.get("kind") not in (None, "command"):
        raise BadAsk(f"its kind is {params['kind']!r:.80}")
    return CommandAsk(
        **_common(id, "item/commandExecution/requestApproval", params),
        command=command,
        cwd=optional_text(params, "cwd"),
        host=text(context, "host") if context else "",
        protocol=text(context, "protocol") if context else "",
        permissions=_permissions(optional_record(params, "additionalPermissions")),
        decisions=_decisions(params, _proposed(params)),
    )


def _proposed(params: Message) -> tuple[Any, ...]:
    """What can be answered where the server does not list it."""
    prefix = texts(params, "proposedExecpolicyAmendment")
    hosts = records(params, "proposedNetworkPolicyAmendments")
    rule = [{"acceptWithExecpolicyAmendment": {"execpolicy_amendment": list(prefix)}}] if prefix else []
    more = [{"applyNetworkPolicyAmendment": {"network_policy_amendment": dict(host)}} for host in hosts]
    return (*SIMPLE[:2], *rule, *more, *SIMPLE[2:])


def _decisions(params: Message, default: tuple[Any, ...]) -> tuple[Any, ...]:
    if params.get("availableDecisions") is None:
        return default
    offered = params["availableDecisions"]
    if not isinstance(offered, list) or not offered:
        raise BadAsk("`availableDecisions` is no list of answers")
    if not any(decision in ("decline", "cancel") for decision in offered):
        raise BadAsk("there is no way to say no among `availableDecisions`")
    return tuple(offered)


def read_change(id: object, params: Message) -> ChangeAsk:
    """Of `item/fileChange/requestApproval`. Raises `BadAsk`."""
    decisions = _decisions(params, SIMPLE)
    return ChangeAsk(
        **_common(id, "item/fileChange/requestApproval", params),
        grant_root=optional_text(params, "grantRoot"),
        decisions=decisions,
        takes_parts=PARTS in decisions,
    )


def read_permissions(id: object, params: Message) -> PermissionsAsk:
    """Of `item/permissions/requestApproval`. Raises `BadAsk`."""
    permissions = record(params, "permissions")
    asked = _permissions(permissions)
    if not asked:
        raise BadAsk("it asks for no permission")
    return PermissionsAsk(
        **_common(id, "item/permissions/requestApproval", params),
        cwd=optional_text(params, "cwd"),
        permissions=permissions,
        asked=asked,
    )


def _permissions(profile: Message) -> tuple[Fact, ...]:
    """What a profile permits, all of it: what we have no word for as it came."""
    found: list[Fact] = []
    files, network = optional_record(profile, "fileSystem"), optional_record(profile, "network")
    places = [(access, path) for access in ("write", "read") for path in texts(files, access)]
    for entry in records(files, "entries"):
        place = record(entry, "path")
        path = place["path"] if place.get("type") == "path" and isinstance(place.get("path"), str) else as_json(place)
        if (text(entry, "access"), path) not in places:
            places.append((entry["access"], path))
    words = {"read": "may read", "write": "may write"}
    found += [Fact(name=words.get(access, f"files: {access}"), text=path) for access, path in places]
    if network.get("enabled") is True:
        found.append(Fact(name="network", text="any host"))
    rest = {name: part for name, part in profile.items() if name not in ("fileSystem", "network") and part is not None}
    return (*found, *(Fact(name=name, text=as_json(part)) for name, part in rest.items()))


def _with_keys(choices: Sequence[Choice]) -> Iterator[Choice]:
    """The choices, each with a key of its own."""
    taken = {choice.key for choice in choices}
    used: set[str] = set()
    for choice in choices:
        key = choice.key
        if not key or key in used:
            key = next((letter for letter in _SPARE_KEYS if letter not in taken), "")
            taken.add(key)
        used.add(key)
        yield attrs.evolve(choice, key=key)
