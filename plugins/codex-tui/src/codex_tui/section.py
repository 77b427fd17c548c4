"""The table `[tui]`: Codex's keys, and ours. Loaded for each command that reads a configuration with this table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from codex_plugin_sdk import Value, value

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


def _key(help: str, default: Any = None, validator: Any = None) -> Any:
    return attrs.field(default=default, validator=validator, metadata={"help": help})


def _refuse(attribute: attrs.Attribute[Any], wrong: str) -> None:
    # A TypeError, since its words are what reaches the user; of a ValueError only the table's name does.
    raise TypeError(f"`tui.{attribute.name}` {wrong}")


def _one_of(names: Collection[str]) -> Any:
    def check(instance: object, attribute: attrs.Attribute[Any], found: object) -> None:
        if found not in names:
            _refuse(attribute, f"is {found!r}, which is not one of {', '.join(names)}")

    return check


def _are_strings(found: object) -> bool:
    return isinstance(found, list | tuple) and all(isinstance(entry, str) for entry in found)


def _strings(instance: object, attribute: attrs.Attribute[Any], found: object) -> None:
    if not _are_strings(found):
        _refuse(attribute, f"has to be a list of strings, not {found!r}")


def _kinds(instance: object, attribute: attrs.Attribute[Any], found: object) -> None:
    if isinstance(found, bool):
        return
    if not _are_strings(found):
        _refuse(attribute, f"has to be true, false or a list of strings, not {found!r}")
    known = (TURN_COMPLETE, APPROVAL_REQUESTED, *OTHER_KINDS)
    unknown = [kind for kind in found if kind not in known]  # type: ignore[attr-defined]
    if unknown:
        _refuse(attribute, f"names {unknown[0]!r}, which is none of {', '.join(known)}")


def _speed(instance: object, attribute: attrs.Attribute[Any], found: object) -> None:
    if found is None:
        return
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= MOST_SCROLL:
        _refuse(attribute, f"is {found!r}: it has to be a number above 0, at most {MOST_SCROLL:g}")


def _rows(instance: object, attribute: attrs.Attribute[Any], found: int | None) -> None:
    if found is not None and found < 0:
        _refuse(attribute, f"is {found}: it has to be 0 or more")


@value
class TuiSection(Value):
    """How the terminal UI looks and behaves. A key that is None has not been set: the default is the part's that reads
    it."""

    alternate_screen: str = _key(
        "`always`: full screen; `never` and `auto`: below the terminal's own scrollback.",
        "auto",
        _one_of(ALTERNATE_SCREEN),
    )
    animations: bool = _key("Whether what is under way moves.", True)
    keymap: Mapping[str, Any] = attrs.field(
        factory=dict, metadata={"help": "Keys by context and action, each one key or several."}
    )
    model_availability_nux: Mapping[str, Any] = attrs.field(
        factory=dict, metadata={"help": "Accepted, without effect here."}
    )
    mouse_scroll_speed: Any = _key("Rows for each step of the wheel.", None, _speed)
    notification_condition: str = _key(
        "`always`, or only while the terminal is `unfocused`.", "unfocused", _one_of(CONDITIONS)
    )
    notification_method: str = _key("How the terminal is told.", "auto", _one_of(METHODS))
    notifications: Any = _key(
        f"Whether to notify; or of what: `{TURN_COMPLETE}`, `{APPROVAL_REQUESTED}`.", True, _kinds
    )
    desktop_notifications: bool = _key("Also by the desktop's own means (notify-send, osascript).", False)
    on_hangup: str = _key("What becomes of the turn when the terminal goes away.", "interrupt", _one_of(ON_HANGUP))
    pet: str | None = _key("Accepted, without effect here.")
    screen_reader: bool = _key("Plain lines from top to bottom, nothing redrawn, questions announced.", False)
    session_picker_view: str = _key(
        "Two rows for each session, or one (`dense`).", "comfortable", _one_of(PICKER_VIEWS)
    )
    show_tooltips: bool = _key("Whether hints are shown at the start.", True)
    status_line: Any = _key("Fields of the status line, in order; none are the usual ones.", (), _strings)
    status_line_use_colors: bool = _key("Whether the status line is coloured.", True)
    terminal_resize_reflow_max_rows: int | None = _key(
        "So many rows of scrollback are written anew when the terminal's width changes; 0: none.", None, _rows
    )
    terminal_title: Any = _key(
        "Fields of the terminal's title, in order; an empty list leaves it alone.", TITLE_FIELDS, _strings
    )
    theme: str | None = _key("The name of the theme.")
    vim_mode_default: bool = _key("Whether the composer begins in vim mode.", False)
