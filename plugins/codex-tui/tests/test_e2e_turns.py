"""Turns in a real terminal: steering, the queue, interrupting; commands of the user's, mentions, pastes, slash commands."""

from __future__ import annotations

from codex_plugin_sdk.testing.model import call, say

from .e2e_kit import EMPTY, MARK, READY, World, composer, has, row_with, times


def test_a_turn_is_steered_followed_by_what_was_queued_and_interrupted(tui: World) -> None:
    with tui.start() as terminal:
        terminal.until(READY)
        first = tui.waits(call("exec_command", "c1", cmd="echo one"), after_steps=2)
        tui.answers([say("I turn left")], [say("and the queued one")])
        tui.enter(terminal, "go straight on")
        terminal.until("Working")
        tui.until_asked(1)
        tui.enter(terminal, "no, to the left", while_busy=True)  # steers
        terminal.until(lambda it: "no, to the left" not in composer(it))
        terminal.type("and then stop")
        terminal.until(lambda it: "and then stop" in composer(it))
        terminal.press("tab")  # queues
        terminal.until(has("1 queued", "↳ and then stop"))
        first.release()
        terminal.until(has("I turn left", "and the queued one"))
        assert [tui.said(n) for n in range(3)] == [
            ["go straight on"],
            ["go straight on", "no, to the left"],
            ["go straight on", "no, to the left", "and then stop"],
        ]
        assert "queued" not in composer(terminal)
        assert len(tui.events("task_started")) == 2

        # Esc stops it; what is queued comes back, and the session goes on.
        tui.waits(say("never said to the end"), after_steps=3)
        tui.enter(terminal, "talk for ever")
        tui.until_asked(4)
        terminal.until("esc to interrupt")
        terminal.type("later")
        terminal.until(lambda it: "later" in composer(it))
        terminal.press("tab")
        terminal.until("1 queued")
        terminal.press("esc")
        terminal.until(lambda it: "interrupted" in it.text() and "later" in composer(it))
        assert len(tui.events("turn_aborted")) == 1
        assert tui.events("turn_aborted")[0]["reason"] == "interrupted"
        terminal.press("ctrl+u")
        tui.answers([say("still here")])
        tui.enter(terminal, "are you there?")
        terminal.until("still here")
        assert tui.said()[-1] == "are you there?"
        tui.leave(terminal)
        for text in ("I turn left", "and the queued one", "still here", "▌ no, to the left", "▌ and then stop"):
            assert times(terminal, text) == 1


def test_what_can_be_written_pastes_mentions_own_commands_and_slash_commands(tui: World) -> None:
    (tui.work / "docs").mkdir()
    (tui.work / "docs" / "a file.md").write_text("x")
    (tui.work / "needle.py").write_text("x")
    long = "".join(f"pasted line {n}\n" for n in range(500))
    with tui.start(rows=40) as terminal:
        terminal.until(READY)
        # A large paste is one mark in the text, and sent in full; two lines stay two lines.
        tui.answers([say("long indeed")])
        terminal.type("look: ")
        terminal.paste(long)
        terminal.until(lambda it: "[Pasted" in composer(it))
        terminal.press("shift+enter")
        terminal.type("see @need")
        terminal.until("needle.py")
        terminal.press("tab")
        terminal.until(lambda it: "see needle.py" in composer(it) or "see @needle.py" in composer(it))
        terminal.press("enter")
        terminal.until("long indeed")
        (text,) = [said for said in tui.said() if said.startswith("look: ")]
        assert long.strip() in text
        assert "needle.py" in text.splitlines()[-1]

        # A command of the user's own: it runs, and the model reads of it with what is said next.
        tui.enter(terminal, "!echo from $((40+2)) me")
        terminal.until("from 42 me")
        tui.answers([say("I have read it")])
        tui.enter(terminal, "did you see?")
        terminal.until("I have read it")
        assert any("from 42 me" in str(item) for item in tui.inputs())

        tui.enter(terminal, "/status")
        terminal.until(has("rollout", "confined by", tui.session_id()))
        terminal.type("/mod")
        terminal.until("Choose the model")
        terminal.press("enter")
        terminal.until("type to filter")
        terminal.type("sol")
        terminal.until(lambda it: "gpt-5.6-sol" in row_with(it, MARK))
        terminal.press("enter")
        terminal.until("How much gpt-5.6-sol thinks")
        terminal.press("enter")
        terminal.until("For how long?")
        terminal.press("enter")
        terminal.until(lambda it: any(row.startswith(" gpt-5.6-sol") for row in it.screen()))
        tui.answers([say("another one")])
        tui.enter(terminal, "and you?")
        terminal.until("another one")
        assert tui.server.requests[-1].json["model"] == "gpt-5.6-sol"

        tui.enter(terminal, "/nonsense")
        terminal.until("there is no command /nonsense")
        terminal.press("ctrl+u")
        tui.enter(terminal, "/diff")
        terminal.until("git init makes one")
        terminal.until(lambda it: composer(it).startswith(EMPTY))

        tui.answers([say("all in short")])
        tui.enter(terminal, "/compact")
        terminal.until(lambda it: "compacted" in it.text().lower() or "shortened" in it.text().lower())
        assert [line for line in tui.rollout() if line["type"] == "compacted"]

        # The transcript on the alternate screen, and back; another theme.
        terminal.press("ctrl+t")
        terminal.until(lambda it: it.is_alternate and "q close" in it.text())
        terminal.press("home")
        terminal.until("look: ")
        terminal.press("q")
        terminal.until(lambda it: not it.is_alternate and "/diff" not in composer(it))
        tui.enter(terminal, "/theme")
        terminal.until(has("Theme", "high-contrast"))
        terminal.press("down", "down", "enter")
        terminal.until("high-contrast", gone=True)
        terminal.until(lambda it: 'theme = "high-contrast"' in (tui.codex_home / "config.toml").read_text())
        tui.enter(terminal, "/quit")
        assert terminal.wait() == 0
        assert times(terminal, "• long indeed") == 1
