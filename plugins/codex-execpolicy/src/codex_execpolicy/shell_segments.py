"""The values that reading a command line yields, and the collector that gathers them."""

from __future__ import annotations

from typing import NamedTuple

from codex_plugin_sdk import Value, field, value

MAX_SEGMENTS = 2_000
"""A command line with more simple commands than this is cut there and counts as not understood."""

_SHOWN_REASONS = 4
_SNIPPET = 48


@value
class Segment(Value):
    """One simple command: its `words` with the quotes removed, and the files that redirections write.

    A word whose value cannot be known is kept as its source text. `loose` holds the indexes of the words that
    are not literal (globs, `~`, expansions); `pipe` numbers the pipeline that the command belongs to, -1 if none.
    Both say how the words came about and do not count in comparisons. A function definition is a segment with
    one word, its source; `[[ … ]]` has three, the middle one its source; a redirection without a command has the
    word `:`, which does the same.
    """

    words: tuple[str, ...]
    writes: tuple[str, ...] = ()
    pipe: int = field(default=-1, eq=False)
    loose: tuple[int, ...] = field(default=(), eq=False)


@value
class Parsed(Value):
    """The simple commands that a command line may execute, in order of their text. `opaque` is empty if that
    is certain to be all; otherwise it says what could not be understood and where."""

    segments: tuple[Segment, ...]
    opaque: str = ""


def names(text: str) -> frozenset[str]:
    """The words of a table that is written as text."""
    return frozenset(text.split())


class Word(NamedTuple):
    """A word of a command. `loose`: its value is not (only) the text. `glob`: it stands for file names."""

    text: str
    loose: bool = False
    glob: bool = False


class Dialect(NamedTuple):
    """How a shell reads its script: `bash`, `zsh` or `posix` (then only what all of them read alike is literal)."""

    name: str = "bash"
    interactive: bool = False


BASH = Dialect()


class Collector:
    """Segments and reasons found so far, across all nested scripts of one command line."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.reasons: list[str] = []
        self.pipes = 0
        self.depth = 0

    def new_pipe(self) -> int:
        """A number for the next pipeline."""
        self.pipes += 1
        return self.pipes - 1

    def opaque(self, why: str, source: str = "") -> None:
        """Note why something could not be understood."""
        if len(self.reasons) < _SHOWN_REASONS:
            text = f"{why}: {source[:_SNIPPET]}{'…' if len(source) > _SNIPPET else ''}" if source else why
            if text not in self.reasons:
                self.reasons.append(text)

    def add(self, words: list[Word], writes: tuple[str, ...], pipe: int) -> None:
        """Add a simple command."""
        if len(self.segments) >= MAX_SEGMENTS:
            self.opaque(f"more than {MAX_SEGMENTS} commands")
            return
        loose = tuple(index for index, word in enumerate(words) if word.loose)
        self.segments.append(Segment(words=tuple(word.text for word in words), writes=writes, pipe=pipe, loose=loose))

    def parsed(self) -> Parsed:
        """What was found."""
        if not self.segments and not self.reasons:
            self.opaque("there is no command in it")
        return Parsed(segments=tuple(self.segments), opaque="; ".join(self.reasons))
