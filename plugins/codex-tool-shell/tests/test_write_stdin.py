"""`write_stdin`: sessions that outlive their call."""

from __future__ import annotations

import os
import re

import anyio
import pytest

from codex_plugin_sdk import ItemStatus, ToolFailed

pytestmark = pytest.mark.anyio


async def test_a_session_goes_on_until_its_end_is_reported(shell, body):
    number = await shell.session("echo hi; read x; echo got $x; read y; exit 4", tty=True)
    text = await shell.write(number, "a\n")
    assert f"\nProcess running with session ID {number}\n" in text
    assert body(text) == "a\r\ngot a\r\n"
    text = await shell.write(number, "b\n")
    assert "\nProcess exited with code 4\n" in text
    assert body(text) == "b\r\n"
    with pytest.raises(ToolFailed, match=f"write_stdin failed: there is no session {number}"):
        await shell.write(number)


async def test_the_item_completes_when_the_command_ends_and_not_when_the_model_looks(shell, body):
    os.mkfifo(f"{shell.cwd}/fifo")
    number = await shell.session("echo one; read x <fifo; echo two")
    assert shell.ctx.completed == []
    async with await anyio.open_file(f"{shell.cwd}/fifo", "w") as file:
        await file.write("\n")
    await shell.ctx.until(lambda: shell.ctx.completed)
    (item,) = shell.ctx.completed
    assert (item.id, item.status, item.aggregated_output) == ("call_1", ItemStatus.COMPLETED, "one\ntwo\n")
    assert item.process_id == str(number)
    assert body(await shell.write(number)) == "two\n"


async def test_an_empty_write_waits_for_the_end(shell):
    os.mkfifo(f"{shell.cwd}/fifo")
    number = await shell.session("read x <fifo; exit 7")
    texts = []

    async def poll() -> None:
        texts.append(await shell.write(number, yield_time_ms=1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(poll)
        async with await anyio.open_file(f"{shell.cwd}/fifo", "w") as file:
            await file.write("\n")
    assert "Process exited with code 7" in texts[0]
    assert [item.stdin for item in shell.ctx.updated] == [""]


async def test_output_between_calls_is_kept_for_the_next_one(shell, body):
    os.mkfifo(f"{shell.cwd}/fifo")
    number = await shell.session("cat fifo")
    async with await anyio.open_file(f"{shell.cwd}/fifo", "w") as file:
        await file.write("x" * 100_000)
    await shell.ctx.until(lambda: shell.ctx.completed)
    text = body(await shell.write(number))
    found = re.match(r"\[Truncated: all 100000 bytes are in (.+)\]\n\nx+…15000 tokens truncated…x+$", text)
    assert found
    assert os.path.getsize(found[1]) == 100_000


async def test_the_interrupt_character_interrupts_with_and_without_a_terminal(shell):
    for tty in (False, True):
        number = await shell.session("trap 'exit 9' INT; while :; do sleep 0.02; done", tty=tty)
        assert "Process exited with code 9" in await shell.write(number, "\x03")


async def test_end_of_file_ends_a_program_that_reads(shell, body):
    number = await shell.session("cat; echo end", tty=True)
    text = await shell.write(number, "abc\n\x04")
    assert body(text) == "abc\r\nabc\r\nend\r\n"
    assert "Process exited with code 0" in text


async def test_typing_needs_a_terminal_and_the_error_says_how_to_get_one(shell):
    number = await shell.session("exec sleep 1000")
    with pytest.raises(ToolFailed, match="tty = true"):
        await shell.write(number, "hello\n")


async def test_what_a_call_types_is_shown_while_the_item_is_open_unless_it_is_refused(shell, body):
    number = await shell.session("read x; echo got $x", tty=True)
    await shell.write(number, "a", yield_time_ms=250)
    await shell.write(number, "\n")
    assert [(item.id, item.process_id, item.stdin) for item in shell.ctx.updated] == [
        ("call_1", str(number), "a"),
        ("call_1", str(number), "\n"),
    ]
    assert shell.ctx.completed[0].stdin is None
    deaf = await shell.session("echo on; exec sleep 1000")
    with pytest.raises(ToolFailed, match="no stdin"):
        await shell.write(deaf, "x")
    os.mkfifo(f"{shell.cwd}/fifo")
    ended = await shell.session("read x <fifo", tty=True)
    async with await anyio.open_file(f"{shell.cwd}/fifo", "w") as file:
        await file.write("\n")
    await shell.ctx.until(lambda: len(shell.ctx.completed) == 2)
    await shell.write(ended, "too late")
    assert len(shell.ctx.updated) == 2


async def test_a_program_that_does_not_read_is_told_of(shell, body):
    number = await shell.session("stty raw -echo; exec sleep 1000", tty=True)
    text = await shell.write(number, "x" * 1_000_000)
    assert "\nNotice: the program did not take all of the characters; the rest of them was dropped\n" in text


async def test_a_character_that_is_cut_by_a_report_is_not_broken(shell, body):
    number = await shell.session(r"stty -echo; printf 'caf\303'; read x; printf '\251 \377'; read x", tty=True)
    assert shell.ctx.output == b"caf\xc3"
    assert body(await shell.write(number, "\n")).endswith("é �")
    await shell.write(number, "\n")
    assert shell.ctx.completed[0].aggregated_output == "café �"


async def test_interrupting_the_call_leaves_the_session_running(shell):
    number = await shell.session("read x; echo got $x", tty=True)
    with anyio.move_on_after(0.01) as scope:
        await shell.write(number)
    assert scope.cancelled_caught
    assert "got b" in await shell.write(number, "b\n")


async def test_calls_for_one_session_take_turns_in_their_order(shell):
    number = await shell.session("read a; read b; echo $a then $b; exit 5", tty=True)
    assert shell.write_tool.parallel_safe
    texts = {}

    async def write(chars: str) -> None:
        texts[chars] = await shell.write(number, chars)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, "1\n")
        tasks.start_soon(write, "2\n")
    assert "1 then 2" in texts["2\n"]
    assert "Process running" in texts["1\n"]


async def test_the_call_behind_the_one_that_reported_the_end_learns_that_there_is_no_session(shell):
    number = await shell.session("read a", tty=True)
    results = []

    async def write() -> None:
        try:
            results.append("code 0" in await shell.write(number, "\n"))
        except ToolFailed as error:
            results.append(str(error).partition(":")[0])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        tasks.start_soon(write)
    assert results == [True, "write_stdin failed"]


async def test_a_session_that_could_not_be_followed_says_so_once(shell, stayer):
    number = await shell.session(f"stty -echo; read x; echo $x; {stayer.command}", tty=True)
    shell.ctx.delta_error = RuntimeError("the disk is full")
    with pytest.raises(RuntimeError, match="the disk is full"):
        await shell.write(number, "a\n")
    with pytest.raises(ToolFailed, match="there is no session"):
        await shell.write(number)
    assert stayer.alive() == []


async def test_wrong_arguments_are_refused(shell):
    with pytest.raises(ToolFailed, match="`session_id` must be an integer"):
        await shell.write("3")


async def test_an_output_says_whether_the_command_goes_on(shell):
    begun = await shell.call(shell.exec_tool, cmd="read x", tty=True, yield_time_ms=250)
    number = int(re.search(r"session ID (\d+)", begun.output)[1])
    ended = await shell.call(shell.write_tool, session_id=number, chars="a\n")
    assert (begun.goes_on, ended.goes_on) == (True, False)
