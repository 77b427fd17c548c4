"""From lines to messages. A message is one line, or

- several, each but the last ending with a backslash;
- several between a line that begins with three quotation marks and one that ends with them.
"""

from __future__ import annotations

QUOTES = '"""'


class EntryParser:
    """Takes lines, gives messages."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._quoted = False

    @property
    def is_open(self) -> bool:
        """Whether a message has begun and waits for its rest."""
        return self._quoted or bool(self._lines)

    def feed(self, line: str) -> str | None:
        """The message that ends with this line; None while it goes on."""
        if self._quoted:
            return self._feed_quoted(line)
        if not self._lines and line.lstrip().startswith(QUOTES):
            self._quoted = True
            rest = line.lstrip()[len(QUOTES) :]
            return self._feed_quoted(rest) if rest.strip() else None
        if _goes_on(line):
            self._lines.append(line[:-1])
            return None
        return self._end(line)

    def drop(self) -> None:
        """Forget what has begun."""
        self._lines.clear()
        self._quoted = False

    def _feed_quoted(self, line: str) -> str | None:
        if not line.rstrip().endswith(QUOTES):
            self._lines.append(line)
            return None
        last = line.rstrip()[: -len(QUOTES)]
        self._quoted = False
        if last:
            return self._end(last)
        text = "\n".join(self._lines)
        self._lines.clear()
        return text

    def _end(self, line: str) -> str:
        text = "\n".join([*self._lines, line])
        self._lines.clear()
        return text


def _goes_on(line: str) -> bool:
    """Whether a line ends with a backslash that stands for itself: two of them are one that is meant."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1
