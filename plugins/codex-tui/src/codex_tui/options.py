"""What a start of the user interface was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from codex_plugin_sdk import Config, Invocation

if TYPE_CHECKING:
    from .keymap import Keymap
    from .render.theme import Theme
    from .section import TuiSection


@attrs.frozen(kw_only=True)
class Opening:
    """Which thread to begin with: a new one, or a recorded one (`thread`: an id or a name; `picker` lets the user pick
    it, `last` is the newest), to go on with or to `fork`."""

    thread: str | None = None
    fork: bool = False
    picker: bool = False
    last: bool = False
    all_folders: bool = False

    @property
    def is_new(self) -> bool:
        """Whether it is a thread of its own."""
        return self.thread is None and not self.picker and not self.last


@attrs.frozen(kw_only=True)
class Options:
    """`settings` are params of thread/start. `inline` keeps the terminal's scrollback; `overlays` may use the
    alternate screen."""

    invocation: Invocation
    config: Config
    section: TuiSection
    keymap: Keymap
    theme: Theme
    opening: Opening
    settings: Mapping[str, Any]
    cwd: str
    prompt: str = ""
    images: tuple[str, ...] = ()
    inline: bool = True
    overlays: bool = True

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that we were started in."""
        return self.invocation.environ
