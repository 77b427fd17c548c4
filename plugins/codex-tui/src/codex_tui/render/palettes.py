"""The bundled themes as data: role to style, in rich's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Palette(NamedTuple):
    """A theme before its styles are parsed. `screen` as in `Theme`."""

    description: str
    roles: Mapping[str, str]
    dark: bool = True
    colours: Literal["none", "ansi", "full"] = "full"
    screen: Mapping[str, str] | None = None


def _coloured(c: Mapping[str, str]) -> dict[str, str]:
    """Roles from a few named colours."""
    return {
        "dim": c["dim"],
        "accent": c["accent"],
        "user": f"bold {c['user']}",
        "agent": c["accent"],
        "title": f"bold {c['strong']}",
        "status": c["dim"],
        "border": c["border"],
        "selection": f"bold {c['selection_text']} on {c['selection']}",
        "heading": f"bold {c['heading']}",
        "strong": f"bold {c['strong']}",
        "emphasis": "italic",
        "strike": f"strike {c['dim']}",
        "link": f"underline {c['link']}",
        "quote": f"italic {c['dim']}",
        "rule": c["border"],
        "marker": c["accent"],
        "code": c["code"],
        "code_block": c["strong"],
        "keyword": c["keyword"],
        "string": c["green"],
        "number": c["number"],
        "comment": f"italic {c['dim']}",
        "function": c["link"],
        "type": c["yellow"],
        "added": c["green"],
        "removed": c["red"],
        "added_mark": f"bold {c['added_text']} on {c['added']}",
        "removed_mark": f"bold {c['removed_text']} on {c['removed']}",
        "hunk": c["hunk"],
        "line_number": c["dim"],
        "path": c["link"],
        "command": c["command"],
        "output": c["dim"],
        "success": c["green"],
        "warning": c["yellow"],
        "error": f"bold {c['red']}",
        "thought": f"italic {c['dim']}",
        "plan_done": f"strike {c['dim']}",
        "plan_now": f"bold {c['accent']}",
    }


DARK = Palette(
    description="Soft colours on dark",
    roles=_coloured(
        {
            "dim": "#a3aab5",
            "accent": "#6cc3e8",
            "user": "#8fd3a6",
            "border": "#8f98a5",
            "strong": "#f2f4f8",
            "selection_text": "#ffffff",
            "selection": "#1d5a80",
            "heading": "#8ecbff",
            "link": "#82b8ff",
            "code": "#e6c07b",
            "keyword": "#d6a2f0",
            "green": "#8fd19e",
            "number": "#f0b27a",
            "yellow": "#ecc66b",
            "red": "#ff9c9c",
            "added_text": "#d9fbe2",
            "added": "#1c5230",
            "removed_text": "#ffe3e3",
            "removed": "#702828",
            "hunk": "#7fc8c8",
            "command": "#f0d08a",
        }
    ),
    screen={
        "foreground": "#e4e7ec",
        "background": "#15181d",
        "surface": "#1b1f26",
        "panel": "#242a33",
        "boost": "#2a313b",
        "primary": "#6cc3e8",
        "secondary": "#8fd3a6",
        "accent": "#6cc3e8",
        "warning": "#ecc66b",
        "error": "#ff9c9c",
        "success": "#8fd19e",
    },
)

LIGHT = Palette(
    description="Deep colours on light",
    dark=False,
    roles=_coloured(
        {
            "dim": "#5a616b",
            "accent": "#00608a",
            "user": "#14663a",
            "border": "#616872",
            "strong": "#101418",
            "selection_text": "#ffffff",
            "selection": "#0b5c8a",
            "heading": "#0a4f96",
            "link": "#0b51b8",
            "code": "#7f4a00",
            "keyword": "#7a2ea0",
            "green": "#14663a",
            "number": "#8a3f00",
            "yellow": "#705000",
            "red": "#a81c1c",
            "added_text": "#06331a",
            "added": "#b8ecc8",
            "removed_text": "#560909",
            "removed": "#ffc9c9",
            "hunk": "#006060",
            "command": "#6b4a00",
        }
    ),
    screen={
        "foreground": "#1c2127",
        "background": "#fbfbf9",
        "surface": "#f3f3f0",
        "panel": "#e8e8e4",
        "boost": "#dededa",
        "primary": "#00608a",
        "secondary": "#14663a",
        "accent": "#00608a",
        "warning": "#705000",
        "error": "#a81c1c",
        "success": "#14663a",
    },
)

HIGH_CONTRAST = Palette(
    description="Strong colours and marks, for any eyes",
    roles={
        **_coloured(
            {
                "dim": "#e0e0e0",
                "accent": "#66e0ff",
                "user": "#7dff9b",
                "border": "#ffffff",
                "strong": "#ffffff",
                "selection_text": "#000000",
                "selection": "#ffff66",
                "heading": "#9fd8ff",
                "link": "#9fd8ff",
                "code": "#ffe066",
                "keyword": "#f3b8ff",
                "green": "#7dff9b",
                "number": "#ffc285",
                "yellow": "#ffe066",
                "red": "#ffb3b3",
                "added_text": "#000000",
                "added": "#7dff9b",
                "removed_text": "#000000",
                "removed": "#ffb3b3",
                "hunk": "#80ffff",
                "command": "#ffe066",
            }
        ),
        "emphasis": "italic underline",
    },
    screen={
        "foreground": "#ffffff",
        "background": "#000000",
        "surface": "#000000",
        "panel": "#1a1a1a",
        "boost": "#262626",
        "primary": "#66e0ff",
        "secondary": "#7dff9b",
        "accent": "#ffff66",
        "warning": "#ffe066",
        "error": "#ffb3b3",
        "success": "#7dff9b",
    },
)

HIGH_CONTRAST_LIGHT = Palette(
    description=HIGH_CONTRAST.description,
    dark=False,
    roles={
        **_coloured(
            {
                "dim": "#2b2b2b",
                "accent": "#003f66",
                "user": "#00461f",
                "border": "#000000",
                "strong": "#000000",
                "selection_text": "#ffffff",
                "selection": "#000080",
                "heading": "#00307a",
                "link": "#00307a",
                "code": "#5a3000",
                "keyword": "#560078",
                "green": "#00461f",
                "number": "#5f2800",
                "yellow": "#4d3800",
                "red": "#7d0000",
                "added_text": "#ffffff",
                "added": "#00461f",
                "removed_text": "#ffffff",
                "removed": "#7d0000",
                "hunk": "#004242",
                "command": "#4d3300",
            }
        ),
        "emphasis": "italic underline",
    },
    screen={
        "foreground": "#000000",
        "background": "#ffffff",
        "surface": "#ffffff",
        "panel": "#f0f0f0",
        "boost": "#e4e4e4",
        "primary": "#003f66",
        "secondary": "#00461f",
        "accent": "#000080",
        "warning": "#4d3800",
        "error": "#7d0000",
        "success": "#00461f",
    },
)

ANSI = Palette(
    description="Only the terminal's own 16 colours",
    colours="ansi",
    roles={
        "dim": "dim",
        "accent": "cyan",
        "user": "bold green",
        "agent": "cyan",
        "title": "bold",
        "status": "dim",
        "border": "dim",
        "selection": "bold reverse",
        "heading": "bold blue",
        "strong": "bold",
        "emphasis": "italic",
        "strike": "strike",
        "link": "underline blue",
        "quote": "italic dim",
        "rule": "dim",
        "marker": "cyan",
        "code": "yellow",
        "code_block": "default",
        "keyword": "magenta",
        "string": "green",
        "number": "cyan",
        "comment": "dim italic",
        "function": "blue",
        "type": "yellow",
        "added": "green",
        "removed": "red",
        "added_mark": "bold reverse green",
        "removed_mark": "bold reverse red",
        "hunk": "cyan",
        "line_number": "dim",
        "path": "blue",
        "command": "yellow",
        "output": "dim",
        "success": "green",
        "warning": "yellow",
        "error": "bold red",
        "thought": "dim italic",
        "plan_done": "strike dim",
        "plan_now": "bold cyan",
    },
)

NONE = Palette(
    description="No colours: bold, underline and reverse only",
    colours="none",
    roles={
        "user": "bold", "title": "bold", "selection": "reverse", "heading": "bold underline", "strong": "bold",
        "emphasis": "underline", "strike": "strike", "link": "underline", "added_mark": "bold underline",
        "removed_mark": "bold underline", "added": "bold", "path": "underline", "error": "bold", "warning": "bold",
        "plan_done": "strike", "plan_now": "bold",
    },
)  # fmt: skip

PALETTES: dict[str, Palette] = {
    "dark": DARK,
    "light": LIGHT,
    "high-contrast": HIGH_CONTRAST,
    "ansi": ANSI,
    "none": NONE,
}
"""By name, in the order in which a picker shows them."""
