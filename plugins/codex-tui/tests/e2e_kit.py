"""The program itself in a terminal, with a home of its own and a model that says what a test wrote down.

    def test_something(tui: World) -> None:
        tui.answers([say("done")])
        with tui.start() as terminal:
            terminal.until(READY)
            tui.enter(terminal, "hello")
            terminal.until("done")
            tui.leave(terminal)
        assert "hello" in tui.asked()

Each start is a real process, which costs about a second: tests do several things in one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from codex_plugin_sdk import ResponseItem
from codex_plugin_sdk.testing.servers import Reply, ScriptedResponsesServer, Stall, stalled

from .terminal_kit import TerminalKit

PROGRAM = str(Path(sys.executable).with_name("codex"))
MODEL = "gpt-5.5"
READY = ">_ codex "
"""To be seen once a session is open."""
MARK = "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"
"""Before what is written, and before what is pointed at."""
EMPTY = f"{MARK} Ask Codex"
"""What stands where the user writes while nothing is written."""
LIMIT_S = 60.0
_CONFIG = """{more}
model = "{model}"
model_provider = "mock"
{tables}
[model_providers.mock]
name = "mock"
base_url = "{url}"
wire_api = "responses"
"""


class World:
    """A home, a folder to work in and a scripted model. `settings` are lines of config.toml, `tables` come after them."""

    def __init__(self, folder: Path, server: ScriptedResponsesServer) -> None:
        self.server = server
        self.home = folder / "home"
        self.codex_home = self.home / ".codex"
        self.work = self.home / "work"
        self.work.mkdir(parents=True)
        self.codex_home.mkdir()
        self.configure()

    def configure(self, settings: str = "", tables: str = "") -> None:
        """Write config.toml."""
        text = _CONFIG.format(more=settings, model=MODEL, tables=tables, url=self.server.base_url)
        (self.codex_home / "config.toml").write_text(text)

    @property
    def env(self) -> dict[str, str]:
        """Of the program."""
        return {
            "HOME": str(self.home),
            "CODEX_HOME": str(self.codex_home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }

    # -- the model -------------------------------------------------------------------------------

    def answers(self, *answers: Sequence[ResponseItem] | Reply) -> None:
        """What the model says next, one answer for each request."""
        self.server.play(*(one if isinstance(one, Reply) else self.server.answer(*one) for one in answers))

    def waits(self, *items: ResponseItem, after_steps: int = 1) -> Stall:
        """An answer that waits after its first steps, until it is released."""
        reply, stall = stalled(self.server.answer(*items), after_steps)
        self.server.play(reply)
        return stall

    def until_asked(self, times: int) -> None:
        """Wait until the model has been asked so often in all."""
        self.server.wait_until(lambda server: len(server.requests) >= times, LIMIT_S)

    def inputs(self, request: int = -1) -> list[dict[str, Any]]:
        """The input of a request."""
        found: list[dict[str, Any]] = self.server.requests[request].json["input"]
        return found

    def said(self, request: int = -1) -> list[str]:
        """What users have said in the input of a request, without what the program itself puts there."""
        texts = [
            part["text"]
            for item in self.inputs(request)
            if item.get("role") == "user"
            for part in item["content"]
            if part["type"] == "input_text"
        ]
        return [text for text in texts if not text.startswith(("<", "# AGENTS.md"))]

    def outputs(self, request: int = -1) -> list[str]:
        """What the model reads of its calls."""
        return [str(item["output"]) for item in self.inputs(request) if item["type"].endswith("_call_output")]

    # -- the program -----------------------------------------------------------------------------

    @contextmanager
    def start(
        self, *args: str, columns: int = 90, rows: int = 30, env: dict[str, str] | None = None, **kit: Any
    ) -> Iterator[TerminalKit]:
        """`codex ARGS` in a terminal."""
        given = {**self.env, **(env or {})}
        terminal = TerminalKit([PROGRAM, *args], env=given, cwd=self.work, columns=columns, rows=rows, **kit)
        with terminal:
            yield terminal

    def enter(self, terminal: TerminalKit, line: str, *, while_busy: bool = False) -> None:
        """Type a line, wait until it is there, send it. Once the turn before has ended, unless `while_busy`."""
        if not while_busy:
            self.until_idle(terminal)
        terminal.type(line)
        terminal.until(lambda it: line[-20:] in composer(it))
        terminal.press("enter")

    def answer(self, terminal: TerminalKit, *keys: str) -> None:
        """Answer a question that is on the screen, once it takes keys."""
        terminal.until("a question", gone=True)
        terminal.press(*keys)

    def allow(self, terminal: TerminalKit, title: str) -> None:
        """Say yes to the only question. Nothing is allowed before all of it has been drawn: then once more."""
        for limit_s in (5.0, 5.0, LIMIT_S):
            self.answer(terminal, "y")
            with suppress(AssertionError):
                terminal.until(title, gone=True, limit_s=limit_s)
                return
        raise AssertionError("a yes is not taken")

    def until_idle(self, terminal: TerminalKit) -> None:
        """Wait for the end of the turn: until then keys mean something else."""
        terminal.until("to interrupt", gone=True)

    def leave(self, terminal: TerminalKit) -> None:
        """As users do it; the terminal is as it was."""
        self.until_idle(terminal)
        terminal.press("ctrl+c")
        terminal.until("ctrl+c again to leave")
        terminal.press("ctrl+c")
        assert terminal.wait(LIMIT_S) == 0
        assert_given_back(terminal)

    # -- what is recorded ------------------------------------------------------------------------

    def rollouts(self) -> list[Path]:
        """The recorded sessions, oldest first."""
        return sorted((self.codex_home / "sessions").rglob("rollout-*.jsonl"))

    def rollout(self, path: Path | None = None) -> list[dict[str, Any]]:
        """The lines of a session, by default of the newest."""
        text = (path or self.rollouts()[-1]).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def events(self, kind: str, path: Path | None = None) -> list[dict[str, Any]]:
        """The recorded events of a kind, by default of the newest session."""
        found = [line["payload"] for line in self.rollout(path) if line["type"] == "event_msg"]
        return [payload for payload in found if payload["type"] == kind]

    def session_id(self) -> str:
        """Of the newest session."""
        return str(self.rollout()[0]["payload"]["id"])


def composer(terminal: TerminalKit) -> str:
    """What stands where the user writes, from its mark on."""
    screen = terminal.screen()
    marks = [place for place, row in enumerate(screen) if row.startswith((f"{MARK} ", "! "))]
    return "\n".join(screen[marks[0] :]) if marks else ""


def times(terminal: TerminalKit, text: str) -> int:
    """How often a text is to be seen in scrollback and screen."""
    return "\n".join(terminal.history()).count(text)


def row_with(terminal: TerminalKit, text: str) -> str:
    """The first row of the screen with a text in it."""
    return next(row for row in terminal.screen() if text in row)


def has(*texts: str) -> Callable[[TerminalKit], bool]:
    """All of them are on the screen."""
    return lambda terminal: all(text in terminal.text() for text in texts)


def assert_given_back(terminal: TerminalKit) -> None:
    """The terminal is as it was found."""
    assert not terminal.is_raw()
    assert not terminal.modes & {"2004", "1004", "kitty", "2026", "1049", "1000", "1002", "1006"}
    assert terminal.cursor_is_visible
    assert not terminal.is_alternate
