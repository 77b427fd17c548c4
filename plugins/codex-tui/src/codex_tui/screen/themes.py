"""The textual side of a theme: the variables that the CSS of widgets is written in.

In inline mode the terminal's own background shows through everywhere, and so it does with the themes of the terminal's
own colours. textual calls such a theme `ansi`: default colours are left to the terminal instead of being painted.
"""

from __future__ import annotations

from rich.style import Style
from textual.theme import Theme as TextualTheme

from ..render.theme import Theme

_HUES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_ANSI = (*_HUES, *(f"bright_{hue}" for hue in _HUES))
_DEFAULT = "ansi_default"
_PLAIN = {"foreground": _DEFAULT, "background": _DEFAULT, "surface": _DEFAULT, "panel": _DEFAULT, "boost": _DEFAULT}
_ROLES = {
    "primary": "accent",
    "secondary": "user",
    "accent": "accent",
    "warning": "warning",
    "error": "error",
    "success": "success",
}


def textual_theme(theme: Theme, *, inline: bool = False) -> TextualTheme:
    """The textual theme that goes with one of ours, to be registered and chosen by its name. `inline`: nothing is
    painted behind the text. Colours of the frame that a theme does not give follow its roles."""
    own = not theme.screen or inline
    colours = {name: _colour(theme[role]) for name, role in _ROLES.items()}
    if not own:
        colours |= {name: colour for name, colour in theme.screen.items() if name in {*_ROLES, *_PLAIN}}
        for name, role in _ROLES.items():
            if theme[role].color is not None:
                colours[name] = _colour(theme[role])
    else:
        colours |= _PLAIN
    return TextualTheme(
        name=f"codex-{theme.name}{'-inline' if inline else ''}",
        dark=theme.dark,
        ansi=own,
        variables=_variables(theme) if own else {},
        **colours,  # type: ignore[arg-type]
    )


def _variables(theme: Theme) -> dict[str, str]:
    """What textual would paint with its own 16 colours otherwise: the cursor of lists, selections, borders, bars."""
    accent, border = _colour(theme.accent), _colour(theme.border)
    fore, back = _colour(theme.selection), _colour(theme.selection, ground=True)
    reverse = theme.selection.reverse or back == _DEFAULT
    return {
        "ansi-background": _DEFAULT,
        "ansi-foreground": _DEFAULT,
        "border": border,
        "border-blurred": border,
        "block-cursor-foreground": fore,
        "block-cursor-background": back,
        "block-cursor-text-style": "bold reverse" if reverse else "bold",
        "block-cursor-blurred-foreground": fore,
        "block-cursor-blurred-background": _DEFAULT,
        "block-cursor-blurred-text-style": "bold underline",
        "block-hover-background": _DEFAULT,
        "input-cursor-background": _DEFAULT,
        "input-cursor-foreground": _DEFAULT,
        "input-cursor-text-style": "reverse",
        "input-selection-background": back if back != _DEFAULT else "ansi_white",
        "input-selection-foreground": fore if back != _DEFAULT else "ansi_black",
        "screen-selection-background": back if back != _DEFAULT else "ansi_white",
        "screen-selection-foreground": fore if back != _DEFAULT else "ansi_black",
        "scrollbar": border,
        "scrollbar-hover": accent,
        "scrollbar-active": accent,
        "scrollbar-background": _DEFAULT,
        "scrollbar-background-hover": _DEFAULT,
        "scrollbar-background-active": _DEFAULT,
        "scrollbar-corner-color": _DEFAULT,
        "link-color": _colour(theme.link),
        "link-color-hover": accent,
        "link-background-hover": _DEFAULT,
        "footer-key-foreground": accent,
    }


def _colour(style: Style, *, ground: bool = False) -> str:
    """The colour of a style in textual's words; the terminal's own where it has none."""
    colour = style.bgcolor if ground else style.color
    if colour is None or colour.is_default:
        return _DEFAULT
    if colour.triplet is not None:
        return colour.triplet.hex
    if colour.number is not None and colour.number < len(_ANSI):
        return f"ansi_{_ANSI[colour.number]}"
    return colour.get_truecolor().hex
