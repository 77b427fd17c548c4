"""Skills and lifecycle hooks: what there is in a folder, and switching skills on and off."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import Config, ConfigError, codex_home, read_toml

from .hook_shapes import wire_event
from .kept import Kept
from .methods import method
from .scopes import ALONE, GLOBAL
from .server import Reply
from .shapes import BOOLEAN, STRING, array, record
from .wire import RpcError

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

    from codex_plugin_sdk.hooks.handlers import Handler
    from codex_plugin_sdk.skills.listing import Listed

    from .client import Client
    from .server import Server

INVALID_PARAMS = -32602
DEBOUNCE_MS, STEP_MS = 300, 50
_SCOPES = {"plugin": "system"}
"""What clients read for the scopes that they do not know."""


class SkillWatch:
    """Tells one client when a skill of the folders that it listed changes."""

    def __init__(self) -> None:
        self._scope: anyio.CancelScope | None = None
        self._roots: frozenset[str] = frozenset()

    async def run(self, client: Client, roots: frozenset[str]) -> None:
        """Watch these folders in place of those before, until others are or the client leaves."""
        if not roots or roots <= self._roots:
            return
        if self._scope is not None:
            self._scope.cancel()
        self._roots = roots = roots | self._roots
        stop = threading.Event()
        with anyio.CancelScope() as scope:
            self._scope = scope
            try:
                notify = await anyio.to_thread.run_sync(_notify_of, sorted(roots))
                threads = anyio.CapacityLimiter(1)
                watch = partial(notify.watch, DEBOUNCE_MS, STEP_MS, 0, stop)
                while isinstance(
                    found := await anyio.to_thread.run_sync(watch, abandon_on_cancel=True, limiter=threads), set
                ):
                    if found:
                        client.notify("skills/changed", {})
            finally:
                stop.set()


def _notify_of(roots: Sequence[str]) -> RustNotify:
    from watchfiles._rust_notify import RustNotify  # late: a compiled library

    return RustNotify([root for root in roots if os.path.isdir(root)], False, False, 300, True, True)


WATCHES = Kept(SkillWatch)


# Not in a shared scope: a request keeps its place until all that follows from it is done, here the watch.
@method("skills/list", record(cwds=array(STRING), forceReload=BOOLEAN), scope=ALONE)
async def list_skills(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """All skills of each folder, read anew; `skills/changed` tells when to ask again."""
    cwds = params.get("cwds") or [os.getcwd()]
    found = await anyio.to_thread.run_sync(lambda: [_skills(server, cwd) for cwd in cwds])
    roots = frozenset(root for _, paths in found for root in paths)

    async def then() -> None:
        await WATCHES.of(client).run(client, roots)

    return Reply({"data": [entry for entry, _ in found]}, then)


def _skills(server: Server, cwd: str) -> tuple[dict[str, Any], Sequence[str]]:
    from codex_plugin_sdk.skills.listing import list_skills as all_skills

    listed, problems = all_skills(server.invocation, server.invocation.load_config(cwd=cwd), cwd)
    errors = [{"path": problem.path, "message": f"{problem.message} ({problem.cure})"} for problem in problems]
    entry = {"cwd": cwd, "skills": [_skill(found) for found in listed], "errors": errors}
    return entry, [found.skill.root.path for found in listed]


def _skill(listed: Listed) -> dict[str, Any]:
    skill = listed.skill
    return {
        "name": skill.name,
        "description": skill.description,
        "path": skill.path,
        "scope": _SCOPES.get(skill.root.scope, skill.root.scope),
        "enabled": listed.enabled,
        "pluginId": skill.root.plugin or None,
    }


@method("skills/config/write", record({"enabled": BOOLEAN}, name=STRING, path=STRING), scope=GLOBAL)
async def write_skill(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Switch a skill on or off, by its name or the path of its SKILL.md."""
    chosen = {key: params[key] for key in ("name", "path") if params.get(key) is not None}
    if len(chosen) != 1:
        raise RpcError("skills/config/write requires exactly one of path or name", INVALID_PARAMS)
    effective = await anyio.to_thread.run_sync(_write, server, chosen, params["enabled"])
    return {"effectiveEnabled": effective}


def _write(server: Server, chosen: Mapping[str, str], enabled: bool) -> bool:
    """Write the entry only where it says something: a skill is on unless it is switched off."""
    from codex_plugin_sdk.config_edit import edit_config

    home = codex_home(server.invocation.environ)
    path, lock = os.path.join(home, "config.toml"), os.path.join(home, "kernel", "config.lock")
    found = read_toml(path)
    skills = {} if found is None else found[0].get("skills", {})
    known = skills.get("config", []) if isinstance(skills, Mapping) else []
    kept = [entry for entry in known if not all(entry.get(key) == given for key, given in chosen.items())]
    off = [*kept, {**chosen, "enabled": False}]
    edit_config(path, {"skills.config": off if not enabled else kept or None}, lock=lock)
    if enabled and not _enabled(server, chosen):  # another entry switches it off: this one is the last word
        edit_config(path, {"skills.config": [*kept, {**chosen, "enabled": True}]}, lock=lock)
    return _enabled(server, chosen)


def _enabled(server: Server, chosen: Mapping[str, str]) -> bool:
    from codex_plugin_sdk.skills.section import Switches

    config = server.invocation.load_config(cwd=None)
    switches = Switches(config.data, server.invocation.environ.get("HOME", ""))
    path = chosen.get("path", "")
    name = chosen.get("name") or os.path.basename(os.path.dirname(path))
    return switches.enabled(name, path)


@method("hooks/list", record(cwds=array(STRING), threadId=STRING), scope=ALONE)
async def list_hooks(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """All command hooks of each folder, or of a thread: those switched off as well."""
    thread_id = params.get("threadId")
    cwds = params.get("cwds") or [os.getcwd() if thread_id is None else server.loaded(thread_id).state.cwd]
    return {"data": await anyio.to_thread.run_sync(lambda: [_hooks(server, cwd) for cwd in cwds])}


def _hooks(server: Server, cwd: str) -> dict[str, Any]:
    from codex_plugin_sdk.hooks.handlers import read_configured

    entry: dict[str, Any] = {"cwd": cwd, "hooks": [], "warnings": [], "errors": []}
    if "hooks" not in server.invocation.plugins.lifecycle():
        return entry  # nothing that is installed would run them
    try:
        config: Config = server.invocation.load_config(cwd=cwd)
        configured = read_configured(config.data, config.origin)
    except ConfigError as error:
        entry["errors"] = [{"path": (error.where or "").partition(":")[0], "message": error.message}]
        return entry
    entry["hooks"] = [_hook(handler, order, config) for order, handler in enumerate(configured.every)]
    entry["warnings"] = list(configured.notices)
    return entry


def _hook(handler: Handler, order: int, config: Config) -> dict[str, Any]:
    source = handler.source(config.codex_home)
    managed = source == "legacyManagedConfigFile"
    told = f"{handler.event}\0{handler.matcher.text}\0{handler.command}\0{handler.timeout_s}"
    return {
        "key": handler.key,
        "eventName": wire_event(handler.event),
        "handlerType": "command",
        "command": handler.command,
        "async": False,
        "matcher": handler.matcher.text or None,
        "timeoutSec": handler.timeout_s,
        "statusMessage": handler.status_message or None,
        "sourcePath": handler.path,
        "source": source,
        "pluginId": None,
        "displayOrder": order,
        "enabled": handler.enabled,
        "isManaged": managed,
        "currentHash": "sha256:" + hashlib.sha256(told.encode()).hexdigest(),
        "trustStatus": "managed" if managed else "trusted",
    }
