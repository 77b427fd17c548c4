"""Configuration as it was merged, what constrains it, permission profiles and feature flags."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import Config, ConfigLayer, SandboxMode, permission_profile
from codex_plugin_sdk.features import feature_enabled

from .methods import method
from .paging import PAGE, page
from .scopes import GLOBAL, SHARED_READ
from .server import check_thread_id
from .shapes import BOOLEAN, OBJECT, STRING, record
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

KEYS = (
    *("model", "review_model", "model_context_window", "model_auto_compact_token_limit"),
    *("model_auto_compact_token_limit_scope", "model_provider", "approval_policy", "approvals_reviewer"),
    *("sandbox_mode", "sandbox_workspace_write", "forced_chatgpt_workspace_id", "forced_login_method", "web_search"),
    *("client_search_provider", "tools", "instructions", "developer_instructions", "compact_prompt"),
    *("model_reasoning_effort", "model_reasoning_summary", "model_verbosity", "service_tier", "analytics", "apps"),
    *("browser_use", "computer_use", "desktop"),
)
"""Keys that clients expect to find, if only as null."""
PROFILES = {
    ":read-only": SandboxMode.READ_ONLY,
    ":workspace": SandboxMode.WORKSPACE_WRITE,
    ":danger-full-access": SandboxMode.DANGER_FULL_ACCESS,
}
STAGES = {"under development": "underDevelopment", "experimental": "beta"}
UNTRUSTED = "the project is not trusted: its configuration is left out until it is"


@method("config/read", record(cwd=STRING, includeLayers=BOOLEAN), scope=SHARED_READ)
async def read(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """The merged configuration, the layer that set each value, and the layers, the strongest first."""
    config = await _load(server, params.get("cwd"))
    metadata = {id(layer): layer_metadata(config, layer) for layer in config.layers}
    origins: dict[str, Any] = {}
    for layer in config.layers:
        for key in _leaves(layer.table, ""):
            origins[key] = metadata[id(layer)]
    found: dict[str, Any] = {
        "config": {**dict.fromkeys(KEYS), **_plain(config.data)},
        "origins": origins,
        "layers": None,
    }
    if params.get("includeLayers"):
        layers = [{**metadata[id(layer)], "config": _plain(layer.table)} for layer in reversed(config.layers)]
        found["layers"] = layers + [_left_out(path) for path in config.ignored]
    return found


@method("configRequirements/read", scope=SHARED_READ)
async def requirements(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """What an administrator permits; null if nothing is constrained."""
    config = await _load(server, None)
    required = config.requirements
    if not required.layers:
        return {"requirements": None}
    found: dict[str, Any] = {}
    approvals = required.constraints.get("approval_policy")
    if approvals is not None:  # on-failure is no word of this protocol
        found["allowedApprovalPolicies"] = [
            word for word in approvals.allowed if word not in ("on-failure", "granular")
        ]
    modes = required.constraints.get("sandbox_mode")
    if modes is not None:
        found["allowedSandboxModes"] = list(modes.allowed)
        found["allowedPermissionProfiles"] = {name: mode in modes.allowed for name, mode in PROFILES.items()}
    if required.features:
        found["featureRequirements"] = dict(required.features)
    return {"requirements": found}


@method("permissionProfile/list", record(cwd=STRING, **PAGE), scope=SHARED_READ)
async def profiles(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Built-in and configured permission profiles, and whether an administrator permits them."""
    config = await _load(server, params.get("cwd"))
    modes = config.requirements.constraints.get("sandbox_mode")
    entries = []
    for name in (*PROFILES, *sorted(config.table("permissions"))):
        mode = permission_profile(config, name).mode
        told = config.get(f"permissions.{name}.description", str) if name not in PROFILES else None
        entries.append({"id": name, "description": told, "allowed": modes is None or modes.permits(mode)})
    return page(entries, params)


@method("experimentalFeature/list", record(threadId=STRING, **PAGE), scope=SHARED_READ)
async def features(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """All feature flags; with `threadId` as they are in the folder of that thread."""
    cwd = None
    if params.get("threadId") is not None:
        check_thread_id(params["threadId"])
        cwd = server.loaded(params["threadId"]).state.cwd
    config = await _load(server, cwd)
    specs = {name: offer.spec for name, offer in server.invocation.plugins.features().items()}
    entries = [
        {
            "name": name,
            "stage": STAGES.get(spec.stage, spec.stage),
            "displayName": None,
            "description": spec.help or None,
            "announcement": None,
            "enabled": feature_enabled(config.table("features"), specs, name),
            "defaultEnabled": spec.default and spec.stage != "removed",
        }
        for name, spec in sorted(specs.items())
    ]
    return page(entries, params)


@method("experimentalFeature/enablement/set", record({"enablement": OBJECT}), scope=GLOBAL)
async def set_features(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Switch flags for what this server opens from now on. Nothing is written; config.toml outweighs it, and names
    that nobody offers are passed over: they are not in the answer."""
    wanted = params["enablement"]
    if fault := next((name for name, on in wanted.items() if not isinstance(on, bool)), None):
        raise RpcError(f"Invalid request: `enablement.{fault}` must be true or false")
    known = server.invocation.plugins.features()
    set_here = {name: on for name, on in wanted.items() if name in known}
    table = (await _load(server, None)).table("features")
    mine = {text.partition("=")[0] for text in server.invocation.overrides}
    free = {name: on for name, on in set_here.items() if name not in table or f"features.{name}" in mine}
    texts = [f"features.{name}={str(on).lower()}" for name, on in free.items()]
    kept = [
        text for text in server.invocation.overrides if text.partition("=")[0].removeprefix("features.") not in free
    ]
    server.invocation = server.invocation.replace(overrides=(*kept, *texts))
    return {"enablement": set_here}


async def _load(server: Server, cwd: str | None) -> Config:
    def load() -> Config:
        return server.invocation.load_config(cwd=os.path.abspath(cwd) if cwd is not None else None)

    return await anyio.to_thread.run_sync(load)


def layer_metadata(config: Config, layer: ConfigLayer) -> dict[str, Any]:
    """Which layer it is, as clients read it, and the version of its content."""
    return {"name": _name(config, layer), "version": layer.fingerprint}


def _name(config: Config, layer: ConfigLayer) -> dict[str, Any]:
    user = os.path.join(config.codex_home, "config.toml")
    match layer.kind:
        case "system":
            return {"type": "system", "file": layer.source}
        case "user":
            return {"type": "user", "file": layer.source, "profile": None}
        case "profile":
            file = layer.source if os.path.isabs(layer.source) else user
            return {"type": "user", "file": file, "profile": config.sources.profile}
        case "project":
            return {"type": "project", "dotCodexFolder": os.path.dirname(layer.source)}
        case "managed" | "requirements":
            return {"type": "enterpriseManaged", "id": layer.source, "name": layer.kind}
        case _:
            return {"type": "sessionFlags"}


def _left_out(path: str) -> dict[str, Any]:
    """A project's file that does not count."""
    name = {"type": "project", "dotCodexFolder": os.path.dirname(path)}
    version = ConfigLayer(kind="project", source=path, table={}).fingerprint
    return {"name": name, "version": version, "config": {}, "disabledReason": UNTRUSTED}


def _leaves(found: Any, key: str) -> Iterator[str]:
    """Dotted keys of all values; entries of arrays are values with their place as the last part."""
    entries: Sequence[tuple[object, Any]] = ()
    if isinstance(found, Mapping):
        entries = list(found.items())
    elif isinstance(found, list):
        entries = list(enumerate(found))
    if not entries and key:
        yield key
    for name, inner in entries:
        yield from _leaves(inner, f"{key}.{name}" if key else str(name))


def _plain(found: Any) -> Any:
    """As JSON: dates become texts; a policy that this protocol has no word for becomes the nearest."""
    if isinstance(found, Mapping):
        plain = {str(key): _plain(inner) for key, inner in found.items()}
        if plain.get("approval_policy") == "on-failure":
            plain["approval_policy"] = "on-request"
        return plain
    if isinstance(found, list):
        return [_plain(inner) for inner in found]
    return found.isoformat() if hasattr(found, "isoformat") else found
