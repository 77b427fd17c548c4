"""Plain lines in a real terminal that can do nothing else."""

from __future__ import annotations

import signal

from codex_plugin_sdk.testing.model import call, freeform, say

from .e2e_kit import World
from .terminal_kit import TerminalKit

DUMB = {"TERM": "dumb", "LANG": "C.UTF-8"}
SIZE = {"columns": 110, "rows": 200}
ASKS = 'approval_policy = "untrusted"'
TWO_FILES = """*** Begin Patch
*** Add File: a.txt
+one
*** Add File: b.txt
+two
*** End Patch
"""


def last(terminal: TerminalKit) -> str:
    return next((row for row in reversed(terminal.screen()) if row), "")


def ready(terminal: TerminalKit) -> bool:
    """Whether it is the user's turn."""
    return last(terminal) == ">"


def asks(terminal: TerminalKit) -> bool:
    """Whether a question waits for its answer."""
    return last(terminal) in ("Answer:", "Number:")


def enter(terminal: TerminalKit, line: str, *wanted: str) -> None:
    """A line, once it is the user's turn; then wait for texts, and for the next turn."""
    terminal.until(lambda it: ready(it) or asks(it))
    terminal.type(f"{line}\n")
    for text in wanted:
        terminal.until(text)
    if wanted:
        terminal.until(lambda it: ready(it) or asks(it))


def plain(terminal: TerminalKit) -> bool:
    """Nothing but text was written."""
    return not set(terminal.raw) & (set(range(0x20)) - set(b"\r\n"))


def test_a_session_on_a_dumb_terminal(tui: World) -> None:
    tui.configure(ASKS)
    tui.answers([say("# Title\n\nHello **you**.\n\n- a\n- b\n")])
    with tui.start(env=DUMB, **SIZE) as terminal:
        enter(terminal, "hello", "Hello you.")

        # a question is answered with yes, an empty line is none
        tui.answers([call("exec_command", "c1", cmd="echo out; touch made; exit 3")], [say("it ran")])
        enter(terminal, "run", "Approval needed: Run this command?")
        enter(terminal, "", "Nothing was answered")
        assert not terminal.screen().count("it ran")
        enter(terminal, "yes", "  out", "Command finished, exit code 3", "it ran")
        # no, and why
        tui.answers([call("exec_command", "c2", cmd="touch other")], [say("then not")])
        enter(terminal, "again", "command: touch other")
        enter(terminal, "no, use another name", "Command not run: it was refused", "then not")
        assert tui.said()[-1] == "use another name"

        # commands, a shell of one's own, several lines as one message
        enter(terminal, "/nonsense", "Error: there is no command /nonsense")
        enter(terminal, "/effort", "an empty line leaves")
        enter(terminal, "")
        enter(terminal, "! echo mine", "Your command: echo mine", "  mine")
        tui.answers([say("both lines")])
        terminal.until(ready)
        terminal.type('"""one\n')
        terminal.type('two"""\n')
        terminal.until("both lines")
        assert tui.said()[-1] == "one\ntwo"
        tui.answers([say("as one")])
        enter(terminal, "pasted\n\nlines", "as one")
        assert tui.said()[-1] == "pasted\n\nlines"
        assert '"pasted\\n\\nlines"' in (tui.codex_home / "history.jsonl").read_text()
        terminal.send("\x04")
        assert terminal.wait() == 0
        assert plain(terminal)
        assert f"To continue this session, run codex resume {tui.session_id()}" in terminal.text()

    tui.answers([say("of course")])
    with tui.start("resume", "--last", env=DUMB, **SIZE) as terminal:
        terminal.until(ready)
        text = terminal.text()
        assert "You: pasted" in text
        assert "as one" in text
        assert "Hello you." not in text
        assert "what was said earlier is left out" in text
        enter(terminal, "/transcript", "End of the transcript")
        assert "Hello you." in terminal.text()
        enter(terminal, "still there?", "of course")
        terminal.send("\x03")
        terminal.until("Once more ctrl+c leaves")
        terminal.send("\x03")
        assert terminal.wait() == 0
        assert plain(terminal)


def test_a_turn_is_steered_queued_behind_and_interrupted(tui: World) -> None:
    with tui.start(env=DUMB, **SIZE) as terminal:
        first = tui.waits(call("exec_command", "c1", cmd="echo one"), after_steps=2)
        tui.answers([say("I turn left")], [say("and the queued one")])
        enter(terminal, "go straight on")
        tui.until_asked(1)
        terminal.until("Working.")
        terminal.type("no, to the left\n")
        terminal.until("Told to the agent.")
        terminal.type("& and then stop\n")
        terminal.until("Queued:")
        first.release()
        terminal.until("and the queued one")
        assert [tui.said(n)[-1] for n in range(3)] == ["go straight on", "no, to the left", "and then stop"]

        stall = tui.waits(say("never said to the end"), after_steps=3)
        enter(terminal, "talk for ever")
        assert stall.reached.wait(30)
        terminal.send("\x03")
        terminal.until("Interrupted")
        tui.answers([say("I go on")])
        enter(terminal, "go on", "I go on")

        # SIGTERM while a turn runs: it is stopped, and the session can be resumed
        stall = tui.waits(say("nor this"), after_steps=3)
        enter(terminal, "once more")
        assert stall.reached.wait(30)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        assert "To continue this session" in terminal.text()
        assert plain(terminal)
    assert [event["type"] for event in tui.events("turn_aborted")] == ["turn_aborted"] * 2


def test_what_was_typed_before_a_question_is_not_its_answer(tui: World) -> None:
    tui.configure(ASKS)
    with tui.start(env=DUMB, **SIZE) as terminal:
        slow = tui.waits(call("exec_command", "c1", cmd="touch made"), after_steps=1)
        tui.answers([say("as you like")])
        enter(terminal, "run")
        assert slow.reached.wait(30)
        terminal.until("Working.")
        terminal.type("ye")  # no end of the line yet
        terminal.until("ye")
        slow.release()
        terminal.until("You were writing when this came")
        terminal.type("s\n")
        terminal.until(lambda it: sum(row.startswith("Answer:") for row in it.screen()) == 2)
        terminal.type("n\n")
        terminal.until("as you like")
        terminal.until("> yes")  # kept
        terminal.send("\x03")
        terminal.until("What you had begun is dropped.")
        terminal.send("\x03")  # not the second of two: the first one had something to do
        terminal.until("Once more ctrl+c leaves.")
        assert not tui.work.joinpath("made").exists()
        assert "Refused (No): touch made" in terminal.text()


def test_a_patch_is_gone_through_on_a_screen_reader(tui: World) -> None:
    tui.configure(f'{ASKS}\nsandbox_mode = "workspace-write"', '[tui]\non_hangup = "finish"')
    tui.answers([freeform("apply_patch", TWO_FILES, "p1")], [say("half of it")])
    with tui.start("--screen-reader", **SIZE) as terminal:
        enter(terminal, "patch", "Approval needed: Change files?")
        assert "b.txt, 1 line\n+two" in terminal.text()
        enter(terminal, "go through", "Part 1 of 2: add")
        enter(terminal, "y", "Part 2 of 2: add")
        enter(terminal, "refuse it", "half of it")
        assert "Took 1 of 2 parts of the patch" in terminal.text()
        assert [path.name for path in tui.work.iterdir()] == ["a.txt"]
        assert plain(terminal)
        # the terminal goes away: the turn is finished, as it is configured
        stall = tui.waits(say("said to the end"), after_steps=3)
        enter(terminal, "go on")
        assert stall.reached.wait(30)
        terminal.process.send_signal(signal.SIGHUP)
        stall.release()
        assert terminal.wait() == 128 + signal.SIGHUP
        assert "said to the end" in terminal.text()
        assert len(tui.events("task_complete")) == 2


def test_the_setting_gives_plain_lines_too(tui: World) -> None:
    tui.configure(tables="[tui]\nscreen_reader = true\n")
    with tui.start(**SIZE) as terminal:
        terminal.until(ready)
        terminal.send("\x04")
        assert terminal.wait() == 0
        assert "Codex" in terminal.text()


def test_a_first_run_asks_for_a_key_and_does_not_show_it(tui: World) -> None:
    (tui.codex_home / "config.toml").write_text('model = "gpt-5.5"\n')
    with tui.start(env=DUMB, **SIZE) as terminal:
        terminal.until("How do you reach a model?")
        enter(terminal, "sign in")
        terminal.until(lambda it: last(it) == "Text:")
        terminal.type("sk-secret-key\n")
        terminal.until("the API key is kept")
        terminal.until(lambda it: ready(it) or asks(it))
        assert b"secret" not in terminal.raw
        assert "sk-secret-key" in (tui.codex_home / "auth.json").read_text()
        terminal.send("\x04")
        assert terminal.wait() == 0
