"""The file of `--output-last-message`."""

from __future__ import annotations

import os
import sys

from codex_plugin_sdk import UserError


class LastMessageFile:
    """Checked before the first request, so that a whole session is not spent on a path that cannot be written.

    Raises `UserError` for a folder that is not there or may not be written, or a path that is a folder.
    """

    def __init__(self, path: str | None) -> None:
        self._path = None if path is None else os.path.abspath(os.path.expanduser(path))
        if self._path is None:
            return
        folder = os.path.dirname(self._path)
        if os.path.isdir(self._path):
            raise self._failed("it is a folder")
        if not os.path.isdir(folder):
            raise self._failed("its folder does not exist")
        if not os.access(self._path if os.path.exists(self._path) else folder, os.W_OK):
            raise self._failed("permission denied")

    def write(self, text: str | None) -> None:
        """Write the message, whole or not at all; without one the file is emptied, with a warning."""
        if self._path is None:
            return
        from codex_plugin_sdk import replace_file

        if text is None:
            sys.stderr.write(f"warning: no last agent message; {self._path} is empty\n")
        try:
            data = (text or "").encode("utf-8", "replace")
            if os.path.exists(self._path) and not os.path.isfile(self._path):
                with open(self._path, "wb") as device:  # /dev/stdout, a named pipe: not ours to replace
                    device.write(data)
            else:
                replace_file(self._path, data)
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error

    def _failed(self, why: str) -> UserError:
        return UserError(f"Failed to open last message file {self._path}: {why}", hint="choose another path with -o")
