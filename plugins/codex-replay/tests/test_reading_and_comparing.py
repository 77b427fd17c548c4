"""Rollouts as recordings, forms that are compared, and pages that are safe."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from codex_plugin_sdk import TextInput, UserError
from codex_replay.capsule import unpacked
from codex_replay.comparing import Comparer, exit_code, kind_of
from codex_replay.normal import Paths, stable_output
from codex_replay.page import render
from codex_replay.rollout import lines_of, read_rollout
from codex_replay.tree import Node, text_lines

ID = "019a0000-0000-7000-8000-000000000001"
BEFORE = "01990000-0000-7000-8000-000000000001"
AFTER = "019a0000-0100-7000-8000-000000000001"


def lines(*entries):
    return [json.dumps({"type": kind, "payload": payload}).encode() + b"\n" for kind, payload in entries]


def meta(**more):
    return "session_meta", {"id": ID, "cwd": "/work", **more}


def event(kind, **more):
    return "event_msg", {"type": kind, **more}


def said(text):
    content = [{"type": "text", "text": text}]
    return event("item_completed", item={"type": "UserMessage", "id": "i", "content": content})


def item(kind, **more):
    return "response_item", {"type": kind, **more}


def function(call_id):
    return item("function_call", call_id=call_id, name="exec_command", arguments="{}")


def output(call_id, text):
    return item("function_call_output", call_id=call_id, output=text)


def test_rollout_becomes_turns_with_replies_and_steers():
    usage = {"input_tokens": 1, "output_tokens": 2}
    found = read_rollout(
        "r",
        lines_of(
            [
                *lines(
                    meta(),
                    event("task_started", turn_id=BEFORE),
                    said("old"),
                    item("message", role="assistant", content=[]),
                    event("task_complete", turn_id=BEFORE),
                    event("task_started", turn_id=AFTER),
                    ("turn_context", {"model": "m"}),
                    item("message", role="user", content=[{"type": "input_text", "text": "<environment_context>"}]),
                    said("go"),
                    function("c1"),
                    function("c2"),
                    ("token_usage_record", {"usage": usage}),
                    output("c1", "one"),
                    output("c2", "two"),
                    said("also this"),
                    item("message", role="assistant", content=[]),
                ),
                b"{torn\n",
                *lines(event("turn_aborted", turn_id=AFTER)),
            ]
        ),
    )
    old, turn = found.turns
    assert (old.inherited, turn.inherited, turn.state) == (True, False, "interrupted")
    assert turn.input == (TextInput(text="go"),)
    assert turn.steers == {1: [(TextInput(text="also this"),)]}
    assert [len(reply.items) for reply in turn.replies] == [2, 1]
    assert turn.replies[0].usage == usage
    assert turn.outputs["c2"]["output"] == "two"
    assert turn.context == {"model": "m"}


@pytest.mark.parametrize("data", [[], lines(event("task_started", turn_id=AFTER)), lines(meta())])
def test_file_without_a_turn_cannot_be_replayed(data):
    with pytest.raises(UserError):
        read_rollout("r", lines_of(data))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("Chunk ID: aa\nWall time: 0.1 seconds\nOutput:\nx", "Chunk ID: bb\nWall time: 12 seconds\nOutput:\nx"),
        ("Ran 3 tests in 0.002s", "Ran 3 tests in 1.500s"),
        ("Sat Nov 21 17:05:25 UTC 2026", "Sun Nov 22 01:00:00 UTC 2026"),
        ("at 2026-11-21T17:05:25.123Z", "at 2027-01-01T00:00:00Z"),
        ("-rw-r--r-- 1 me me 14 Nov 21 17:05 a.txt", "-rw-r--r-- 1 me me 14 Dec  1  2025 a.txt"),
        ("made /tmp/tmp.GvYqA1b2C3", "made /tmp/tmp.ZzYqA1b2C4"),
        ("pid 4711", "pid 9"),
        (f"id {ID} and {ID}", f"id {AFTER} and {AFTER}"),
        ("<object at 0x7f21a0f24d90>", "<object at 0x7f00aaaa0000>"),
    ],
)
def test_what_differs_from_run_to_run_is_no_difference(before, now):
    assert stable_output(before) == stable_output(now)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("3 passed", "4 passed"),
        ("Process exited with code 0\nOutput:\n", "Process exited with code 1\nOutput:\n"),
        (f"{ID} {ID}", f"{ID} {AFTER}"),
        ("Output:\nChunk ID: aa", "Output:\nChunk ID: bb and more"),
        ("-rw-r--r-- 1 me me 14 Nov 21 17:05 a.txt", "-rw-r--r-- 1 me me 15 Nov 21 17:05 a.txt"),
    ],
)
def test_what_means_something_stays_a_difference(before, now):
    assert stable_output(before) != stable_output(now)


def test_paths_of_the_scratch_copy_stand_for_recorded_ones():
    paths = Paths("/home/me/app", "/tmp/x/app")
    assert paths.to_scratch("cd /home/me/app && ls /home/me/app/src") == "cd /tmp/x/app && ls /tmp/x/app/src"
    assert paths.to_recorded("in /tmp/x/app.") == "in /home/me/app."
    for other in ("/home/me/app2", "/home/me/app-old/x", "/srv/home/me/app", "x/home/me/app"):
        assert paths.to_scratch(other) == other
    assert Paths("/", "/tmp/x").to_scratch("ls / /etc") == "ls / /etc"


def test_kinds_of_divergence_are_told_apart():
    def out(text, call_id="c"):
        return {"type": "function_call_output", "call_id": call_id, "output": text}

    done = "Process exited with code {}\nOutput:\n{}"
    assert kind_of(out(done.format(0, "a")), out(done.format(0, "b")), "exec_command") == "tool output"
    assert kind_of(out(done.format(0, "a")), out(done.format(2, "a")), "exec_command") == "exit code"
    assert kind_of(out("Exit code: 0"), out("failed"), "apply_patch") == "patch result"
    assert kind_of(out("a"), out("a", "d"), "exec_command") == "event order"
    assert kind_of({"type": "message", "role": "user"}, {"type": "message", "role": "developer"}, "") == "request bytes"
    assert exit_code(out(done.format(137, ""))) == "137"


def test_loose_comparison_lets_a_hook_have_added_to_an_output():
    recorded = {"type": "function_call_output", "call_id": "c", "output": "result\n\nA hook says: no"}
    present = {"type": "function_call_output", "call_id": "c", "output": "result"}
    paths = Paths("/a/b", "/c/d")
    assert Comparer(paths, loose=True).same(recorded, present)
    assert not Comparer(paths).same(recorded, present)


def test_page_escapes_everything_and_loads_nothing():
    evil = "</pre><script>alert(1)</script><img src=//x onerror=y>\x1b[2J"
    page = "".join(render(Node(kind=evil, title=evil, facts=evil, text=evil, below=(Node(kind="k", title=evil),))))
    assert "<script" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_tree_in_text_draws_branches():
    leaf = Node(kind="k", title="leaf", is_bad=True)
    root = Node(kind="k", title="root", facts="f", below=(Node(kind="k", title="one", below=(leaf,)), leaf))
    assert list(text_lines(root)) == ["root  (f)", "├─ one", "│  └─ ! leaf", "└─ ! leaf"]


def test_capsule_from_elsewhere_writes_nothing_outside(tmp_path):
    path = tmp_path / "evil.tar.gz"
    rollout = b"".join(lines(meta(), event("task_started", turn_id=AFTER), said("go")))
    link = tarfile.TarInfo("rollout.jsonl")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(link)
        for name in ("../../escaped", "/tmp/escaped-absolute", "trace/../../escaped", "rollout.jsonl"):
            entry = tarfile.TarInfo(name)
            entry.size = len(rollout)
            archive.addfile(entry, io.BytesIO(rollout))
    with unpacked(str(path)) as (recording, files, home):
        assert recording.thread_id == ID
        assert {name.rsplit("/", 2)[-2] for name in (files, home)} == {files.rsplit("/", 2)[-2]}
    assert not list(tmp_path.parent.glob("escaped*"))
    (tmp_path / "no.tar.gz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="cannot be read as a capsule"), unpacked(str(tmp_path / "no.tar.gz")):
        pass


def test_sweep_keeps_what_is_named_or_young(tmp_path):
    import os

    from codex_replay.blobs import Blobs, digest_of
    from codex_replay.sweeping import remove_orphans, remove_unnamed

    blobs = Blobs(str(tmp_path))
    named, unnamed, young = (digest_of(word) for word in (b"1", b"2", b"3"))
    for name in (named, unnamed, young):
        blobs.put(name, b"body")
    known, orphan, new = (f"019a0000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))
    for id in (known, orphan, new):
        (tmp_path / f"{id}.jsonl").write_text(f'{{"d":"{named}"}}')
    for path in (blobs.path(named), blobs.path(unnamed), *(str(tmp_path / f"{id}.jsonl") for id in (known, orphan))):
        os.utime(path, (1, 1))

    class Store:
        def find(self, id):
            return id if id == known else None

    assert remove_orphans(str(tmp_path), Store()) == 1
    assert sorted(path.stem for path in tmp_path.glob("*.jsonl")) == [known, new]
    assert remove_unnamed(str(tmp_path))[0] == 1
    assert [blobs.get(name) for name in (named, unnamed, young)] == [b"body", None, b"body"]
