"""What a terminal can do, told from its environment alone. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Colours = Literal["none", "16", "256", "truecolour"]
Kind = Literal["usable", "dumb", "not-a-terminal"]

SMALLEST = (20, 5)
"""Columns and rows below which nothing but a notice is drawn."""


class Capabilities(NamedTuple):
    """`kind`: `dumb` terminals get lines only. `reflows`: the terminal wraps its rows anew when its width changes."""

    kind: Kind
    colours: Colours
    reflows: bool
    synchronised: bool
    """Known to take a frame at once without being asked; others are asked."""


def capabilities(environ: Mapping[str, str], isatty: bool) -> Capabilities:
    """`isatty`: both standard input and standard output are terminals."""
    term = environ.get("TERM", "")
    kind: Kind = "usable"
    if not isatty:
        kind = "not-a-terminal"
    elif term in {"", "dumb", "unknown"} or term.startswith("emacs"):
        kind = "dumb"
    return Capabilities(
        kind=kind,
        colours=_colours(environ, term, kind),
        reflows=_reflows(environ, term),
        synchronised=_sync(environ, term),
    )


def _colours(environ: Mapping[str, str], term: str, kind: Kind) -> Colours:
    if environ.get("NO_COLOR") or kind != "usable":
        return "none"
    if environ.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or term.endswith("-direct"):
        return "truecolour"
    if "256color" in term or "kitty" in term or "alacritty" in term:
        return "256"
    return "none" if term.startswith("vt") else "16"


def _reflows(environ: Mapping[str, str], term: str) -> bool:
    """Nearly all do. Not so: xterm itself, rxvt, the Linux console, GNU screen."""
    if environ.get("TMUX"):
        return True
    if environ.get("STY") or environ.get("XTERM_VERSION"):
        return False
    return not term.startswith(("linux", "screen", "rxvt", "vt"))


def _sync(environ: Mapping[str, str], term: str) -> bool:
    program = environ.get("TERM_PROGRAM", "")
    return bool(environ.get("KITTY_WINDOW_ID")) or program in {"WezTerm", "ghostty"} or term.startswith("foot")
