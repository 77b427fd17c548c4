"""What clients tell of a thread and the rollout has no place for: its goal, and corrections of its git facts.

One small JSON file for each such thread, `kernel/threads/ID.json` in the home.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import orjson

from codex_plugin_sdk import StoreError, replace_file


class Notes:
    """The notes of a home. Threads without any cost one failed look-up."""

    def __init__(self, codex_home: str) -> None:
        self._folder = os.path.join(codex_home, "kernel", "threads")

    def read(self, thread_id: str) -> dict[str, Any]:
        """The notes of a thread; empty for none, and for a file that is damaged. Raises `StoreError`."""
        path = self._path(thread_id)
        try:
            with open(path, "rb") as file:
                found = orjson.loads(file.read())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}", path=path, operation="read notes") from error
        return found if isinstance(found, dict) else {}

    def write(self, thread_id: str, notes: Mapping[str, Any]) -> None:
        """Keep these, in place of what was there. Raises `StoreError`."""
        path = self._path(thread_id)
        try:
            if notes:
                replace_file(path, orjson.dumps(notes), mode=0o600)
            elif os.path.exists(path):
                os.unlink(path)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}", path=path, operation="write notes") from error

    def _path(self, thread_id: str) -> str:
        return os.path.join(self._folder, f"{thread_id.lower()}.json")
