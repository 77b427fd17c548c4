"""What a user gives to a turn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import attrs


@attrs.frozen
class TextInput:
    """Text."""

    text: str


@attrs.frozen
class ImageInput:
    """An image at a URL, or in one: `data:image/png;base64,…`. `detail`: auto, low, high or original."""

    url: str
    detail: str | None = None


@attrs.frozen
class LocalImageInput:
    """An image file, read by the server; a relative path is one of the server's folder."""

    path: str | os.PathLike[str]
    detail: str | None = None


@attrs.frozen
class SkillInput:
    """A skill to use, and the path of its SKILL.md."""

    name: str
    path: str | os.PathLike[str]


@attrs.frozen
class MentionInput:
    """A file or an app (`app://ID`) to look at."""

    name: str
    path: str | os.PathLike[str]


InputItem = TextInput | ImageInput | LocalImageInput | SkillInput | MentionInput
Input = InputItem | Sequence[InputItem | str]
RunInput = Input | str


def wire_input(given: RunInput) -> list[dict[str, Any]]:
    """The member `input` of a request. Raises `TypeError` for what is no input."""
    items = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    return [_wire(item) for item in items]


def _wire(item: InputItem | str) -> dict[str, Any]:
    match item:
        case str():
            return {"type": "text", "text": item}
        case TextInput():
            return {"type": "text", "text": item.text}
        case ImageInput():
            return {"type": "image", "url": item.url, **_detail(item.detail)}
        case LocalImageInput():
            return {"type": "localImage", "path": os.fspath(item.path), **_detail(item.detail)}
        case SkillInput():
            return {"type": "skill", "name": item.name, "path": os.fspath(item.path)}
        case MentionInput():
            return {"type": "mention", "name": item.name, "path": os.fspath(item.path)}
    raise TypeError(f"{item!r:.100} is no input: give text, or TextInput, ImageInput, LocalImageInput, …")


def _detail(detail: str | None) -> dict[str, str]:
    return {} if detail is None else {"detail": detail}
