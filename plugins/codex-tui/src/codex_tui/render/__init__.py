"""Cells as rows of text, for any width and theme: rich, no textual.

`render_cell` gives the rows of a cell: one `rich.text.Text` each, not wider than asked for, without a newline, and
harmless, whatever the model or a command wrote. `RenderCache` keeps them. A cell that grows is shown by `render_tail`;
an answer that streams is `stream_of` its cell, of which the rows up to `stable_rows` may go to the scrollback before
it is complete. What Markdown needs is loaded when there is some, or by `warm_up` beforehand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .cache import RenderCache
from .cells import joins, render_cell, render_tail
from .safe import one_line, shown
from .theme import ROLES, Theme, background_of, load_theme, themes
from .width import cells, room, shorten

if TYPE_CHECKING:
    from .markdown import StreamingMarkdown
    from .streams import stable_rows, stream_of

__all__ = [
    "ROLES",
    "RenderCache",
    "StreamingMarkdown",
    "Theme",
    "background_of",
    "cells",
    "joins",
    "load_theme",
    "one_line",
    "render_cell",
    "render_tail",
    "room",
    "shorten",
    "shown",
    "stable_rows",
    "stream_of",
    "themes",
    "warm_up",
]

_LATE = {"StreamingMarkdown": "markdown", "stable_rows": "streams", "stream_of": "streams"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATE[name]}", __name__), name)


def warm_up(theme: Theme) -> None:
    """Load what the first answer and the first command would have to wait for (0.1 s). To be called in a thread, once
    the first frame is there."""
    from . import diffs, markdown

    markdown.markdown("**x** `y`\n\n```python\nx = 1\n```\n\n```bash\nls\n```", 40, theme)
    assert diffs
