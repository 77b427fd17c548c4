"""A patch of which the user takes a part: what is on the disk, in the rollout, and what the model reads."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest

from codex_plugin_sdk.testing.model import freeform, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_tui.session.asks import read_ask
from codex_tui.session.cells import FileDiff
from codex_tui.session.hunks import PatchReview

from . import session_kit
from .session_kit import serving

pytestmark = pytest.mark.anyio
LINES = "".join(f"line {number}\n" for number in range(1, 21))
PATCH = """*** Begin Patch
*** Update File: a.txt
@@
-line 2
+line two
@@
-line 10
+line ten
@@
-line 18
+line eighteen
*** Add File: b.txt
+new
*** End Patch
"""


class World:
    """A thread that asks before it changes files, and a model that sends the patch."""

    def __init__(self, root, model, link, thread):
        self.root, self.model, self.link, self.thread = root, model, link, thread

    async def asked(self):
        """The question, with the changes that were told before."""
        params = {"threadId": self.thread, "input": [{"type": "text", "text": "go"}]}
        await self.link.request("turn/start", params)
        message = await self.link.until("item/fileChange/requestApproval")
        ask = read_ask(message)
        (item,) = [m["params"]["item"] for m in self.link.heard if m["method"] == "item/started"][-1:]
        ask.changes = tuple(
            FileDiff(path=c["path"], kind=c["kind"]["type"], diff=c["diff"], move_path=c["kind"].get("move_path"))
            for c in item["changes"]
        )
        return ask

    async def answer(self, ask, result):
        """Answer, and wait for the end of the turn; the item of the patch as it ended."""
        await self.link._connection.answer(ask.id, result)
        done = await self.link.until("turn/completed")
        self.status = done["params"]["turn"]["status"]
        ends = [m["params"]["item"] for m in self.link.heard if m["method"] == "item/completed"]
        return next(item for item in ends if item["type"] == "fileChange")

    @property
    def told(self):
        """What the model reads of the call."""
        (found,) = [i for i in self.model.requests[-1].json["input"] if i["type"].endswith("_call_output")]
        return found["output"]

    def text(self, name="a.txt"):
        path = self.root / "work" / name
        return path.read_text() if path.exists() else None

    def recorded(self):
        (path,) = (self.root / "codex-home" / "sessions").rglob("rollout-*.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()]


@asynccontextmanager
async def opened(root):
    """The thread, with a client that knows what `HELLO` says."""
    with ScriptedResponsesServer() as model:
        async with serving(root, model) as link:
            (root / "work" / "a.txt").write_text(LINES)
            model.play(model.answer(freeform("apply_patch", PATCH, "f1")), model.answer(say("done")))
            settings = {"cwd": str(root / "work"), "sandbox": "workspace-write", "approvalPolicy": "untrusted"}
            thread = (await link.request("thread/start", settings))["thread"]["id"]
            yield World(root, model, link, thread)


@pytest.fixture
async def world(tmp_path, monkeypatch):
    """With one that takes parts."""
    monkeypatch.setitem(session_kit.HELLO, "capabilities", {"experimentalApi": True, "approvalDetails": True})
    async with opened(tmp_path) as found:
        yield found


async def test_hunks_are_taken_refused_and_edited_one_by_one(world):
    ask = await world.asked()
    assert ask.takes_parts
    assert ask.source == "approval policy untrusted"
    review = PatchReview(ask.changes)
    first, second, third, added = review.pieces
    first.taken, second.taken, added.taken = True, False, False
    third.edit(third.now.replace("+line eighteen", "+line 18, by the user"))
    result, follow_up = review.answer(takes_parts=ask.takes_parts)
    item = await world.answer(ask, result)
    assert follow_up is None
    changed = LINES.replace("line 2\n", "line two\n").replace("line 18\n", "line 18, by the user\n")
    assert (world.text(), world.text("b.txt"), world.status) == (changed, None, "completed")
    # what is shown and recorded is what was done
    (change,) = item["changes"]
    assert (item["status"], change["diff"].count("@@ -")) == ("completed", 2)
    assert "+line 18, by the user" in change["diff"]
    assert "ten" not in change["diff"]
    # the model knows
    assert world.told.startswith("Exit code: 0\n")
    assert "M a.txt\n\n\nThe user did not take this change as it was." in world.told
    refused, _, done = world.told.partition("Done in the words of the user instead:")
    assert "+line ten" in refused
    assert "b.txt (adding it)\nnew\n" in refused
    assert "+line 18, by the user" in done
    # and so does whoever resumes
    outputs = [
        line["payload"]["output"]
        for line in world.recorded()
        if line["payload"].get("type") == "custom_tool_call_output"
    ]
    assert outputs == [world.told]


async def test_a_change_that_was_taken_whole_is_not_told_to_be_another(world):
    ask = await world.asked()
    review = PatchReview(ask.changes)
    wire = [
        {
            "path": c.path,
            "kind": {"type": c.kind, **({"move_path": None} if c.kind == "update" else {})},
            "diff": c.diff,
        }
        for c in review.changes
    ]
    await world.answer(ask, {"decision": {"acceptWithChanges": {"changes": wire}}})
    assert world.text("b.txt") == "new\n"
    assert world.told.endswith("A b.txt\nM a.txt\n")


async def test_a_patch_whose_file_has_changed_meanwhile_is_refused_and_nothing_is_written(world):
    ask = await world.asked()
    review = PatchReview(ask.changes)
    review.pieces[0].taken = True
    review.decide_all(taken=False)
    changed = LINES.replace("line 2\n", "line 2 of somebody else\n")
    (world.root / "work" / "a.txt").write_text(changed)
    item = await world.answer(ask, review.answer(takes_parts=True)[0])
    assert (world.text(), item["status"]) == (changed, "declined")
    assert "does not apply: line 2 is not 'line 2' (any more)" in world.told


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [{"path": "/etc/passwd", "kind": {"type": "add"}, "diff": "x\n"}],
        [{"path": "{work}/a.txt", "kind": {"type": "delete"}, "diff": ""}],
        [{"path": "{work}/a.txt"}],
        [{"path": "{work}/b.txt", "kind": {"type": "add"}, "diff": "x\n"}] * 2,
    ],
)
async def test_changes_that_were_not_proposed_are_refused(world, changes):
    ask = await world.asked()
    given = [{**change, "path": change["path"].replace("{work}", str(world.root / "work"))} for change in changes]
    item = await world.answer(ask, {"decision": {"acceptWithChanges": {"changes": given}}})
    assert (world.text(), world.text("b.txt"), item["status"]) == (LINES, None, "declined")
    assert "the approval request failed" in world.told


async def test_a_client_that_does_not_know_of_parts_sees_what_codex_has(tmp_path):
    async with opened(tmp_path) as world:
        ask = await world.asked()
        assert set(ask.params) == {"threadId", "turnId", "itemId", "startedAtMs", "reason", "grantRoot"}
        assert not ask.takes_parts
        review = PatchReview(ask.changes)
        review.pieces[0].taken = True
        review.decide_all(taken=False)
        result, follow_up = review.answer(takes_parts=ask.takes_parts)
        assert result == {"decision": "decline"}
        assert "+line two" in follow_up
        assert "Without: " in follow_up
        sent = {"decision": {"acceptWithChanges": {"changes": []}}}  # to one that did not ask for it, it is no answer
        item = await world.answer(ask, sent)
        assert (world.text(), item["status"]) == (LINES, "declined")
