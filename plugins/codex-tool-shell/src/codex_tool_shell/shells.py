"""Which shell runs a command, and how."""

from __future__ import annotations

import os
from collections.abc import Mapping

from codex_plugin_sdk import ToolFailed

PREFERRED = ("bash", "zsh", "sh")
"""Taken from `$SHELL`."""
KNOWN = frozenset({*PREFERRED, "ash", "dash", "fish", "ksh"})
"""Taken when the model asks for them: shells that know `-l` and `-c`."""
FALLBACKS = ("/bin/bash", "/bin/sh")


def default_shell(environ: Mapping[str, str]) -> str:
    """The user's shell if it is one of `PREFERRED`, else bash, else sh."""
    own = environ.get("SHELL", "")
    candidates = [own] if os.path.basename(own) in PREFERRED else []
    return next((path for path in (*candidates, *FALLBACKS) if _is_program(path)), FALLBACKS[-1])


def named_shell(name: str, environ: Mapping[str, str]) -> str:
    """The path of a shell that the model asks for by name or path. Raises `ToolFailed` that names those that
    can be asked for; running the command in another shell than it was written for helps nobody."""
    if os.path.basename(name) not in KNOWN:
        raise ToolFailed(f"exec_command does not know the shell {name!r}; it knows {', '.join(sorted(KNOWN))}")
    if os.sep in name:
        candidates = [name]
    else:
        folders = environ.get("PATH", os.defpath).split(os.pathsep)
        candidates = [os.path.join(folder, name) for folder in folders]
    for path in candidates:
        if os.path.isabs(path) and _is_program(path):
            return path
    raise ToolFailed(f"the shell {name!r} is not installed; leave `shell` out to use the default one")


def command_line(shell: str, cmd: str, *, login: bool) -> tuple[str, ...]:
    """The words that run `cmd` in `shell`."""
    return (shell, "-lc" if login else "-c", cmd)


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
