"""Image files as data URLs, checked by their bytes: a broken image would make the server refuse the whole request."""

from __future__ import annotations

import os
import stat
import struct
from binascii import b2a_base64
from collections.abc import Callable

from codex_kernel.errors import UserError
from codex_kernel.protocol.ops import LocalImageInput
from codex_kernel.protocol.value import Value, value

MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""The largest file that is read: about what servers take, and 27 MB once encoded."""

_KINDS = "PNG, JPEG, GIF or WebP"


class ImageError(ValueError):
    """A file cannot be shown to the model; the message names the file and the reason."""


@value
class ImageHeader(Value):
    """What an image says of itself; sizes in pixels."""

    media_type: str
    width: int
    height: int


def load_image_data_url(path: str) -> str:
    """The file as `data:image/…;base64,…`.

    Raises `ImageError` if it is missing, no regular file, unreadable, empty, larger than 20 MB, of a kind
    that models do not read, or cut off.
    """
    data = _read(path)
    try:
        header = image_header(data)
    except ImageError as error:
        raise ImageError(f"{path} {error}") from None
    return f"data:{header.media_type};base64," + b2a_base64(data, newline=False).decode("ascii")


def image_header(data: bytes) -> ImageHeader:
    """Kind and size of an image from its bytes. Raises `ImageError`, whose text continues a file's name."""
    for magic, parse in _PARSERS:
        if data.startswith(magic):
            try:
                header = parse(data)
            except (struct.error, IndexError):
                raise ImageError("is cut off: its header is not complete") from None
            if header.width == 0 or header.height == 0:
                raise ImageError("is no usable image: it has no width or no height")
            return header
    raise ImageError(_not_an_image(data))


def _read(path: str) -> bytes:
    try:
        # Asked before opening: opening a FIFO waits for a writer.
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{path} is a folder, not an image file")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{path} is not a regular file")
        with open(path, "rb") as file:
            # One byte more than allowed: the size in `status` may be old.
            data = file.read(MAX_IMAGE_BYTES + 1) if status.st_size <= MAX_IMAGE_BYTES else None
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        if isinstance(error, ImageError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ImageError(f"{path} cannot be read: {reason}") from error
    if data is None or len(data) > MAX_IMAGE_BYTES:
        raise ImageError(f"{path} is too large: at most {MAX_IMAGE_BYTES // (1024 * 1024)} MB are read; scale it down")
    if not data:
        raise ImageError(f"{path} is empty")
    return data


def _not_an_image(data: bytes) -> str:
    if any(magic.startswith(data) for magic, _ in _PARSERS):
        return "is cut off: its header is not complete"
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<svg", b"<!doctype svg")) or (start.startswith((b"<?xml", b"<!--")) and b"<svg" in start):
        return f"is an SVG drawing, which models cannot see: render it to PNG, or read it as text ({_KINDS} are shown)"
    return f"is not an image that models can see ({_KINDS})"


# -- one parser a kind: enough structure to tell a real file from a name or a torn download ----------------


def _png(data: bytes) -> ImageHeader:
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if kind != b"IHDR" or length != 13:
        raise ImageError("is no valid PNG: it does not begin with its header")
    at, pixels = 8, False
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        pixels = pixels or kind == b"IDAT"
        if at > len(data):
            raise ImageError("is cut off: a PNG that ends within its data")
    if not pixels:
        raise ImageError("is no valid PNG: it holds no pixels")
    return ImageHeader(media_type="image/png", width=width, height=height)


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def _jpeg(data: bytes) -> ImageHeader:
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1  # fill bytes
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0xD8, 0xD9, 0xDA):
            raise ImageError("is no valid JPEG: it holds no frame header")
        if marker in _JPEG_ALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            if data.find(b"\xff\xd9", at) < 0:
                raise ImageError("is cut off: a JPEG that ends within its data")
            return ImageHeader(media_type="image/jpeg", width=width, height=height)
        if length < 2:
            raise ImageError("is no valid JPEG: a segment has no length")
        at += 2 + length


def _gif(data: bytes) -> ImageHeader:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    colors = 3 << (flags & 7) + 1 if flags & 0x80 else 0
    if data[13 + colors] not in (0x21, 0x2C):  # an extension or an image follows
        raise ImageError("is no valid GIF: it holds no image")
    return ImageHeader(media_type="image/gif", width=width, height=height)


def _webp(data: bytes) -> ImageHeader:
    size, form, chunk = struct.unpack_from("<I4s4s", data, 4)
    if form != b"WEBP":
        raise ImageError(f"is not an image that models can see ({_KINDS})")
    if size + 8 > len(data):
        raise ImageError("is cut off: a WebP that ends within its data")
    if chunk == b"VP8X":
        low, high = struct.unpack_from("<HB", data, 24), struct.unpack_from("<HB", data, 27)
        width, height = 1 + low[0] + (low[1] << 16), 1 + high[0] + (high[1] << 16)
    elif chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif chunk == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise ImageError("is no valid WebP: it does not begin with an image")
    return ImageHeader(media_type="image/webp", width=width, height=height)


_PARSERS: tuple[tuple[bytes, Callable[[bytes], ImageHeader]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _webp),
)


def local_image(path: str, cwd: str) -> LocalImageInput:
    """An image file as a user's input; a path that is not absolute is meant below `cwd`. Raises `UserError` for
    a file that is not a readable image."""
    place = os.path.join(cwd, os.path.expanduser(path))
    try:
        return LocalImageInput(path=path, url=load_image_data_url(place))
    except ImageError as error:
        raise UserError(str(error), hint="give a PNG, JPEG, GIF or WebP file") from error
