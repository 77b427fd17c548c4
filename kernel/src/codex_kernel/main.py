"""The console script `codex`: answers `--version` and `--help` by itself, everything else through `cli`.

Start-up is a feature: this module imports nothing but `os` and `sys`, and no plugin is touched before a command
needs one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

PROGRAM_NAMES = ("codex", "codex.exe", "__main__.py")


def main() -> None:
    """Entry point. Ends the process with the exit code that docs/users.md lists."""
    code = run(sys.argv)
    _leave(code)


def run(argv: Sequence[str]) -> int:
    """Run a command line, `argv[0]` being the name we were called by; returns the exit code."""
    from codex_kernel.version import __version__

    name = os.path.basename(argv[0])
    first = argv[1] if len(argv) > 1 else ""
    if name in PROGRAM_NAMES or name not in _other_names():
        if first in ("--version", "-V"):
            return _print(f"codex-cli {__version__}\n")
        if first in ("--help", "-h", "help") and len(argv) == 2:
            return _print(help_text())
        if first == "--codex-run-as-apply-patch":
            return _dispatch(["apply_patch", *argv[2:]], by_name="apply_patch")
        return _dispatch(list(argv[1:]))
    return _dispatch(list(argv[1:]), by_name=name)


def help_text() -> str:
    """The text of `codex --help`, kept ready as a file; a test holds it against the command line itself."""
    with open(os.path.join(os.path.dirname(__file__), "help.txt"), encoding="utf-8") as file:
        return file.read()


def _other_names() -> frozenset[str]:
    return frozenset({"apply_patch", "applypatch", "codex-exec", "codex-linux-sandbox", "codex-tui"})


def _dispatch(args: list[str], by_name: str | None = None) -> int:
    from codex_kernel.cli import dispatch

    if by_name == "apply_patch" and args[:1] == ["apply_patch"]:
        args = args[1:]
    return dispatch(args, by_name=by_name)


def _print(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        return 0
    return 0


def _leave(code: int) -> None:
    """End without tearing the interpreter down module by module, which takes longer than a short command."""
    import atexit

    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except (BrokenPipeError, ValueError):
        code = code or 141
    os._exit(code)


if __name__ == "__main__":
    main()
