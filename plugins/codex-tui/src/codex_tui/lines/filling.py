"""Forms, field by field."""

from __future__ import annotations

import re
from typing import Any

from ..render import one_line
from ..session.asks_form import Field, Form, Raw
from .desk import Desk

NOTHING = "-"
"""What is entered for no value where there is a preset one."""
_BOOLS = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


async def fill_in(desk: Desk, form: Form) -> dict[str, Any]:
    """The values that the user enters, each valid. Raises `Left`."""
    content: dict[str, Any] = {}
    for number, field in enumerate(form.fields, 1):
        found = await _fill(desk, field, f" ({number} of {len(form.fields)})")
        if found is not None:
            content[field.name] = found
    return content


async def _fill(desk: Desk, field: Field, place: str) -> Any:
    lines = field_lines(field, place)
    while True:
        line = await desk.ask(lines, "Value: ")
        try:
            return field.value(read_raw(field, line))
        except ValueError as error:
            lines = [f"Not accepted: {error}."]


def field_lines(field: Field, place: str = "") -> list[str]:
    """What is wanted."""
    hint = f" ({field.hint})" if field.hint else ""
    lines = ["", f"{one_line(field.label)}{hint}{place}"]
    if field.description:
        lines.append(one_line(field.description))
    lines += [one_line(f"{number}. {label}") for number, (_, label) in enumerate(field.options, 1)]
    if field.kind == "many":
        lines.append("Enter the numbers of those that you want, with commas between.")
    if field.start not in (None, "", ()):
        leave = "" if field.required else f", {NOTHING} leaves it out"
        lines.append(f"An empty line takes: {one_line(_shown(field))}{leave}")
    elif not field.required:
        lines.append("An empty line leaves it out.")
    return lines


def _shown(field: Field) -> str:
    if isinstance(field.start, bool):
        return "yes" if field.start else "no"
    labels = dict(field.options)
    values = field.start if isinstance(field.start, tuple) else (str(field.start),)
    return ", ".join(labels.get(value, value) for value in values)


def read_raw(field: Field, line: str) -> Raw:
    """What a line holds for a field. Raises `ValueError`."""
    text = line.strip()
    if not text:
        return field.start
    if text == NOTHING and not field.required:
        return None
    match field.kind:
        case "boolean":
            if text.lower() not in _BOOLS:
                raise ValueError("yes or no is wanted")
            return _BOOLS[text.lower()]
        case "one":
            return _option(field, text)
        case "many":
            return tuple(_option(field, word) for word in re.split(r"[,;]\s*|\s+(?=\d)", text) if word)
    return text if field.kind != "text" else line


def _option(field: Field, text: str) -> str:
    if text.isdecimal() and 0 < int(text) <= len(field.options):
        return field.options[int(text) - 1][0]
    for value, label in field.options:
        if text.lower() in (value.lower(), label.lower()):
            return value
    raise ValueError("pick one of the numbers")
