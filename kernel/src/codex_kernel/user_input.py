"""The user's input as a message of the history."""

from __future__ import annotations

from collections.abc import Sequence

from .protocol.ids import new_item_id
from .protocol.ops import ImageInput, LocalImageInput, TextInput, UserInput
from .protocol.response_items import ContentPart, Message


def user_message(given: Sequence[UserInput]) -> Message:
    """One user message with a part per input."""
    return Message(role="user", content=tuple(_part(entry) for entry in given), id=new_item_id("msg"))


def _part(entry: UserInput) -> ContentPart:
    match entry:
        case TextInput():
            return ContentPart(type="input_text", text=entry.text)
        case ImageInput():
            return ContentPart(type="input_image", image_url=entry.url)
        case LocalImageInput():
            return ContentPart(type="input_image", image_url=entry.url)
