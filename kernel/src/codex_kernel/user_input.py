"""The user's input as a message of the history."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .errors import UserError
from .protocol.ids import new_item_id
from .protocol.ops import ImageInput, LocalImageInput, TextInput, UserInput
from .protocol.response_items import ContentPart, Message


def user_message(given: Sequence[UserInput], cwd: str) -> Message:
    """One user message with a part per input; image files are read now. Raises `UserError` for a file that
    is not a readable image."""
    return Message(role="user", content=tuple(_part(entry, cwd) for entry in given), id=new_item_id("msg"))


def _part(entry: UserInput, cwd: str) -> ContentPart:
    match entry:
        case TextInput():
            return ContentPart(type="input_text", text=entry.text)
        case ImageInput():
            return ContentPart(type="input_image", image_url=entry.url)
        case LocalImageInput():
            from .images import ImageError, load_image_data_url

            path = os.path.join(cwd, os.path.expanduser(entry.path))
            try:
                return ContentPart(type="input_image", image_url=load_image_data_url(path))
            except ImageError as error:
                raise UserError(str(error), hint="give a PNG, JPEG, GIF or WebP file") from error
