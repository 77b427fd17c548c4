"""Questions of the agent in a real terminal: commands, and what is typed while they come."""

from __future__ import annotations

import signal

from codex_plugin_sdk.testing.model import call, say, think

from .e2e_kit import EMPTY, LIMIT_S, MARK, READY, World, composer, has, times

WIDE = {"sandbox_permissions": "require_escalated", "justification": "the log has to be there"}
TITLE = "Run this command?"


def ran(id: str, command: str):
    return call("exec_command", id, cmd=command, **WIDE)


def test_commands_are_allowed_refused_and_refused_with_a_reason(tui: World) -> None:
    tui.answers([think("**Looking** around"), say("# Hello\n\nI am **here**.")])
    with tui.start(rows=34) as terminal:
        terminal.until(READY)
        assert has("approvals: on-request", "folder:    ~/work")(terminal)
        tui.enter(terminal, "hello")
        terminal.until(has("Looking", "I am here."))

        tui.answers([ran("c1", "touch one")], [say("one is there")])
        tui.enter(terminal, "make one")
        terminal.until(has(TITLE, "touch one", "the log has to be there", "Waiting for you"))
        assert not (tui.work / "one").exists()
        tui.answer(terminal, "y")
        terminal.until(has("Allowed (Yes, this once): touch one", "one is there"))
        assert (tui.work / "one").exists()

        tui.answers([ran("c2", "touch two")], [say("then not")])
        tui.enter(terminal, "make two")
        terminal.until(TITLE)
        tui.answer(terminal, "n")
        terminal.until("then not")

        tui.answers([ran("c3", "touch three")], [say("I see")])
        tui.enter(terminal, "make three")
        terminal.until(TITLE)
        tui.answer(terminal, "t")
        terminal.until("tell it why")
        terminal.type("use a Makefile")
        terminal.until("use a Makefile")
        terminal.press("enter")
        terminal.until("I see")
        assert tui.said()[-1] == "use a Makefile"
        assert "reject" in tui.outputs()[-1]

        # Two at once: one after the other, and each is answered on its own.
        tui.answers([ran("c4", "touch four"), ran("c5", "touch five")], [say("one of two")])
        tui.enter(terminal, "both")
        terminal.until(has(TITLE, "touch four"))
        assert "touch five" not in terminal.text().partition(TITLE)[2]
        tui.answer(terminal, "n")
        terminal.until(lambda it: "touch five" in it.text().partition(TITLE)[2])
        tui.answer(terminal, "y")
        terminal.until("one of two")
        assert sorted(path.name for path in tui.work.iterdir()) == ["five", "one"]
        tui.leave(terminal)
        for text in ("I am here.", "one is there", "then not", "I see", "one of two"):
            assert times(terminal, f"• {text}") + times(terminal, f"  {text}") == 1
        assert "codex resume " + tui.session_id() in terminal.text()
    kinds = [event["item"]["type"] for event in tui.events("item_completed")]
    assert kinds.count("CommandExecution") >= 2
    assert len(tui.events("task_complete")) == 5


def test_keys_of_somebody_who_types_never_answer_a_question(tui: World) -> None:
    stall = tui.waits(ran("c1", "touch one"), after_steps=2)
    tui.answers([say("one is there")])
    with tui.start("make one") as terminal:  # the prompt of the command line
        terminal.until(has("make one", "Working"))
        assert stall.reached.wait(LIMIT_S)
        # Before it comes and while it comes: each letter would be an answer.
        terminal.type("y")
        terminal.until(lambda it: composer(it).startswith(f"{MARK} y"))
        stall.release()
        typed = "y"
        while "a question waits" not in terminal.text():
            assert TITLE not in terminal.text()
            terminal.type("y")
            typed += "y"
            terminal.until(lambda it: typed in composer(it))  # noqa: B023 - used at once
        assert not (tui.work / "one").exists()
        terminal.until(TITLE)
        tui.allow(terminal, TITLE)
        terminal.until("one is there")
        # What was typed is still there, and nothing of it was sent.
        terminal.until(lambda it: typed in composer(it))
        terminal.press("ctrl+c")
        terminal.until(lambda it: typed not in composer(it))

        # A question and keys that come at the same time, whichever is read first.
        stall = tui.waits(ran("c2", "touch two"), after_steps=2)
        tui.answers([say("two is there")])
        tui.enter(terminal, "make two")
        assert stall.reached.wait(LIMIT_S)
        terminal.send_signal(signal.SIGSTOP)
        terminal.until_stopped()
        stall.release()
        terminal.type("yyy")
        terminal.send_signal(signal.SIGCONT)
        terminal.until(lambda it: composer(it).startswith(f"{MARK} yyy"))
        assert not (tui.work / "two").exists()
        terminal.until(TITLE)
        tui.allow(terminal, TITLE)
        terminal.until("two is there")
        terminal.until(lambda it: composer(it).startswith(f"{MARK} yyy"))
        terminal.press("ctrl+c")
        terminal.until(lambda it: EMPTY in composer(it))
        tui.leave(terminal)
    assert tui.said() == ["make one", "make two"]
