"""The screen of the application: it renders no frame that would not be shown, and none twice.

Private API of textual 8.2 that is used here: `Screen._compositor_refresh` (render and hand over), `_screen_resized`,
`_dirty_widgets`, `_compositor._dirty_regions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.geometry import Size
from textual.screen import Screen

if TYPE_CHECKING:
    from .terminal import TerminalApp


class RegionScreen(Screen[None]):
    """textual renders first, and the application may then have no use for it: rendering is most of the work."""

    def _compositor_refresh(self) -> None:
        app = cast("TerminalApp[None]", self.app)
        if app.is_inline and app.screen is self and app.holds_frames():
            self._dirty_widgets.clear()
            self._compositor._dirty_regions.clear()
            return
        super()._compositor_refresh()

    def _screen_resized(self, size: Size) -> None:
        """Inline the screen is as high as its content, and is told of each other height that it has given itself."""
        if not (self.app.is_inline and size == self.outer_size):
            super()._screen_resized(size)
