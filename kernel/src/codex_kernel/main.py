"""The console script `codex`: answers `--version` and `--help` by itself, everything else through `cli`.

Start-up is a feature: this module imports nothing but `os` and `sys`, and no plugin is touched before a command
needs one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

OTHER_NAMES = frozenset({"apply_patch", "applypatch", "codex-exec", "codex-linux-sandbox", "codex-tui"})
"""Names of symlinks to this program that choose a command."""


def main() -> None:
    """Entry point. Ends the process with the exit code that docs/users.md lists."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_closed_streams()
    run_codex(sys.argv)


def run_codex(argv: Sequence[str]) -> NoReturn:
    """Run a command line as the process's own and end with its exit code. For programs of plugins that are
    `codex COMMAND` under another name, which is `argv[0]`."""
    _leave(run(argv))


def _open_closed_streams() -> None:
    """Give what our parent closed to the null device: else the next file that is opened takes its number, and
    whatever is printed lands in it."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if fd else "r"
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - open to the very end


def run(argv: Sequence[str]) -> int:
    """Run a command line, `argv[0]` being the name we were called by; returns the exit code."""
    from codex_kernel.version import __version__

    name = os.path.basename(argv[0])
    first = argv[1] if len(argv) > 1 else ""
    if name not in OTHER_NAMES:
        if first in ("--version", "-V"):
            return _print(f"codex-cli {__version__}\n")
        if first in ("--help", "-h", "help") and len(argv) == 2:
            return _print(help_text())
        if first == "--codex-run-as-apply-patch":
            if len(argv) != 3:
                sys.stderr.write("Error: --codex-run-as-apply-patch requires a UTF-8 PATCH argument.\n")
                return 1
            return _dispatch(list(argv[2:]), by_name="apply_patch")
        code = _quickly(first, argv[2:])
        return _dispatch(list(argv[1:])) if code is None else code
    return _dispatch(list(argv[1:]), by_name=name)


def _quickly(command: str, args: Sequence[str]) -> int | None:
    """The exit code of a command that can be answered before anything else is loaded: the distribution
    `codex-COMMAND` may have a module `quick` for it, whose `run(args)` gives None where the usual way is to be gone."""
    if not command.isalpha():
        return None
    try:
        module = __import__(f"codex_{command}.quick", fromlist=["run"])
    except ImportError:
        return None
    code: int | None = module.run(args)
    return code


def help_text() -> str:
    """The text of `codex --help`, kept ready as a file; a test holds it against the command line itself."""
    with open(os.path.join(os.path.dirname(__file__), "help.txt"), encoding="utf-8") as file:
        return file.read()


def _dispatch(args: list[str], by_name: str | None = None) -> int:
    from codex_kernel.cli import dispatch

    return dispatch(args, by_name=by_name)


def _print(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        return 0
    return 0


def _leave(code: int) -> NoReturn:
    """End without tearing the interpreter down module by module, which takes longer than a short command."""
    import atexit

    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        code = code or 141
    os._exit(code)


if __name__ == "__main__":
    main()
