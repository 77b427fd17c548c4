"""Time grows with the size of the work and not with its square. Limits are generous: machines are slow and shared."""

import io
import time

import pytest

from codex_tool_apply_patch.apply import updated
from codex_tool_apply_patch.command import main
from codex_tool_apply_patch.diff import unified_diff
from codex_tool_apply_patch.hunks import Chunk, PatchError, UpdateFile
from codex_tool_apply_patch.parser import StreamingParser, parse


def least(action, times=3):
    """CPU seconds of the fastest run."""
    found = []
    for _ in range(times):
        began = time.process_time()
        action()
        found.append(time.process_time() - began)
    return min(found)


def assert_linear(cost, size, limit_s):
    """`cost(size)` stays under the limit, and twice the work costs less than three times as much."""
    once, twice = cost(size), cost(2 * size)
    assert once < limit_s
    assert twice < 3 * once + 0.02


def patch_of(lines, hunks):
    out = ["*** Begin Patch", "*** Update File: f"]
    for place in range(len(lines) // hunks // 2, len(lines) - 1, len(lines) // hunks):
        out += ["@@", f" {lines[place - 1]}", f"-{lines[place]}", "+changed", f" {lines[place + 1]}"]
    return "\n".join([*out, "*** End Patch"])


@pytest.mark.parametrize(
    ("ending", "count"),
    [("\n", 100_000), ("\r\n", 40_000), (" \n", 40_000), ("\u00a0—\n", 40_000)],
    ids=["exact", "crlf", "space", "typographic"],
)
def test_many_hunks_in_a_long_file(ending, count):
    def cost(size):
        lines = [f"line {number} of a long file" for number in range(size)]
        text = ending.join([*lines, ""])
        patch = patch_of([f"{line}{ending.rstrip().replace('—', '-')}" for line in lines], size // 200)

        def action():
            (hunk,) = parse(patch).hunks
            new, document, edits = updated(hunk, "f", text)
            assert new.count("changed") == size // 200 == unified_diff(document, edits).count("+changed")

        return least(action)

    assert_linear(cost, count, limit_s=1.0)


@pytest.mark.parametrize(("lines", "found"), [(["same"], True), (["same"] * 150 + ["x"], False), (["a", "b"], True)])
def test_long_context_among_equal_lines(lines, found):
    def cost(size):
        text = "\n".join(lines * (size // len(lines))) + "\nlast\n"
        kept = [" same"] * 200 if "same" in lines else [" a", " b"] * 100
        hunk = UpdateFile(path="f", chunks=(Chunk(lines=(*kept, "-last", "+new")),))

        def action():
            if found:
                assert updated(hunk, "f", text)[0].endswith("\nnew\n")
            else:
                with pytest.raises(PatchError):
                    updated(hunk, "f", text)

        return least(action)

    assert_linear(cost, 100_000, limit_s=1.0)


def test_patch_in_many_small_pieces():
    def cost(size):
        text = patch_of([f"line {number}" for number in range(size)], size // 20) + "\n"
        long = f"*** Begin Patch\n*** Add File: a\n+{'x' * 10 * size}\n*** End Patch"

        def action():
            for whole in (text, long):
                parser = StreamingParser()
                found = [hunk for at in range(0, len(whole), 4) for hunk in parser.feed(whole[at : at + 4])]
                assert len(found + parser.finish()) == 1

        return least(action)

    assert_linear(cost, 10_000, limit_s=1.0)


def test_patch_of_many_files(tmp_path):
    count = 2_000
    lines = ["*** Begin Patch"]
    for number in range(count):
        name = f"pkg{number % 50}/f{number}.txt"
        if number % 2:
            lines += [f"*** Add File: {name}", "+new"]
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"one\ntwo\n")
            lines += [f"*** Update File: {name}", "@@", " one", "-two", "+three"]
    stdout = io.BytesIO()
    began = time.process_time()
    assert main(["\n".join([*lines, "*** End Patch"])], io.BytesIO(), stdout, stdout, str(tmp_path)) == 0
    assert time.process_time() - began < 5.0
    assert stdout.getvalue().count(b"\n") == count + 1
    assert (tmp_path / "pkg0/f0.txt").read_bytes() == b"one\nthree\n"
