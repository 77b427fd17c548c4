"""Starts the user interface that fits: the screen, or plain lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode, UserError

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from .options import Options
    from .screen.early_keys import EarlyKeys
    from .screen.splash import Splash


def run(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """The exit code. Raises `UserError` where there is no terminal, `ConfigError`."""
    _check_terminal()
    if _wants_lines(invocation, given):
        return _run_lines(invocation, given)
    return _run_screen(invocation, given)


def _check_terminal() -> None:
    for fd, name in ((0, "input"), (1, "output")):
        if not os.isatty(fd):
            raise UserError(
                f"the terminal UI needs a terminal, and standard {name} is none",
                hint='codex exec "PROMPT" works without one',
                exit_code=ExitCode.USAGE,
            )


def _wants_lines(invocation: Invocation, given: Mapping[str, Any]) -> bool:
    asked = given.get("screen_reader") or invocation.flags.get("screen_reader")
    return bool(asked) or invocation.environ.get("TERM", "") in ("", "dumb", "unknown")


def _run_lines(invocation: Invocation, given: Mapping[str, Any]) -> int:
    from .lines.app import run_lines
    from .starting import read_options

    return run_lines(read_options(invocation, given))


def _run_screen(invocation: Invocation, given: Mapping[str, Any]) -> int:
    if _may_be_for_a_reader(invocation):
        from .starting import read_options

        options = read_options(invocation, given)
        if options.section.screen_reader:
            from .lines.app import run_lines

            return run_lines(options)
    return _begin_screen(invocation, given)


def _may_be_for_a_reader(invocation: Invocation) -> bool:
    """Whether the configuration speaks of screen readers: then it is read before anything is drawn."""
    if any("screen_reader" in text for text in invocation.overrides):
        return True
    home = invocation.environ.get("CODEX_HOME") or os.path.expanduser("~/.codex")
    try:
        with open(os.path.join(home, "config.toml"), "rb") as file:
            return b"screen_reader" in file.read()
    except OSError:  # who reads the configuration says what is wrong with it
        return False


def _begin_screen(invocation: Invocation, given: Mapping[str, Any]) -> int:
    from .screen import first_frame
    from .screen.splash import importing

    splash = first_frame.show(invocation, given)
    keys = first_frame.keys(splash)
    try:
        with importing(), keys.between_imports():
            from .starting import read_options
        options = read_options(invocation, given)
        if options.section.screen_reader:
            splash.cancel()
            from .lines.app import run_lines

            return run_lines(options)
    except BaseException:
        splash.cancel()
        raise
    return _run_app(options, splash, keys)


def _run_app(options: Options, splash: Splash, keys: EarlyKeys) -> int:
    from .screen.splash import importing

    try:
        with importing(), keys.between_imports():
            from .screen.main import run_screen
    except BaseException:
        splash.cancel()
        raise
    code = run_screen(options, splash)
    sys.stdout.flush()
    return code
