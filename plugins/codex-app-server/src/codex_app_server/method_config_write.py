"""Changing the user's config.toml: comments stay, and nothing is written that the next start would refuse."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import (
    Config,
    ConfigError,
    ConfigLayer,
    ConfigSources,
    Engine,
    codex_home,
    load_config,
    read_toml,
)

from .method_config import layer_metadata
from .methods import method
from .scopes import GLOBAL
from .shapes import ANY, BOOLEAN, STRING, array, enum, record
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

STRATEGY = enum("replace", "upsert")
VALUE = record({"keyPath": STRING, "mergeStrategy": STRATEGY}, value=ANY, expectedVersion=STRING, filePath=STRING)
EDIT = record({"keyPath": STRING, "mergeStrategy": STRATEGY}, value=ANY)
BATCH = record({"edits": array(EDIT)}, expectedVersion=STRING, filePath=STRING, reloadUserConfig=BOOLEAN)


@method("config/value/write", VALUE, scope=GLOBAL)
async def write_value(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Set a key, or remove it with null. `upsert` keeps the other members of a table."""
    return await anyio.to_thread.run_sync(_write, server, [params], params)


@method("config/batchWrite", BATCH, scope=GLOBAL)
async def write_batch(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Make several changes, or none of them. Open threads take the file up with their next turn."""
    return await anyio.to_thread.run_sync(_write, server, params["edits"], params)


def _write(server: Server, edits: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    from codex_plugin_sdk.config_edit import ABSENT, ConfigConflict, edit_config, edited_text, version_of

    home = codex_home(server.invocation.environ)
    path, lock = os.path.join(home, "config.toml"), os.path.join(home, "kernel", "config.lock")
    asked = params.get("filePath")
    if asked is not None and os.path.realpath(asked) != os.path.realpath(path):
        raise _refusal("configLayerReadonly", "Only writes to the user config are allowed")
    changes = dict(change for edit in edits for change in _changes(edit))
    try:
        version = version_of(path)
        if params.get("expectedVersion") not in (None, version):
            raise ConfigConflict(path, version)
        if changes:
            before = read_toml(path) if version != ABSENT else None
            _validate(server, path, edited_text("" if before is None else before[1], changes, path))
            version = edit_config(path, changes, lock=lock, expected_version=version).version
    except ConfigConflict as error:
        text = "Configuration was modified since last read. Fetch latest version and retry."
        raise _refusal("configVersionConflict", text) from error
    except ConfigError as error:
        raise _refusal("configValidationError", f"Invalid configuration: {error}") from error
    overridden = _overridden(server, path, changes)
    status = "ok" if overridden is None else "okOverridden"
    return {"status": status, "version": version, "filePath": path, "overriddenMetadata": overridden}


def _changes(edit: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys to set. Raises `RpcError`."""
    key, given = edit["keyPath"], edit.get("value")
    if not key:
        raise _refusal("configValidationError", "keyPath must not be empty")
    if edit["mergeStrategy"] == "upsert" and isinstance(given, dict) and given:
        for name, inner in given.items():
            part = name if name.replace("-", "").replace("_", "").isalnum() else '"' + name.replace('"', '\\"') + '"'
            yield from _changes({"keyPath": f"{key}.{part}", "mergeStrategy": "upsert", "value": inner})
    else:
        yield key, given


def _validate(server: Server, path: str, text: str) -> None:
    """Make every check of a start with this text as the user's file. Raises `ConfigError`."""
    import tomllib

    plugins = server.invocation.plugins
    sources = ConfigSources(
        codex_home=os.path.dirname(path), ignore_user_config=True, environ=server.invocation.environ
    )
    config = load_config(sources, plugins)
    config.add(ConfigLayer(kind="user", source=path, table=tomllib.loads(text), text=text))
    for offer in plugins.config_sources():
        for problem in offer.spec.factory().check(config):
            if problem.severity == "error":
                raise ConfigError(problem.message, where=problem.where, hint=problem.hint)
    Engine(config=config, plugins=plugins, environ=server.invocation.environ)


def _overridden(server: Server, path: str, changes: Mapping[str, Any]) -> dict[str, Any] | None:
    """The stronger layer that keeps the first of the changes from counting, if one does."""
    config: Config = server.invocation.load_config(cwd=None)
    for key, wanted in changes.items():
        layers = config.explain(key)
        if layers and layers[-1][0].source != path and layers[-1][1] != wanted:
            layer, found, _ = layers[-1]
            metadata = layer_metadata(config, layer)
            words = "session flags" if layer.kind == "flags" else layer.source
            return {"message": f"Overridden by {words}", "overridingLayer": metadata, "effectiveValue": found}
    return None


def _refusal(code: str, message: str) -> RpcError:
    return RpcError(message, data={"config_write_error_code": code})
