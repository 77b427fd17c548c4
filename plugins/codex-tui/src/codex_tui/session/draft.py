"""Input that is not sent yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Draft:
    """Input that is not sent yet. `images` are paths or data URLs; `mentions` are wire members of type mention or
    skill."""

    text: str
    images: tuple[str, ...] = ()
    mentions: tuple[Mapping[str, Any], ...] = ()

    def wire(self) -> list[dict[str, Any]]:
        """As `input` of a turn."""
        parts: list[dict[str, Any]] = [{"type": "text", "text": self.text}] if self.text else []
        for image in self.images:
            is_url = image.startswith(("data:", "http://", "https://"))
            parts.append({"type": "image", "url": image} if is_url else {"type": "localImage", "path": image})
        return parts + [dict(mention) for mention in self.mentions]
