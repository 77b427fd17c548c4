"""The table `[tui]`: Codex's keys, and ours. Loaded for each command that reads a configuration with this table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

from codex_plugin_sdk import Value, field, value

ALTERNATE_SCREEN = ("auto", "always", "never")
CONDITIONS = ("unfocused", "always")
METHODS = ("auto", "osc9", "osc777", "bel")
PICKER_VIEWS = ("comfortable", "dense")
ON_HANGUP = ("interrupt", "finish")
TURN_COMPLETE, APPROVAL_REQUESTED = "agent-turn-complete", "approval-requested"
OTHER_KINDS = ("plan-mode-prompt", "user-input-requested", "elicitation-requested")
"""What Codex calls other questions to the user. Here they all count as `approval-requested`."""
TITLE_FIELDS = ("spinner", "project-name")
MOST_SCROLL = 100.0


Check = Callable[[str, Any], None]


def _refuse(name: str, wrong: str) -> None:
    # A TypeError, since its words are what reaches the user; of a ValueError only the table's name does.
    raise TypeError(f"`tui.{name}` {wrong}")


def _one_of(names: Collection[str]) -> Check:
    def check(name: str, found: Any) -> None:
        if found not in names:
            _refuse(name, f"is {found!r}, which is not one of {', '.join(names)}")

    return check


def _are_strings(found: Any) -> bool:
    return isinstance(found, list | tuple) and all(isinstance(entry, str) for entry in found)


def _strings(name: str, found: Any) -> None:
    if not _are_strings(found):
        _refuse(name, f"has to be a list of strings, not {found!r}")


def _kinds(name: str, found: Any) -> None:
    if isinstance(found, bool):
        return
    if not _are_strings(found):
        _refuse(name, f"has to be true, false or a list of strings, not {found!r}")
    known = (TURN_COMPLETE, APPROVAL_REQUESTED, *OTHER_KINDS)
    unknown = [kind for kind in found if kind not in known]
    if unknown:
        _refuse(name, f"names {unknown[0]!r}, which is none of {', '.join(known)}")


def _speed(name: str, found: Any) -> None:
    if found is None:
        return
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= MOST_SCROLL:
        _refuse(name, f"is {found!r}: it has to be a number above 0, at most {MOST_SCROLL:g}")


def _rows(name: str, found: Any) -> None:
    if found is not None and found < 0:
        _refuse(name, f"is {found}: it has to be 0 or more")


@value
class TuiSection(Value):
    """How the terminal UI looks and behaves. A key that is None has not been set: the default is the part's that reads
    it."""

    alternate_screen: str = "auto"
    animations: bool = True
    keymap: Mapping[str, Any] = field(factory=dict)
    model_availability_nux: Mapping[str, Any] = field(factory=dict)
    mouse_scroll_speed: Any = None
    notification_condition: str = "unfocused"
    notification_method: str = "auto"
    notifications: Any = True
    desktop_notifications: bool = False
    on_hangup: str = "interrupt"
    pet: str | None = None
    screen_reader: bool = False
    session_picker_view: str = "comfortable"
    show_tooltips: bool = True
    status_line: Any = ()
    status_line_use_colors: bool = True
    terminal_resize_reflow_max_rows: int | None = None
    terminal_title: Any = TITLE_FIELDS
    theme: str | None = None
    vim_mode_default: bool = False

    MEANINGS: ClassVar[Mapping[str, str]] = {
        "alternate_screen": "`always`: full screen; `never` and `auto`: below the terminal's own scrollback.",
        "animations": "Whether what is under way moves.",
        "keymap": "Keys by context and action, each one key or several.",
        "model_availability_nux": "Accepted, without effect here.",
        "mouse_scroll_speed": "Rows for each step of the wheel.",
        "notification_condition": "`always`, or only while the terminal is `unfocused`.",
        "notification_method": "How the terminal is told.",
        "notifications": f"Whether to notify; or of what: `{TURN_COMPLETE}`, `{APPROVAL_REQUESTED}`.",
        "desktop_notifications": "Also by the desktop's own means (notify-send, osascript).",
        "on_hangup": "What becomes of the turn when the terminal goes away: `interrupt` or `finish`.",
        "pet": "Accepted, without effect here.",
        "screen_reader": "Plain lines from top to bottom, nothing redrawn, questions announced.",
        "session_picker_view": "Two rows for each session, or one (`dense`).",
        "show_tooltips": "Whether hints are shown at the start.",
        "status_line": "Fields of the status line, in order; none are the usual ones.",
        "status_line_use_colors": "Whether the status line is coloured.",
        "terminal_resize_reflow_max_rows": (
            "So many rows of scrollback are written anew when the terminal's width changes; 0: none."
        ),
        "terminal_title": "Fields of the terminal's title, in order; an empty list leaves it alone.",
        "theme": "The name of the theme.",
        "vim_mode_default": "Whether the composer begins in vim mode.",
    }
    """For the reference."""

    def __attrs_post_init__(self) -> None:
        for name, check in _CHECKS.items():
            check(name, getattr(self, name))


_CHECKS: Mapping[str, Check] = {
    "alternate_screen": _one_of(ALTERNATE_SCREEN),
    "mouse_scroll_speed": _speed,
    "notification_condition": _one_of(CONDITIONS),
    "notification_method": _one_of(METHODS),
    "notifications": _kinds,
    "on_hangup": _one_of(ON_HANGUP),
    "session_picker_view": _one_of(PICKER_VIEWS),
    "status_line": _strings,
    "terminal_resize_reflow_max_rows": _rows,
    "terminal_title": _strings,
}
