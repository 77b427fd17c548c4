"""Themes: what each kind of text looks like. `load_theme` finds one by name, bundled or the user's own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal

from rich.color import ColorParseError
from rich.errors import StyleSyntaxError
from rich.style import Style

from codex_plugin_sdk import ConfigError

from . import palettes

Background = Literal["dark", "light"]
Colours = Literal["none", "ansi", "full"]

AUTO = "auto"
_ALLOWED = """bold, italic, underline, reverse, dim, strike, colours such as red or #aabbcc, and "on" with a colour"""
_NULL = Style.null()
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Theme:
    """Styles by role. `text` is most often empty: the terminal's own foreground. `colours` says how much of the
    colours of a command's output is kept: none, the 16 of the terminal, or all. `screen` are colours for the frame
    around the rows (foreground, background, surface, panel, primary …), empty where the terminal's own are used.
    Never changed, and compared by identity, so that it is a cheap key of caches."""

    # no attrs: what it would make of forty fields takes longer than everything else that is imported here
    text: Style
    dim: Style
    accent: Style
    user: Style
    agent: Style
    title: Style
    status: Style
    border: Style
    selection: Style
    heading: Style
    strong: Style
    emphasis: Style
    strike: Style
    link: Style
    quote: Style
    rule: Style
    marker: Style
    code: Style
    code_block: Style
    keyword: Style
    string: Style
    number: Style
    comment: Style
    function: Style
    type: Style
    added: Style
    removed: Style
    added_mark: Style
    removed_mark: Style
    hunk: Style
    line_number: Style
    path: Style
    command: Style
    output: Style
    success: Style
    warning: Style
    error: Style
    thought: Style
    plan_done: Style
    plan_now: Style

    def __init__(
        self,
        *,
        name: str,
        description: str = "",
        dark: bool = True,
        colours: Colours = "full",
        screen: Mapping[str, str] | None = None,
        styles: Mapping[str, Style] | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.dark = dark
        self.colours: Colours = colours
        self.screen: Mapping[str, str] = screen or {}
        self.styles: Mapping[str, Style] = dict.fromkeys(ROLES, _NULL) | dict(styles or {})
        self.__dict__.update(self.styles)

    def __repr__(self) -> str:
        return f"<Theme {self.name}>"

    def __getitem__(self, role: str) -> Style:
        """The style of a role by name. Raises KeyError for one that there is none of."""
        return self.styles[role]


ROLES: tuple[str, ...] = tuple(Theme.__annotations__)
"""The names that a user's theme may set."""


def themes(*, environ: Mapping[str, str]) -> dict[str, str]:
    """Names with one line on each: `auto`, the bundled ones, then the user's, of which a broken one is listed too."""
    found = {AUTO: "Dark or light, as the terminal is"}
    found |= {name: palette.description for name, palette in palettes.PALETTES.items()}
    folder = _folder(environ)
    try:
        files = sorted(os.listdir(folder))
    except OSError:
        return found
    for file in files:
        name, ending = os.path.splitext(file)
        if ending == ".toml" and _NAME.fullmatch(name):
            found.setdefault(name, f"Your own: {os.path.join(folder, file)}")
    return found


def load_theme(name: str = AUTO, *, environ: Mapping[str, str], background: Background | None = None) -> Theme:
    """The theme of a name. NO_COLOR (set and not empty) wins over any name; `auto` goes by `background`, then by
    COLORFGBG, and is dark where neither tells. `high-contrast` is black on white where the background is light.

    Raises ConfigError for a name that there is none of, and for a user's file that cannot be used."""
    light = (background or background_of(environ)) == "light"
    if environ.get("NO_COLOR"):
        return _bundled("none")
    if name == AUTO:
        return _bundled("light" if light else "dark")
    if name == "high-contrast" and light:
        return _made(palettes.HIGH_CONTRAST_LIGHT, "high-contrast")
    if name in palettes.PALETTES:
        return _bundled(name)
    return _from_file(name, environ)


def background_of(environ: Mapping[str, str]) -> Background | None:
    """What COLORFGBG (such as `15;0`) says: the last number is the background's colour. None: it does not say."""
    last = environ.get("COLORFGBG", "").rpartition(";")[2]
    if not last.isdecimal():
        return None
    return "light" if int(last) in (7, 9, 10, 11, 12, 13, 14, 15) else "dark"


_MADE: dict[int, Theme] = {}


def _bundled(name: str) -> Theme:
    return _made(palettes.PALETTES[name], name)


def _made(palette: palettes.Palette, name: str) -> Theme:
    """One theme per palette, since caches go by identity."""
    found = _MADE.get(id(palette))
    if found is None:
        styles = {role: Style.parse(text) for role, text in palette.roles.items()}
        found = _MADE[id(palette)] = Theme(
            name=name,
            description=palette.description,
            dark=palette.dark,
            colours=palette.colours,
            screen=palette.screen,
            styles=styles,
        )
    return found


def _folder(environ: Mapping[str, str]) -> str:
    home = environ.get("CODEX_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".codex")
    return os.path.join(home, "themes")


def _from_file(name: str, environ: Mapping[str, str]) -> Theme:
    import tomllib

    file = os.path.join(_folder(environ), f"{name}.toml")
    if not _NAME.fullmatch(name) or not os.path.isfile(file):
        known = ", ".join(themes(environ=environ))
        raise ConfigError(f"There is no theme {name!r}", hint=f"known are {known}; your own go to {_folder(environ)}")
    try:
        with open(file, "rb") as stream:
            table = tomllib.load(stream)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The theme {file} cannot be read: {error}") from error
    return _from_table(name, file, table)


def _from_table(name: str, file: str, table: Mapping[str, Any]) -> Theme:
    base_name = table.get("base", "dark")
    if base_name not in palettes.PALETTES:
        known = ", ".join(palettes.PALETTES)
        raise ConfigError(f"{file}: base is {base_name!r}, which is no bundled theme", hint=f"allowed are {known}")
    for key in table:
        if key not in ("base", "description", "roles"):
            raise ConfigError(f"{file}: unknown key {key!r}", hint="allowed are base, description and the table roles")
    roles = table.get("roles", {})
    if not isinstance(roles, Mapping):
        raise ConfigError(f"{file}: roles is no table", hint='write [roles] and below it lines like accent = "#61afef"')
    styles = {role: _style(file, role, text) for role, text in roles.items()}
    description = str(table.get("description", f"Your own: {file}"))
    base = _bundled(base_name)
    return Theme(
        name=name,
        description=description,
        dark=base.dark,
        colours=base.colours,
        screen=base.screen,
        styles={**base.styles, **styles},
    )


def _style(file: str, role: str, text: object) -> Style:
    if role not in ROLES:
        raise ConfigError(f"{file}: there is no role {role!r}", hint=f"roles are {', '.join(ROLES)}")
    if not isinstance(text, str):
        raise ConfigError(f"{file}: role {role} is {text!r}, which is no text", hint=f"allowed are {_ALLOWED}")
    try:
        style = Style.parse(text)
    except (StyleSyntaxError, ColorParseError) as error:
        raise ConfigError(f"{file}: role {role}: {text!r} is no style", hint=f"allowed are {_ALLOWED}") from error
    if style.link:  # nothing but our own renderer makes hyperlinks
        raise ConfigError(f"{file}: role {role}: a style may hold no link", hint=f"allowed are {_ALLOWED}")
    return style
