"""Real commits in real repositories, and what is left to the shell tool."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from codex_plugin_sdk import (
    CommandExecutionItem,
    ItemStatus,
    PolicyDenied,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    ToolCall,
    ToolFailed,
)
from codex_plugin_sdk.testing.tool_kit import ToolCase, ToolConformance

from .conftest import SPEC, WORKSPACE_WRITE, Desk


class TestGitTool(ToolConformance):
    """What every tool owes the kernel."""

    @pytest.fixture
    def tool_case(self, workspace: str, tmp_path: Path) -> ToolCase:
        desk = Desk(tmp_path / "other")
        desk.git("init", "-q", cwd=Path(workspace))
        desk.git("config", "user.name", "Ada", cwd=Path(workspace))
        desk.git("config", "user.email", "ada@example.org", cwd=Path(workspace))
        (Path(workspace) / "file").write_text("x")
        good = ({"cmd": "git add file"}, {"cmd": "git commit -m x && git branch topic"})
        return ToolCase(open=SPEC.factory, good_calls=good)

    @pytest.fixture
    def tmp_path(self, tmp_path: Path) -> Path:
        (tmp_path / "other").mkdir()
        return tmp_path


def test_the_model_is_not_told_of_the_tool(desk):
    assert SPEC.offered is False
    assert SPEC.name == desk.open().definition.name


@pytest.mark.anyio
async def test_add_and_commit_in_one_chain_make_a_commit(desk):
    (desk.work / "new.txt").write_text("new\n")
    text = await desk.broker("git add -A && git commit -m 'second: it works' && git status -sb")
    assert "Process exited with code 0" in text
    assert "1 file changed, 1 insertion(+)" in text
    assert text.endswith("## main\n")
    assert desk.git("log", "--format=%s|%an|%ae", "-1") == "second: it works|Ada|ada@example.org\n"


@pytest.mark.anyio
async def test_item_and_answer_look_like_the_shells_own(desk):
    text = await desk.broker("git branch topic", workdir=".")
    (item,) = desk.ctx.completed
    assert isinstance(item, CommandExecutionItem)
    assert item.command == ("/bin/bash", "-lc", "git branch topic")
    assert (item.id, item.cwd, item.exit_code) == ("call_1", str(desk.work), 0)
    assert item.status is ItemStatus.COMPLETED
    assert item.source == "unified_exec_startup"
    labels = [line.partition(":")[0] for line in text.splitlines()]
    assert labels == ["Chunk ID", "Wall time", "Process exited with code 0", "Original token count", "Output"]


@pytest.mark.anyio
async def test_policies_see_the_plain_command_and_that_it_leaves_the_sandbox(desk):
    await desk.broker("git commit --allow-empty -m 'a b'")
    await desk.broker("git branch a && git branch b")
    single, chain = desk.ctx.intents
    assert isinstance(single, RunIntent)
    assert single.argv == ("git", "commit", "--allow-empty", "-m", "a b")
    assert (single.escalated, single.display, single.cwd) == (True, "git commit --allow-empty -m 'a b'", str(desk.work))
    assert "hooks off" in single.justification
    assert chain.argv == ("/bin/bash", "-lc", "git branch a && git branch b")
    assert chain.escalated


@pytest.mark.anyio
async def test_failure_of_a_command_ends_the_chain_and_is_told(desk):
    text = await desk.broker("git add missing.txt && git commit --allow-empty -m x")
    assert "Process exited with code 128" in text
    assert "pathspec 'missing.txt' did not match any files" in text
    assert desk.git("rev-list", "--count", "HEAD") == "1\n"
    assert desk.ctx.completed[-1].status is ItemStatus.FAILED


@pytest.mark.anyio
async def test_refusal_completes_the_item_and_reaches_the_kernel(desk):
    taken = desk.claim("git branch topic")
    desk.ctx.deny = PolicyDenied("not now")
    with pytest.raises(PolicyDenied):
        await desk.tool.run(taken, desk.ctx)
    (item,) = desk.ctx.completed
    assert (item.status, item.exit_code, item.aggregated_output) == (ItemStatus.DECLINED, -1, "not now")
    assert desk.git("branch", "--list", "topic") == ""


@pytest.mark.anyio
@pytest.mark.parametrize("cmd", ["cd sub && git add f && git commit -m x", "git -C sub add f && git commit -m x"])
async def test_commands_run_in_the_folder_they_name(desk, cmd):
    (desk.work / "sub").mkdir()
    (desk.work / "sub" / "f").write_text("x")
    await desk.broker(cmd)
    assert desk.git("ls-files") == "first.txt\nsub/f\n"


@pytest.mark.anyio
async def test_every_kind_of_command_works(desk):
    (desk.work / "a").write_text("a")
    (desk.work / "b").write_text("b")
    for cmd in (
        "git add a b",
        "git restore --staged b",
        "git commit -am one",
        "git tag -a v1 -m text",
        "git checkout -b topic",
        "git switch -c other",
        "git branch -D topic",
        "git rm --cached a",
        "git reset",
        "git reset --soft HEAD~1",
        "git commit --amend --no-edit",
    ):
        assert "exited with code 0" in await desk.broker(cmd), cmd
    assert desk.git("branch", "--format=%(refname:short)") == "main\nother\n"
    assert desk.git("ls-files") == "a\nfirst.txt\n"
    assert desk.git("rev-list", "--count", "HEAD") == "1\n"


@pytest.mark.anyio
async def test_commits_work_in_a_linked_work_tree(desk):
    tree = desk.folder / "tree"
    desk.git("worktree", "add", "-q", str(tree), "-b", "topic")
    desk.work = tree
    (tree / "new").write_text("x")
    await desk.broker("git add new && git commit -m in-tree")
    assert desk.git("log", "-1", "--format=%s", "topic") == "in-tree\n"


@pytest.mark.anyio
async def test_commands_of_one_response_take_turns(desk):
    calls = [desk.claim(f"git branch b{number}").replace(call_id=f"c{number}") for number in range(4)]
    desk.ctx.completed.clear()
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(desk.tool.run, call, desk.ctx)
    started = [(item.id, "start") for item in desk.ctx.started]
    assert len(started) == len(desk.ctx.completed) == 4
    assert all(item.exit_code == 0 for item in desk.ctx.completed)


@pytest.mark.anyio
async def test_long_output_is_cut_in_the_middle(desk):
    for number in range(300):
        (desk.work / f"file-{number:03}").write_text("x")
    text = await desk.broker("git add -v .", max_output_tokens=50)
    body = text.partition("\nOutput:\n")[2]
    assert body.startswith("add 'file-000'")
    assert body.endswith("add 'file-299'\n")
    assert "tokens truncated…" in body
    assert len(body) < 260
    assert "add 'file-150'" in desk.ctx.completed[-1].aggregated_output


@pytest.mark.anyio
async def test_interrupted_command_ends_with_all_it_started(desk):
    hold = desk.folder / "hold"
    os.mkfifo(hold)
    taken = desk.claim("git branch topic")
    plain = desk.ctx.exec

    async def waiting(request, intent):  # stands for a git that waits for a key
        return await plain(request.replace(argv=("/bin/sh", "-c", f"echo up; cat <'{hold}'")), intent)

    desk.ctx.exec = waiting
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.tool.run, taken, desk.ctx)
            await desk.ctx.spoke.wait()
            tasks.cancel_scope.cancel()
    assert desk.ctx.living() == []
    (item,) = desk.ctx.completed
    assert item.status is ItemStatus.FAILED


# -- what is left to the shell tool --------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        SandboxPolicy(mode=SandboxMode.READ_ONLY),
        SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS),
        WORKSPACE_WRITE.replace(cwd_writable=False, writable_roots=("/srv",)),
    ],
)
def test_without_a_sandbox_that_protects_the_repository_nothing_is_claimed(desk, policy):
    assert desk.claim("git add first.txt") is not None
    desk.ctx.sandbox_policy = policy
    assert desk.claim("git add first.txt") is None


@pytest.mark.parametrize("limit", [{"denied_reads": ("/srv/**",)}, {"readable_roots": ("/usr",)}])
def test_where_files_must_not_be_read_their_contents_are_not_fetched(desk, limit):
    desk.open()
    desk.ctx.sandbox_policy = WORKSPACE_WRITE.replace(**limit)
    for cmd in ("git add -A", "git commit -am x", "git commit -m x first.txt", "git branch x && git diff"):
        assert desk.claim(cmd) is None, cmd
    assert desk.claim("git commit -m x") is not None


@pytest.mark.parametrize(
    "arguments",
    [
        {"tty": True},
        {"sandbox_permissions": "require_escalated"},
        {"sandbox_permissions": "with_additional_permissions"},
        {"shell": "fish"},
        {"workdir": 3},
        {"workdir": "missing"},
        {"workdir": "/"},
        {"max_output_tokens": -1},
        {"max_output_tokens": "many"},
    ],
)
def test_calls_that_ask_for_more_than_the_command_are_not_claimed(desk, arguments):
    assert desk.claim("git branch topic") is not None
    assert desk.claim("git branch topic", **arguments) is None


@pytest.mark.parametrize(
    "cmd",
    [
        "git status",
        "git log -1 && git diff",
        "git add -A && make",
        "git add $X",
        "ls",
        3,
        "git add \ud800",
        "git add a\0",
    ],
)
def test_other_commands_are_not_claimed(desk, cmd):
    assert desk.claim(cmd) is None


def test_calls_of_other_tools_are_not_claimed(desk):
    desk.open()
    call = ToolCall(call_id="c", name="exec_command", input="", arguments={"cmd": "git branch x"})
    assert desk.tool.claim(call, desk.ctx) is not None
    assert desk.tool.claim(call.replace(name="other"), desk.ctx) is None


@pytest.mark.anyio
async def test_a_call_by_name_runs_nothing_else(desk):
    desk.open()
    call = ToolCall(call_id="c", name="git", input="", arguments={"cmd": "touch x"})
    with pytest.raises(ToolFailed, match="no git command"):
        await desk.tool.run(call, desk.ctx)
    assert desk.ctx.intents == []
