"""The user's own editor for what is being written. No textual: the application gives the way to leave the screen."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from codex_plugin_sdk import UserError

from .paste import clean

SUFFIX = ".md"
_HINT = "set VISUAL or EDITOR to a command that waits until the file is closed"


def editor_command(environ: Mapping[str, str]) -> list[str]:
    """The user's editor with its arguments. Raises `UserError` when there is none."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(environ.get(name, ""))
        except ValueError as error:
            raise UserError(f"${name} cannot be read as a command: {error}", hint=_HINT) from error
        if words:
            return words
    raise UserError("there is no editor to open", hint=_HINT)


def edit_outside(
    text: str, suspend: Callable[[], AbstractContextManager[object]], environ: Mapping[str, str] | None = None
) -> str:
    """What the user makes of the text in their editor.

    Blocks until the editor is closed; meanwhile the terminal is its own: `suspend()` leaves the screen and comes back.
    The text goes through a file that only the user can read, which is removed afterwards. Raises `UserError` when
    there is no editor, when it fails, or when what it left is no text; then nothing has changed.
    """
    command = editor_command(os.environ if environ is None else environ)
    fd, path = tempfile.mkstemp(prefix="codex-", suffix=SUFFIX)
    try:
        with open(fd, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        _run(command, path, suspend)
        return _read(path, text)
    finally:
        _remove(path)


def _run(command: list[str], path: str, suspend: Callable[[], AbstractContextManager[object]]) -> None:
    try:
        with suspend():
            status = subprocess.run([*command, path], check=False).returncode
    except OSError as error:
        raise UserError(f"the editor {command[0]} cannot be started: {error.strerror or error}", hint=_HINT) from error
    if status:
        raise UserError(f"the editor {command[0]} ended with status {status}", hint="your text is unchanged")


def _read(path: str, before: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = clean(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"what the editor left cannot be read: {error}", hint="your text is unchanged") from error
    # Editors end a file with a newline, whether one was meant or not.
    return text[:-1] if text.endswith("\n") and not before.endswith("\n") else text


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return  # the editor has moved it away
