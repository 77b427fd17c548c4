"""The demonstration that test_terminal.py runs in a pseudo-terminal. Commands are lines typed into its field."""

# The first frame is to be drawn before textual is imported:
# ruff: noqa: E402
from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from codex_tui.screen import splash

SPLASH = None
if __name__ == "__main__" and "--splash" in sys.argv:
    SPLASH = splash.begin(lambda width: [splash.row(text, width) for text in ("ticks 0", "", "Ask")], cursor=(0, 2))

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.widgets import Input, Static

from codex_tui.screen.run import run_app
from codex_tui.screen.terminal import TerminalApp


class Field(Input):
    """textual runs the bindings of a widget after what was typed later: so enter is taken here, in its turn."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            line, self.value = self.value, ""
            await self.app.obey(line)  # type: ignore[attr-defined]
        else:
            await super()._on_key(event)


class Demo(TerminalApp[None]):
    """A ticking row, a tail of changeable height, a field."""

    CSS = """
    Screen { background: transparent; }
    #ticks { height: 1; } #tail { height: auto; } Input { border: none; height: 1; padding: 0; }
    """

    def compose(self) -> ComposeResult:
        self.ticks = 0
        self.printed: list[str] = []
        yield Static("ticks 0", id="ticks")
        yield Static("", id="tail")
        yield Field(placeholder="Ask", select_on_focus=False)

    def on_mount(self) -> None:
        field = self.query_one(Input)
        field.cursor_blink = False
        field.focus()

    def tick(self) -> None:
        self.ticks += 1
        self.query_one("#ticks", Static).update(f"ticks {self.ticks}")

    def grow(self, height: int) -> None:
        self.query_one("#tail", Static).update("\n".join(f"tail {n}" for n in range(height)) if height else "")
        self.query_one("#tail").display = height > 0

    def give(self, *rows: str) -> None:
        self.printed += rows
        self.print_above([Text(row) for row in rows])

    def transcript_tail(self, width: int, count: int) -> Sequence[Text]:
        return [Text(row[:width]) for row in self.printed[-count:]]

    async def on_terminate(self, signum: int) -> None:
        self.give(f"terminated by {signum}")
        Path(sys.argv[1]).write_text(str(signum))

    async def measure(self) -> None:
        """The longest time for which the loop did not come by."""
        self.longest = 0.0
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            self.longest, before = max(self.longest, now - before), now

    async def obey(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "tick":
                self.set_interval(1 / 60, self.tick)
            case "grow":
                self.grow(int(rest))
            case "print":
                self.give(*rest.split("|"))
            case "storm":
                for n in range(int(rest)):
                    self.give(f"row {n}")
                    self.grow(n % 7)
                    await asyncio.sleep(0.001)
                self.grow(0)
                self.give("storm over")
            case "flood":
                rows = [Text(f"row {n}") for n in range(int(rest))]
                await asyncio.sleep(0.01)
                self.longest = 0.0
                self.print_above([*rows, Text("flood over")])
            case "beat":
                self.beat = asyncio.create_task(self.measure())
            case "stall":
                self.give(f"stall {self.longest * 1000:.0f} ms")
            case "edit":
                with self.suspend():
                    subprocess.run(["sh", "-c", "echo editing; read line; echo got $line"], check=True)
            case "alternate":
                self.enter_alternate()
            case "back":
                self.leave_alternate()
            case "title":
                self.write_title(f"\x1b]0;{rest}\x07")
                self.write_control("\x1b]9;look\x1b\\")
                self.bell()
            case "crash":
                raise RuntimeError("the demonstration breaks")
            case "exit":
                raise SystemExit(7)
            case "thread":
                thread = threading.Thread(target=sys.exit, args=(3,))
                thread.start()
                thread.join()
                self.give("thread over")
            case "hang":
                self.write_title("\x1b]0;hanging\x07")
                time.sleep(600)
            case "quit":
                self.exit(None)


def main() -> int:
    """`END_FILE [--full] [--stuck] [--splash]`."""
    Path(sys.argv[1] + ".pid").write_text(str(os.getpid()))
    drawn = SPLASH if "--splash" in sys.argv else None
    given = {"terminal": drawn.terminal, "painter": drawn.painter} if drawn else {}
    return run_app(Demo(full_screen="--full" in sys.argv, **given), stuck_s=0.5 if "--stuck" in sys.argv else 5.0)


if __name__ == "__main__":
    raise SystemExit(main())
