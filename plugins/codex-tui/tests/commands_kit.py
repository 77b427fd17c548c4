"""A user interface that only writes down what commands want of it, before a real server in this process."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from codex_plugin_sdk import Invocation
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_tui.commands.line import Outcome, run_line
from codex_tui.link.local import LocalLink
from codex_tui.session.controller import Draft, Session

LIMIT_S = 60


class FakeUi:
    """Answers what is asked from `answers`, in order: a function gets the options, or the title, and gives the answer;
    anything else is the answer."""

    def __init__(self, session: Session, invocation: Invocation) -> None:
        self.session, self.invocation, self.environ = session, invocation, invocation.environ
        self.interactive = True
        self.said: list[tuple[str, str, str]] = []
        self.cards: list[tuple[str, list[tuple[str, str]], str]] = []
        self.diffs: list[str] = []
        self.asked: list[tuple[str, Any]] = []
        self.notes: list[str] = []
        """Of what was to be picked."""
        self.secrets: list[str] = []
        """What was asked so that the answer is not shown."""
        self.answers: deque[Any] = deque()
        self.performed: list[tuple[str, str]] = []
        self.can: set[str] = set()
        self.composer = ""
        self.left = False
        self.later: list[Any] = []

    def say(self, level: str, text: str, hint: str = "") -> None:
        assert level in ("info", "warning", "error")
        self.said.append((level, text, hint))

    def card(self, title: str, rows: Any = (), text: str = "") -> None:
        assert all(isinstance(part, str) for row in rows for part in row), rows
        self.cards.append((title, list(rows), text))

    def show_diff(self, title: str, diff: str) -> None:
        self.diffs.append(diff)

    async def pick(self, title: str, options: Any, *, note: str = "", on_move: Any = None) -> Any:
        self.notes.append(note)
        return self._answer(title, options)

    async def ask_text(self, title: str, *, initial: str = "", secret: bool = False) -> str | None:
        self.secrets += [title] if secret else []
        return self._answer(title, initial)

    async def confirm(self, title: str, detail: str = "") -> bool:
        return bool(self._answer(title, detail))

    async def pick_session(self, title: str, *, all_folders: bool = False) -> str | None:
        return self._answer(title, None)

    def _answer(self, title: str, about: Any) -> Any:
        assert self.interactive, f"asked where nothing can be asked: {title}"
        self.asked.append((title, about))
        answer = self.answers.popleft()
        return answer(about) if callable(answer) else answer

    async def perform(self, action: str, argument: str = "") -> bool:
        self.performed.append((action, argument))
        return action in self.can

    def set_composer(self, text: str) -> None:
        self.composer = text

    async def submit(self, draft: Draft) -> None:
        await self.session.submit(draft)

    def run_later(self, work: Any) -> None:
        self.later.append(work)

    def quit(self) -> None:
        self.left = True

    # -- for tests -------------------------------------------------------------------------------

    def rows(self) -> dict[str, str]:
        """The rows of the last card."""
        return dict(self.cards[-1][1])

    def last(self) -> str:
        """The last notice as one text."""
        return " | ".join(self.said[-1])


def option(label: str) -> Callable[[Any], Any]:
    """Pick the option of a label."""

    def choose(options: Any) -> Any:
        (found,) = [one for one in options if one.label.strip() == label]
        assert not found.why_not, found
        return found.value

    return choose


class Place:
    """A session in a folder, with a model that answers from a script."""

    def __init__(self, root: Path, model: ScriptedResponsesServer, ui: FakeUi) -> None:
        self.root, self.model, self.ui, self.session = root, model, ui, ui.session
        self.home, self.work = root / "codex-home", root / "work"
        self.heard: list[dict[str, Any]] = []
        self._ended = anyio.Event()
        self.session.on_turn_end = lambda status: self._ended.set()
        self._news = anyio.Event()
        self.session.on_message = self._hear

    def _hear(self, message: Any) -> None:
        self.heard.append(message)
        self._news.set()
        self._news = anyio.Event()

    async def until(self, method: str, wanted: Callable[[Any], bool]) -> None:
        """Wait for a message whose params are wanted."""
        while not any(message["method"] == method and wanted(message["params"]) for message in self.heard):
            await self._news.wait()

    async def run(self, line: str) -> Outcome:
        """Carry out a line that works."""
        outcome = await run_line(self.ui, line)  # type: ignore[arg-type]
        assert outcome.result == "done", self.ui.said
        return outcome

    async def fails(self, line: str) -> str:
        """Carry out a line that fails; what is said."""
        count = len(self.ui.said)
        outcome = await run_line(self.ui, line)  # type: ignore[arg-type]
        assert (outcome.result, outcome.text) == ("failed", line)
        assert len(self.ui.said) == count + 1
        assert self.ui.said[-1][0] == "error"
        return self.ui.last()

    def script(self, *answers: list[Any]) -> None:
        """What the model answers, request by request."""
        self.model.play(*(self.model.answer(*items) for items in answers))

    async def turn(self, text: str = "go", *items: Any) -> None:
        """A whole turn."""
        if items:
            self.script(list(items))
        await self.ending(self.session.submit, Draft(text=text))

    async def ending(self, begin: Any, *given: Any) -> None:
        """Do something that begins a turn, and wait for the end of that."""
        self._ended = anyio.Event()
        await begin(*given)
        await self._ended.wait()

    async def ask(self, method: str, **params: Any) -> Any:
        """A request of another client's kind."""
        return await self.session.link.request(method, params)

    def sent(self) -> dict[str, Any]:
        """The last request that the model got."""
        body: dict[str, Any] = self.model.requests[-1].json
        return body


def configure(root: Path, model: ScriptedResponsesServer, *lines: str) -> dict[str, str]:
    """Homes, a folder, config.toml; the environment."""
    for name in ("codex-home", "work", "home"):
        (root / name).mkdir()
    text = [
        *lines,
        'model = "gpt-5.5"',
        'model_provider = "scripted"',
        "allow_login_shell = false",
        "[model_providers.scripted]",
        'name = "Scripted"',
        f'base_url = "{model.base_url}"',
        'wire_api = "responses"',
        "request_max_retries = 0",
        "stream_max_retries = 0",
    ]
    (root / "codex-home" / "config.toml").write_text("\n".join(text) + "\n")
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(root / "home"),
        "CODEX_HOME": str(root / "codex-home"),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
    }


@asynccontextmanager
async def opened(
    root: Path, model: ScriptedResponsesServer, plugins: Any, *lines: str, **settings: Any
) -> AsyncIterator[Place]:
    """A session that is open."""
    environ = configure(root, model, *lines)
    invocation = Invocation(plugins=plugins, environ=environ)
    link = LocalLink()
    link.start(invocation)
    link.bind()
    try:
        with anyio.fail_after(LIMIT_S):
            async with anyio.create_task_group() as tasks:
                session = Session(link, {"cwd": str(root / "work"), **settings})
                place = Place(root, model, FakeUi(session, invocation))
                tasks.start_soon(session.listen)
                await session.start()
                yield place
                tasks.cancel_scope.cancel()
    finally:
        await link.close()


def git(work: Path, *words: str) -> str:
    """git, as somebody."""
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    return subprocess.run(command, cwd=work, check=True, capture_output=True, text=True).stdout.strip()
