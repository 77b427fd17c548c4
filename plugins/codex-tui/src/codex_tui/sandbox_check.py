"""Whether commands can be confined, and by what: the server's method `sandbox/status`. Of a server without it, such as
that of Codex, it is found out as any client can: by running a command that does nothing."""

from __future__ import annotations

from typing import Any

import attrs

from codex_plugin_sdk import ProtocolError

from .link import Link, Message
from .link.errors import LinkLost

LIMIT_MS = 15_000
FORBID = "forbid"
_OWN_WISH = f'preference = "{FORBID}"'
"""Part of what the server says when the user wants to be asked before each command: nothing is broken then."""
_MORE = "codex sandbox status tells more"


@attrs.frozen(kw_only=True)
class SandboxState:
    """`works`: commands can run under the policy that is configured (one that wants no sandbox is fulfilled as well).
    Otherwise the problem, and what cures it as far as the server says."""

    works: bool
    problem: str = ""
    cure: str = ""


async def check_sandbox(link: Link, cwd: str) -> SandboxState:
    """Whether commands can be confined in a folder. Raises `LinkLost`."""
    try:
        found = await sandbox_status(link, cwd=cwd)
        if found is None:
            await link.request("command/exec", {"command": ["true"], "cwd": cwd, "timeoutMs": LIMIT_MS})
        elif not found["works"] and found["preference"] != FORBID:
            return SandboxState(works=False, problem=found["problem"], cure=found["cure"] or _MORE)
    except LinkLost:
        raise
    except ProtocolError as error:
        # Any other refusal (no such program, no such folder) is not the sandbox's.
        if "sandbox" in str(error) and _OWN_WISH not in str(error):
            return SandboxState(works=False, problem=error.message, cure=error.hint or _MORE)
    return SandboxState(works=True)


async def sandbox_status(link: Link, **params: Any) -> Message | None:
    """What `sandbox/status` says; None where the server has no such method. Raises `ProtocolError`, `LinkLost`."""
    from .commands.asking import is_not_served

    try:
        found: Message = await link.request("sandbox/status", params)
    except ProtocolError as error:
        if is_not_served(error):
            return None
        raise
    return found
