"""What clients are told of settings that change, of programs that are typed into, and of patches that are being written."""

import re

import pytest

from codex_app_server.patches import EVERY_S, StreamedPatches
from codex_plugin_sdk import CustomToolCall, FileChange, ToolInputDelta
from codex_plugin_sdk.testing.model import call, say

pytestmark = pytest.mark.anyio
SETTINGS = "thread/settings/updated"
TYPED = "item/commandExecution/terminalInteraction"
PATCH = "*** Begin Patch\n*** Add File: b.txt\n+one\n+two\n*** Add File: a.txt\n+three\n*** End Patch\n"
WRITTEN = [
    {"path": "a.txt", "kind": {"type": "add"}, "diff": "three\n"},
    {"path": "b.txt", "kind": {"type": "add"}, "diff": "one\ntwo\n"},
]


def of_item(app, id):
    """Methods of what was heard of an item, with what was typed."""
    for message in app.heard:
        params = message["params"]
        if id in (params.get("itemId"), (params.get("item") or {}).get("id")):
            yield message["method"], params.get("stdin")


async def test_settings_are_told_when_a_turn_changes_them_and_before_it_begins(host, app):
    host.script(*[[say("done")]] * 5)
    thread = await app.thread(approvalPolicy="never")
    await app.turn(thread)
    await app.turn(thread, model="gpt-5.5", approvalPolicy="never")
    assert SETTINGS not in app.methods()  # nothing that was given is other than before
    await app.turn(thread, effort="high", summary="concise", sandboxPolicy={"type": "readOnly"})
    await app.turn(thread, effort="high")
    (host.root / "work" / "sub").mkdir()
    await app.turn(thread, cwd=str(host.root / "work" / "sub"), approvalPolicy="on-request")
    told = [message["params"] for message in app.heard if message["method"] == SETTINGS]
    assert [one["threadId"] for one in told] == [thread, thread]
    first, second = (one["threadSettings"] for one in told)
    assert (first["effort"], first["summary"], first["approvalPolicy"]) == ("high", "concise", "never")
    assert first["cwd"] == str(host.root / "work")
    changed = {"cwd": str(host.root / "work" / "sub"), "approvalPolicy": "on-request"}
    assert second == {**first, **changed}
    methods = [method for method in app.methods() if method in (SETTINGS, "turn/started", "turn/completed")]
    turn = ["turn/started", "turn/completed"]
    assert methods == [*turn, *turn, SETTINGS, *turn, *turn, SETTINGS, *turn]


async def test_what_is_typed_into_a_program_is_told_while_its_item_is_open(host, app):
    def typed(id, chars):
        def reply(request):
            number = int(re.search(r"session ID (\d+)", str(request.json["input"]))[1])
            return host.model.answer(call("write_stdin", id, session_id=number, chars=chars, yield_time_ms=5000))

        return reply

    host.model.play(
        host.model.answer(call("exec_command", "c1", cmd="head -n 1", tty=True, yield_time_ms=250)),
        typed("c2", "hello\n"),
        typed("c3", "late\n"),
        host.model.answer(say("done")),
    )
    thread = await app.thread(sandbox="danger-full-access", approvalPolicy="never")
    assert (await app.turn(thread))["turn"]["status"] == "completed"
    heard = [one for one in of_item(app, "c1") if one[0] != "item/commandExecution/outputDelta"]
    assert heard == [("item/started", None), (TYPED, "hello\n"), ("item/completed", None)]
    params = next(message["params"] for message in app.heard if message["method"] == TYPED)
    item = next(m["params"]["item"] for m in app.heard if m["params"].get("item", {}).get("id") == "c1")
    assert params["processId"] == item["processId"]


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_patch_is_told_while_the_model_writes_it_where_that_is_switched_on(host, wanted):
    if wanted:
        host.write_config("features.apply_patch_streaming_events = true")
    host.script([CustomToolCall(id="ctc_1", call_id="p1", name="apply_patch", input=PATCH)], [say("done")])
    async with host.start() as app:
        thread = await app.thread(sandbox="danger-full-access", approvalPolicy="never")
        await app.turn(thread)
        methods = [method for method, _ in of_item(app, "p1")]
        told = [m["params"]["changes"] for m in app.heard if m["method"] == "item/fileChange/patchUpdated"]
        assert methods == ["item/fileChange/patchUpdated"] * len(told) + ["item/started", "item/completed"]
        assert told[-1:] == [WRITTEN] * wanted
        assert (host.root / "work" / "b.txt").read_text() == "one\ntwo\n"


class Follower:
    """Tells one file, which has all that was fed; nothing for what does not begin as its own."""

    def __init__(self) -> None:
        self.text = ""

    def feed(self, text):
        self.text += text

    def changes(self):
        found = (FileChange(path="a", kind="add", content=self.text),)
        return found if self.text.startswith("mine") else ()


class Tool:
    """Follows its input if it is told to."""

    def __init__(self, *, follows):
        self._follows = follows

    def follow_input(self):
        return Follower() if self._follows else None


async def test_a_patch_is_told_twice_a_second_and_at_last_whole():
    now = 100.0
    tools = {"other": object(), "off": Tool(follows=False), "on": Tool(follows=True)}
    patches = StreamedPatches("t", lambda: tools, lambda: now)

    def take(text, id="c1"):
        msg = ToolInputDelta(item_id="i", call_id=id, delta=text)
        return [params["changes"][0]["diff"] for _, params, _ in patches.take("turn", msg)]

    assert take("mi") == []
    assert take("ne") == ["mine"]
    assert take("+1") == []
    now += EVERY_S
    assert take("+2") == ["mine+1+2"]
    assert take("not mine", "c2") == []
    assert take("+3") == []
    assert [(m, p["itemId"], p["changes"][0]["diff"]) for m, p, _ in patches.end()] == [
        ("item/fileChange/patchUpdated", "c1", "mine+1+2+3")
    ]
    assert list(patches.end()) == []
    assert take("mine") == ["mine"]  # the same call, streamed once more
    assert list(patches.end()) == []
