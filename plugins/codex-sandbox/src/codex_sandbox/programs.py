"""Finding a program as a shell does, so that what cannot be run is told apart before a sandbox is made for it."""

from __future__ import annotations

import os
from collections.abc import Mapping

NOT_FOUND = 127
NOT_EXECUTABLE = 126


class CannotRun(Exception):
    """A program that cannot be run; `code` is the exit code that shells have for it."""

    def __init__(self, program: str, why: str, code: int, hint: str = "") -> None:
        super().__init__(f"{program}: {why}")
        self.program, self.why, self.code, self.hint = program, why, code, hint

    @classmethod
    def from_error(cls, program: str, error: OSError | ValueError) -> CannotRun:
        """What starting it told us."""
        if isinstance(error, FileNotFoundError):
            return cls(program, "not found", NOT_FOUND)
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return cls(program, why, NOT_EXECUTABLE)


def check_program(program: str, cwd: str, environ: Mapping[str, str]) -> None:
    """Raise `CannotRun` unless the program exists, seen from `cwd` and by the `PATH` of the environment, and may
    be executed. Whether it can be (an unknown format, a missing interpreter) shows when it is started."""
    if not program:
        raise CannotRun("''", "an empty name is no program", NOT_FOUND)
    if "/" in program:
        _check_file(program, os.path.join(cwd, program))
        return
    refused: CannotRun | None = None
    path = environ.get("PATH", os.defpath)
    for folder in path.split(os.pathsep):
        try:
            _check_file(program, os.path.join(cwd, folder, program))
        except CannotRun as error:
            if error.code == NOT_EXECUTABLE and refused is None:
                refused = error
        else:
            return
    raise refused or CannotRun(program, "not found", NOT_FOUND, "is it on PATH? Write ./NAME for one in this folder")


def _check_file(program: str, path: str) -> None:
    if os.path.isdir(path):
        raise CannotRun(program, "is a folder", NOT_EXECUTABLE)
    if not os.path.lexists(path):
        raise CannotRun(program, "no such file", NOT_FOUND)
    if not os.path.exists(path):
        raise CannotRun(program, "leads to a file that does not exist", NOT_FOUND)
    if not os.access(path, os.X_OK):
        raise CannotRun(program, "may not be executed", NOT_EXECUTABLE, f"chmod +x {program}")
    interpreter = _interpreter(path)
    if interpreter and not os.path.exists(interpreter):
        raise CannotRun(program, f"wants the interpreter {interpreter}, which does not exist", NOT_EXECUTABLE)


def _interpreter(path: str) -> str:
    """What a script names in its first line; empty for anything else, and for a program that we may only run."""
    try:
        with open(path, "rb") as file:
            first = file.readline(512) if file.read(2) == b"#!" else b""
    except OSError:
        return ""
    words = first.split()
    return os.fsdecode(words[0]) if words and words[0].startswith(b"/") else ""
