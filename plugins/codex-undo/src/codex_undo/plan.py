"""What an undo or a redo would do: each path as it is, as it should be now, and as it shall become."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from codex_plugin_sdk import Value, value

from .blobs import Blobs, digest_of
from .journal import Change, Entry
from .places import opened, seen
from .states import State, marked, same, state_of


@value
class Step(Value):
    """One path. `now` is what is there, `want` what shall be; `verdict` is do, done, conflict, lost or kept, with the
    reason."""

    path: bytes
    now: State | None
    want: State | None
    verdict: str
    why: str = ""
    seen: tuple[int, int, int] = (0, 0, 0)

    @property
    def word(self) -> str:
        """What it comes to for a person."""
        if self.verdict != "do":
            return self.verdict
        if self.want is None:
            return "remove"
        return "create" if self.now is None else "restore"


def merged(entries: Sequence[tuple[Entry, Mapping[bytes, Change]]]) -> dict[bytes, Change]:
    """Several entries, the newest first, as one. Where somebody else changed a path between two of them, it is mixed;
    entries that ran side by side, as those of agents of one family do, may each have seen what the other did."""
    found: dict[bytes, tuple[int, int, Change]] = {}  # when the first one began, the last one ended; what they did
    for entry, changes in entries:
        ended = entry.ended_ms or entry.began_ms
        for path, change in changes.items():
            if path not in found:
                found[path] = (entry.began_ms, ended, change)
                continue
            began, latest, later = found[path]
            mixed = change.mixed or later.mixed or not (ended >= began or same(change.after, later.before))
            after = change.after if ended > latest else later.after
            change = Change(before=change.before, after=after, mixed=mixed)  # noqa: PLW2901 - the two as one
            found[path] = (entry.began_ms, max(ended, latest), change)
    return {path: change for path, (_, _, change) in found.items()}


def reverse(changes: Mapping[bytes, Change]) -> dict[bytes, Change]:
    """What takes changes back."""
    return {
        path: Change(before=change.after, after=change.before, mixed=change.mixed) for path, change in changes.items()
    }


def plan(changes: Mapping[bytes, Change], blobs: Blobs) -> list[Step]:
    """A step for each path, `before` being what should be there and `after` what is wanted, sorted. Reads the files;
    changes nothing."""
    steps = {path: _step(path, change, changes, blobs) for path, change in sorted(changes.items())}
    for path, step in steps.items():
        folder = _in_the_way(path, changes)
        if step.verdict == "do" and folder is not None and steps[folder].verdict not in ("do", "done"):
            steps[path] = step.replace(verdict="conflict", why=f"{os.fsdecode(folder)} is in the way")
    return _keep_full_folders(list(steps.values()))


def _in_the_way(path: bytes, changes: Mapping[bytes, Change]) -> bytes | None:
    """The file or link around a path that becomes a folder again."""
    folder = os.path.dirname(path)
    while folder not in (b"/", b""):
        change = changes.get(folder)
        before, after = (change.before, change.after) if change is not None else (None, None)
        if before is not None and after is not None and before.kind != "dir" and after.kind == "dir":
            return folder
        folder = os.path.dirname(folder)
    return None


def _step(path: bytes, change: Change, changes: Mapping[bytes, Change], blobs: Blobs) -> Step:
    now, identity = None, (0, 0, 0)
    try:
        now, identity = observe(path)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP) or _in_the_way(path, changes) is None:
            why = f"cannot be looked at: {error.strerror}"
            return Step(path=path, now=None, want=change.after, verdict="conflict", why=why)

    def step(verdict: str, why: str = "") -> Step:
        return Step(path=path, now=now, want=change.after, verdict=verdict, why=why, seen=identity)

    want = change.after
    if same(now, want) and not _names(want) and not _names(change.before):
        return step("done")
    if change.mixed:
        return step("conflict", "somebody else changed it while the turn ran")
    if "other" in (now.kind if now else "", want.kind if want else ""):
        return step("lost", "neither a file, a folder nor a link")
    if want is not None and want.kind == "file" and not (want.content and blobs.has(want.content)):
        return step("lost", "its content was not kept")
    if not same(now, change.before) and not same(now, want):
        return step("conflict", _what_happened(now, change.before))
    return step("do")


def _names(state: State | None) -> tuple[bytes, ...]:
    """The other names of a file: where they differ, the same bytes are not all."""
    return () if state is None else state.peers


def _what_happened(now: State | None, expected: State | None) -> str:
    if now is None:
        return "it was removed since"
    if expected is None:
        return "something else is there now"
    if now.kind == expected.kind and now.content == expected.content and now.mode != expected.mode:
        return "its permissions were changed since"
    if expected.kind == "file" and not expected.content:
        return "whether it was changed since is not known: its content was not kept"
    return "it was changed since"


def _keep_full_folders(steps: list[Step]) -> list[Step]:
    """A folder to be removed that holds something else stays, unless it is in the way of something."""
    going = {step.path for step in steps if step.verdict == "do" and (step.want is None or _turns(step))}
    kept = []
    for step in reversed(steps):  # what is inside comes before its folder
        stays = step.verdict == "do" and step.now is not None and step.now.kind == "dir" and step.path in going
        if stays and any(path not in going for path in _inside(step.path)):
            going.discard(step.path)
            if step.want is None:
                step = step.replace(verdict="kept", why="it holds files that the turn did not make")  # noqa: PLW2901
            else:
                step = step.replace(verdict="conflict", why="it holds files that the turn did not make")  # noqa: PLW2901
        kept.append(step)
    return kept[::-1]


def _turns(step: Step) -> bool:
    return step.now is not None and step.want is not None and step.now.kind != step.want.kind


def _inside(folder: bytes) -> Iterable[bytes]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return [folder]  # not known: it is taken for full


def observe(path: bytes) -> tuple[State | None, tuple[int, int, int]]:
    """What is at a path with the digest of its content, and by what a later change is told. Raises `OSError`."""
    found = seen(path)
    if found is None:
        return None, (0, 0, 0)
    content = ""
    if stat.S_ISLNK(found.st_mode):
        content = os.readlink(path).decode("latin-1")
    elif stat.S_ISREG(found.st_mode):
        fd = opened(path)
        try:
            content = digest_of(fd)
        finally:
            os.close(fd)
    return state_of(marked(found, content, 0)), identity_of(found)


def identity_of(found: os.stat_result) -> tuple[int, int, int]:
    """Inode, size and time of change of the content."""
    return found.st_ino, found.st_size, found.st_mtime_ns
