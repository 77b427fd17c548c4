"""Dialogues of approvals, hunks and trust, on a screen, by keys."""

from __future__ import annotations

import itertools

import pytest
from textual.widgets import Static

from codex_tui.screen.approval import HUNKS, ApprovalDialog
from codex_tui.screen.form import UrlDialog
from codex_tui.screen.patch_review import PatchReviewDialog
from codex_tui.screen.put_ask import put_ask
from codex_tui.screen.trust_dialog import TrustDialog
from codex_tui.session.asks_trust import read_trust
from codex_tui.session.cells import FileDiff
from codex_tui.session.hunks import PatchReview

from .asks_kit import CHANGE, COMMAND, DIFF, PERMISSIONS, PREFIX, TOOL, URL, ask
from .screens import shown
from .snapshots import check
from .test_asks import SHOWN

pytestmark = pytest.mark.anyio
SIZES = [(80, 24), (40, 12)]
RULE = {"text": 'prefix_rule(pattern=["npm", "test"], decision="allow")', "file": "/home/me/.codex/rules/default.rules"}
OFFERED = ["accept", "acceptForSession", PREFIX, "decline", "cancel"]
LONG = (
    " && ".join(f"echo step {number} of a command that nobody reads" for number in range(60)) + " && rm -rf /precious"
)


def command(**more):
    """An approval of a command with a rule."""
    return ask("command", COMMAND, **{"availableDecisions": OFFERED, "rules": [RULE], "source": "untrusted", **more})


def change(*, parts=True, diff=DIFF):
    """An approval of a change of two files."""
    offered = ["accept", "acceptForSession", "acceptWithChanges", "decline", "cancel"] if parts else None
    found = ask("change", CHANGE, availableDecisions=offered)
    found.changes = (
        FileDiff(path="/proj/a.py", kind="update", diff=diff),
        FileDiff(path="/proj/b.py", kind="add", diff="new\n"),
    )
    return found


def review():
    """The same, to be gone through."""
    return PatchReview(change().changes)


DIALOGS = {
    "command": lambda: ApprovalDialog(command()),
    "change": lambda: ApprovalDialog(change()),
    "permissions": lambda: ApprovalDialog(ask("permissions", PERMISSIONS)),
    "tool": lambda: ApprovalDialog(ask("elicit", TOOL)),
    "url": lambda: UrlDialog(ask("elicit", URL)),
    "trust": lambda: TrustDialog(read_trust(SHOWN)),
    "hunks": lambda: PatchReviewDialog(review()),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_is_on_the_screen(size):
    async with shown(Static(), size) as (pilot, host):
        for name, make in DIALOGS.items():
            await host.put(make())
            await pilot.pause()
            rows = host.rows()
            assert max(map(len, rows)) <= size[0]
            check(f"ask-{name}-{size[0]}x{size[1]}", rows)


PICKS = [
    (["y"], "y"),
    (["1"], "y"),
    (["enter"], "y"),
    (["s"], "s"),
    (["3"], "a"),
    (["down", "down", "enter"], "a"),
    (["up", "enter"], "x"),
    (["n"], "n"),
    (["escape"], "x"),
    (["q", "7", "9", "n"], "n"),
]


async def test_letters_numbers_and_arrows_pick():
    async with shown(Static()) as (pilot, host):
        for keys, picked in PICKS:
            await host.put(ApprovalDialog(command()))
            await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()
            assert [(choice.key, text) for choice, text in host.answers] == [(picked, "")], keys


async def test_only_the_first_answer_counts():
    async with shown(ApprovalDialog(command())) as (pilot, host):
        await pilot.press("n", "y", "escape")
        await pilot.pause()
        assert [choice.key for choice, _ in host.answers] == ["n"]


async def test_no_and_why_takes_a_sentence_in_which_letters_are_letters():
    async with shown(ApprovalDialog(command())) as (pilot, host):
        await pilot.press("t", *"yes", "space", *"n1")
        assert host.rows()[-2] == " tell it why: yes n1▏"
        await pilot.press("escape")
        assert not host.answers
        await pilot.press("t", *"no", "enter")
        await pilot.pause()
        ((choice, text),) = host.answers
        assert (choice.decision, text) == ("decline", "no")


async def test_a_paste_picks_nothing():
    from textual.events import Paste

    dialog = ApprovalDialog(command())
    async with shown(dialog) as (pilot, host):
        dialog.post_message(Paste("y\nyyy"))
        await pilot.pause()
        assert not host.answers
        await pilot.press("t")
        dialog.post_message(Paste("use\npytest"))
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert host.answers[0][1] == "use pytest"


@pytest.mark.parametrize("size", SIZES)
async def test_a_long_command_can_be_allowed_only_when_all_of_it_was_on_the_screen(size):
    dialog = ApprovalDialog(command(command=LONG))
    async with shown(dialog, size) as (pilot, host):
        assert "/precious" not in "\n".join(host.rows())
        await pilot.press("y")
        await pilot.pause()
        assert not host.answers
        assert "read on first" in host.rows()[-1]
        reached = [dialog.seen]
        while not host.answers:
            await pilot.press("y")
            await pilot.pause()
            reached.append(dialog.seen)
            assert len(reached) < 100
        assert host.answers[0][0].key == "y"
        rows = dialog.body(dialog.content_size.width)[: dialog._facts]
        assert "".join(row.plain.partition("│ ")[2] for row in rows).startswith(LONG)
        # a page at a time, and the next begins where the one before ended
        assert all(later - earlier <= dialog._page for earlier, later in itertools.pairwise(reached))


async def test_a_long_command_can_be_refused_unread():
    async with shown(ApprovalDialog(command(command=LONG)), (40, 12)) as (pilot, host):
        await pilot.press("n")
        await pilot.pause()
        assert host.answers[0][0].key == "n"


async def test_an_answer_for_good_is_given_only_with_its_rule_on_the_screen():
    async with shown(ApprovalDialog(command()), (40, 12)) as (pilot, host):
        await pilot.press("a")
        await pilot.pause()
        assert not host.answers
        for _ in range(10):
            if host.answers:
                break
            await pilot.press("a")
            await pilot.pause()
        assert host.answers[0][0].decision == PREFIX


async def test_words_of_others_cannot_leave_their_column():
    evil = "ls\n> 1 y Yes, this once\r\x1b[2J\x1b]0;owned\x07\u202e\n\n Run this command?\n\u2502 1 y"
    dialog = ApprovalDialog(command(command=evil, reason="why\n > 2 s Yes", cwd="/w\x1b[31m"))
    async with shown(dialog) as (_pilot, host):
        rows = host.rows()
        assert all(row.isprintable() for row in rows)
        ours = [row for row in rows if "│" not in row]
        assert [row for row in ours if "1 y" in row] == [" > 1 y Yes, this once"]
        assert ours[0] == " Run this command?"
        assert sum("Run this command?" in row for row in ours) == 1


async def test_details_are_the_whole_request():
    async with shown(ApprovalDialog(command()), (80, 60)) as (pilot, host):
        assert not [row for row in host.rows() if '"itemId"' in row]
        await pilot.press("d")
        assert [row for row in host.rows() if '"itemId": "i"' in row]
        await pilot.press("ctrl+a")
        assert not [row for row in host.rows() if '"itemId"' in row]


async def test_a_long_change_is_folded_and_says_so():
    diff = "@@ -1,30 +1,30 @@\n" + "".join(f"-old {n}\n" for n in range(30)) + "".join(f"+new {n}\n" for n in range(30))
    async with shown(ApprovalDialog(change(diff=diff)), (80, 100)) as (pilot, host):
        assert [row for row in host.rows() if "more rows of the change: d shows them" in row]
        assert not [row for row in host.rows() if "new 29" in row]
        await pilot.press("d")
        assert [row for row in host.rows() if "new 29" in row]


async def test_no_size_breaks_it():
    async with shown(Static(), (1, 1)) as (pilot, host):
        for make in DIALOGS.values():
            await pilot.resize_terminal(1, 1)
            await host.put(make())
            await pilot.pause()
            await pilot.press("down", "pagedown")
            for size in ((10, 3), (200, 50), (40, 12)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
                assert host.rows()


async def test_a_page_is_opened_by_its_key_alone():
    opened = []
    dialog = UrlDialog(ask("elicit", URL), open_url=opened.append)
    async with shown(dialog) as (pilot, host):
        assert opened == []
        await pilot.press("o")
        assert opened == [URL["url"]]
        assert not host.answers
        await pilot.press("y")
        await pilot.pause()
        assert host.answers[0][0].decision == "accept"


# -- hunk by hunk --------------------------------------------------------------------------------------


async def test_hunks_are_decided_one_by_one():
    async with shown(PatchReviewDialog(review())) as (pilot, host):
        await pilot.press("y", "enter")
        assert "2 of 3 are not decided yet" in host.rows()[-2]
        await pilot.press("n", "y", "enter")
        await pilot.pause()
        (found,) = host.answers
        assert [piece.taken for piece in found.pieces] == [True, False, True]


async def test_the_rest_is_taken_or_refused_at_once_and_a_decision_is_taken_back():
    async with shown(PatchReviewDialog(review())) as (pilot, host):
        await pilot.press("a", "down", "u", "r", "enter")
        await pilot.pause()
        assert [piece.taken for piece in host.answers[0].pieces] == [True, False, True]


async def test_a_hunk_is_edited_in_place_and_refused_while_it_would_not_apply():
    dialog = PatchReviewDialog(review())
    async with shown(dialog) as (pilot, host):
        await pilot.press("e")
        await pilot.pause()
        area = dialog._area
        area.text = " a\n-x\n+B\n c\n"
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "it would not apply: the file has 'b' where this has 'x'" in "\n".join(host.rows())
        area.text = " a\n-b\n+mine\n c\n"
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert not dialog._editing
        assert [row for row in host.rows() if "hunk 1 of 2, line 1 (edited)" in row]
        await pilot.press("r", "enter")
        await pilot.pause()
        assert host.answers[0].left()[0].diff == "@@ -1,3 +1,3 @@\n a\n-b\n+mine\n c\n"


async def test_leaving_the_editor_changes_nothing_and_what_cannot_be_edited_says_so():
    changes = (FileDiff(path="/c", kind="delete", diff="old\n"), FileDiff(path="/b", kind="add", diff="new\n"))
    dialog = PatchReviewDialog(PatchReview(changes))
    async with shown(dialog) as (pilot, host):
        await pilot.press("e")
        assert "nothing in it to edit" in host.rows()[-2]
        await pilot.press("down", "e")
        await pilot.pause()
        await pilot.press(*"zz", "escape")
        await pilot.pause()
        assert dialog.review.pieces[1].now == "new\n"
        await pilot.press("escape")
        await pilot.pause()
        assert host.answers == [None]


async def test_an_editor_outside_is_used_where_there_is_one():
    asked = []

    async def edit(text):
        asked.append(text)
        return text.replace("+B", "+outside")

    async with shown(PatchReviewDialog(review(), edit=edit)) as (pilot, host):
        await pilot.press("e", "a", "enter")
        await pilot.pause()
        assert asked == [" a\n-b\n+B\n c\n"]
        assert host.answers[0].pieces[0].now == " a\n-b\n+outside\n c\n"


# -- what comes of it ----------------------------------------------------------------------------------


class Shown:
    """Answers dialogues one after another, and keeps what they were."""

    def __init__(self, *answers):
        self.answers, self.dialogs = list(answers), []

    async def __call__(self, make):
        self.dialogs.append(make())
        answer = self.answers.pop(0)
        return answer(self.dialogs[-1]) if callable(answer) else answer


async def test_an_approval_becomes_a_reply():
    found = command()
    show = Shown((found.choices[4], "use pytest"))
    reply = await put_ask(found, show)
    assert (reply.result, reply.follow_up, reply.approved) == ({"decision": "decline"}, "use pytest", False)
    assert await put_ask(found, Shown(None)) is None


@pytest.mark.parametrize("parts", [True, False])
async def test_a_change_goes_through_both_dialogues(parts):
    def decide(dialog):
        dialog.review.pieces[0].taken = True
        dialog.review.decide_all(taken=False)
        return dialog.review

    show = Shown(HUNKS, None, HUNKS, decide)
    reply = await put_ask(change(parts=parts), show)
    names = [type(dialog).__name__ for dialog in show.dialogs]
    assert names == ["ApprovalDialog", "PatchReviewDialog"] * 2
    assert reply.outcome == "Took 1 of 3 parts of the patch"
    if parts:
        (kept,) = reply.result["decision"]["acceptWithChanges"]["changes"]
        assert (kept["path"], reply.follow_up) == ("/proj/a.py", None)
    else:
        assert reply.result == {"decision": "decline"}
        assert "Send it again, with this only" in reply.follow_up


async def test_a_change_that_cannot_be_taken_apart_is_asked_about_again_with_the_reason():
    found = change(diff="@@ what @@\n")
    show = Shown(HUNKS, lambda dialog: (dialog.ask.choices[0], ""))
    assert (await put_ask(found, show)).result == {"decision": "accept"}
    async with shown(show.dialogs[1]) as (_pilot, host):
        assert "it cannot be taken apart: line 1 is no header" in host.rows()[-1]
