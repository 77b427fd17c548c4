"""What a path was at a moment: the unit of the journal."""

from __future__ import annotations

import os
import stat
from typing import Any, Final

from codex_plugin_sdk import Value, value

Mark = tuple[int, int, int, int, int, int, int, int, str, int]
"""What a scan remembers of a path: mode, size, mtime_ns, ctime_ns, inode, uid, gid, links, content, and when it was
read (Unix ns). Content: of a file the digest or "" where it is not kept, of a link its target."""

MODE: Final = 0
SIZE: Final = 1
CTIME: Final = 3
INODE: Final = 4
LINKS: Final = 7
CONTENT: Final = 8
READ: Final = 9
STAT: Final = 8
"""So many members at the beginning come from `lstat`."""


@value
class State(Value):
    """A file, folder ("dir"), link, or something else ("other"). `content` as in `Mark`, `mode` the permission bits.
    `peers` are the other names of the same file in the same root, sorted."""

    kind: str
    mode: int
    content: str = ""
    size: int = 0
    uid: int = 0
    gid: int = 0
    peers: tuple[bytes, ...] = ()

    def same(self, other: State | None) -> bool:
        """Whether a person would call both the same: kind, bytes, permissions, target. Unknown content is never."""
        if other is None or self.kind != other.kind:
            return False
        if self.kind == "link":
            return self.content == other.content
        if self.kind == "file" and (not self.content or self.content != other.content):
            return False
        return self.mode == other.mode


def same(one: State | None, other: State | None) -> bool:
    """`State.same`, where None is a path at which nothing is."""
    return other is None if one is None else one.same(other)


def marked(found: os.stat_result, content: str, read_ns: int) -> Mark:
    """A mark from `lstat` and content."""
    return (
        *(found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns),
        *(found.st_ino, found.st_uid, found.st_gid, found.st_nlink),
        *(content, read_ns),
    )


def kind_of(mode: int) -> str:
    """The word for a file type."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    return "link" if stat.S_ISLNK(mode) else "other"


def state_of(mark: Mark | None, peers: tuple[bytes, ...] = ()) -> State | None:
    """The state that a mark stands for."""
    if mark is None:
        return None
    return State(
        kind=kind_of(mark[MODE]),
        mode=stat.S_IMODE(mark[MODE]),
        content=mark[CONTENT],
        size=mark[SIZE],
        uid=mark[5],
        gid=mark[6],
        peers=peers,
    )


def to_json(state: State | None) -> dict[str, Any] | None:
    """A state as the journal writes it."""
    if state is None:
        return None
    return {
        "kind": state.kind,
        "mode": state.mode,
        "content": state.content,
        "size": state.size,
        "owner": [state.uid, state.gid],
        **({"peers": [peer.decode("latin-1") for peer in state.peers]} if state.peers else {}),
    }


def from_json(found: dict[str, Any] | None) -> State | None:
    """The reverse of `to_json`."""
    if found is None:
        return None
    return State(
        kind=found["kind"],
        mode=found["mode"],
        content=found["content"],
        size=found["size"],
        uid=found["owner"][0],
        gid=found["owner"][1],
        peers=tuple(peer.encode("latin-1") for peer in found.get("peers", ())),
    )
