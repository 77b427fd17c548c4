"""Whether commands can be confined, found out as any client of the server can: by running one that does nothing."""

from __future__ import annotations

import attrs

from codex_plugin_sdk import ProtocolError

from .link import Link
from .link.errors import LinkLost

LIMIT_MS = 15_000
_OWN_WISH = 'preference = "forbid"'
"""Part of what the server says when the user wants to be asked before each command: nothing is broken then."""


@attrs.frozen(kw_only=True)
class SandboxState:
    """`works`: commands can run under the policy that is configured (one that wants no sandbox is fulfilled as well).
    Otherwise the problem, and what cures it as far as the server says."""

    works: bool
    problem: str = ""
    cure: str = ""


async def check_sandbox(link: Link, cwd: str) -> SandboxState:
    """Run `true` in the sandbox of a folder. The server does not say which engine it has taken, nor what that one does
    not enforce: `codex sandbox status` does. Raises `LinkLost`."""
    try:
        await link.request("command/exec", {"command": ["true"], "cwd": cwd, "timeoutMs": LIMIT_MS})
    except LinkLost:
        raise
    except ProtocolError as error:
        said = f"{error.message} ({error.hint})" if error.hint else error.message
        # Any other refusal (no such program, no such folder) comes from behind the sandbox.
        if "sandbox" in said and _OWN_WISH not in said:
            problem, cure = split_hint(said)
            return SandboxState(works=False, problem=problem, cure=cure or "codex sandbox status tells more")
    return SandboxState(works=True)


def split_hint(said: str) -> tuple[str, str]:
    """What happened and what to try, of `MESSAGE (HINT)`, which is how the server says both. The hint may hold
    parentheses of its own."""
    if not said.endswith(")"):
        return said, ""
    depth = 0
    for place in range(len(said) - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(said[place], 0)
        if depth == 0:
            return said[:place].rstrip(), said[place + 1 : -1]
    return said, ""
