"""The check `terminal`: what output goes to, and whether it can show what is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from codex_plugin_sdk import CheckSetup, Finding, Health

NARROW_COLUMNS, LOW_LINES = 60, 15
_FEW_COLOURS_IN_TMUX = ("screen", "xterm", "linux", "ansi")


class TerminalCheck:
    """Terminals, their type, colours, size, the locale, and what lies between: tmux, screen, ssh."""

    def __init__(self, setup: CheckSetup) -> None:
        self._environ = setup.environ

    async def run(self) -> tuple[Finding, ...]:
        """One finding for the whole; where output goes to a terminal, one for each thing that spoils it."""
        ttys = {name: _is_tty(name) for name in ("stdin", "stdout", "stderr")}
        shown = ttys["stdout"] or ttys["stderr"]
        size = _size()
        details: dict[str, object] = {
            **{name: "a terminal" if tty else "not a terminal" for name, tty in ttys.items()},
            "TERM": self._environ.get("TERM", ""),
            "colours": colours(self._environ) if shown else "none: not a terminal",
            "size": f"{size[0]}x{size[1]}" if size else "",
            "locale": locale_name(self._environ),
            "inside": _between(self._environ),
        }
        whole = Finding(name="terminal", health=Health.OK, message=self._message(shown, size), details=details)
        return (whole, *(problems(self._environ, size) if shown else ()))

    def _message(self, shown: bool, size: tuple[int, int] | None) -> str:
        if not shown:
            return "output goes to a pipe or a file, without colours"
        words = [self._environ.get("TERM") or "of no known type", f"colours: {colours(self._environ)}"]
        if size:
            words.append(f"{size[0]} columns, {size[1]} lines")
        return ", ".join([*words, *_between(self._environ)])


def problems(environ: Mapping[str, str], size: tuple[int, int] | None) -> Iterator[Finding]:
    """What spoils output on a terminal of this size (columns, lines; None: not known)."""
    term = environ.get("TERM", "")
    if term in ("", "dumb", "unknown"):
        said = f"TERM is {term}" if term else "TERM is not set"
        cure = "export TERM=xterm-256color, or what your terminal says it is"
        yield _warning("terminal type", f"{said}: nothing can be drawn on such a terminal", cure)
    elif environ.get("TMUX") and term.partition("-")[0] in _FEW_COLOURS_IN_TMUX and "256" not in term:
        cure = "in ~/.tmux.conf: set -g default-terminal tmux-256color"
        yield _warning("terminal tmux", f"inside tmux TERM is {term}, which has few colours", cure)
    locale = locale_name(environ)
    if not _is_utf8(locale):
        cure = "export LANG=C.UTF-8"
        if environ.get("SSH_CONNECTION"):
            cure += " there: ssh passes it only if SendEnv and AcceptEnv name it"
        yield _warning("terminal locale", f"the locale {locale} is not UTF-8: other letters are garbled", cure)
    if size and (0 < size[0] < NARROW_COLUMNS or 0 < size[1] < LOW_LINES):
        cure = f"make it at least {NARROW_COLUMNS} columns wide and {LOW_LINES} lines high"
        yield _warning("terminal size", f"{size[0]} columns and {size[1]} lines are little", cure)


def colours(environ: Mapping[str, str]) -> str:
    """How many colours a terminal shows by what the environment says: `none (why)`, `16`, `256` or `16 million`."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR"):
        return "none (NO_COLOR)"
    if term in ("", "dumb", "unknown"):
        return "none (TERM)"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return "16 million"
    return "256" if "256" in term else "16"


def locale_name(environ: Mapping[str, str]) -> str:
    """The locale of characters: the first of LC_ALL, LC_CTYPE and LANG that is set, else `C`."""
    return next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "C")


def _is_utf8(locale: str) -> bool:
    if os.name == "nt" or (sys.platform == "darwin" and locale == "C"):
        return True
    return locale.partition(".")[2].partition("@")[0].lower().replace("-", "") == "utf8" or locale == "UTF-8"


def _between(environ: Mapping[str, str]) -> list[str]:
    """Programs between the user's terminal and us."""
    found = []
    if environ.get("TMUX"):
        found.append("in tmux")
    elif environ.get("STY"):
        found.append("in screen")
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        found.append("over ssh")
    return found


def _is_tty(name: str) -> bool:
    stream = getattr(sys, name)
    return stream is not None and not stream.closed and stream.isatty()


def _size() -> tuple[int, int] | None:
    for name in ("stdout", "stderr"):
        if _is_tty(name):
            try:
                columns, lines = os.get_terminal_size(getattr(sys, name).fileno())
            except OSError:
                continue
            if columns and lines:
                return columns, lines
    return None


def _warning(name: str, message: str, cure: str) -> Finding:
    return Finding(name=name, health=Health.WARNING, message=message, cure=cure)
