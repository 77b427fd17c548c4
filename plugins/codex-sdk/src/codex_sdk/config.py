"""Which server to talk to, and the words for what a thread may do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs


class Sandbox(StrEnum):
    """What commands may touch."""

    read_only = "read-only"
    workspace_write = "workspace-write"
    full_access = "danger-full-access"

    def policy(self) -> dict[str, str]:
        """As turns name it."""
        words = {"read-only": "readOnly", "workspace-write": "workspaceWrite", "danger-full-access": "dangerFullAccess"}
        return {"type": words[self.value]}


class ApprovalMode(StrEnum):
    """Who decides on what the sandbox does not permit."""

    deny_all = "deny_all"
    """Nobody is asked: it fails, and the model reads so."""
    auto_review = "auto_review"
    """A reviewing model decides, your handlers where it will not."""
    on_request = "on_request"
    """Your handlers, when the model asks for more."""
    untrusted = "untrusted"
    """Your handlers, for every command that is not known to be harmless."""

    def params(self) -> dict[str, str]:
        """As requests name it."""
        match self:
            case ApprovalMode.deny_all:
                return {"approvalPolicy": "never"}
            case ApprovalMode.auto_review:
                return {"approvalPolicy": "on-request", "approvalsReviewer": "auto_review"}
            case ApprovalMode.on_request:
                return {"approvalPolicy": "on-request", "approvalsReviewer": "user"}
            case ApprovalMode.untrusted:
                return {"approvalPolicy": "untrusted", "approvalsReviewer": "user"}


@attrs.frozen(kw_only=True)
class CodexConfig:
    """How to reach a server. Without `address` one is started as a child process, and ended on close.

    `codex_bin`: the program, by default `codex` on PATH. `launch_args_override`: a whole command line in its place.
    `config_overrides`: `key=value` as for `codex --config`. `cwd`, `env`: of the child; `env` is laid over ours.
    `address`: `unix://PATH` or `ws://HOST:PORT` of a server that runs; `token`: its bearer token.
    `client_name`, `client_title`, `client_version`: what the server is told of you; by default this package.
    `start_timeout_s`: until the server has answered the handshake.
    """

    codex_bin: str | os.PathLike[str] | None = None
    launch_args_override: tuple[str, ...] | None = None
    config_overrides: tuple[str, ...] = ()
    cwd: str | os.PathLike[str] | None = None
    env: Mapping[str, str] | None = None
    address: str | None = None
    token: str | None = attrs.field(default=None, repr=False)
    client_name: str = "codex_python_sdk"
    client_title: str = "Codex SDK for Python"
    client_version: str | None = None
    experimental_api: bool = True
    start_timeout_s: float = 60.0

    def with_options(self, **options: Any) -> CodexConfig:
        """This configuration with those options that are not None."""
        return attrs.evolve(self, **{name: value for name, value in options.items() if value is not None})
