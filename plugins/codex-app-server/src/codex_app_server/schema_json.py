"""`codex app-server generate-json-schema`: the protocol as JSON Schema, draft 7."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from .schema import ENVELOPES, TITLE, TOPS, Definitions, is_root
from .shapes import NULL, Shape

DRAFT = "http://json-schema.org/draft-07/schema#"
BUNDLE, BUNDLE_V2 = "codex_app_server_protocol.schemas.json", "codex_app_server_protocol.v2.schemas.json"
Refer = Callable[[str], str]
"""The address of a definition."""


def files(definitions: Definitions) -> dict[str, dict[str, Any]]:
    """All schemas by their path: one for each message, and two with all of them."""
    found = {
        _path(name): _standalone(definitions, shape)
        for name, shape in definitions.shapes.items()
        if name.endswith(TOPS) or name in ENVELOPES or name.startswith(("JSONRPC", "RequestId"))
    }
    return {**found, BUNDLE: bundle(definitions), BUNDLE_V2: bundle_v2(definitions)}


def write(definitions: Definitions, folder: str) -> None:
    """Write all of them below a folder, which is made. Raises `OSError`."""
    for path, schema in files(definitions).items():
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def bundle(definitions: Definitions) -> dict[str, Any]:
    """Everything; the types of the second version of the protocol stand in `v2`."""
    writer = Writer(definitions, lambda name: f"#/definitions/{name if is_root(name) else f'v2/{name}'}")
    written = {name: writer.definition(shape) for name, shape in definitions.shapes.items()}
    root = {name: schema for name, schema in written.items() if is_root(name)}
    v2 = {name: schema for name, schema in written.items() if not is_root(name)}
    return {"$schema": DRAFT, "title": TITLE, "type": "object", "definitions": {**root, "v2": v2}}


def bundle_v2(definitions: Definitions) -> dict[str, Any]:
    """Everything at one level, for tools that cannot do with nested definitions."""
    writer = Writer(definitions, _flat)
    written = {name: writer.definition(shape) for name, shape in definitions.shapes.items()}
    return {"$schema": DRAFT, "title": f"{TITLE}V2", "type": "object", "definitions": written}


def _standalone(definitions: Definitions, shape: Shape) -> dict[str, Any]:
    writer = Writer(definitions, _flat)
    needed = {name: writer.definition(inner) for name, inner in definitions.needed_by(shape).items()}
    schema = {"$schema": DRAFT, "title": shape.definition, **writer.definition(shape)}
    return {**schema, "definitions": needed} if needed else schema


def _path(name: str) -> str:
    if name.startswith("Initialize"):
        return f"v1/{name}.json"
    return f"{name}.json" if is_root(name) else f"v2/{name}.json"


def _flat(name: str) -> str:
    return f"#/definitions/{name}"


class Writer:
    """Writes shapes as schemas; named ones as references."""

    def __init__(self, definitions: Definitions, refer: Refer) -> None:
        self._definitions, self._refer = definitions, refer

    def definition(self, shape: Shape) -> dict[str, Any]:
        """A named shape, written out."""
        written = self._plain(shape)
        return {"description": shape.about, **written} if shape.about else written

    def _written(self, shape: Shape) -> dict[str, Any]:
        return {"$ref": self._refer(shape.definition)} if shape.definition else self._plain(shape)

    def _plain(self, shape: Shape) -> dict[str, Any]:
        match shape.kind:
            case "any":
                return {}
            case "enum":
                return {"type": "string", "enum": list(shape.values)}
            case "union":
                return self._union(shape)
            case "record":
                return self._record(shape)
            case "tagged":
                return {"oneOf": [self._variant(shape.name, word, inner) for word, inner in shape.variants.items()]}
            case "array" if shape.items is not None:
                return {"type": "array", "items": self._written(shape.items)}
            case "map" if shape.items is not None:
                return {"type": "object", "additionalProperties": self._written(shape.items)}
            case kind:
                return {"type": kind}

    def _union(self, shape: Shape) -> dict[str, Any]:
        if not shape.options:
            return {"not": {}}
        options = [self._written(option) for option in shape.options]
        plain = [option["type"] for option in options if set(option) == {"type"}]
        return {"type": plain} if len(plain) == len(options) else {"anyOf": options}

    def _record(self, shape: Shape) -> dict[str, Any]:
        fields = self._definitions.fields(shape)
        written: dict[str, Any] = {"type": "object"}
        if fields:
            written["properties"] = {
                name: self._written(field.shape) if field.required else self._optional(field.shape)
                for name, field in fields.items()
            }
        if required := sorted(name for name, field in fields.items() if field.required):
            written["required"] = required
        return written

    def _optional(self, shape: Shape) -> Mapping[str, Any]:
        if shape.kind == "any" or shape is NULL or shape.never_null:
            return self._written(shape)
        return self._union(Shape("union", options=(shape, NULL)))

    def _variant(self, tag: str, word: str, shape: Shape) -> dict[str, Any]:
        written = self._record(shape)
        return {
            **written,
            "title": f"{word[:1].upper()}{word[1:]}",
            "properties": {tag: {"type": "string", "enum": [word]}, **written.get("properties", {})},
            "required": sorted([tag, *written.get("required", ())]),
        }
