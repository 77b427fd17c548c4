"""`codex sessions tree`."""

from __future__ import annotations

import json

import pytest

from codex_plugin_sdk import ThreadSummary
from codex_sessions.last_turn import last_status
from codex_sessions.tree import grow, rows, walk

SPAWN = {"depth": 1, "agent_nickname": "Ada", "agent_role": "explorer"}
LINES = ("├─ ", "└─ ", "│  ", "   ")


def spawned(parent):
    return {"source": {"subagent": {"thread_spawn": {"parent_thread_id": parent, **SPAWN}}}}


def thread(id, born, **meta):
    return ThreadSummary(thread_id=id, path=f"/none/{id}", created_at_ms=born, updated_at_ms=0, preview=id, meta=meta)


def shape(roots):
    return [(one.relation, one.thread_id, shape(one.children)) for one in roots]


def test_forks_and_sub_agents_hang_below_what_they_come_from():
    roots = grow(
        [
            thread("a", 1),
            thread("b", 2, forked_from_id="a"),
            thread("c", 3, **spawned("a")),
            thread("d", 4, **spawned("b")),
            thread("e", 5, parent_thread_id="a", forked_from_id="b"),
            thread("f", 0, source={"subagent": "review"}, parent_thread_id="gone"),
        ]
    )
    assert shape(roots) == [
        ("root", "a", [("fork", "b", [("sub-agent", "d", [])]), ("sub-agent", "c", []), ("sub-agent", "e", [])]),
        ("root", "gone", [("sub-agent", "f", [])]),
    ]
    assert [line.split("  ")[0] for line in rows(roots, marks=LINES)] == [
        "a", "├─ b", "│", "├─ c", "└─ e", "gone", "└─ f"
    ]  # fmt: skip
    assert list(rows(roots, marks=LINES))[2].startswith("│  └─ d  ")
    assert "(sub-agent Ada explorer)" in list(rows(roots, marks=LINES))[3]
    assert "gone  not recorded" in list(rows(roots, marks=LINES))[5]


def test_long_line_of_forks_is_no_difficulty():
    (root,) = grow([thread(f"{n:04}", n, **({"forked_from_id": f"{n - 1:04}"} if n else {})) for n in range(2000)])
    assert sum(1 for _ in rows([root], marks=LINES)) == 2000
    assert [depth for _, depth in walk(root)] == list(range(2000))


def test_ring_is_no_reason_to_go_round_for_ever():
    roots = grow(
        [thread("a", 1, forked_from_id="b"), thread("b", 2, forked_from_id="a"), thread("c", 3, forked_from_id="c")]
    )
    assert sum(1 for _ in rows(roots, marks=LINES)) == 3


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (lambda r: [r.ended()], "completed"),
        (lambda r: [("event_msg", {"type": "turn_aborted", "turn_id": "t1"})], "interrupted"),
        (lambda r: [("event_msg", {"type": "error", "message": "no"})], "failed"),
        (lambda r: [], "unfinished"),
        (lambda r: [r.ended(), r.begun("t2"), r.user('"task_complete"' + "x" * 200_000)], "unfinished"),
        (lambda r: [r.ended(), r.user("x" * 70_000)], "completed"),
        (lambda r: [r.ended(), r.user("x" * 2_000_000)], "?"),
    ],
)
def test_status_is_how_the_last_turn_ended(end, status, put, r):
    assert last_status(str(put(r.FIRST, [r.meta(r.FIRST), r.begun(), r.user("go"), *end(r)]))) == status


def test_status_of_a_session_without_a_turn_or_a_file_is_told(put, r, tmp_path):
    assert last_status(str(put(r.FIRST, [r.meta(r.FIRST)]))) == ""
    assert last_status(str(tmp_path / "nowhere")) == "?"


def test_tree_is_shown_for_the_folder_for_one_session_and_as_json(put, within, r, tmp_path):
    put(r.FIRST, r.small(r.FIRST, "the parent", cwd=str(tmp_path)))
    put(r.SECOND, r.small(r.SECOND, "the child", **spawned(r.FIRST)))
    put(r.THIRD, r.small(r.THIRD, "elsewhere"))
    assert within("sessions", "rename", r.FIRST, "blue moon").returncode == 0
    here = within("sessions", "tree").stdout.splitlines()
    assert [row.strip().split()[0] for row in here] == [r.FIRST, r.SECOND]
    assert here[0].endswith("completed  [blue moon]  the parent")
    assert here[1].startswith("  " + r.SECOND)
    done = within("sessions", "tree", r.SECOND[:13], "--json")
    found, child = json.loads(done.stdout)["sessions"]
    assert [found[name] for name in ("id", "name", "relation", "status", "depth")] == [
        r.FIRST, "blue moon", "root", "completed", 0
    ]  # fmt: skip
    assert [child[name] for name in ("id", "relation", "parent", "depth")] == [r.SECOND, "sub-agent", r.FIRST, 1]
    assert child["agent"] == {"depth": 1, "nickname": "Ada", "role": "explorer"}
    assert r.fails(within("sessions", "tree", "0199aaaa"), 1, "No active or archived session")
