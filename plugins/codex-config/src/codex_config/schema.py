"""The JSON Schema of config.toml, and the page that documents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .catalogue import OPEN, Key, load_keys

if TYPE_CHECKING:
    from codex_plugin_sdk import ConfigSectionSpec

_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "positive": {"type": "integer", "exclusiveMinimum": 0},
    "count": {"type": "integer", "minimum": 0},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "array": {"type": "array"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "any": {},
}


def json_schema(keys: Mapping[str, Key]) -> dict[str, Any]:
    """A schema of draft 2020-12."""
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "config.toml of codex-agent",
        "type": "object",
    }
    for name in sorted(keys, key=lambda name: name.count(".")):
        if keys[name].types != ("refused",):
            _place(root, name.split("."), _of(keys[name]))
    _close(root, "")
    return root


def schema_text(offers: Mapping[str, Any]) -> str:
    """The schema with the sections of plugins (offers of `codex_config_sections`)."""
    import orjson

    sections: list[tuple[str, ConfigSectionSpec]] = [(offer.plugin, offer.spec) for offer in offers.values()]
    return orjson.dumps(json_schema(load_keys(sections)), option=orjson.OPT_INDENT_2).decode() + "\n"


def _of(key: Key) -> dict[str, Any]:
    options = [_word(word) for word in key.types]
    found = options[0] if len(options) == 1 else {"anyOf": options}
    found = {**found, "description": key.meaning or "Known, and without effect here."}
    if key.default:
        from codex_plugin_sdk import parse_value

        found["default"] = parse_value(key.default)
    return found


def _word(word: str) -> dict[str, Any]:
    if word == "table":
        return {"type": "object"}
    return dict(_TYPES[word]) if word in _TYPES else {"enum": word.split("/")}


def _place(root: dict[str, Any], parts: list[str], schema: dict[str, Any]) -> None:
    at = root
    for index, part in enumerate(parts):
        at = next((option for option in at.get("anyOf", ()) if option.get("type") == "object"), at)
        members = at if part == "*" else at.setdefault("properties", {})
        name = "additionalProperties" if part == "*" else part
        if index == len(parts) - 1:
            members[name] = {**members.get(name, {}), **schema}
            return
        found = members.get(name)
        if not isinstance(found, dict):
            found = members[name] = {"type": "object"}
        at = found


def _close(schema: dict[str, Any], name: str) -> None:
    """Members that nobody declares are refused, except in open tables."""
    for option in schema.get("anyOf", ()):
        _close(option, name)
    if schema.get("type") != "object":
        return
    below = f"{name}." if name else ""
    if name not in OPEN and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    for member, found in schema.get("properties", {}).items():
        _close(found, below + member)
    if isinstance(schema.get("additionalProperties"), dict):
        _close(schema["additionalProperties"], f"{below}*")


def markdown(keys: Mapping[str, Key]) -> str:
    """Tables of all keys that have an effect, a section each for the tables at the top; then those without."""
    tops: dict[str, list[Key]] = {}
    for name, key in sorted(keys.items()):
        top = name.partition(".")[0]
        is_table = any(other.startswith(f"{top}.") for other in keys)
        tops.setdefault(top if is_table else "", []).append(key)
    lines: list[str] = []
    for top in sorted(tops):
        shown = [key for key in tops[top] if key.meaning]
        if shown:
            lines += [f"## {f'`[{top}]`' if top else 'Single keys'}", "", "| key | type | default | meaning |"]
            lines += ["|---|---|---|---|", *(_row(key) for key in shown), ""]
    rest = [f"`{key.name}`" for key in keys.values() if not key.meaning and key.types != ("refused",)]
    lines += ["## Known, and without effect here", "", "A file of Codex that sets these brings no warnings.", ""]
    lines += [", ".join(sorted(rest)) + "."]
    return "\n".join(lines) + "\n"


def _row(key: Key) -> str:
    types = " or ".join(word.replace("/", " / ") for word in key.types)
    default = f"`{key.default}`" if key.default else ""
    return f"| `{key.name}` | {types} | {default} | {key.meaning} |"
