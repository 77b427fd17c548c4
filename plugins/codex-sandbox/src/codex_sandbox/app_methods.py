"""`sandbox/status` of the app server: what `codex sandbox status` tells, for frontends.

    sandbox/status {"threadId"? | "cwd"?, "mode"?}

Of a thread as it is open, of a folder, or of the server's own; `mode` is asked about instead of the configured one, as
a turn may have another. Engines are tried out until one can be used: where it has proved itself before, nothing is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import Engine, ProtocolError, SandboxMode, SandboxPolicy

from .status import engine_entry, guarantee_entries
from .survey import Survey, survey

if TYPE_CHECKING:
    from codex_plugin_sdk import AppMethod, AppMethodSetup, Config

INVALID = -32602


def status(setup: AppMethodSetup) -> AppMethod:
    """`sandbox/status`."""

    async def method(params: Mapping[str, Any]) -> dict[str, Any]:
        mode = _mode(params)
        cwd, config = await _place(setup, params)
        engine = Engine(config=config, plugins=setup.invocation.plugins, environ=setup.invocation.environ)
        policy = engine.settings.sandbox_policy
        profile = config.get("default_permissions", str)
        if mode is not None and mode is not policy.mode:
            policy, profile = SandboxPolicy(mode=mode), None
        found = await survey(engine, policy.anchored(cwd), first_only=True)
        return {"cwd": cwd, "permissionProfile": profile, **_told(found)}

    return method


def _mode(params: Mapping[str, Any]) -> SandboxMode | None:
    mode = params.get("mode")
    if mode is None:
        return None
    try:
        return SandboxMode(mode)
    except ValueError as error:
        raise ProtocolError(f"`mode` is to be one of {', '.join(SandboxMode)}", code=INVALID) from error


async def _place(setup: AppMethodSetup, params: Mapping[str, Any]) -> tuple[str, Config]:
    """The folder, and the configuration there. Raises `ProtocolError`, `ConfigError`."""
    thread_id, cwd = params.get("threadId"), params.get("cwd")
    if thread_id is not None and cwd is not None:
        raise ProtocolError("`threadId` and `cwd` exclude each other", code=INVALID)
    if thread_id is not None:
        if not isinstance(thread_id, str):
            raise ProtocolError("`threadId` is to be a string", code=INVALID)
        return (await setup.thread(thread_id)).cwd, await setup.config(thread_id)
    folder = _folder(cwd)
    return folder, await anyio.to_thread.run_sync(lambda: setup.invocation.load_config(cwd=folder))


def _folder(cwd: object) -> str:
    if cwd is None:
        return os.getcwd()
    if not isinstance(cwd, str) or not os.path.isabs(cwd) or not os.path.isdir(cwd):
        raise ProtocolError("`cwd` is to be the absolute path of a folder", code=INVALID)
    return cwd


def _told(found: Survey) -> dict[str, Any]:
    engine = found.engine
    probe = None if engine is None else engine.probe
    missing = [] if probe is None else [guarantee for guarantee in probe.guarantees if not guarantee.enforced]
    degraded = probe is not None and probe.degraded
    return {
        "mode": found.policy.mode.value,
        "network": found.policy.network.value,
        "preference": found.preference.value,
        "works": found.chosen is not None,
        "engine": found.chosen,
        "version": "" if probe is None else probe.version,
        "confined": found.confined,
        "degraded": degraded,
        "why": "; ".join(f"{one.name}: {one.why}" if one.why else one.name for one in missing),
        "problem": found.problem,
        "cure": found.cure or (found.cures if degraded else ""),
        "guarantees": [] if probe is None else guarantee_entries(probe),
        "engines": [engine_entry(candidate, found) for candidate in found.candidates],
    }
