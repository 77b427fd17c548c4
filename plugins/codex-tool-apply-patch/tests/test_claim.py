"""A shell command that is nothing but a patch is run as a patch, in a whole turn."""

import pytest

from codex_plugin_sdk import CommandExecutionItem, FileChangeItem, ItemCompleted, ToolDefinition, ToolOutput, ToolSpec
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_tool_apply_patch import plugin as patch_plugin

PATCH = "*** Begin Patch\n*** Add File: new.txt\n+hello\n*** End Patch"


class Shell:
    """Stands where the shell tool stands, and counts."""

    definition = ToolDefinition(name="exec_command", description="shell")
    parallel_safe = True
    commands: list[str]

    def __init__(self):
        self.commands = []

    async def run(self, call, ctx):
        self.commands.append(call.arguments["cmd"])
        return ToolOutput(output="ran")

    async def aclose(self):
        pass


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("cmd", "workdir", "place"),
    [
        (f"apply_patch <<'EOF'\n{PATCH}\nEOF\n", None, "new.txt"),
        (f"cd sub && apply_patch <<'EOF'\n{PATCH}\nEOF\n", None, "sub/new.txt"),
        (f"cd deep && apply_patch <<'EOF'\n{PATCH}\nEOF\n", "sub", "sub/deep/new.txt"),
        (f"apply_patch <<'EOF' && echo done\n{PATCH}\nEOF\n", None, None),
        ("echo apply_patch", None, None),
    ],
)
async def test_only_a_command_that_is_a_patch_is_claimed(tmp_path, cmd, workdir, place):
    work = tmp_path / "work"
    (work / "sub" / "deep").mkdir(parents=True)
    shell = Shell()
    arguments = {"cmd": cmd, **({"workdir": workdir} if workdir else {})}
    model = ScriptedModel([call("exec_command", "c", **arguments)], [say("done")])
    made = plugin(codex_tools=[ToolSpec(name="exec_command", factory=lambda setup: shell)])
    config = {"sandbox_mode": "workspace-write"}
    async with open_thread(model, patch_plugin, made, home=str(tmp_path), cwd=str(work), config=config) as h:
        await h.turn()
    items = [type(m.item) for m in h.of(ItemCompleted)]
    assert CommandExecutionItem not in items
    assert (FileChangeItem in items) == (place is not None)
    assert shell.commands == ([] if place else [cmd])
    if place:
        assert (work / place).read_text() == "hello\n"
        assert h.outputs()[0].endswith("A new.txt\n")
