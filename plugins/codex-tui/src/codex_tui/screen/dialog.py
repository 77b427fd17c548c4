"""What takes the composer's place until the user has answered."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.message import Message
from textual.widget import Widget


class Dialog(Widget, can_focus=True):
    """Base of approvals, forms and pickers. The application puts it where the composer is, gives it the focus once the
    user has stopped typing, and removes it when it is answered. `announcement` is the sentence for screen readers and
    notifications. It may be as high as the terminal; it scrolls within that."""

    DEFAULT_CSS = """
    Dialog { height: auto; max-height: 100%; width: 100%; padding: 0 1; }
    """

    class Answered(Message):
        """The user has answered: `result` is what the dialog is documented to give; None: left without an answer."""

        def __init__(self, dialog: Dialog, result: Any) -> None:
            super().__init__()
            self.dialog = dialog
            self.result = result

    announcement: str = ""

    def __init__(self) -> None:
        super().__init__()
        self._answered = False
        self.late: list[events.Key | events.Paste] = []
        """What came after the answer: it was not meant for this dialog."""

    async def on_event(self, event: events.Event) -> None:
        """See textual."""
        if self._answered and isinstance(event, events.Key | events.Paste):
            self.late.append(event)
            event.stop()
            return
        await super().on_event(event)

    def answer(self, result: Any) -> None:
        """Give the answer. Only the first counts."""
        if not self._answered:
            self._answered = True
            self.post_message(self.Answered(self, result))
