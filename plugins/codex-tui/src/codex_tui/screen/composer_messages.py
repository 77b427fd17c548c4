"""What the composer tells the application."""

from __future__ import annotations

import attrs
from textual.message import Message


@attrs.frozen(kw_only=True)
class Mention:
    """A file or skill that was chosen for the text: `kind` is file or skill, `name` what stands for it."""

    kind: str
    name: str
    path: str


class Submitted(Message, namespace="composer"):
    """The user has sent a text. Pastes are in it in full, images by their labels. `queue`: after the running turn."""

    def __init__(
        self, text: str, images: tuple[str, ...], mentions: tuple[Mention, ...], *, queue: bool = False
    ) -> None:
        super().__init__()
        self.text = text
        self.images = images
        self.mentions = mentions
        self.queue = queue


class Typed(Message, namespace="composer"):
    """A key was pressed or something pasted, whatever it did."""


class InterruptWanted(Message, namespace="composer"):
    """The running turn is to end."""


class RewindWanted(Message, namespace="composer"):
    """Back to an earlier message."""


class QuitWanted(Message, namespace="composer"):
    """The user wants to leave; `sure` when one key is enough, else the application asks for the key again."""

    def __init__(self, *, sure: bool) -> None:
        super().__init__()
        self.sure = sure


class ModeChanged(Message, namespace="composer"):
    """The vi mode (empty when it is off) or the shell mode has changed."""

    def __init__(self, mode: str, *, shell: bool) -> None:
        super().__init__()
        self.mode = mode
        self.shell = shell


class Notice(Message, namespace="composer"):
    """Something to tell the user; `hint` says what to try."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__()
        self.text = text
        self.hint = hint
