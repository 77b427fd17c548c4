"""A shell command as words, where they mean the same to every shell; None where a shell would do more than split."""

from __future__ import annotations

_REFUSED = frozenset("$`;|<>(){}*?[]!\n\r\0\\")
"""Outside quotes: expansions, patterns, other ways to join commands, and escapes, which nobody needs here."""
_REFUSED_IN_DOUBLE_QUOTES = frozenset("$`\\!\0")
_SHELLS = frozenset({"bash", "sh", "zsh"})
_LONGEST = 30_000
"""Characters. The system takes no single argument of more than 128 KiB, and quoting makes a command longer."""


def split_chain(text: str) -> list[list[str]] | None:
    """The commands of a chain joined by `&&`, each as its words, without quotes.

    A single `bash -c` or `bash -lc` around it is looked through. None for anything that a shell would expand,
    redirect, run in the background or join otherwise, and for what is not complete.
    """
    if len(text) > _LONGEST:
        return None
    chain = _split(text.strip())
    if chain and len(chain) == 1 and _is_shell(chain[0]):
        return _split(chain[0][2].strip())
    return chain


def _is_shell(words: list[str]) -> bool:
    return len(words) == 3 and words[0].rpartition("/")[2] in _SHELLS and words[1] in ("-c", "-lc")


def _split(text: str) -> list[list[str]] | None:
    reader = _Reader(text)
    return reader.chain if reader.read() and all(reader.chain) else None


class _Reader:
    def __init__(self, text: str) -> None:
        self.chain: list[list[str]] = [[]]
        self._text = text
        self._at = 0
        self._word: list[str] | None = None  # its parts

    def read(self) -> bool:
        """Whether all of it was understood."""
        while self._at < len(self._text):
            if not self._step(self._text[self._at]):
                return False
        self._end_word()
        return True

    def _step(self, char: str) -> bool:
        if char in " \t":
            self._end_word()
            self._at += 1
            return True
        if char == "&":
            if self._text[self._at : self._at + 2] != "&&":
                return False
            self._end_word()
            self.chain.append([])
            self._at += 2
            self._skip_blank()
            return True
        if char in "'\"":
            return self._quoted(char)
        if char in _REFUSED or (char in "~#" and self._begins(char)) or (char == "=" and self._word is None):
            return False
        self._extend(char)
        self._at += 1
        return True

    def _begins(self, char: str) -> bool:
        """Whether the character stands where a shell gives it a meaning: at the beginning of a word, and `~`
        also behind `=` and `:`."""
        return self._word is None or (char == "~" and self._word[-1] in ("=", ":"))

    def _quoted(self, quote: str) -> bool:
        end = self._text.find(quote, self._at + 1)
        if end < 0:
            return False
        inner = self._text[self._at + 1 : end]
        if "\0" in inner or (quote == '"' and not _REFUSED_IN_DOUBLE_QUOTES.isdisjoint(inner)):
            return False
        self._extend(inner)
        self._at = end + 1
        return True

    def _skip_blank(self) -> None:
        """A line may end behind `&&`."""
        while self._at < len(self._text) and self._text[self._at] in " \t\n":
            self._at += 1

    def _end_word(self) -> None:
        if self._word is not None:
            self.chain[-1].append("".join(self._word))
            self._word = None

    def _extend(self, part: str) -> None:
        if self._word is None:
            self._word = []
        self._word.append(part)
