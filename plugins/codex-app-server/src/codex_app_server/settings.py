"""From the params of thread/start, resume and fork to configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import Config, Engine, Invocation

from .wire import RpcError

CLIENT = "the client"
_KEYS = {
    "model": "model",
    "modelProvider": "model_provider",
    "approvalPolicy": "approval_policy",
    "approvalsReviewer": "approvals_reviewer",
    "sandbox": "sandbox_mode",
    "permissions": "default_permissions",
    "baseInstructions": "instructions",
    "developerInstructions": "developer_instructions",
    "serviceTier": "service_tier",
}


def engine_for(invocation: Invocation, params: Mapping[str, Any], cwd: str) -> Engine:
    """An engine with the configuration for a folder, and what the client asks for over it. Raises `CodexError`,
    `RpcError`."""
    config: Config = invocation.load_config(cwd=cwd)
    for key, found in (params.get("config") or {}).items():
        if found is not None:
            config.merge_key(key, found, CLIENT)
    for name, key in _KEYS.items():
        if params.get(name) is not None:
            config.merge_key(key, params[name], CLIENT)
    return Engine(config=config, plugins=invocation.plugins, environ=invocation.environ)


def folder(params: Mapping[str, Any], default: str | None = None) -> str:
    """The working folder that a request names. Raises `RpcError`."""
    chosen = params.get("cwd") or default or os.getcwd()
    path = os.path.abspath(os.path.expanduser(chosen))
    if not os.path.isdir(path):
        raise RpcError(f"{path} is not a folder")
    return path
