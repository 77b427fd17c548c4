"""What is wrong with a skill, as a value and as an error."""

from __future__ import annotations

from codex_kernel.protocol.value import Value, value


@value
class Problem(Value):
    """Something wrong at `path`, in line `line` (0: the file as a whole). `severity` is error (the skill is left
    out) or warning (another program may leave it out)."""

    path: str
    line: int
    message: str
    cure: str
    severity: str = "error"

    @property
    def where(self) -> str:
        """`FILE:LINE`, or the file alone."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def __str__(self) -> str:
        return f"{self.where}: {self.message} ({self.cure})"


class UnusableError(Exception):
    """A file that cannot be used. Never shown as such: it becomes a `Problem`."""

    def __init__(self, message: str, cure: str, line: int = 0) -> None:
        super().__init__(message)
        self.message, self.cure, self.line = message, cure, line
