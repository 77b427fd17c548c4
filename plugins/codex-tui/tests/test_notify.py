"""What tells a user who looks elsewhere."""

from __future__ import annotations

import sys

import pytest

from codex_tui.notify import Notifier, TerminalTitle, desktop_command, method_for
from codex_tui.section import TuiSection
from codex_tui.session.status import Status


def told(environ=None, *, focused=False, do=lambda notifier: notifier.turn_ended("All done"), **keys):
    """What is written to the terminal."""
    written = []
    notifier = Notifier(TuiSection(**keys), environ or {"TERM": "xterm-256color"}, written.append, lambda: focused)
    do(notifier)
    notifier.close()
    return "".join(written)


@pytest.mark.parametrize(
    ("method", "sequence"),
    [
        ("auto", "\x07"),
        ("bel", "\x07"),
        ("osc9", "\x1b]9;Codex has finished: All done\x07"),
        ("osc777", "\x1b]777;notify;Codex has finished;All done\x07"),
    ],
)
def test_each_method_has_its_sequence(method, sequence):
    assert told(notification_method=method) == sequence


@pytest.mark.parametrize(
    ("environ", "method"),
    [
        ({"TERM": "xterm-kitty"}, "osc9"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "osc9"),
        ({"TERM": "foot"}, "osc777"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x,1,0"}, "bel"),
        ({"TERM": "screen-256color", "TERM_PROGRAM": "WezTerm"}, "bel"),
        ({}, "bel"),
    ],
)
def test_the_method_follows_from_the_terminal(environ, method):
    assert method_for(environ) == method


def test_a_multiplexer_gets_a_sequence_that_it_passes_on():
    found = told({"TERM": "tmux-256color", "TMUX": "x"}, notification_method="osc9")
    assert found == "\x1bPtmux;\x1b\x1b]9;Codex has finished: All done\x07\x1b\\"


def test_nothing_is_told_to_who_looks_at_it_unless_always():
    assert told(focused=True) == ""
    assert told(focused=True, notification_condition="always") == "\x07"


@pytest.mark.parametrize(
    ("kinds", "turn", "ask"),
    [
        (True, True, True),
        (False, False, False),
        (["agent-turn-complete"], True, False),
        (["approval-requested"], False, True),
        (["user-input-requested"], False, False),
        ([], False, False),
    ],
)
def test_only_wanted_kinds_are_told(kinds, turn, ask):
    assert bool(told(notifications=kinds)) is turn
    assert bool(told(notifications=kinds, do=lambda n: n.waiting("Run ls?"))) is ask


def test_a_question_that_is_no_approval_is_told_to_who_wants_approvals_or_that_kind():
    def do(notifier):
        notifier.waiting("Which?", "user-input-requested")

    assert told(notifications=["user-input-requested"], do=do)
    assert told(notifications=["approval-requested"], do=do)
    assert not told(notifications=["agent-turn-complete"], do=do)


@pytest.mark.parametrize("method", ["osc9", "osc777"])
def test_text_of_others_cannot_end_the_sequence_or_begin_another(method):
    text = "4;1;100\x07\x1b]52;c;aGk=\x07\x9c\u202e\nnext " + "x" * 5000
    found = told(notification_method=method, do=lambda n: n.waiting(text))
    assert found.startswith("\x1b]")
    assert found.endswith("\x07")
    inner = found[1:-1]
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in inner)
    assert found.count(";") <= (99 if method == "osc9" else 3)
    assert len(found) < 300


def program(folder, name, text):
    """A program that stands in for the desktop's."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="no such program there")
def test_the_desktop_is_told_by_its_program_which_is_waited_for(tmp_path):
    name = "osascript" if sys.platform == "darwin" else "notify-send"
    program(tmp_path, name, f"import sys; open({str(tmp_path / 'told')!r}, 'w').write(repr(sys.argv[-2:]))")
    found = told({"PATH": str(tmp_path)}, desktop_notifications=True)
    assert found == "\x07"
    assert (tmp_path / "told").read_text() == "['Codex has finished', 'All done']"


def test_without_a_program_of_the_desktop_only_the_terminal_is_told(tmp_path):
    assert desktop_command({"PATH": str(tmp_path)}, "a", "b") == ()
    assert told({"PATH": str(tmp_path)}, desktop_notifications=True) == "\x07"


def test_the_title_tells_fields_and_is_written_only_when_it_changes():
    written = []
    fields = ["app-name", "spinner", "project-name", "run-state", "git-branch", "nothing-known"]
    title = TerminalTitle(fields, {"HOME": "/home/u"}, written.append)
    status = Status(cwd="/home/u/work", branch="ma\x07in")
    title.update(status)
    title.update(status)
    assert written == ["\x1b]0;Codex work Ready ma␇in\x07"]
    status.phase = "working"
    title.update(status)
    title.update(status)
    assert len(written) == 3
    title.update(status, animate=False)
    assert len(written) == 3
    status.phase = "waiting"
    title.update(status)
    assert written[-1] == "\x1b]0;Codex ! work Waiting ma␇in\x07"


def test_no_fields_leave_the_title_alone():
    written = []
    TerminalTitle([], {}, written.append).update(Status(cwd="/w"))
    assert written == []
