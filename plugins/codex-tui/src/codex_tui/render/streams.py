"""What the agent says, kept half rendered while it streams."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from ..session.cells import AgentCell
from .frame import INDENT
from .markdown import StreamingMarkdown
from .theme import Theme

_Made = tuple[int, Theme, StreamingMarkdown]
_STREAMS: WeakKeyDictionary[AgentCell, _Made] = WeakKeyDictionary()


def stream_of(cell: AgentCell, width: int, theme: Theme) -> StreamingMarkdown:
    """The rendering of a cell, with its text as it is now. It goes on from where it was unless the width or the theme
    is another."""
    found = _STREAMS.get(cell)
    if found is None or found[:2] != (width, theme):
        inner, bullet = (width - 2, [("• ", theme.agent)]) if width > 6 else (width, [])
        found = (width, theme, StreamingMarkdown(inner, theme, bullet, [INDENT] if bullet else []))
        _STREAMS[cell] = found
    stream = found[2]
    stream.feed(cell.text)
    if cell.done:
        stream.finish()
        _STREAMS.pop(cell, None)
    return stream


def stable_rows(cell: AgentCell, width: int, theme: Theme) -> int:
    """How many rows from the top of a cell can no longer change at this width, whatever follows."""
    return stream_of(cell, width, theme).stable_rows
