"""What is set, why, and what is wrong with it, as text and as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from codex_plugin_sdk import Config, ConfigError, ConfigLayer, Diagnostic, ExitCode
from codex_plugin_sdk.config_edit import key_parts

from .catalogue import Key, find, pattern
from .check import at, printable
from .permitted import constraint
from .secrecy import masked
from .source import checker, checks_held, keys_of

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


def loaded(invocation: Invocation, cwd: str | None, *, lenient: bool = False) -> Config:
    """The configuration for a folder; `lenient` with wrong values in it. Raises `ConfigError`."""
    if lenient:
        with checks_held():
            return loaded(invocation, cwd)
    return invocation.load_config(cwd=folder(invocation, cwd))


def folder(invocation: Invocation, cwd: str | None) -> str:
    """The folder that a command is about: its own -C, that of the program, or where we are."""
    chosen = cwd or invocation.flags.get("cwd")
    return os.path.abspath(os.path.expanduser(chosen)) if chosen else os.getcwd()


def values(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Paths of what is no table, with it, in order."""
    for name, found in table.items():
        if isinstance(found, Mapping) and found:
            yield from values(found, (*path, name))
        else:
            yield (*path, name), found


def dotted(path: Sequence[str]) -> str:
    """A path as a key: parts that hold dots are quoted, what could move a terminal's cursor is written out."""
    return ".".join(f'"{part}"' if "." in part else part for part in map(printable, path))


def explained(config: Config, path: Sequence[str]) -> list[tuple[ConfigLayer, Any, str]]:
    """Each layer that sets a key, its value and the place, the weakest first."""
    found = ((layer, at(layer.table, path)) for layer in config.layers)
    return [(layer, given, config.place(layer, ".".join(path))) for layer, given in found if given is not None]


def listing(invocation: Invocation, cwd: str | None, *, as_json: bool) -> str:
    """All values with their places."""
    config = loaded(invocation, cwd)
    rows = [(dotted(path), masked(path, found), _place(config, path)) for path, found in sorted(values(config.data))]
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
    lines = [f"{key:<{width}} = {_inline(found)}  # {kind}: {where}" for key, found, (kind, where) in rows]
    return "".join(f"{line}\n" for line in lines) or "nothing is set: the defaults hold\n"


def _place(config: Config, path: tuple[str, ...]) -> tuple[str, str]:
    found = explained(config, path)
    return (found[-1][0].kind, found[-1][2]) if found else ("", "")


def value_text(invocation: Invocation, key: str, cwd: str | None, *, as_json: bool) -> str | None:
    """The value that holds; None where nothing is set and there is no default."""
    path = tuple(key_parts(key))
    config = loaded(invocation, cwd)
    found = at(config.data, path)
    if found is None:
        known = find(keys_of(config), path)
        found = _parsed(known.default) if known is not None and known.default else None
    if found is None:
        return None
    found = masked(path, found)
    return _json(found) if as_json else (f"{found}\n" if isinstance(found, str) else f"{_toml(found)}\n")


def explanation(invocation: Invocation, key: str, cwd: str | None, *, as_json: bool) -> str:
    """Layers, winner, constraint, default and meaning."""
    path = tuple(key_parts(key))
    config = loaded(invocation, cwd, lenient=True)
    keys = keys_of(config)
    known = find(keys, path)
    rows = [(layer, masked(path, found), where) for layer, found, where in explained(config, path)]
    rule = constraint(config, path)
    faults = [found for found in checker(config).run() if found.key == ".".join(path)] if rows else []
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
            "constraint": None if rule is None else {"allowed": list(rule[0]), "where": rule[1]},
            "diagnostics": [_row(found) for found in faults],
        }
        return _json(report)
    lines = [f"{key}: {_described(known, keys, path)}"]
    lines += [f"  {'default':<12} {known.default}"] if known and known.default else []
    for index, (layer, found, where) in enumerate(rows):
        won = "   <- holds" if index == len(rows) - 1 else ""
        lines.append(f"  {layer.kind:<12} {_inline(found)}   {where}{won}")
    if not rows:
        lines.append("  no layer sets it")
    if rule is not None:
        lines.append(f"  {'constraint':<12} only {', '.join(map(_inline, rule[0])) or 'nothing'}   {rule[1]}")
    lines += [f"  {found.severity:<12} {found.message}   {found.where}" for found in faults]
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
    rows: list[dict[str, str]] = []
    try:
        config = loaded(invocation, cwd, lenient=True)
    except ConfigError as error:  # a file that cannot be read, or what other sources find
        message = error.message.removeprefix(f"{error.where}: ")
        rows.append(
            _row(Diagnostic(severity="error", message=message, where=error.where, hint=error.hint, code="load"))
        )
    else:
        rows += [_row(found) for found in checker(config).run()]
        rows += [_row(Diagnostic(severity="warning", message=text, code="notice")) for text in config.notices]
    failed = any(row["severity"] == "error" for row in rows)
    code = ExitCode.CONFIG if failed else ExitCode.OK
    if as_json:
        return _json({"diagnostics": rows}), code
    lines = []
    for row in rows:
        place, hint = row["where"] and f"{row['where']}: ", row["hint"] and f" ({row['hint']})"
        lines.append(f"{row['severity']}: {place}{row['message']}{hint}\n")
    return "".join(lines) or "nothing is wrong\n", code


def _row(found: Diagnostic) -> dict[str, str]:
    names = ("severity", "message", "where", "code", "key", "hint")
    return {name: getattr(found, name) for name in names}


def _parsed(default: str) -> Any:
    from codex_plugin_sdk import parse_value

    return parse_value(default)


def _toml(found: Any) -> str:
    """A value as TOML; tables over several lines."""
    import tomlkit

    return tomlkit.item(found).as_string().strip() or "{}"


def _inline(found: Any) -> str:
    """A value as TOML in one line."""
    if not isinstance(found, Mapping):
        return _toml(found)
    import tomlkit

    members = (f"{tomlkit.key(name).as_string()} = {_inline(entry)}" for name, entry in found.items())
    return f"{{ {', '.join(members)} }}" if found else "{}"


def _json(found: Any) -> str:
    return orjson.dumps(found, option=orjson.OPT_INDENT_2, default=str).decode() + "\n"
