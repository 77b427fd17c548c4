"""The application before a server that says what a test wants: what must not be lost, and what must not act."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import anyio
import pytest
from textual import events

from codex_plugin_sdk import Invocation, ProtocolError
from codex_plugin_sdk.testing.harness import manager
from codex_tui.keymap import Keymap
from codex_tui.link.errors import LinkLost
from codex_tui.options import Opening, Options
from codex_tui.render import load_theme
from codex_tui.screen import splash
from codex_tui.screen.app import CodexApp
from codex_tui.screen.statusline import StatusLine
from codex_tui.screen.textbox import TextBox
from codex_tui.section import TuiSection
from codex_tui.session.asks import Reply
from codex_tui.session.cells import AgentCell, DecisionCell, UserCell
from codex_tui.session.controller import Draft, Session
from codex_tui.session.status import Status

LIMIT_S = 60
EVIL = "a\x1b]0;PWNED\x07\u202eb\x9b31m\x00"
TURNS = 1100


class Server:
    """Answers what an application asks; `say` is what it says by itself, an error ends it."""

    name, is_local = "test", False

    def __init__(self) -> None:
        self.answers: list[object] = []
        self.is_gone = False
        self._said: asyncio.Queue[object] = asyncio.Queue()

    def say(self, *messages: object) -> None:
        for message in messages:
            self._said.put_nowait(message)

    def ask(self, id: int, command: str) -> None:
        params = {"threadId": "t1", "turnId": "u1", "itemId": f"i{id}", "command": command, "cwd": "/w"}
        self.say({"id": id, "method": "item/commandExecution/requestApproval", "params": params})

    async def request(self, method, params=None):
        match method:
            case "account/read":
                return {"requiresOpenaiAuth": False, "account": None}
            case "thread/list":
                return {"data": [{}]}
            case "thread/start" | "thread/resume":
                return {"thread": {"id": "t1"}, "cwd": "/w", "model": "m"}
            case "thread/turns/list":
                first = int(params.get("cursor") or TURNS)
                last = max(0, first - params["limit"])
                data = [turn(number) for number in range(first - 1, last - 1, -1)]
                return {"data": data, "nextCursor": str(last) if last else None}
            case "thread/unsubscribe":
                return {}
            case "turn/interrupt":
                if self.is_gone:
                    raise LinkLost("gone")
                self.answers.append(("turn/interrupt", params["turnId"]))
                return {}
        raise ProtocolError(f"{method} is not known here")

    async def answer(self, id, result):
        self.answers.append((id, result))

    async def refuse(self, id, message):
        self.answers.append((id, message))

    async def next_message(self):
        message = await self._said.get()
        if isinstance(message, Exception):
            raise message
        return message

    def waiting(self):
        return self._said.qsize()


def turn(number: int) -> dict[str, object]:
    said = {"type": "userMessage", "id": f"m{number}", "content": [{"type": "text", "text": f"message {number}"}]}
    return {"id": f"u{number}", "status": "completed", "items": [said]}


@asynccontextmanager
async def running(tmp_path, size=(80, 24)):
    """The application on a screen of this size, with its session open, and its server."""
    environ = {"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path)}
    invocation = Invocation(plugins=manager(), environ=environ)
    options = Options(
        invocation=invocation,
        config=invocation.load_config(cwd=str(tmp_path)),
        section=TuiSection(),
        keymap=Keymap.from_config({}),
        theme=load_theme("dark", environ={}),
        opening=Opening(),
        settings={"cwd": str(tmp_path)},
        cwd=str(tmp_path),
    )
    server = Server()
    app = CodexApp(Session(server, options.settings), options)
    with anyio.fail_after(LIMIT_S):
        async with app.run_test(size=size) as pilot:
            await until(lambda: app.session.thread_id)
            yield app, pilot, server


async def until(condition) -> None:
    while not condition():
        await anyio.sleep(0.005)


def burst(app, *keys: str) -> None:
    """Keys that arrive at once, as over a slow connection."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


# -- names that others have given --------------------------------------------------------------------


def test_names_of_folders_and_branches_do_not_act_on_the_terminal():
    status = Status(model="m", cwd=f"/w/{EVIL}", branch=EVIL)
    shown = StatusLine(("current-dir", "git-branch"), "").row(status, load_theme("dark", environ={}), 200).plain
    drawn = splash.row(f"/w/{EVIL}", 200).text
    for text in (shown, drawn):
        assert text.isprintable()
        assert "PWNED" in text


@pytest.mark.anyio
async def test_what_is_copied_has_nothing_that_acts_where_it_is_pasted(tmp_path):
    async with running(tmp_path) as (app, _, _):
        written: list[str] = []
        app.write_control = written.append
        app.act._copy(f"line\n\t{EVIL}\x1b[201~\nrm")
        copied = base64.b64decode(written[0].removeprefix("\x1b]52;c;").removesuffix("\x07")).decode()
        assert copied == "line\n\ta]0;PWNED\u202eb31m[201~\nrm"


@pytest.mark.anyio
async def test_what_hides_in_a_paste_can_be_seen_before_it_is_sent(tmp_path):
    async with running(tmp_path) as (app, _, _):
        app.post_message(events.Paste("a\u202eb\u200bc"))
        await until(lambda: app.composer.text == "a\u202eb\u200bc")  # it is sent as it was pasted
        box = app.composer.query_one(TextBox)
        await until(lambda: "a<U+202E>b<U+200B>c" in box.render_line(0).text)
        assert box.rows.column_of(5) == len("a<U+202E>b<U+200B>c")


# -- questions ---------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_key_that_is_held_answers_one_question(tmp_path):
    async with running(tmp_path) as (app, _, server):
        server.ask(1, "one")
        server.ask(2, "two")
        await until(lambda: app.dialogs.open is not None and not app.dialogs.too_new)
        burst(app, "y", "y", "y")
        await until(lambda: len(app.session.asks) == 1 and app.dialogs.open is not None)
        assert [id for id, _ in server.answers] == [1]


@pytest.mark.anyio
async def test_a_question_becomes_as_high_again_as_the_terminal_lets_it(tmp_path):
    async with running(tmp_path, size=(60, 30)) as (app, pilot, server):
        server.ask(1, "one")
        await until(lambda: app.dialogs.open is not None and app.dialogs.open.size.height > 8)
        dialog = app.dialogs.open
        height = dialog.size.height
        await pilot.resize_terminal(60, 6)
        await until(lambda: dialog.size.height < 5)
        await pilot.resize_terminal(60, 30)
        await until(lambda: dialog.size.height == height)


@pytest.mark.anyio
async def test_what_is_written_leaves_room_for_the_status_in_a_terminal_that_becomes_low(tmp_path):
    async with running(tmp_path, size=(60, 30)) as (app, pilot, _):
        app.composer.set_text("\n".join("123456"))
        await until(lambda: app.composer.size.height == 6)
        await pilot.resize_terminal(60, 6)
        await until(lambda: app.composer.size.height == 3)
        await pilot.resize_terminal(60, 30)
        await until(lambda: app.composer.size.height == 6)


@pytest.mark.anyio
async def test_a_turn_that_is_to_stop_is_stopped_before_the_model_is_asked_again(tmp_path):
    async with running(tmp_path) as (app, _, server):
        server.say({"method": "turn/started", "params": {"threadId": "t1", "turn": {"id": "u1", "items": []}}})
        server.ask(1, "one")
        await until(lambda: app.session.busy and app.session.asks)
        ask = app.session.asks[0]
        await app.session.reply(ask, Reply(result="no", outcome="Refused", approved=False, interrupts=True))
        assert server.answers == [("turn/interrupt", "u1"), (1, "no")]
        assert [cell.text for cell in app.session.transcript if isinstance(cell, DecisionCell)] == ["Refused"]


# -- nothing is lost ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_is_typed_while_something_closes_goes_to_the_composer(tmp_path):
    async with running(tmp_path) as (app, pilot, _):
        await pilot.press("ctrl+t")
        await until(lambda: len(app.screen_stack) > 1 and app.screen.focused is not None)
        burst(app, "q", "h", "i")
        await until(lambda: app.composer.text == "hi")
        app.composer.clear()
        app.go(app.act.choose_theme(""))
        await until(lambda: app.dialogs.open is not None and app.dialogs.open.has_focus)
        burst(app, "escape", "h", "o")
        await until(lambda: app.composer.text == "ho")


@pytest.mark.anyio
async def test_a_theme_that_nothing_is_called_like_is_not_shown(tmp_path):
    async with running(tmp_path) as (app, pilot, _):
        before = app.colours
        app.go(app.act.choose_theme(""))
        await until(lambda: app.dialogs.open is not None and app.dialogs.open.has_focus)
        await pilot.press("z", "z", "z")
        await pilot.press("escape", "escape")
        await until(lambda: app.dialogs.open is None)
        assert app.colours is before


@pytest.mark.anyio
async def test_what_was_not_sent_is_in_the_history_afterwards(tmp_path):
    async with running(tmp_path) as (app, _, _):
        app.session.queue.append(Draft(text="sent later"))
        app.composer.set_text("half a sent")
        await app.on_terminate(1)
        lines = (tmp_path / "history.jsonl").read_text().splitlines()
        assert [json.loads(line)["text"] for line in lines] == ["sent later", "half a sent"]
        app.act.edit_queued()  # what is being written is kept as well
        assert app.composer.text == "sent later"
        assert app.history.recent(0) == "half a sent"


@pytest.mark.anyio
async def test_a_server_that_is_gone_leaves_what_is_written_and_a_way_out(tmp_path):
    async with running(tmp_path) as (app, pilot, server):
        server.say({"method": "turn/started", "params": {"threadId": "t1", "turn": {"id": "u1", "items": []}}})
        await until(lambda: app.session.busy)
        app.composer.set_text("half")
        server.is_gone = True
        await pilot.press("escape")  # before anybody knows
        server.say(LinkLost("gone"))
        await until(lambda: app.session.status.phase == "lost")
        await pilot.press("enter")
        await until(lambda: app.composer.text == "half")
        await pilot.press("ctrl+c", "ctrl+c")
        assert "again to leave" in app.hint
        await pilot.press("ctrl+c")
        await until(lambda: not app.is_running)
    assert app.return_code == 0


@pytest.mark.anyio
async def test_a_fault_in_what_goes_on_beside_ends_the_application_and_is_shown(tmp_path):
    async def fails() -> None:
        raise LookupError("a fault")

    async def run() -> None:
        async with running(tmp_path) as (app, _, _):
            app.go(fails())
            await until(lambda: not app.is_running)

    with pytest.raises(LookupError, match="a fault"):
        await run()


@pytest.mark.anyio
async def test_the_transcript_goes_back_to_the_first_message_of_a_resumed_session(tmp_path):
    async with running(tmp_path) as (app, pilot, _):
        await app.session.resume("t1")
        app.session.transcript.add(AgentCell(key="news", text="now"))
        assert len(app.session.user_turns()) < TURNS
        await pilot.press("ctrl+t")
        await until(lambda: app.session.older is None)
        said = [cell.text for cell in app.session.transcript if isinstance(cell, UserCell)]
        assert said == [f"message {number}" for number in range(TURNS)]
        assert app.session.transcript.cells[-1].key == "news"
