"""Making a plan for the next run out of what an engine gave for this one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .memory import Plan, remember
from .quick import split_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_plugin_sdk import Config, ExecRequest

    from .direct import ConfinedCommand

MAX_BYTES = 1024 * 1024


def keep(confined: ConfinedCommand, request: ExecRequest, status_fd: int, config: Config) -> None:
    """Remember a static command line, if this program was called in a way that `quick` understands."""
    options = called_with(sys.argv)
    plan = plan_of(confined, request, status_fd)
    if options is not None and plan is not None:
        remember(config.codex_home, options, plan, config.watched)


def called_with(argv: Sequence[str]) -> list[str] | None:
    """Our options as `quick` sees them; None for a command line that it leaves to others."""
    if os.path.basename(argv[0]) == "codex-linux-sandbox":
        split = split_command(argv[1:])
    else:
        split = split_command(argv[2:]) if argv[1:2] == ["sandbox"] else None
    return split[0] if split is not None else None


def plan_of(confined: ConfinedCommand, request: ExecRequest, status_fd: int) -> Plan | None:
    """The command line without the command; None where it is not simply a prefix of it, or where a descriptor is
    not one to read from its start."""
    words = len(request.argv)
    if tuple(confined.argv[-words:]) != tuple(request.argv):
        return None
    contents: dict[int, bytes] = {}
    for fd in confined.fds:
        if fd != status_fd:
            try:
                contents[fd] = os.pread(fd, MAX_BYTES, 0)
            except OSError:
                return None
            if len(contents[fd]) == MAX_BYTES:
                return None
    changes: dict[bytes, bytes | None] = {
        os.fsencode(name): os.fsencode(text) for name, text in confined.env.items() if os.environ.get(name) != text
    }
    changes |= {os.fsencode(name): None for name in os.environ if name not in confined.env}
    prefix = [os.fsencode(word) for word in confined.argv[:-words]]
    return Plan(prefix, changes, os.fsencode(confined.cwd), contents, status_fd)
