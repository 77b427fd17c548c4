"""What happens to a terminal: other sizes, floods, hostile text, being stopped, ended and closed; and resuming after it."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator

import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.scripted_http import Delay, Reply, Step
from codex_plugin_sdk.testing.sse_wire import event, responses_events

from .e2e_kit import EMPTY, LIMIT_S, MARK, READY, World, assert_given_back, composer, has, times

HOSTILE = (
    "before\x1b[2J\x1b[H\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b]8;;http://evil.invalid\x1b\\link\x1b]8;;\x1b\\"
    "\x9b31m\x1bP+q544e\x1b\\ \u202egnp.exe\u202c\x07\r\x08 after"
)
PER_STEP = 50
EACH_S = 0.01
FEWEST = 10_000


class Flood:
    """An answer of 5,000 deltas a second for two seconds at least, and then until `enough` is set."""

    def __init__(self) -> None:
        self.enough = threading.Event()
        self.rows = 0

    def reply(self) -> Reply:
        return Reply(steps=self._steps())  # type: ignore[arg-type] # made while it is sent

    def _steps(self) -> Iterator[Step]:
        begin = responses_events((say("x"),), delta_chars=1000)
        yield b"".join(begin[:2])
        texts = ["```\n"]
        sent = 0
        while sent < FEWEST or not self.enough.is_set():
            some = [f"row {self.rows + n // 2}" if n % 2 == 0 else " of many\n" for n in range(PER_STEP)]
            self.rows += PER_STEP // 2
            texts += some
            sent += PER_STEP
            yield b"".join(map(_delta, some))
            yield Delay(seconds=EACH_S)
        texts.append("```\n\nthe flood is over")
        whole = responses_events((say("".join(texts)),), delta_chars=1000)
        yield _delta(texts[-1]) + b"".join(whole[-2:])


def _delta(text: str) -> bytes:
    return event(
        "response.output_text.delta", {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text}
    )


def numbers(rows: list[str], word: str = "row") -> list[int]:
    """The numbers of rows that say `row N`."""
    return [int(found[1]) for row in rows if (found := re.match(rf"[\s•]*{word} (\d+)\b", row))]


def test_sizes_change_text_is_hostile_and_a_flood_neither_holds_up_keys_nor_loses_a_row(tui: World) -> None:
    words = " ".join(f"word{n}" for n in range(60))
    with tui.start(columns=80, rows=24) as terminal:
        terminal.until(READY)
        title = terminal.title
        tui.answers([call("exec_command", "c1", cmd="printf '\\033[2Jshell\\033]0;owned\\007 says'")], [say(HOSTILE)])
        tui.enter(terminal, "be nasty")
        terminal.until(has("shell", "says", "before", "after", "be nasty"))
        assert "owned" not in terminal.title
        assert title.split()[-1:] == terminal.title.split()[-1:]
        for part in (b"\x1b]0;owned", b"\x1b]52", b"\x1b]8", b"\xe2\x80\xae", b"\x1b[2J", b"\x1bP", b"\xc2\x9b"):
            assert part not in terminal.raw

        tui.answers([say(words)])
        tui.enter(terminal, "many words")
        terminal.until("word59")
        for columns, rows in ((44, 20), (110, 30), (80, 24)):
            terminal.resize(columns, rows)
            terminal.until(lambda it, n=columns: EMPTY in composer(it) and _whole(it, words))
            assert max(map(len, terminal.screen())) <= columns
            assert times_on_screen(terminal, "word59") == 1
        terminal.resize(20, 4)
        terminal.until("too small")
        terminal.resize(80, 24)
        terminal.until(lambda it: "too small" not in it.text() and _whole(it, words))

        terminal.type("where \u6f22")
        terminal.until(lambda it: "\u6f22" in composer(it))
        row = next(number for number, text in enumerate(terminal.screen()) if "where" in text)
        terminal.until(lambda it: it.cursor() == (len(f"{MARK} where ") + 2, row))  # input methods write there
        assert terminal.cursor_is_visible
        terminal.press("ctrl+c")
        terminal.until("where", gone=True)

        flood = Flood()
        tui.answers(flood.reply())
        tui.enter(terminal, "flood me")
        terminal.until(lambda it: numbers(it.screen()))
        terminal.type("still here?")
        terminal.until(lambda it: "still here?" in composer(it))
        flood.enough.set()
        terminal.until("the flood is over", limit_s=LIMIT_S)
        terminal.until(lambda it: "Working" not in it.text())
        assert numbers(terminal.history()) == list(range(flood.rows))
        assert composer(terminal).startswith(f"{MARK} still here?")
        terminal.press("ctrl+c")
        terminal.until("still here?", gone=True)
        tui.leave(terminal)


def _whole(terminal, words: str) -> bool:
    """The words are there in their order, however they are wrapped."""
    return words in " ".join(terminal.text().split())


def times_on_screen(terminal, text: str) -> int:
    return terminal.text().count(text)


def test_stopped_continued_ended_by_a_signal_and_resumed(tui: World) -> None:
    with tui.start("--no-alt-screen") as terminal:
        terminal.until(READY)
        terminal.press("ctrl+z")
        terminal.until_stopped()
        terminal.until(lambda it: "2004" not in it.modes and not it.is_raw())
        terminal.send_signal(signal.SIGCONT)
        terminal.until(lambda it: it.is_raw() and "2004" in it.modes)
        tui.answers([say("I know it now")])
        tui.enter(terminal, "remember the word apple")
        terminal.until("I know it now")
        terminal.press("ctrl+t")  # a transcript without the alternate screen
        terminal.until("q close")
        assert not terminal.is_alternate
        terminal.press("q")
        terminal.until("q close", gone=True)

        tui.waits(say("this takes long"), after_steps=2)
        tui.enter(terminal, "think long")
        terminal.until("Working")
        tui.until_asked(2)
        terminal.send_signal(signal.SIGTERM)
        assert terminal.wait(LIMIT_S) == 143
        assert_given_back(terminal)
        assert f"codex resume {tui.session_id()}" in terminal.text()
        assert "Working" not in terminal.text()
    assert [event["reason"] for event in tui.events("turn_aborted")] == ["interrupted"]

    id = tui.session_id()
    with tui.start("resume", id, env={"NO_COLOR": "1"}) as terminal:
        terminal.until(has("remember the word apple", "I know it now", "think long"))
        terminal.until(lambda it: EMPTY in composer(it))
        tui.answers([say("apple, of course")])
        tui.enter(terminal, "which word?")
        terminal.until("apple, of course")
        assert [text for text in tui.said() if "word" in text] == ["remember the word apple", "which word?"]
        tui.leave(terminal)
        assert times(terminal, "I know it now") == 1
        # No colours: neither of 16 nor of more.
        assert not re.search(rb"\x1b\[[0-9;:]*\b(3[0-7]|38|4[0-7]|48|9[0-7])\b[0-9;:]*m", bytes(terminal.raw))
    assert len(tui.rollouts()) == 1
    assert tui.session_id() == id


@pytest.mark.parametrize("way", ["interrupt", "finish"])
def test_a_closed_window_ends_the_turn_as_configured(tui: World, way: str) -> None:
    tui.configure(tables=f'[tui]\non_hangup = "{way}"')
    stall = tui.waits(say("the end of it"), after_steps=3)
    with tui.start("take your time") as terminal:
        terminal.until("Working")
        assert stall.reached.wait(LIMIT_S)
        terminal.hang_up()
        if way == "finish":
            stall.release()
        code = terminal.process.wait(LIMIT_S)
        assert code == 128 + signal.SIGHUP
    if way == "finish":
        assert [event["last_agent_message"] for event in tui.events("task_complete")] == ["the end of it"]
        assert not tui.events("turn_aborted")
    else:
        assert [event["reason"] for event in tui.events("turn_aborted")] == ["interrupted"]
    assert os.path.exists(tui.codex_home)
