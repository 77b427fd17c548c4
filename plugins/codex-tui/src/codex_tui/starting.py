"""What both user interfaces need before they begin."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .keymap import Keymap
from .options import Opening, Options
from .render import load_theme
from .section import TuiSection
from .settings import folder, thread_settings

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


def read_options(invocation: Invocation, given: Mapping[str, Any]) -> Options:
    """All that the command line and the configuration say. Raises `UserError`, `ConfigError`."""
    cwd = folder(invocation)
    config = invocation.load_config(cwd=cwd)
    section: TuiSection = config.section("tui", TuiSection)
    flags = {**invocation.flags, **{name: value for name, value in given.items() if value}}
    full = bool(flags.get("alt_screen")) or (section.alternate_screen == "always" and not flags.get("no_alt_screen"))
    return Options(
        invocation=invocation,
        config=config,
        section=section,
        keymap=Keymap.from_config(section.keymap),
        theme=load_theme(section.theme or "auto", environ=invocation.environ),
        opening=_opening(given),
        settings=thread_settings(invocation, config, cwd),
        cwd=cwd,
        prompt=given.get("prompt") or "",
        images=tuple(os.path.abspath(path) for path in flags.get("images") or ()),
        inline=not full,
        overlays=not flags.get("no_alt_screen") and section.alternate_screen != "never",
    )


def _opening(given: Mapping[str, Any]) -> Opening:
    return Opening(
        thread=given.get("resume") or given.get("fork"),
        fork=bool(given.get("fork") or given.get("fork_picker")),
        picker=bool(given.get("resume_picker") or given.get("fork_picker")) and not given.get("last"),
        last=bool(given.get("last")),
        all_folders=bool(given.get("all_folders")),
    )
