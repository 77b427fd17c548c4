"""Forms of MCP servers: a JSON Schema of an object of plain values, as fields that can be filled in and checked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import attrs

from ..link import Message
from .asks import BadAsk
from .asks_read import items, number, optional_text, record, records, texts

Raw = str | bool | tuple[str, ...] | None
"""What a field holds while it is filled in: text for texts and numbers, a bool, the value of an option, or those of
several options; None: nothing."""
MAX_FIELDS = 100
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*\Z")


@attrs.frozen(kw_only=True)
class Field:
    """`kind` is text, number, integer, boolean, one (of `options`, which are value and label) or many. `least` and
    `most` limit a number, the length of a text or how many options are taken. `start` is what it holds at first."""

    name: str
    kind: str
    title: str = ""
    description: str = ""
    required: bool = False
    start: Raw = None
    format: str = ""
    least: float | None = None
    most: float | None = None
    options: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """What it is called."""
        return self.title or self.name

    @property
    def hint(self) -> str:
        """What is to be entered, in a few words."""
        words = {"number": "number", "integer": "whole number", "boolean": "yes or no"}
        found = [words.get(self.kind, ""), _FORMATS.get(self.format, (self.format, None))[0]]
        before, unit = ("pick ", "") if self.kind == "many" else ("", " characters" if self.kind == "text" else "")
        if self.least is not None and self.most is not None:
            found.append(f"{before}{self.least:g} to {self.most:g}{unit}")
        elif self.least is not None:
            found.append(f"{before}at least {self.least:g}{unit}")
        elif self.most is not None:
            found.append(f"{before}at most {self.most:g}{unit}")
        found.append("required" if self.required else "")
        return ", ".join(word for word in found if word)

    def value(self, raw: Raw) -> Any:
        """The value to send, None if there is none. Raises `ValueError` with one sentence."""
        if raw is None or raw in ("", ()):
            if self.required:
                raise ValueError("this is required")
            return None
        match self.kind:
            case "boolean":
                return bool(raw)
            case "one":
                if raw not in dict(self.options):
                    raise ValueError("pick one of the choices")
                return raw
            case "many":
                return self._many(raw if isinstance(raw, tuple) else (str(raw),))
            case "number" | "integer":
                return self._number(str(raw).strip())
        return self._text(str(raw))

    def _many(self, raw: tuple[str, ...]) -> list[str]:
        if not set(raw) <= set(dict(self.options)):
            raise ValueError("pick from the choices")
        if self.least is not None and len(raw) < self.least:
            raise ValueError(f"pick at least {self.least:g}")
        if self.most is not None and len(raw) > self.most:
            raise ValueError(f"pick at most {self.most:g}")
        return [value for value, _ in self.options if value in raw]

    def _number(self, raw: str) -> float | int:
        try:
            found: float | int = int(raw) if self.kind == "integer" or re.fullmatch(r"[+-]?\d+", raw) else float(raw)
        except ValueError:
            raise ValueError(f"{'a whole number' if self.kind == 'integer' else 'a number'} is wanted") from None
        if not math.isfinite(found):
            raise ValueError("a number is wanted")
        if self.least is not None and found < self.least:
            raise ValueError(f"at least {self.least:g} is wanted")
        if self.most is not None and found > self.most:
            raise ValueError(f"at most {self.most:g} is wanted")
        return found

    def _text(self, raw: str) -> str:
        if self.least is not None and len(raw) < self.least:
            raise ValueError(f"at least {self.least:g} characters are wanted")
        if self.most is not None and len(raw) > self.most:
            raise ValueError(f"at most {self.most:g} characters are wanted")
        words, fits = _FORMATS.get(self.format, ("", None))
        if fits is not None and not fits(raw):
            raise ValueError(f"{words} is wanted")
        return raw


@attrs.frozen(kw_only=True)
class Form:
    """The fields, in the order of the schema."""

    fields: tuple[Field, ...]

    def check(self, raw: Mapping[str, Raw]) -> tuple[dict[str, Any], dict[str, str]]:
        """What would be sent, and what is wrong by field: one sentence each. Only a form without faults is sent."""
        content, wrong = {}, {}
        for field in self.fields:
            try:
                found = field.value(raw.get(field.name))
            except ValueError as error:
                wrong[field.name] = str(error)
                continue
            if found is not None:
                content[field.name] = found
        return content, wrong


def read_form(schema: Message) -> Form:
    """A form of a `requestedSchema`. Raises `BadAsk` for one with something that cannot be filled in here."""
    if schema.get("type", "object") != "object":
        raise BadAsk("its form is no object")
    properties = record(schema, "properties")
    required = texts(schema, "required")
    if unknown := set(required) - set(properties):
        raise BadAsk(f"its form requires {sorted(unknown)[0]!r}, which is not in it")
    if len(properties) > MAX_FIELDS:
        raise BadAsk(f"its form has {len(properties)} fields, more than {MAX_FIELDS}")
    return Form(fields=tuple(_field(name, record(properties, name), name in required) for name in properties))


def _field(name: str, schema: Message, required: bool) -> Field:
    common: dict[str, Any] = {
        "name": name,
        "title": optional_text(schema, "title"),
        "description": optional_text(schema, "description"),
        "required": required,
    }
    kind = schema.get("type")
    found: Field
    if kind == "array":
        options = _options(record(schema, "items"), "anyOf")
        common |= {"least": number(schema, "minItems"), "most": number(schema, "maxItems")}
        found = Field(**common, kind="many", options=options, start=texts(schema, "default"))
    elif kind == "string" and ("enum" in schema or "oneOf" in schema):
        found = Field(**common, kind="one", options=_options(schema, "oneOf"), start=schema.get("default"))
    elif kind == "string":
        common |= {"least": number(schema, "minLength"), "most": number(schema, "maxLength")}
        given = optional_text(schema, "format")
        found = Field(**common, kind="text", start=optional_text(schema, "default"), format=given)
    elif kind in ("number", "integer"):
        common |= {"least": number(schema, "minimum"), "most": number(schema, "maximum")}
        start = number(schema, "default")
        found = Field(**common, kind=kind, start="" if start is None else f"{start:.15g}")
    elif kind == "boolean":
        if not isinstance(schema.get("default"), bool | None):
            raise BadAsk(f"the field {name!r:.80} has a default that is neither true nor false")
        found = Field(**common, kind="boolean", start=schema.get("default"))
    else:
        raise BadAsk(f"the field {name!r:.80} is of type {kind!r:.80}, which nobody can fill in here")
    if found.kind in ("one", "many") and not set(_chosen(found.start)) <= set(dict(found.options)):
        raise BadAsk(f"the field {name!r:.80} has a default that is none of its choices")
    return found


def _chosen(start: Raw) -> tuple[str, ...]:
    if start is None:
        return ()
    return start if isinstance(start, tuple) else (str(start),)


def _options(schema: Message, titled: str) -> tuple[tuple[str, str], ...]:
    rows = records(schema, titled) or records(schema, "oneOf")
    found: list[tuple[Any, Any]]
    if rows:
        found = [(row.get("const"), row.get("title") or row.get("const")) for row in rows]
    else:
        values, names = items(schema, "enum"), items(schema, "enumNames")
        found = list(zip(values, names if len(names) == len(values) else values, strict=True))
    if not found or not all(isinstance(part, str) for row in found for part in row):
        raise BadAsk("a field has no choices that are texts")
    return tuple(found)


# -- formats -------------------------------------------------------------------------------------------


def _is_uri(text: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) and bool(parts.netloc or parts.path) and not re.search(r"\s", text)


def _is_date(text: str) -> bool:
    from datetime import date

    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None


def _is_date_time(text: str) -> bool:
    from datetime import datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return False
    return found.tzinfo is not None and re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", text) is not None


_FORMATS: Mapping[str, tuple[str, Any]] = {
    "email": ("an e-mail address", _EMAIL.match),
    "uri": ("an address such as https://example.org", _is_uri),
    "date": ("a date such as 2026-01-31", _is_date),
    "date-time": ("a time such as 2026-01-31T12:00:00Z", _is_date_time),
}
"""What is wanted, and whether a text is that. A format that is not here is shown and not checked."""
