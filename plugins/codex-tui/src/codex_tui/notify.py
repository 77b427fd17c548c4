"""Telling a user who looks elsewhere: the bell, notifications of the terminal and of the desktop, the title."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .section import APPROVAL_REQUESTED, TURN_COMPLETE

if TYPE_CHECKING:
    from .section import TuiSection
    from .session.status import Status

MOST_CHARS = 180
DESKTOP_S = 5.0
"""The program that tells the desktop may take so long; then it is ended."""
_BEL = "\x07"
_OSC9_PROGRAMS = frozenset(("WezTerm", "ghostty", "iTerm.app", "WarpTerminal", "kitty", "vscode"))
_OSC9_TERMS = ("xterm-kitty", "xterm-ghostty", "wezterm")
_OSC777_TERMS = ("rxvt", "foot")
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_STATES = {"idle": "Ready", "working": "Working", "waiting": "Waiting", "reviewing": "Reviewing"}
_STATES |= {"compacting": "Compacting", "lost": "No server"}


def harmless(text: str, most: int = MOST_CHARS) -> str:
    """One row of text without anything that a terminal would act on, at most so many characters."""
    from .render.safe import one_line

    text = " ".join(one_line(text[: 4 * most]).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def method_for(environ: Mapping[str, str]) -> str:
    """What `notification_method = "auto"` means: osc9, osc777 or bel. A multiplexer lets the bell through only."""
    term = environ.get("TERM", "")
    if "TMUX" in environ or term.startswith(("screen", "tmux")):
        return "bel"
    if environ.get("TERM_PROGRAM") in _OSC9_PROGRAMS or term.startswith(_OSC9_TERMS):
        return "osc9"
    return "osc777" if term.startswith(_OSC777_TERMS) else "bel"


class Notifier:
    """`write_control` writes sequences that move no cursor; `focused` tells whether the user looks at the terminal (a
    terminal that does not say counts as looked at elsewhere, or as the caller has it)."""

    def __init__(
        self,
        section: TuiSection,
        environ: Mapping[str, str],
        write_control: Callable[[str], None],
        focused: Callable[[], bool],
    ) -> None:
        self._kinds, self._always = section.notifications, section.notification_condition == "always"
        wanted = section.notification_method
        self._method = method_for(environ) if wanted == "auto" else wanted
        self._through = "TMUX" in environ
        self._write, self._focused = write_control, focused
        self._desktop = Desktop(environ) if section.desktop_notifications else None

    def turn_ended(self, summary: str) -> None:
        """A turn has ended; `summary` is what it came to, such as the beginning of the answer."""
        self._tell(TURN_COMPLETE, "Codex has finished", summary)

    def waiting(self, title: str, kind: str = APPROVAL_REQUESTED) -> None:
        """It waits for an answer to this question."""
        self._tell(kind, "Codex asks", title)

    def close(self) -> None:
        """Wait for what still runs; it does not take long."""
        if self._desktop is not None:
            self._desktop.close()

    def _tell(self, kind: str, head: str, body: str) -> None:
        if not self._wanted(kind) or (not self._always and self._focused()):
            return
        head, body = harmless(head), harmless(body)
        self._write(self._sequence(head, body))
        if self._desktop is not None:
            self._desktop.show(head, body)

    def _wanted(self, kind: str) -> bool:
        if isinstance(self._kinds, bool):
            return self._kinds
        # The user who asks for approvals asks for all that holds the turn up.
        return kind in self._kinds or (kind != TURN_COMPLETE and APPROVAL_REQUESTED in self._kinds)

    def _sequence(self, head: str, body: str) -> str:
        # What begins with a number would be another command of OSC 9, so the head comes first.
        whole = f"{head}: {body}" if body else head
        match self._method:
            case "osc9":
                found = f"\x1b]9;{whole}{_BEL}"
            case "osc777":
                found = f"\x1b]777;notify;{head.replace(';', ',')};{body.replace(';', ',')}{_BEL}"
            case _:
                return _BEL
        return f"\x1bPtmux;{found.replace(chr(27), chr(27) * 2)}\x1b\\" if self._through else found


class Desktop:
    """Notifications of the desktop, by its own program; one at a time, those that come meanwhile are left out."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._thread: threading.Thread | None = None

    def show(self, head: str, body: str) -> None:
        """Show it, if there is a program for that and the last one has ended."""
        command = desktop_command(self._environ, head, body)
        if not command or (self._thread is not None and self._thread.is_alive()):
            return
        # A thread, since the program may hang on a desktop that does not answer.
        self._thread = threading.Thread(target=self._run, args=(command,), name="codex-notify", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until the program has ended."""
        if self._thread is not None:
            self._thread.join(DESKTOP_S + 1)

    def _run(self, command: Sequence[str]) -> None:
        nowhere = subprocess.DEVNULL
        try:
            subprocess.run(
                command,
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
                env=self._environ,
                timeout=DESKTOP_S,
                check=False,
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            import logging

            logging.getLogger("codex.tui").warning("the desktop was not told: %s", error)


def desktop_command(environ: Mapping[str, str], head: str, body: str) -> tuple[str, ...]:
    """The command that tells the desktop; empty where there is none."""
    path = environ.get("PATH")
    if sys.platform == "darwin":
        found = shutil.which("osascript", path=path)
        script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
        return (found, "-e", script, head, body) if found else ()
    found = shutil.which("notify-send", path=path)
    return (found, "--app-name=Codex", "--", head, body) if found else ()


class TerminalTitle:
    """Keeps the terminal's title up to date; it is for others to save it before and to put it back. Fields that are
    not known stay out."""

    def __init__(self, fields: Sequence[str], environ: Mapping[str, str], write_control: Callable[[str], None]) -> None:
        self._fields, self._home = tuple(fields), environ.get("HOME", "")
        self._write = write_control
        self._last = ""
        self._turns = 0

    def update(self, status: Status, *, animate: bool = True) -> None:
        """Tell what holds now; each call moves the spinner on while there is work, if `animate`."""
        if not self._fields:
            return
        self._turns += 1 if animate else 0
        parts = [harmless(self._part(field, status), 60) for field in self._fields]
        title = " ".join(part for part in parts if part)
        if title != self._last:
            self._last = title
            self._write(f"\x1b]0;{title}{_BEL}")

    def _part(self, field: str, status: Status) -> str:
        match field:
            case "app-name":
                return "Codex"
            case "project" | "project-name":
                return os.path.basename(status.cwd.rstrip("/\\")) or status.cwd
            case "spinner" | "activity":
                return self._activity(status)
            case "run-state" | "status":
                return _STATES.get(status.phase, status.phase)
            case "thread" | "thread-title":
                return status.thread_name
            case "thread-id":
                return status.thread_id
            case "codex-version":
                from codex_plugin_sdk import __version__

                return __version__
            case _:
                from .screen.statusline import field_text

                return field_text(field, status, self._home)

    def _activity(self, status: Status) -> str:
        if status.phase in ("idle", "lost"):
            return ""
        return "!" if status.phase == "waiting" else _SPINNER[self._turns % len(_SPINNER)]
