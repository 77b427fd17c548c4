"""`codex sandbox OPTIONS -- CMD` without the command line's own machinery, where the last run has left a plan.

Called before anything else is imported; whatever is not plain and known goes the ordinary way.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(args: Sequence[str]) -> int | None:
    """The exit code of the confined command; None where the ordinary way is to be gone. `args` follow the word
    `sandbox`, or the program's name `codex-linux-sandbox`."""
    split = split_command(args)
    home = os.environ.get("CODEX_HOME") or os.path.join(os.environ.get("HOME") or "/", ".codex")
    if split is None or not os.path.isabs(home):
        return None
    options, words = split
    from .memory import recall

    plan = recall(home, options)
    if plan is None or not _runnable(words[0]):
        return None
    from .terminal import has_terminal

    if has_terminal():
        return None  # a person does not notice the difference, and a terminal asks for more
    from .replay import replay

    return replay(plan, words, home)


def split_command(args: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Options and command around `--`; None without one, and for options that lead to other files."""
    if "--" not in args:
        return None
    at = list(args).index("--")
    options, words = list(args[:at]), list(args[at + 1 :])
    known = {"-s", "--sandbox", "-c", "--config"}
    for name in options[::2]:
        if name not in known:
            return None
    return (options, words) if words and len(options) % 2 == 0 else None


def _runnable(program: str) -> bool:
    """Whether it surely can be run; the ordinary way tells why something cannot."""
    folders = [""] if "/" in program else os.environ.get("PATH", "").split(":")
    for folder in folders:
        path = os.path.join(folder, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return _starts(path)
    return False


def _starts(path: str) -> bool:
    """Whether it is a program, or a script whose interpreter is there."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError:
        return False
    if head[:4] == b"\x7fELF":
        return True
    words = head.partition(b"\n")[0][2:].split() if head[:2] == b"#!" else []
    return bool(words) and os.path.isfile(words[0])
