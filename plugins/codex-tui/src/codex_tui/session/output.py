"""What a command writes, of which there may be any amount."""

from __future__ import annotations

import attrs


@attrs.define(kw_only=True, eq=False)
class Output:
    """Output of a command: the first `head` and the last `tail` of it, so that a flood costs nothing."""

    _head: str = ""
    _tail: str = ""
    _dropped: int = 0
    _more: list[str] = attrs.field(factory=list, init=False, repr=False)
    _more_chars: int = attrs.field(default=0, init=False, repr=False)

    HEAD_CHARS = 16_384
    TAIL_CHARS = 65_536

    @property
    def head(self) -> str:
        """The beginning."""
        self._join()
        return self._head

    @property
    def tail(self) -> str:
        """The end, if it is not within the beginning."""
        self._join()
        return self._tail

    @property
    def dropped(self) -> int:
        """Characters left out between the two."""
        self._join()
        return self._dropped

    def add(self, text: str) -> None:
        """Take more of it. It is joined when somebody looks, or when it is much."""
        self._more.append(text)
        self._more_chars += len(text)
        if self._more_chars > self.TAIL_CHARS:
            self._join()

    def _join(self) -> None:
        if not self._more:
            return
        text = "".join(self._more)
        self._more.clear()
        self._more_chars = 0
        room = self.HEAD_CHARS - len(self._head)
        if room > 0 and not self._tail:
            self._head += text[:room]
            text = text[room:]
        self._tail += text
        over = len(self._tail) - self.TAIL_CHARS
        if over > self.TAIL_CHARS or (self._dropped and over > 0):
            self._dropped += over
            self._tail = self._tail[over:]

    def set(self, text: str) -> None:
        """Replace all of it."""
        self._head, self._tail, self._dropped = "", "", 0
        self._more, self._more_chars = [text], len(text)
        self._join()

    @property
    def text(self) -> str:
        """All that is kept."""
        self._join()
        if not self._dropped:
            return self._head + self._tail
        return f"{self._head}\n[{self._dropped} characters left out]\n{self._tail}"
