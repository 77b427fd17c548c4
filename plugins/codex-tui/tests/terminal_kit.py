"""A terminal for end-to-end tests: a pseudo-terminal with an emulated screen, scrollback and keyboard.

    with TerminalKit([sys.executable, "-m", "codex_kernel"], env=..., columns=80, rows=24) as terminal:
        terminal.until("Ask Codex")
        terminal.type("hello")
        terminal.press("enter")
        terminal.until("done")
        assert terminal.scrollback()[-1] == "…"
        terminal.press("ctrl+c", "ctrl+c")
        assert terminal.wait() == 0

A thread reads what the program writes and answers its queries as terminals do. Every wait has a generous limit and
fails with the screen in its message.
"""

from __future__ import annotations

import codecs
import fcntl
import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pyte

from codex_plugin_sdk.testing.warm_start import in_terminal

from .terminal_screen import Screen, key_sequence, row_text, style

LIMIT_S = 30.0

_TOKEN = re.compile(
    r"\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b\[(?P<mark>[<>=?]?)(?P<args>[0-9;:]*)(?P<inter>[ !\"$']*)(?P<final>[@-~])"
    r"|\x1b[()*+][0-9A-Za-z]|\x1b[ #%][0-9A-Za-z@]"
    r"|\x1b[^\[\]()*+ #%]"
)
_PARTIAL = re.compile(r"\x1b(?:\[[<>=?]?[0-9;:]*[ !\"$']*|\][^\x07\x1b]*\x1b?|[()*+ #%])?\Z")


class TerminalKit:
    """See the head of the file. `kitty`: the terminal has the kitty keyboard protocol (else xterm's keys: then `esc` is told
    from `alt+…` by the program's clock). `frames`: keep the screen at the end of every synchronised update."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        columns: int = 80,
        rows: int = 24,
        kitty: bool = True,
        frames: bool = False,
    ) -> None:
        self.kitty = kitty
        self.modes: set[str] = set()
        """DEC private modes that are on (`2004`, `1049`, …), and `kitty` while its stack is not empty."""
        self.title = ""
        self.notifications: list[str] = []
        self.bells = 0
        self.raw = bytearray()
        """All that the program has written."""
        self.frames: list[list[str]] | None = [] if frames else None
        self.started = time.monotonic()
        self._screen = Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._rest = ""
        self._keyboards = 0
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._changed = threading.Condition(threading.RLock())
        self._master, self._slave = pty.openpty()
        self._set_size(columns, rows)
        full = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        for name in ("TMUX", "STY", "XTERM_VERSION", "NO_COLOR", "COLUMNS", "LINES", "TERM_PROGRAM"):
            if name not in (env or {}):
                full.pop(name, None)
        if env is None or "XTERM_VERSION" not in env:
            full["XTERM_VERSION"] = "XTerm(kit)"  # like it, this screen does not wrap its rows anew
        self.process = subprocess.Popen(
            in_terminal(os.ttyname(self._slave), argv),
            env=full, cwd=cwd, start_new_session=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> TerminalKit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What is seen.

    def screen(self) -> list[str]:
        """The rows of the screen, without blanks at their ends."""
        with self._changed:
            self._whole_frame()
            return [row_text(self._screen.buffer[y], self._screen.columns) for y in range(self._screen.lines)]

    def scrollback(self) -> list[str]:
        """What has left the screen at its top, oldest first."""
        with self._changed:
            self._whole_frame()
            return [row_text(line, max(line, default=-1) + 1) for line in self._screen.kept]

    def history(self) -> list[str]:
        """Scrollback and screen."""
        with self._changed:
            self._whole_frame()
            return self.scrollback() + self.screen()

    def text(self) -> str:
        """The screen as one string."""
        return "\n".join(self.screen())

    def cursor(self) -> tuple[int, int]:
        """Column and row of the hardware cursor, from 0."""
        with self._changed:
            self._whole_frame()
            return self._screen.cursor.x, self._screen.cursor.y

    @property
    def cursor_is_visible(self) -> bool:
        """Whether the hardware cursor is shown."""
        return not self._screen.cursor.hidden

    @property
    def is_alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return self._screen.is_alternate

    def local_flags(self) -> int:
        """termios' local flags, to see whether echo and line mode are on."""
        return int(termios.tcgetattr(self._slave)[3])

    def is_raw(self) -> bool:
        """No echo, no lines."""
        return not self.local_flags() & (termios.ECHO | termios.ICANON)

    # Waiting.

    def until(
        self, wanted: str | Callable[[TerminalKit], object], *, limit_s: float = LIMIT_S, gone: bool = False
    ) -> None:
        """Wait until a text is on the screen (`gone`: no longer), or the condition holds."""
        test: Callable[[], object] = (
            (lambda: wanted(self)) if callable(wanted) else (lambda: (wanted in self.text()) != gone)
        )
        end = time.monotonic() + limit_s
        with self._changed:
            quiet = 0
            while not test():
                left = end - time.monotonic()
                ended = self.process.poll() is not None and not select.select([self._master], [], [], 0)[0]
                quiet = quiet + 1 if ended else 0
                if left <= 0 or quiet > 3:
                    raise AssertionError(f"did not see {wanted!r} within {limit_s} s; {self._state()}")
                self._changed.wait(min(left, 0.1))

    def until_stopped(self, limit_s: float = LIMIT_S) -> None:
        """Wait until the process is stopped (ctrl+z)."""
        self.until(lambda _: self._process_state() == "T", limit_s=limit_s)

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Wait for the end; the exit code. All that was written before has been read then."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {limit_s} s; {self._state()}") from None
        self._settle()
        return code

    # What the user does.

    def type(self, text: str) -> None:
        """Letters, one after the other, as fast as the program takes them."""
        self.send(text)

    def press(self, *keys: str) -> None:
        """Keys by name: see `key_sequence`."""
        for key in keys:
            self.send(key_sequence(key, kitty=self.kitty and "kitty" in self.modes))

    def paste(self, text: str) -> None:
        """In brackets when the program has asked for them."""
        self.send(f"\x1b[200~{text}\x1b[201~" if "2004" in self.modes else text.replace("\n", "\r"))

    def send(self, data: str) -> None:
        """Bytes to the program."""
        left = data.encode()
        while left:
            left = left[os.write(self._master, left) :]

    def resize(self, columns: int, rows: int) -> None:
        """Another size. The program gets its SIGWINCH."""
        with self._changed:
            self._screen.resize(rows, columns)
            self._set_size(columns, rows)

    @contextmanager
    def not_reading(self) -> Iterator[None]:
        """A terminal that takes nothing more for a while, as one behind a connection that hangs."""
        with self._changed:
            yield

    def send_signal(self, number: int) -> None:
        """To the program's whole process group, as the terminal does."""
        os.killpg(self.process.pid, number)

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._slave)
        master, self._master, self._slave = self._master, -1, -1
        # The reader sits in a read of it: only the end of the last process that has it closes a terminal.
        self._stop_reader()
        os.close(master)

    def close(self) -> None:
        """End everything."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self._master >= 0:
            self._stop_reader()
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1

    # Pictures.

    def screenshot_svg(self, path: str | Path, title: str) -> None:
        """The screen in colours, as an SVG for the docs."""
        from rich.console import Console
        from rich.text import Text

        console = Console(record=True, width=self._screen.columns, file=io.StringIO(), color_system="truecolor")
        with self._changed:
            for y in range(self._screen.lines):
                row = Text(no_wrap=True)
                line = [self._screen.buffer[y][x] for x in range(self._screen.columns)]
                for _, run in groupby(line, key=lambda char: char._replace(data="")):
                    chars = list(run)
                    row.append("".join(char.data for char in chars), style(chars[0]))
                console.print(row, soft_wrap=True)
        Path(path).write_text(console.export_svg(title=title, unique_id="codex"), encoding="utf-8")

    # The terminal's side.

    def _whole_frame(self) -> None:
        """A synchronised update is shown when it has ended (or takes too long, as terminals do it)."""
        self._changed.wait_for(lambda: "2026" not in self.modes, 2)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        self._stop_read, self._stop_write = os.pipe()
        master = self._master
        while True:
            ready, _, _ = select.select([master, self._stop_read], [], [])
            if self._stop_read in ready:
                break
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            with self._changed:
                self.raw += data
                self._feed(self._decode(data))
                self._changed.notify_all()
        os.close(self._stop_read)

    def _stop_reader(self) -> None:
        if self._reader.is_alive():
            os.write(self._stop_write, b"x")
            self._reader.join(LIMIT_S)
        os.close(self._stop_write)

    def _settle(self) -> None:
        while select.select([self._master], [], [], 0)[0] and self._reader.is_alive():
            time.sleep(0.005)
        with self._changed:  # the reader has finished with what it took
            self._changed.notify_all()

    def _feed(self, data: str) -> None:
        data, self._rest = self._rest + data, ""
        at = 0
        for token in _TOKEN.finditer(data):
            self._stream.feed(data[at : token.start()])
            at = token.end()
            if not self._handle(token):
                self._stream.feed(token.group())
        tail = data[at:]
        partial = _PARTIAL.search(tail)
        cut = partial.start() if partial else len(tail)
        self._rest = tail[cut:]
        self.bells += tail[:cut].count("\x07")
        self._stream.feed(tail[:cut])

    def _handle(self, token: re.Match[str]) -> bool:
        """Whether the sequence is dealt with here, and pyte need not see it."""
        if token["osc"] is not None:
            number, _, text = token["osc"].partition(";")
            if number in {"0", "2"}:
                self.title = text
            elif number == "9":
                self.notifications.append(text)
            return True
        mark, args, final = token["mark"], token["args"], token["final"]
        if final is None:
            return False
        if mark == "?" and final in "hl" and not token["inter"]:
            handled = [self._mode(mode, final == "h") for mode in args.split(";")]
            return all(handled)
        if final == "p" and token["inter"] == "$":
            self._answer(f"\x1b[?{args};{'1' if args in self.modes else '2'}$y")
        elif final == "u" and mark:
            self._keyboard(mark)
        elif final == "n" and args == "6":
            self._answer(
                f"\x1b[{self._screen.cursor.y + 1};{min(self._screen.cursor.x, self._screen.columns - 1) + 1}R"
            )
        elif final == "c":
            self._answer("\x1b[>0;10;1c" if mark == ">" else "\x1b[?62;22c")
        else:
            return bool(mark and mark != "?") or final in "tq" or bool(token["inter"])
        return True

    def _mode(self, mode: str, on: bool) -> bool:
        (self.modes.add if on else self.modes.discard)(mode)
        if mode == "1049":
            self._screen.alternate(on)
        if mode == "2026" and not on and self.frames is not None:
            self.frames.append(self.screen())
        return mode not in {"25", "7"}

    def _keyboard(self, mark: str) -> None:
        if mark == "?":
            if self.kitty:
                self._answer(f"\x1b[?{int(self._keyboards > 0)}u")
            return
        self._keyboards = max(0, self._keyboards + (1 if mark == ">" else -1))
        (self.modes.add if self._keyboards else self.modes.discard)("kitty")

    def _answer(self, data: str) -> None:
        os.write(self._master, data.encode())

    def _process_state(self) -> str:
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return ""

    def _state(self) -> str:
        code = self.process.poll()
        return f"process {'runs' if code is None else f'ended with {code}'}; screen:\n{self.text()}"
