"""Running a remembered plan."""

from __future__ import annotations

import os

from .child import NotStarted, run_child
from .memory import Plan, forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def replay(plan: Plan, words: Sequence[str], codex_home: str) -> int | None:
    """The exit code; None if it could not be started, in which case the plan is forgotten."""
    env = dict(os.environb)
    for name, text in plan.env.items():
        if text is None:
            env.pop(name, None)
        else:
            env[name] = text
    status, status_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fds = {plan.status: status_end}
        for number, content in plan.fds.items():
            fds[number] = _memory(content)
        argv = (*plan.argv, *(os.fsencode(word) for word in words))
        return run_child(argv, env, plan.cwd, fds, status)
    except (NotStarted, OSError):
        forget(codex_home)
        return None
    finally:
        os.close(status)


def _memory(content: bytes) -> int:
    fd = os.memfd_create("plan")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
