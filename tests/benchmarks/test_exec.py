"""The figures of `codex exec`."""

from __future__ import annotations

import json
import statistics
import subprocess
import time

import pytest

from codex_plugin_sdk import CustomToolCall, FunctionCall, text_message
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

from .harness import Program, compare, ours, peer

EXEC = ("exec", "--skip-git-repo-check")
FULL = (*EXEC, "-s", "danger-full-access")


@pytest.fixture
def programs(tmp_path):
    """Ours, and the peer where there is one."""
    found = [Program("ours", ours(), tmp_path)]
    if peer() is not None:
        found.append(Program("peer", peer(), tmp_path))
    return found


def say(text="done"):
    return text_message("assistant", text, id="msg_1")


def call(number, name="exec_command", **arguments):
    return FunctionCall(call_id=f"call_{number}", name=name, arguments=json.dumps(arguments), id=f"fc_{number}")


def played(program, answers, *args):
    with ScriptedResponsesServer() as server:
        server.play(*(server.answer(*items) for items in answers))
        run = program.run(server, *args, "go")
    assert run.status == 0, run.output.decode(errors="replace")[-2000:]
    assert len(server.requests) == len(answers)
    return run


def test_start_first_request(programs):
    compare("first request", programs, lambda p: played(p, [[say()]], *EXEC).first_ms, rounds=15, target=0.8)


def test_start_whole(programs):
    compare("whole exec, one answer", programs, lambda p: played(p, [[say()]], *EXEC).whole_ms, rounds=15)
    compare("whole exec, CPU", programs, lambda p: played(p, [[say()]], *EXEC).cpu_ms)


def test_memory(programs):
    compare("peak memory", programs, lambda p: played(p, [[say()]], *EXEC).rss_mb, unit="MB", rounds=3, target=0.5)


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_start_words(programs, word):
    def once(program):
        began = time.monotonic()
        subprocess.run([*program.argv, word], stdout=subprocess.DEVNULL, check=True)
        return (time.monotonic() - began) * 1000

    compare(f"codex {word}", programs, once, rounds=20, target=3)


def gap(program, items, count=40):
    answers = [*([make(i)] for i, make in ((i, items) for i in range(count))), [say()]]
    return statistics.median(played(program, answers, *FULL).gaps_ms[1:])


def test_gap_of_a_command(programs):
    compare(
        "gap of a tool call `true`", programs, lambda p: gap(p, lambda i: call(i, cmd="true")), rounds=5, target=0.25
    )


def test_gap_without_a_process(programs):
    compare("gap without a process", programs, lambda p: gap(p, lambda i: call(i, "nobody")), rounds=5, target=0.2)


def test_gap_grows_no_faster_than_the_bytes(programs):
    def late(program):
        answers = [*([call(i, "nobody", pad="x" * 2000)] for i in range(400)), [say()]]
        return statistics.median(played(program, answers, *FULL).gaps_ms[-40:])

    compare("gap at a history of 400 calls (0.9 MB)", programs, late, rounds=2)


def patch(files):
    hunks = "".join(f"*** Add File: f{i}.txt\n+line {i}\n" for i in range(files))
    return f"*** Begin Patch\n{hunks}*** End Patch\n"


@pytest.mark.parametrize("files", [200, 2000])
def test_patch_of_many_files(programs, files):
    def once(program):
        items = [CustomToolCall(call_id="p", name="apply_patch", input=patch(files), id="ctc_1")]
        run = played(program, [items, [say()]], *EXEC, "-s", "workspace-write")
        assert len(list(program.work.glob("f*.txt"))) == files
        return run.gaps_ms[0]

    rounds = 2 if files == 200 else 1
    compare(f"patch of {files} files", programs, once, rounds=rounds, target=0.03)


def test_text_deltas(programs):
    text = "word " * 400_000

    def rate(program):
        few = played(program, [[say()]], *EXEC).whole_ms
        with ScriptedResponsesServer() as server:
            server.play(server.answer(say(text)))
            run = program.run(server, *EXEC, "go")
        assert run.status == 0
        return len(text) / 8 / max(run.whole_ms - few, 1) * 1000

    compare("text deltas", programs, rate, unit="/s", rounds=3, target=2)
