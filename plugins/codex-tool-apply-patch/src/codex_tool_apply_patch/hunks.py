"""What a V4A patch says: hunks, and the chunks of an update."""

from __future__ import annotations

from codex_plugin_sdk import ToolFailed, Value, value

SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""White space by the Unicode property. `str.strip()` alone would take the separators U+001C to U+001F as well."""


@value
class Chunk(Value):
    """A place in a file and what happens there.

    `lines` begin with ` ` (stays), `-` (goes) or `+` (comes), in the order of the patch and without line
    endings. `anchor` is a line to find first; with `end_of_file` the lines must be the last of the file.
    """

    lines: tuple[str, ...]
    anchor: str | None = None
    end_of_file: bool = False


@value
class AddFile(Value):
    """A new file; `content` ends with a newline unless it is empty."""

    path: str
    content: str


@value
class DeleteFile(Value):
    """A file to remove."""

    path: str


@value
class UpdateFile(Value):
    """A file to change, and to move if `move_to` is given. Has at least one chunk."""

    path: str
    chunks: tuple[Chunk, ...]
    move_to: str | None = None


Hunk = AddFile | DeleteFile | UpdateFile


@value
class Patch(Value):
    """A whole patch. Paths are as written; `environment_id` names another machine to apply it on."""

    hunks: tuple[Hunk, ...]
    environment_id: str | None = None


class PatchError(ToolFailed):
    """A patch that cannot be applied. `str()` is the text of the command."""

    @property
    def for_model(self) -> str:
        """The text that a model reads after a failed verification."""
        return self.message.rstrip("\n")


class InvalidPatch(PatchError):
    """The text is not a patch; `reason` says what its frame lacks."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid patch: {reason}")
        self.reason = reason

    @property
    def for_model(self) -> str:
        return f"invalid patch: {self.reason}"


class InvalidHunk(PatchError):
    """A line that the grammar has no place for; the line of `*** Begin Patch` is number 1."""

    def __init__(self, reason: str, line_number: int) -> None:
        super().__init__(f"Invalid patch hunk on line {line_number}: {reason}")
        self.reason, self.line_number = reason, line_number

    @property
    def for_model(self) -> str:
        return f"invalid hunk at line {self.line_number}, {self.reason}"
