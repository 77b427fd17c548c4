"""Context sources of the kernel: permissions, developer instructions, environment."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from codex_kernel.contracts.context import ContextRequest, Fragment
from codex_kernel.protocol.policy import ApprovalPolicy, NetworkMode, SandboxMode

_ASKING = {
    ApprovalPolicy.NEVER: "Nobody can be asked: what is not permitted is refused, and you have to find another way.",
    ApprovalPolicy.ON_REQUEST: "What is not permitted can be asked for; the user decides.",
    ApprovalPolicy.GRANULAR: "Some of what is not permitted can be asked for; the user decides.",
    ApprovalPolicy.ON_FAILURE: "A command that fails because of its confinement is put to the user.",
    ApprovalPolicy.UNTRUSTED: "The user confirms every command that is not known to be safe.",
}
_REACH = {
    SandboxMode.READ_ONLY: "Commands may read files and change nothing.",
    SandboxMode.WORKSPACE_WRITE: "Commands may read files, and write below the writable roots.",
    SandboxMode.DANGER_FULL_ACCESS: "Commands run unconfined.",
}

_NETWORK = {
    NetworkMode.OFF: "not reachable",
    NetworkMode.PROXIED: "reachable through the proxy that the environment names, for permitted hosts",
    NetworkMode.ON: "reachable",
}


class PermissionsSource:
    """Tells what commands may do and who is asked."""

    def fragments(self, request: ContextRequest) -> Sequence[Fragment]:
        """One developer fragment, unless `include_permissions_instructions` is off."""
        if request.config.get("include_permissions_instructions") is False:
            return ()
        policy = request.sandbox_policy
        lines = [
            "<permissions>",
            f"Sandbox: {policy.mode}. {_REACH[policy.mode]}",
        ]
        roots = policy.anchored(request.cwd).roots(request.cwd, request.environ.get("TMPDIR"))
        if roots:
            lines.append("Writable roots: " + ", ".join(roots))
        if not policy.unconfined:
            lines.append(f"Network: {_NETWORK[policy.network]}.")
        lines.append(f"Approval policy: {request.approval_policy}. {_ASKING[request.approval_policy]}")
        lines.append("</permissions>")
        return (Fragment(kind="permissions", role="developer", text="\n".join(lines)),)


class DeveloperSource:
    """`developer_instructions` of the configuration."""

    def fragments(self, request: ContextRequest) -> Sequence[Fragment]:
        """One developer fragment if they are set."""
        text = request.config.get("developer_instructions")
        return (Fragment(kind="developer", role="developer", text=text),) if isinstance(text, str) and text else ()


class EnvironmentSource:
    """Where and when the model works."""

    def fragments(self, request: ContextRequest) -> Sequence[Fragment]:
        """One user fragment in Codex's tags, unless `include_environment_context` is off."""
        if request.config.get("include_environment_context") is False:
            return ()
        shell = os.path.basename(request.environ.get("SHELL") or "/bin/bash")
        roots = request.sandbox_policy.anchored(request.cwd).roots(request.cwd, request.environ.get("TMPDIR"))
        body = [
            ("cwd", request.cwd),
            ("shell", shell),
            ("current_date", time.strftime("%Y-%m-%d")),
            ("timezone", _timezone(request.environ.get("TZ"))),
            ("sandbox_mode", str(request.sandbox_policy.mode)),
            *(("writable_root", root) for root in roots),
        ]
        lines = [f"  <{tag}>{_escape(text)}</{tag}>" for tag, text in body]
        return (
            Fragment(
                kind="environment",
                text="\n".join(["<environment_context>", *lines, "</environment_context>"]),
            ),
        )


def _timezone(configured: str | None) -> str:
    if configured:
        return configured.lstrip(":")
    try:
        target = os.readlink("/etc/localtime")
    except OSError:
        return time.strftime("%Z")
    _, found, zone = target.partition("zoneinfo/")
    return zone if found else time.strftime("%Z")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
