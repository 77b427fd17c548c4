"""What comes into the composer at once: pasted text, images by path, images of the clipboard. No textual.

A long paste and an image are parts: one character in the text of the composer (see `buffer`), shown by a label.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence

import attrs

from codex_plugin_sdk import UserError

MAX_INLINE_CHARS = 1_000
MAX_INLINE_LINES = 10
CLIPBOARD_TIMEOUT_S = 5
_FIRST, _LAST = 0xD800, 0xDFFF
_PART = re.compile("[\ud800-\udfff]")
# Control characters but newline and tab; lone surrogates, which stand for parts and cannot be sent.
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_PNG = "image/png"

ImageReader = Callable[[], Awaitable[bytes]]
"""Gives the image of the clipboard. Raises `UserError` with what to do."""


def clean(text: str) -> str:
    """Pasted text without what a terminal would obey; line ends are newlines."""
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def is_long(text: str) -> bool:
    """Whether a paste is shown as a label instead of itself."""
    return len(text) > MAX_INLINE_CHARS or _count_lines(text) > MAX_INLINE_LINES


def _count_lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n"))


@attrs.frozen(kw_only=True)
class Part:
    """A paste (`text`) or an image (`path`), shown as `label`."""

    label: str
    text: str = ""
    path: str = ""

    @property
    def is_image(self) -> bool:
        """Whether it is an image."""
        return bool(self.path)


class Parts:
    """What the characters that stand for parts mean. They mean it as long as the composer lives, so that undo and the
    history bring parts back."""

    def __init__(self) -> None:
        self._parts: list[Part] = []

    def add_paste(self, text: str, beside: str) -> str:
        """What to insert for a long paste into the text `beside`: one character, or the paste when there have been
        too many."""
        count = _count_lines(text)
        lines = "1 line" if count == 1 else f"{count:,} lines"
        number = self._next_number(beside, images=False)
        return self._add(Part(label=f"[Pasted text #{number}, {len(text):,} characters, {lines}]", text=text)) or text

    def add_image(self, path: str, beside: str) -> str:
        """What to insert for an image file; its path when there have been too many parts."""
        number = self._next_number(beside, images=True)
        name = clean(os.path.basename(path)).replace("\n", " ").replace("\t", " ")
        return self._add(Part(label=f"[Image #{number}: {name}]", path=path)) or path

    def get(self, character: str) -> Part | None:
        """The part that a character stands for."""
        place = ord(character) - _FIRST
        return self._parts[place] if 0 <= place < len(self._parts) else None

    def label(self, character: str) -> str:
        """What is shown for it."""
        part = self.get(character)
        return part.label if part else "?"

    def expand(self, text: str) -> str:
        """The text as it is sent: pastes in full, images by their label."""
        return _PART.sub(self._expanded, text)

    def images(self, text: str) -> tuple[str, ...]:
        """The paths of the images in a text, in order."""
        found = (self.get(character) for character in _PART.findall(text))
        return tuple(part.path for part in found if part and part.is_image)

    def _expanded(self, match: re.Match[str]) -> str:
        part = self.get(match[0])
        return (part.text or part.label) if part else ""

    def _next_number(self, beside: str, *, images: bool) -> int:
        found = (self.get(character) for character in _PART.findall(beside))
        labels = (part.label for part in found if part and part.is_image is images)
        return max((int(match[1]) for label in labels if (match := re.search(r"#(\d+)", label))), default=0) + 1

    def _add(self, part: Part) -> str:
        if len(self._parts) > _LAST - _FIRST:
            return ""
        self._parts.append(part)
        return chr(_FIRST + len(self._parts) - 1)


def image_paths(text: str) -> tuple[str, ...]:
    """The image files that a paste names, if it names nothing else: paths as file managers and terminals drop them,
    quoted, with backslashes, or as `file://` addresses. Relative ones are left as text."""
    line = text.strip()
    if not line or len(line) > 8_192:
        return ()
    for words in (_shell_words(line), [line], line.split("\n")):
        paths = tuple(_as_path(word.strip()) for word in words)
        if paths and all(path and os.path.isabs(path) and _is_image(path) for path in paths):
            return paths
    return ()


def _shell_words(line: str) -> Sequence[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an apostrophe: no quoting was meant
        return ()


def _as_path(word: str) -> str:
    if word.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        return unquote(urlsplit(word).path)
    return os.path.expanduser(word) if word.startswith("~/") else word


def _is_image(path: str) -> bool:
    """Whether it is a file that begins like an image; a pipe or a device is not opened."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            head = file.read(16)
    except (OSError, ValueError):
        return False
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


async def clipboard_image() -> bytes:
    """The image in the clipboard of the desktop, PNG. Raises `UserError` if there is none, or no way to it."""
    import anyio

    commands = _clipboard_commands()
    if not commands:
        raise UserError("the clipboard cannot be read", hint=_clipboard_hint())
    for command in commands:
        try:
            with anyio.fail_after(CLIPBOARD_TIMEOUT_S):
                done = await anyio.run_process(command, check=False)
        except (OSError, TimeoutError):
            continue
        data = _from_applescript(done.stdout) if command[0] == "osascript" else done.stdout
        if done.returncode == 0 and data.startswith(_MAGIC):
            return data
    raise UserError("there is no image in the clipboard", hint="copy one, or paste the path of a file")


def _clipboard_commands() -> list[list[str]]:
    commands = []
    if os.environ.get("WAYLAND_DISPLAY") and shutil.which("wl-paste"):
        commands.append(["wl-paste", "--no-newline", "--type", _PNG])
    if os.environ.get("DISPLAY") and shutil.which("xclip"):
        commands.append(["xclip", "-selection", "clipboard", "-target", _PNG, "-out"])
    if sys.platform == "darwin":
        if shutil.which("pngpaste"):
            commands.append(["pngpaste", "-"])
        commands.append(["osascript", "-e", "the clipboard as «class PNGf»"])  # pbpaste gives text alone
    return commands


def _clipboard_hint() -> str:
    if not (os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")):
        return "there is no desktop here: paste the path of an image file"
    return "install wl-clipboard or xclip, or paste the path of an image file"


def _from_applescript(answer: bytes) -> bytes:
    match = re.search(rb"PNGf([0-9A-Fa-f]+)", answer)
    return bytes.fromhex(match[1].decode()) if match else b""


def save_image(data: bytes) -> str:
    """Write an image of the clipboard to a file of its own, which only the user can read. Raises `OSError`."""
    fd, path = tempfile.mkstemp(prefix="codex-clipboard-", suffix=".png" if data.startswith(_MAGIC[0]) else ".jpg")
    with open(fd, "wb") as file:
        file.write(data)
    return path
