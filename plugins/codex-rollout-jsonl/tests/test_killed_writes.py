"""A process that is killed at any step of its store: what was shown is recorded, and the thread goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk import ItemCompleted, StoreSpec, TurnCompleted
from codex_plugin_sdk.testing.harness import open_thread, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, say
from codex_rollout_jsonl.store import JsonlRolloutStore

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

STORE = plugin(
    codex_stores=[StoreSpec(name="jsonl", kind="rollout", factory=lambda setup: JsonlRolloutStore(setup.codex_home))]
)
# One program, and a fork of it for each death, so that nothing is imported twice. It runs a turn of several calls, a compaction
# and another turn, and tells on a file of its own what it has shown.
PROGRAM = """
    import gc, os, signal, sys
    from pathlib import Path

    import anyio

    from codex_plugin_sdk import Compact, ItemCompleted, StoreSpec, TurnCompleted
    from codex_plugin_sdk.testing.harness import open_thread, plugin
    from codex_plugin_sdk.testing.model import ScriptedModel, call, say
    from codex_rollout_jsonl import lock, tail, writer
    from codex_rollout_jsonl.store import JsonlRolloutStore

    STEPS = {"mkdir", "open", "write", "ftruncate", "fsync", "unlink"}


    class Dying:
        "The system as the store sees it: this process is killed before its `at`-th step, or when that is `half` done."

        def __init__(self, at, half):
            self.at, self.half, self.names = at, half, []

        def __getattr__(self, name):
            real = getattr(os, name)
            return (lambda *args, **options: self.step(name, real, args, options)) if name in STEPS else real

        def step(self, name, real, args, options):
            self.names.append(name)
            if len(self.names) == self.at:
                if self.half:
                    real(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)


    async def work(home, shown):
        steps = [call("one", "c1"), call("two", "c2")], [say("Between")], [say("A summary")], [call("three", "c3")], [say("Done")]
        jsonl = StoreSpec(name="jsonl", kind="rollout", factory=lambda setup: JsonlRolloutStore(setup.codex_home))
        async with open_thread(ScriptedModel(*steps), plugin(codex_stores=[jsonl]), home=home) as harness:
            async def told():
                while not isinstance(message := (await harness.thread.next_event()).msg, TurnCompleted):
                    if isinstance(message, ItemCompleted):
                        os.write(shown, message.item.id.encode() + b"\\n")

            from codex_plugin_sdk import TextInput, UserTurn
            await harness.thread.submit(UserTurn(input=(TextInput(text="first"),)))
            await told()
            await harness.thread.submit(Compact())
            await told()
            await harness.thread.submit(UserTurn(input=(TextInput(text="second"),)))
            await told()


    def run(name, system):
        home = os.path.join(sys.argv[1], name)
        os.mkdir(home)
        writer.os = lock.os = tail.os = system
        anyio.run(work, home, os.open(os.path.join(home, "shown"), os.O_WRONLY | os.O_CREAT | os.O_APPEND))


    survivor = Dying(0, False)
    run("survivor", survivor)
    gc.freeze()
    for at, name in enumerate(survivor.names, 1):
        for half in (False, True) if name == "write" else (False,):
            child = os.fork()
            if child == 0:
                run(f"{at:03}-{name}{'-half' * half}", Dying(at, half))
                os._exit(1)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code == -signal.SIGKILL, code
"""


def lines_of(home: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """The whole lines of the one rollout, as they are and read; nothing where there is none."""
    content = b"".join(path.read_bytes() for path in home.glob("sessions/**/*.jsonl"))
    whole = content[: content.rfind(b"\n") + 1]
    return whole, [json.loads(line) for line in whole.splitlines()]


def kinds(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(line["type"], str(line["payload"].get("type", ""))) for line in lines]


@pytest.mark.anyio
async def test_killed_at_any_step_of_its_store_a_thread_has_all_that_was_shown_and_goes_on(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path)], check=True)
    complete = kinds(lines_of(tmp_path / "survivor")[1])
    assert [kind for kind, _ in complete].count("compacted") == 1
    begun = 0
    homes = sorted(tmp_path.iterdir())
    for home in homes:
        whole, lines = lines_of(home)
        assert kinds(lines) == complete[: len(lines)]
        shown = (home / "shown").read_text().split()
        recorded = [line["payload"]["item"]["id"] for line in lines if line["payload"].get("type") == "item_completed"]
        assert recorded[: len(shown)] == shown
        if lines:
            begun += 1
            await goes_on(home, whole)
        else:
            assert JsonlRolloutStore(str(home)).list().threads == ()
    assert len(homes) > 60
    assert begun > len(homes) / 2


async def goes_on(home: Path, whole: bytes) -> None:
    """Resume the thread, and look at what the model is told and at the file."""
    (summary,) = JsonlRolloutStore(str(home)).list().threads
    model = ScriptedModel([say("On")])
    async with open_thread(model, STORE, home=str(home), resume=summary.thread_id) as resumed:
        await resumed.turn("go on")
        assert resumed.of(TurnCompleted)
        assert resumed.of(ItemCompleted)[-1].item.text == "On"
    items = [entry.item for entry in model.requests[0].input]
    outputs = {item.call_id: at for at, item in enumerate(items) if hasattr(item, "output")}
    calls = {item.call_id: at for at, item in enumerate(items) if hasattr(item, "arguments")}
    assert outputs.keys() == calls.keys()
    assert all(at < outputs[id] for id, at in calls.items())
    after, lines = lines_of(home)
    assert after.startswith(whole)
    assert [line["ordinal"] for line in lines] == list(range(len(lines)))
