"""What comes into the composer at once: pastes, dropped files, images of the clipboard."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from .buffer import is_part
from .paste import ImageReader, Parts, image_paths, is_long, save_image
from .textbox import TextBox


class Pasting:
    """Puts it into `box`; what would be in the way there becomes one of `parts`. `read_image` gives the image of the
    clipboard."""

    def __init__(self, box: TextBox, parts: Parts, read_image: ImageReader) -> None:
        self._box, self._parts, self._read_image = box, parts, read_image
        self._saved_images: list[str] = []

    def paste(self, text: str) -> None:
        """Text without what a terminal would obey, or the paths of images and nothing else."""
        if paths := image_paths(text):
            for path in paths:
                self._add_image(path)
        elif text:
            self._box.insert(self._parts.add_paste(text, self._box.buffer.text) if is_long(text) else text)

    async def paste_image(self) -> None:
        """The image of the clipboard. Raises `UserError`, `OSError`."""
        path = save_image(await self._read_image())
        self._saved_images.append(path)
        self._add_image(path)

    def _add_image(self, path: str) -> None:
        buffer = self._box.buffer
        before = buffer.text[buffer.cursor - 1 : buffer.cursor] if buffer.cursor else ""
        lead = "" if not before or before.isspace() else " "
        self._box.insert(f"{lead}{self._parts.add_image(path, buffer.text)} ")

    def with_images(self, text: str, images: tuple[str, ...]) -> str:
        """A text with images in it. One whose label stands there becomes an image again, the others come at the end."""
        for path in images:
            label = re.search(r"\[Image #\d+: " + re.escape(os.path.basename(path)) + r"\]", text)
            start, end = label.span() if label else (len(text), len(text))
            text = text[:start] + self._parts.add_image(path, text) + text[end:]
        return text

    def expand(self) -> bool:
        """Put the paste before or at the cursor in full, so that it can be edited. Whether there is one."""
        buffer = self._box.buffer
        for place in (buffer.cursor - 1, buffer.cursor):
            character = buffer.text[place : place + 1] if place >= 0 else ""
            part = self._parts.get(character) if character and is_part(character) else None
            if part is not None and not part.is_image:
                self._box.replace(place, place + 1, part.text)
                return True
        return False

    def forget(self) -> None:
        """Remove the images that came from the clipboard."""
        for path in self._saved_images:
            with suppress(FileNotFoundError):
                os.unlink(path)
