"""The V4A grammar, read line by line, so that a patch can be followed while a model still writes it.

    *** Begin Patch
    *** Add File: PATH            then lines with `+`
    *** Delete File: PATH
    *** Update File: PATH         then `*** Move to: PATH` or nothing, then chunks:
    @@ or @@ ANCHOR               (the first chunk may do without)
     kept line                    an empty line counts as an empty kept line
    -old line
    +new line
    *** End of File               the lines before are the last of the file
    *** End Patch

`*** Environment ID: ID` may follow the first line. Models wrap patches in a here-document and indent the markers;
both are accepted. There is one parser: `parse` is the streaming one, fed at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from .hunks import SPACE, AddFile, Chunk, DeleteFile, Hunk, InvalidHunk, InvalidPatch, Patch, PatchError, UpdateFile

BEGIN, END = "*** Begin Patch", "*** End Patch"
ADD, DELETE, UPDATE = "*** Add File: ", "*** Delete File: ", "*** Update File: "
MOVE, END_OF_FILE, ENVIRONMENT = "*** Move to: ", "*** End of File", "*** Environment ID:"
WRAPPERS = ("<<EOF", "<<'EOF'", '<<"EOF"')

_BAD_FIRST = f"The first line of the patch must be '{BEGIN}'"
_BAD_LAST = f"The last line of the patch must be '{END}'"
_HEADERS = f"Valid hunk headers: '{ADD}{{path}}', '{DELETE}{{path}}', '{UPDATE}{{path}}'"
_PREFIXES = "Every line should start with ' ' (context line), '+' (added line), or '-' (removed line)"


def parse(text: str) -> Patch:
    """The patch in `text`. Raises `InvalidPatch` or `InvalidHunk`."""
    parser = StreamingParser()
    hunks = parser.feed(text)
    return Patch(hunks=(*hunks, *parser.finish()), environment_id=parser.environment_id)


class StreamingParser:
    """Takes a patch in pieces, cut anywhere, and gives each hunk as soon as the line after it is there.

    Errors are told by `finish` only: which one it is can depend on the last line. After one, no more hunks come.
    """

    def __init__(self) -> None:
        self._partial: list[str] = []
        self._frame = _Frame()
        self._grammar = _Grammar(self._frame)

    @property
    def environment_id(self) -> str | None:
        """The environment that the patch names, once its line is there."""
        return self._grammar.environment_id

    @property
    def begun(self) -> Hunk | None:
        """The hunk that is being read, as far as it is there; an update may have no chunk yet."""
        return self._grammar.begun

    def feed(self, text: str) -> list[Hunk]:
        """The hunks that `text` completes."""
        *whole, rest = text.split("\n")
        if whole:
            self._partial.append(whole[0])
            whole[0] = "".join(self._partial)
            self._partial = []
            for line in whole:
                self._line(line)
        if rest:
            self._partial.append(rest)
        return self._grammar.take()

    def finish(self) -> list[Hunk]:
        """The text is complete: the last hunks. Raises `InvalidPatch` or `InvalidHunk`."""
        if self._partial:
            self._line("".join(self._partial))
            self._partial = []
        self._frame.check()
        self._grammar.end()
        return self._grammar.take()

    def _line(self, raw: str) -> None:
        line = raw[:-1] if raw.endswith("\r") else raw
        if self._frame.note(line):
            # A program that turns LF into CRLF doubles the CR of a patch that had CRLF already.
            self._grammar.line(line[:-1] if line.endswith("\r") else line)


class _Frame:
    """Which lines are the first and the last, and whether a here-document is around them."""

    def __init__(self) -> None:
        self.wrapped = False
        self._count = self._count_at_last = 0
        self._first = self._second = self._last = self._before_last = self._previous = ""

    def note(self, line: str) -> bool:
        """Take a line; says whether it belongs to the patch: blank lines before it and a wrapper do not."""
        blank = not line.strip(SPACE)
        if not self._count:
            if blank:
                return False
            self._first = line.lstrip(SPACE)
            self.wrapped = self._first in WRAPPERS
        elif self._count == 1:
            self._second = line
        self._count += 1
        if not blank:
            self._last, self._before_last, self._count_at_last = line, self._previous, self._count
        self._previous = line
        return not (self.wrapped and self._count == 1)

    def check(self) -> None:
        """Raise `InvalidPatch` unless the first and the last line are the markers."""
        first, last = self._first, self._last
        if self.wrapped and self._count_at_last >= 4 and last.rstrip(SPACE).endswith("EOF"):
            first, last = self._second, self._before_last
        if first.strip(SPACE) != BEGIN and self._count:
            raise InvalidPatch(_BAD_FIRST)
        if last.strip(SPACE) != END:
            raise InvalidPatch(_BAD_LAST)


class _Grammar:
    """What the lines mean. The first error is kept for the end, since a missing end marker outranks it."""

    def __init__(self, frame: _Frame) -> None:
        self.environment_id: str | None = None
        self._frame = frame
        self._number = 0
        self._ready: list[Hunk] = []
        self._begun = False
        self._added: tuple[str, list[str]] | None = None
        self._update: _Update | None = None
        self._held: list[str] = []
        self._after_end: list[str] | None = None
        self._error: PatchError | None = None

    @property
    def begun(self) -> Hunk | None:
        """The hunk that is open."""
        if self._added is not None:
            return _add_file(*self._added)
        return self._update.so_far() if self._update is not None else None

    def take(self) -> list[Hunk]:
        """The hunks that were completed since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def line(self, line: str) -> None:
        """Take the next line of the patch."""
        if self._error is not None:
            return
        try:
            if self._holds(line):
                self._held.append(line)
                return
            held, self._held = self._held, []
            for earlier in held:
                self._step(earlier)
            if self._holds(line):
                self._held.append(line)
            else:
                self._step(line)
        except PatchError as error:
            self._error = error

    def end(self) -> None:
        """No more lines come. Raises the first error."""
        if self._error is not None:
            raise self._error
        if self._held:
            self._step(END)  # what else is held are blank lines and the end of a wrapper
        # Past the end marker, only what the frame has seen: the end of a wrapper, or the marker once more.
        if len(self._after_end or ()) > 1 + self._frame.wrapped:
            raise InvalidPatch(_BAD_LAST)

    def _holds(self, line: str) -> bool:
        """Whether the next line decides what this one is. In an update, an indented end marker is the end if it
        is the last line (blank ones and the end of a wrapper aside), else a kept line that looks like it."""
        if self._held:
            wrapper_may_end = self._frame.wrapped and sum(map(bool, self._held)) == 1
            return not line.strip(SPACE) or (wrapper_may_end and line.rstrip(SPACE).endswith("EOF"))
        return self._update is not None and line[:1] in SPACE and bool(line) and line.strip(SPACE) == END

    def _step(self, line: str) -> None:
        self._number += 1
        if self._after_end is not None:
            if line.strip(SPACE):
                self._after_end.append(line)
        elif self._number == 1:
            if line.strip(SPACE) != BEGIN:
                raise InvalidPatch(_BAD_FIRST)
        elif self._update is not None:
            self._update_line(self._update, line)
        elif self._added is not None and line.startswith("+"):
            self._added[1].append(line[1:])
        else:
            self._header(line.strip(SPACE))

    def _update_line(self, update: _Update, line: str) -> None:
        text = line.rstrip(SPACE)
        if text == END or text.startswith((ADD, DELETE, UPDATE)):
            update.close(line, self._number)
            self._header(text)
        else:
            update.take(line, text, self._number)

    def _header(self, text: str) -> None:
        if not self._begun and text.startswith(ENVIRONMENT):
            self._environment(text[len(ENVIRONMENT) :].strip(SPACE))
            return
        self._close()
        self._begun = True
        if text == END:
            self._after_end = []
        elif text.startswith(ADD):
            self._added = (text[len(ADD) :], [])
        elif text.startswith(DELETE):
            self._ready.append(DeleteFile(path=text[len(DELETE) :]))
        elif text.startswith(UPDATE):
            self._update = _Update(text[len(UPDATE) :], self._number)
        else:
            raise InvalidHunk(f"'{text}' is not a valid hunk header. {_HEADERS}", self._number)

    def _close(self) -> None:
        if self._added is not None:
            self._ready.append(_add_file(*self._added))
        elif self._update is not None:
            self._ready.append(self._update.hunk())
        self._added = self._update = None

    def _environment(self, name: str) -> None:
        if self.environment_id is not None:
            raise InvalidPatch("apply_patch environment_id cannot be specified more than once")
        if not name:
            raise InvalidPatch("apply_patch environment_id cannot be empty")
        self.environment_id = name


def _add_file(path: str, lines: Sequence[str]) -> AddFile:
    return AddFile(path=path, content="".join(f"{line}\n" for line in lines))


class _Update:
    """An update hunk that is being read."""

    def __init__(self, path: str, number: int) -> None:
        self._path = path
        self._number = number
        self._move_to: str | None = None
        self._chunks: list[Chunk] = []
        self._lines: list[str] = []
        self._anchor: str | None = None
        self._marked = False
        self._ended = False

    def hunk(self) -> UpdateFile:
        """The complete hunk."""
        self._close_chunk(end_of_file=False)
        return UpdateFile(path=self._path, chunks=tuple(self._chunks), move_to=self._move_to)

    def so_far(self) -> UpdateFile:
        """The hunk up to here, with the chunk that is open."""
        last = [Chunk(lines=tuple(self._lines), anchor=self._anchor)] if self._lines or self._marked else []
        return UpdateFile(path=self._path, chunks=(*self._chunks, *last), move_to=self._move_to)

    def close(self, line: str, number: int) -> None:
        """Raise `InvalidHunk` if the hunk must not end here, before `line`."""
        if not (self._lines or self._chunks or self._marked):
            raise InvalidHunk(f"Update file hunk for path '{self._path}' is empty", self._number)
        if self._marked and not self._lines:
            if line.rstrip(SPACE) == END:
                raise InvalidHunk("Update hunk does not contain any lines", number)
            raise _unexpected(line, number)

    def take(self, line: str, text: str, number: int) -> None:
        """The next line; `text` is the same without trailing space."""
        if text == END_OF_FILE and not self._ended:
            self._end_of_file(number)
        elif (text == "@@" or text.startswith("@@ ")) and (self._lines or not self._marked):
            self._close_chunk(end_of_file=False)
            self._anchor, self._marked, self._ended = text[3:] or None, True, False
        elif self._ended:
            if text:
                raise _expected_marker(line, number)
        elif line[:1] in ("", " ", "+", "-"):
            self._lines.append(line or " ")
        elif self._lines:
            raise _expected_marker(line, number)
        elif not (self._marked or self._move_to is not None) and text.startswith(MOVE):
            self._move_to = text[len(MOVE) :]
        else:
            raise _unexpected(line, number)

    def _end_of_file(self, number: int) -> None:
        if not (self._lines or self._marked):
            return  # before any chunk it says nothing
        if not self._lines:
            raise InvalidHunk("Update hunk does not contain any lines", number)
        self._close_chunk(end_of_file=True)
        self._ended = True

    def _close_chunk(self, *, end_of_file: bool) -> None:
        if self._lines:
            self._chunks.append(Chunk(lines=tuple(self._lines), anchor=self._anchor, end_of_file=end_of_file))
        self._lines, self._anchor, self._marked = [], None, False


def _unexpected(line: str, number: int) -> InvalidHunk:
    return InvalidHunk(f"Unexpected line found in update hunk: '{line}'. {_PREFIXES}", number)


def _expected_marker(line: str, number: int) -> InvalidHunk:
    return InvalidHunk(f"Expected update hunk to start with a @@ context marker, got: '{line}'", number)
