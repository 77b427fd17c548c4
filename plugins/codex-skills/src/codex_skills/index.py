"""`$CODEX_HOME/kernel/skills-index.json`: what is known of roots, so that a start reads only what has changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from codex_plugin_sdk import replace_file
from codex_plugin_sdk.skills.roots import Root
from codex_plugin_sdk.skills.shelf import Shelf

VERSION = 1
MAX_ROOTS = 64
MAX_INDEX_BYTES = 16 * 1024 * 1024


class Index:
    """The shelves of roots, kept in memory and on disk. It is a cache: one that is missing, damaged or cannot be
    written costs time and nothing else."""

    def __init__(self, codex_home: str) -> None:
        self.path = os.path.join(codex_home, "kernel", "skills-index.json")
        self._shelves: dict[str, Shelf] = {}
        self._on_disk: dict[str, Any] | None = None

    def shelves(self, roots: Sequence[Root]) -> list[Shelf]:
        """A shelf of each root, as the root is now."""
        found = []
        for root in roots:
            shelf = self._shelves.get(root.path)
            if shelf is None or shelf.root != root:
                shelf = self._shelves[root.path] = self._known(root)
            shelf.refresh()
            found.append(shelf)
        return found

    def save(self) -> None:
        """Write what has changed."""
        if not any(shelf.changed for shelf in self._shelves.values()):
            return
        import orjson

        roots = self._disk()
        for path, shelf in self._shelves.items():
            roots.pop(path, None)  # the newest stand last, so that the oldest are forgotten
            roots[path] = shelf.to_json()
            shelf.changed = False
        kept = dict(list(roots.items())[-MAX_ROOTS:])
        with suppress(OSError):  # a home that cannot be written: see the class
            replace_file(self.path, orjson.dumps({"version": VERSION, "roots": kept}), mode=0o600)

    def _known(self, root: Root) -> Shelf:
        given = self._disk().get(root.path)
        try:
            return Shelf(root) if given is None else Shelf.from_json(root, given)
        except (LookupError, TypeError, ValueError, AttributeError):
            return Shelf(root)

    def _disk(self) -> dict[str, Any]:
        if self._on_disk is None:
            self._on_disk = self._load()
        return self._on_disk

    def _load(self) -> dict[str, Any]:
        import orjson

        try:
            with open(self.path, "rb") as file:
                whole = orjson.loads(file.read(MAX_INDEX_BYTES))
        except (OSError, orjson.JSONDecodeError):
            return {}
        fits = isinstance(whole, dict) and whole.get("version") == VERSION and isinstance(whole.get("roots"), dict)
        return whole["roots"] if fits else {}
