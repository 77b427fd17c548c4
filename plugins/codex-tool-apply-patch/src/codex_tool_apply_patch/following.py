"""A patch while a model still writes it, as the changes that it will make."""

from __future__ import annotations

from codex_plugin_sdk import FileChange

from .hunks import AddFile, Chunk, DeleteFile, Hunk
from .parser import END_OF_FILE, StreamingParser


class FollowedPatch:
    """Takes the input in pieces, cut anywhere. Nothing is checked against the disk: paths are as written, and an
    update is shown by its own chunks."""

    def __init__(self) -> None:
        self._parser = StreamingParser()
        self._hunks: list[Hunk] = []

    def feed(self, text: str) -> None:
        """The next piece."""
        self._hunks += self._parser.feed(text)

    def changes(self) -> tuple[FileChange, ...]:
        """What is there so far, by path; the last of it may be half written. Empty for what is no patch."""
        begun = self._parser.begun
        hunks = self._hunks if begun is None else [*self._hunks, begun]
        return tuple(sorted(map(_shown, hunks), key=lambda change: change.path))


def _shown(hunk: Hunk) -> FileChange:
    match hunk:
        case AddFile():
            return FileChange(path=hunk.path, kind="add", content=hunk.content)
        case DeleteFile():
            return FileChange(path=hunk.path, kind="delete")
        case _:
            diff = "".join(map(_diff, hunk.chunks))
            return FileChange(path=hunk.path, kind="update", unified_diff=diff, move_path=hunk.move_to)


def _diff(chunk: Chunk) -> str:
    head = "@@" if chunk.anchor is None else f"@@ {chunk.anchor}"
    end = [END_OF_FILE] if chunk.end_of_file else []
    return "".join(f"{line}\n" for line in (head, *chunk.lines, *end))
