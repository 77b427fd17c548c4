"""Completion in the composer: what is chosen from the popup, and what it stands for when the text is sent."""

from __future__ import annotations

from .completion import inserted
from .composer_messages import Mention
from .paste import clean
from .popup import Popup
from .textbox import TextBox

_MENTIONED = {"@": "file", "$": "skill"}


class Completing:
    """Puts what is chosen in `popup` into `box`."""

    def __init__(self, box: TextBox, popup: Popup) -> None:
        self._box, self._popup = box, popup
        self._mentions: dict[str, Mention] = {}

    def take(self, *, run: bool) -> bool:
        """Take the chosen candidate. Whether it is a command that needs no more, and with `run` is to be sent."""
        chosen = self._popup.chosen
        assert chosen is not None
        token, candidate = chosen
        text = clean(inserted(token.sign, candidate))
        kind = _MENTIONED.get(token.sign)
        if kind:
            self._mentions[text] = Mention(kind=kind, name=candidate.value, path=candidate.path or candidate.value)
        exact = token.query == candidate.value
        runs = run and token.sign == "/" and (exact or not candidate.takes_more)
        blank = "" if runs or self._box.buffer.text[token.end : token.end + 1].isspace() else " "
        self._box.replace(token.start, token.end, text + blank)
        return runs

    def mentions(self, text: str) -> tuple[Mention, ...]:
        """What was chosen and stands in a text that is sent. The next text begins without."""
        found = tuple(mention for word, mention in self._mentions.items() if word in text)
        self._mentions.clear()
        return found
