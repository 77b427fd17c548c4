"""What is set, why, and what is wrong with it, as text and as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import Config, ConfigError, ExitCode

from .catalogue import Key, find, pattern
from .source import keys_of

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

MASK = "***"
_SECRET_KEYS = ("experimental_bearer_token",)
_SECRET_TABLES = ("http_headers", "env", "query_params", "set")
_SECRET_WORDS = ("key", "token", "secret", "password", "authorization", "cookie")


def loaded(invocation: Invocation, cwd: str | None) -> Config:
    """The configuration for a folder. Raises `ConfigError`."""
    chosen = cwd or invocation.flags.get("cwd") or os.getcwd()
    return invocation.load_config(cwd=os.path.abspath(os.path.expanduser(chosen)))


def values(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Dotted keys with what is no table, in order; parts that hold dots are quoted."""
    for name, found in table.items():
        here = (*path, name)
        if isinstance(found, Mapping) and found:
            yield from values(found, here)
        else:
            yield ".".join(f'"{part}"' if "." in part else part for part in here), masked(here, found)


def masked(path: tuple[str, ...], found: Any) -> Any:
    """A value as it may be shown."""
    name = path[-1].lower()
    in_secret_table = len(path) > 1 and path[-2] in _SECRET_TABLES
    if name in _SECRET_KEYS or (in_secret_table and any(word in name for word in _SECRET_WORDS)):
        return MASK
    if in_secret_table and path[-2] in ("http_headers", "env"):
        return MASK
    return found


def listing(invocation: Invocation, cwd: str | None, *, as_json: bool) -> str:
    """All values with their places."""
    config = loaded(invocation, cwd)
    rows = [(key, found, _place(config, key)) for key, found in sorted(values(config.data))]
    if as_json:
        layers = {id(layer): layer for layer in config.layers}
        report = {
            "values": [
                {"key": key, "value": found, "layer": kind, "where": where} for key, found, (kind, where) in rows
            ],
            "layers": [
                {"kind": layer.kind, "source": layer.source, "version": layer.fingerprint} for layer in layers.values()
            ],
            "trusted": config.trusted,
            "ignored": list(config.ignored),
        }
        return _json(report)
    width = min(48, max((len(key) for key, _, _ in rows), default=0))
    lines = [f"{key:<{width}} = {_toml(found)}  # {kind}: {where}" for key, found, (kind, where) in rows]
    return "".join(f"{line}\n" for line in lines) or "nothing is set: the defaults hold\n"


def _place(config: Config, key: str) -> tuple[str, str]:
    explained = config.explain(key.replace('"', "")) if '"' not in key else []
    if explained:
        layer, _, where = explained[-1]
        return layer.kind, where
    origin = config.origin(key.replace('"', ""))
    return next((layer.kind for layer in config.layers if origin.startswith(layer.source)), ""), origin


def value_text(invocation: Invocation, key: str, cwd: str | None, *, as_json: bool) -> str | None:
    """The value that holds; None where nothing is set and there is no default."""
    config = loaded(invocation, cwd)
    found = _at(config.data, key)
    known = find(keys_of(config), key.split("."))
    if found is None and known is not None and known.default:
        found = _parsed(known.default)
    if found is None:
        return None
    found = _masked_whole(tuple(key.split(".")), found)
    return _json(found) if as_json else (f"{found}\n" if isinstance(found, str) else f"{_toml(found)}\n")


def _masked_whole(path: tuple[str, ...], found: Any) -> Any:
    if isinstance(found, Mapping):
        return {name: _masked_whole((*path, name), entry) for name, entry in found.items()}
    return masked(path, found)


def explanation(invocation: Invocation, key: str, cwd: str | None, *, as_json: bool) -> str:
    """Layers, winner, constraint, default and meaning."""
    config = loaded(invocation, cwd)
    keys = keys_of(config)
    path = tuple(key.split("."))
    known = find(keys, path)
    rows = [(layer, _masked_whole(path, found), where) for layer, found, where in config.explain(key)]
    rule = config.requirements.constraints.get(key)
    if as_json:
        report = {
            "key": key,
            "known": known is not None,
            "meaning": known.meaning if known else "",
            "types": list(known.types) if known else [],
            "default": _parsed(known.default) if known and known.default else None,
            "layers": [
                {"kind": layer.kind, "source": layer.source, "where": where, "value": found}
                for layer, found, where in rows
            ],
            "winner": rows[-1][2] if rows else None,
            "constraint": None if rule is None else {"allowed": list(rule.allowed), "where": rule.where},
        }
        return _json(report)
    lines = [f"{key}: {_described(known, keys, path)}"]
    lines += [f"  {'default':<12} {known.default}"] if known and known.default else []
    for index, (layer, found, where) in enumerate(rows):
        won = "   <- holds" if index == len(rows) - 1 else ""
        lines.append(f"  {layer.kind:<12} {_toml(found)}   {where}{won}")
    if not rows:
        lines.append("  no layer sets it")
    if rule is not None:
        lines.append(f"  {'constraint':<12} only {', '.join(rule.allowed) or 'nothing'}   {rule.where}")
    return "\n".join(lines) + "\n"


def _described(known: Key | None, keys: Mapping[str, Key], path: tuple[str, ...]) -> str:
    if known is None:
        from .check import nearest

        near = nearest(".".join(path), keys)
        return "no such key" + (f" (did you mean {near}?)" if near else "")
    name = pattern(keys, path)
    about = known.meaning or "known, and without effect here"
    return f"{about} ({' or '.join(known.types)}{', ' + name if name != '.'.join(path) else ''})"


def findings(invocation: Invocation, cwd: str | None, *, as_json: bool) -> tuple[str, int]:
    """All diagnostics, and the exit code."""
    from .source import CheckSource

    rows: list[dict[str, str]] = []
    try:
        config = loaded(invocation, cwd)
    except ConfigError as error:
        config = None
        rows.append({"severity": "error", "message": error.message, "where": error.where, "hint": error.hint})
    if config is not None:
        names = ("severity", "message", "where", "code", "key", "hint")
        rows += [{name: getattr(found, name) for name in names} for found in CheckSource().check(config)]
        told = {f"{row['where']}: {row['message']}" for row in rows}
        rows += [
            {"severity": "warning", "message": text, "where": "", "hint": ""}
            for text in config.notices
            if not any(text.startswith(known) for known in told)
        ]
    failed = any(row["severity"] == "error" for row in rows)
    code = ExitCode.CONFIG if failed else ExitCode.OK
    if as_json:
        return _json({"diagnostics": rows}), code
    lines = [f"{row['severity']}: {row['where']}{': ' if row['where'] else ''}{row['message']}" for row in rows]
    return "".join(f"{line}\n" for line in lines) or "nothing is wrong\n", code


def _at(table: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(table, Mapping) or part not in table:
            return None
        table = table[part]
    return table


def _parsed(default: str) -> Any:
    from codex_plugin_sdk import parse_value

    return parse_value(default)


def _toml(found: Any) -> str:
    import tomlkit

    return str(tomlkit.item(found).as_string()).strip()


def _json(found: Any) -> str:
    return orjson.dumps(found, option=orjson.OPT_INDENT_2, default=str).decode() + "\n"
