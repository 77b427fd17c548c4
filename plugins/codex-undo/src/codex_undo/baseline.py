"""What a root looked like, on the disk: a cache for the next scan, and for a turn that is cut off its beginning.

One file for each root, replaced as a whole. A turn that is open holds a second name of the file that was current when
its last command began, so that the cache may go on.
"""

from __future__ import annotations

import marshal
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b

from .scan import Tree
from .states import CONTENT, MODE, Mark

_VERSION = 1
_DIGEST = 32


class Baselines:
    """The files in `roots/` and `open/` of the journal's folder. All methods raise `OSError`."""

    def __init__(self, folder: str, generation: Callable[[], str]) -> None:
        self._folder, self._generation = folder, generation
        self._saved: dict[bytes, tuple[int, dict[bytes, Mark]]] = {}

    def load(self, tree: Tree, contents: Callable[[], set[str]]) -> None:
        """Give a tree the marks that were saved last, if there are any that can be read; those of files only as far
        as their contents are there, which is looked at when any were removed since."""
        with suppress(FileNotFoundError), open(self._path("roots", _key(tree.root)), "rb") as file:
            saved = _decoded(file.read(), tree.root)
            if saved is not None:
                generation, found = saved
                tree.marks, tree.left = found.marks, found.left
                self._saved[tree.root] = (os.fstat(file.fileno()).st_ino, found.marks)
                if generation != self._generation():
                    there = contents()
                    tree.marks = {path: mark for path, mark in found.marks.items() if _known(mark, there)}

    def hold(self, tree: Tree, name: str) -> None:
        """Save a tree, and hold what was saved under a name of its own."""
        self.save(tree)
        held = self._path("open", f"{name}-{_key(tree.root)}")
        if not self._link(tree, held):  # another process has saved its own view of the root meanwhile
            self._saved.pop(tree.root)
            self.save(tree)
            self._link(tree, held)

    def save(self, tree: Tree) -> None:
        """Save the marks, unless that was done."""
        if (known := self._saved.get(tree.root)) is not None and known[1] == tree.marks:
            return
        place = self._path("roots", _key(tree.root))
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        temporary = f"{place}.{os.urandom(6).hex()}.tmp"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(_encoded(tree, self._generation()))
                inode = os.fstat(fd).st_ino
            os.replace(temporary, place)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        self._saved[tree.root] = (inode, tree.marks)

    def held(self, name: str, root: bytes) -> Tree | None:
        """The tree that a turn held; None if it is gone or damaged."""
        try:
            with open(self._path("open", f"{name}-{_key(root)}"), "rb") as file:
                saved = _decoded(file.read(), root)
        except FileNotFoundError:
            return None
        return None if saved is None else saved[1]

    def release(self, name: str) -> None:
        """Let go of what a turn held."""
        with suppress(FileNotFoundError):
            for found in os.listdir(os.path.join(self._folder, "open")):
                if found.startswith(f"{name}-"):
                    os.unlink(self._path("open", found))

    def contents(self) -> set[str]:
        """All digests that the files name."""
        found: set[str] = set()
        for kind in ("roots", "open"):
            with suppress(FileNotFoundError):
                for name in os.listdir(os.path.join(self._folder, kind)):
                    with suppress(FileNotFoundError), open(self._path(kind, name), "rb") as file:
                        if (saved := _decoded(file.read(), None)) is not None:
                            found.update(mark[CONTENT] for mark in saved[1].marks.values())
        return found

    def forget_roots(self, older_than_s: float) -> None:
        """Remove the caches of roots in which nothing was saved since then (Unix seconds)."""
        folder = os.path.join(self._folder, "roots")
        with suppress(FileNotFoundError):
            for name in os.listdir(folder):
                with suppress(FileNotFoundError):
                    if os.stat(os.path.join(folder, name)).st_mtime < older_than_s:
                        os.unlink(os.path.join(folder, name))

    def _link(self, tree: Tree, held: str) -> bool:
        os.makedirs(os.path.dirname(held), mode=0o700, exist_ok=True)
        temporary = f"{held}.tmp"
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        os.link(self._path("roots", _key(tree.root)), temporary)
        known = self._saved.get(tree.root)
        if known is None or os.stat(temporary).st_ino != known[0]:
            os.unlink(temporary)
            return False
        os.replace(temporary, held)
        with suppress(FileNotFoundError):  # a rename onto another name of the same file leaves both
            os.unlink(temporary)
        return True

    def _path(self, kind: str, name: str) -> str:
        return os.path.join(self._folder, kind, name)


def _known(mark: Mark, contents: set[str]) -> bool:
    return not stat.S_ISREG(mark[MODE]) or not mark[CONTENT] or mark[CONTENT] in contents


def _key(root: bytes) -> str:
    return blake2b(root, digest_size=12).hexdigest()


def _encoded(tree: Tree, generation: str) -> bytes:
    """Marshal is three times as fast as JSON with paths that are bytes; the digest before it keeps what a disk damaged
    from reaching it."""
    data = marshal.dumps((_VERSION, tree.root, generation, tree.left.large, tree.left.unreadable, tree.marks), 4)
    return blake2b(data, digest_size=_DIGEST).digest() + data


def _decoded(data: bytes, root: bytes | None) -> tuple[str, Tree] | None:
    """The tree and the generation of contents that it was saved in; None for what is not such a file."""
    if len(data) < _DIGEST or blake2b(memoryview(data)[_DIGEST:], digest_size=_DIGEST).digest() != data[:_DIGEST]:
        return None
    version, found, *rest = marshal.loads(memoryview(data)[_DIGEST:])  # noqa: S302 - our own file, see `_encoded`
    if version != _VERSION or (root is not None and found != root):
        return None
    tree = Tree(found)
    generation, tree.left.large, tree.left.unreadable, tree.marks = rest
    return generation, tree
