"""The same as terminal_kit.py, inside the real tmux: for few tests."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LIMIT_S = 30.0


class TmuxKit:
    """A command in a tmux of its own, which wraps rows anew on a resize."""

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self.folder = folder
        self._tmux = ["tmux", "-S", str(folder / "tmux.sock"), "-f", os.devnull]
        self._status = folder / "tmux.status"
        given = [f"{name}={value}" for name, value in (env or {}).items()]
        command = f"{shlex.join(['env', *given, *argv])}; echo $? > {shlex.quote(str(self._status))}; sleep 600"
        self._run("new-session", "-d", "-s", "kit", "-x", str(columns), "-y", str(rows), command)
        self._run("set-option", "-g", "history-limit", "50000")

    def __enter__(self) -> TmuxKit:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def _run(self, *args: str) -> str:
        return subprocess.run([*self._tmux, *args], check=True, capture_output=True, text=True, timeout=LIMIT_S).stdout

    def screen(self) -> list[str]:
        """The rows of the screen."""
        return self._run("capture-pane", "-p", "-t", "kit").splitlines()

    def history(self) -> list[str]:
        """Scrollback and screen."""
        return self._run("capture-pane", "-p", "-S", "-", "-t", "kit").splitlines()

    def until(self, wanted: str | Callable[[TmuxKit], object], *, limit_s: float = LIMIT_S) -> None:
        """Wait until a text is on the screen, or the condition holds."""
        end = time.monotonic() + limit_s
        while not (wanted(self) if callable(wanted) else wanted in "\n".join(self.screen())):
            if time.monotonic() > end:
                raise AssertionError(f"did not see {wanted!r}; screen:\n" + "\n".join(self.screen()))
            time.sleep(0.05)

    def type(self, text: str) -> None:
        """Letters."""
        self._run("send-keys", "-t", "kit", "-l", text)

    def press(self, *keys: str) -> None:
        """Keys by tmux' own names: `Enter`, `C-c`, `Escape`, `M-Enter`, `BTab`."""
        self._run("send-keys", "-t", "kit", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Another size of the window."""
        self._run("resize-window", "-t", "kit", "-x", str(columns), "-y", str(rows))

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Wait for the end; the exit code."""
        self.until(lambda _: self._status.exists() and self._status.read_text().strip(), limit_s=limit_s)
        return int(self._status.read_text())
