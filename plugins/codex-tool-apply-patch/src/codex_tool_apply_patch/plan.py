"""From a patch to the edits that the kernel is asked for. Nothing here writes; reading is the caller's."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from codex_plugin_sdk import FileChange, FileEdit, Value, field, value

from .apply import resolve, updated
from .diff import unified_diff
from .hunks import AddFile, DeleteFile, Hunk, InvalidPatch, Patch, PatchError, UpdateFile
from .reading import Unreadable, identity, same_entry

Read = Callable[[str], str]
"""The text of the file at an absolute path, or `Unreadable`."""


@value
class Change(Value):
    """What one hunk comes to: the edit, as the kernel wants it, and what the user is shown of it. `before` is the text
    of a file that is updated."""

    edit: FileEdit
    shown: FileChange
    before: str = field(default="", repr=False)


def plan(patch: Patch, cwd: str, read: Read) -> tuple[Change, ...]:
    """All changes of a patch, in its order, each worked out on the files as they are now.

    Raises `PatchError` if any hunk does not fit, and if two hunks are about one file: the second would be
    written for lines that the first has changed.
    """
    claims = _Claims(cwd)
    changes = []
    for hunk in patch.hunks:
        claims.add(hunk)
        changes.append(_plan_hunk(hunk, cwd, read))
    return tuple(changes)


class _Claims:
    """Which files the hunks so far are about."""

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self._paths: set[str] = set()
        self._freed: set[str] = set()
        self._files: dict[tuple[int, int], str] = {}

    def add(self, hunk: Hunk) -> None:
        """Raise `InvalidPatch` if an earlier hunk is about the same file."""
        path = resolve(self._cwd, hunk.path)
        self._claim(path)
        if isinstance(hunk, DeleteFile):
            self._freed.add(path)  # its name may be the target of a move
            return
        self._claim_file(path)
        target = resolve(self._cwd, hunk.move_to) if isinstance(hunk, UpdateFile) and hunk.move_to else path
        if target != path and target not in self._freed:
            self._claim(target)
        self._freed.discard(target)

    def _claim(self, path: str) -> None:
        if path in self._paths:
            raise InvalidPatch(f"multiple operations target {path}")
        self._paths.add(path)

    def _claim_file(self, path: str) -> None:
        """One file under two names: a symlink in the path. Hard links part when they are written."""
        file = identity(path)
        if file is None:
            return
        other = self._files.setdefault(file, path)
        if other != path and os.path.realpath(other) == os.path.realpath(path):
            raise InvalidPatch(f"multiple operations target {path}")


def _plan_hunk(hunk: Hunk, cwd: str, read: Read) -> Change:
    path = resolve(cwd, hunk.path)
    match hunk:
        case AddFile():
            edit = FileEdit(path=path, content=hunk.content.encode())
            return Change(edit=edit, shown=FileChange(path=path, kind="add", content=hunk.content))
        case DeleteFile():
            shown = FileChange(path=path, kind="delete", content=_deleted(path, read))
            return Change(edit=FileEdit(path=path, content=None), shown=shown)
        case UpdateFile():
            return _plan_update(hunk, path, cwd, read)


def _plan_update(hunk: UpdateFile, path: str, cwd: str, read: Read) -> Change:
    try:
        text = read(path)
    except Unreadable as error:
        raise PatchError(f"Failed to read file to update {path}: {error.reason}") from error
    content, document, edits = updated(hunk, path, text)
    target = path if hunk.move_to is None else resolve(cwd, hunk.move_to)
    vanishes = target != path and not same_entry(path, target)
    return Change(
        edit=FileEdit(path=target, content=content.encode(), move_from=path if vanishes else None),
        shown=FileChange(
            path=path,
            kind="update",
            unified_diff=unified_diff(document, edits),
            move_path=None if hunk.move_to is None else target,
        ),
        before=text,
    )


def kept(
    hunks: Sequence[Hunk], changes: Sequence[Change], done: Sequence[FileEdit]
) -> tuple[tuple[Hunk, FileChange], ...]:
    """The hunks of which something was written, each with what is to be shown of it now; `changes` are what the hunks
    came to, `done` what was made of them."""
    made = {edit.path: edit for edit in done}
    return tuple(
        (hunk, _shown(change, made[change.edit.path]))
        for hunk, change in zip(hunks, changes, strict=True)
        if change.edit.path in made
    )


def _shown(change: Change, edit: FileEdit) -> FileChange:
    if edit.content is None or edit == change.edit:
        return change.shown
    text = edit.content.decode(errors="replace")
    if change.shown.kind == "add":
        return change.shown.replace(content=text)
    from codex_plugin_sdk.unified import between, write

    return change.shown.replace(unified_diff=write(between(change.before, text)))


def _deleted(path: str, read: Read) -> str:
    """What will be lost, for the user to see; nothing for a file that is not text."""
    try:
        return read(path)
    except Unreadable as error:
        if error.exists:
            return ""
        raise PatchError(f"Failed to read {path}: {error.reason}") from error
