"""A keyring for tests, in a file, with faults to order.

The real program takes it by `PYTHON_KEYRING_BACKEND=codex_plugin_sdk.testing.fake_keyring.FileKeyring`, a test by
`keyring.set_keyring(FileKeyring())`. The variable FAKE_KEYRING_FILE names the file, a JSON object;
FAKE_KEYRING_FAULT is empty or one of `locked` (every question raises), `leaks` (writing raises an error that quotes
the secret) and `forgets` (writing does nothing).
"""

from __future__ import annotations

import json
import os

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError


class FileKeyring(KeyringBackend):
    """See the module."""

    priority = 0.1

    @property
    def name(self) -> str:
        """What reports call it."""
        return "Fake"

    def get_password(self, service: str, username: str) -> str | None:
        """The entry, or None."""
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Write the entry."""
        fault = os.environ.get("FAKE_KEYRING_FAULT")
        if fault == "leaks":
            raise PasswordSetError(f"cannot store {password}")
        if fault != "forgets":
            self._write(self._entries() | {f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        """Remove the entry."""
        entries = self._entries()
        if entries.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("not found")
        self._write(entries)

    def _entries(self) -> dict[str, str]:
        if os.environ.get("FAKE_KEYRING_FAULT") == "locked":
            raise KeyringLocked("the collection is locked")
        try:
            with open(os.environ["FAKE_KEYRING_FILE"], encoding="utf-8") as file:
                found: dict[str, str] = json.load(file)
        except FileNotFoundError:
            return {}
        return found

    def _write(self, entries: dict[str, str]) -> None:
        with open(os.environ["FAKE_KEYRING_FILE"], "w", encoding="utf-8") as file:
            json.dump(entries, file)
