"""Take the pictures of docs/tui.md: the program in a terminal of the tests, with a model that says what is below.

    python tools/tui_screenshots.py [FOLDER]      # docs/images/tui without one

The same each time: nothing that depends on the clock, on the machine or on ids is left in them.
"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from codex_plugin_sdk.testing.model import call, freeform, say, think
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "plugins/codex-tui/tests"
HOME = "/Users/alice/projects"
"""As long as what it stands for, so that nothing moves."""
SIZE = {"columns": 92, "rows": 26}
_FONT = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
_SPAN = re.compile(r"(?<=[ (;])\d+(?:\.\d+)?s(?=[ )&<]|$)")
_SETTINGS = """sandbox_mode = "workspace-write"
approval_policy = "untrusted"
"""
_TABLES = """[tui]
animations = false
theme = "dark"
status_line = ["model-with-reasoning", "current-dir", "git-branch", "approval", "sandbox", "context-used"]
"""
PROGRAM_TEXT = """def total(lines):
    amount = 0
    for line in lines:
        amount += line.price * line.count
    return amount


def receipt(lines):
    return f"You pay {total(lines)}"


def main():
    print(receipt([]))
"""
PATCH = """*** Begin Patch
*** Update File: shop.py
@@
-    amount = 0
+    amount = Decimal(0)
@@
-    return f"You pay {total(lines)}"
+    return f"You pay {total(lines):.2f}"
*** End Patch
"""
ANSWER = """`total` adds floats, so that **0.1 + 0.2** is not 0.3. Two changes mend it:

1. Start with `Decimal(0)`.
2. Show two places in `receipt`.

```python
def total(lines):
    amount = Decimal(0)
    for line in lines:
        amount += line.price * line.count
    return amount
```
"""
STEPS = ("Read the code", "completed"), ("Find the cause", "in_progress"), ("Mend it and test it", "pending")


def main() -> int:
    """The exit code."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images/tui"
    folder.mkdir(parents=True, exist_ok=True)
    kit, rollouts = _module("e2e_kit"), _module("rollouts")
    with tempfile.TemporaryDirectory(dir="/tmp") as home, ScriptedResponsesServer() as server:
        world = kit.World(Path(home), server)
        assert len(str(world.home)) == len(HOME)
        world.configure(_SETTINGS, _TABLES)
        world.work = world.home / "shop"
        world.work.mkdir()
        (world.work / "shop.py").write_text(PROGRAM_TEXT)
        for ago, (text, answer) in enumerate(
            [
                ("Why are the totals wrong?", "They are sums of floats."),
                ("Add a test for empty baskets", "There is one now, in test_shop.py."),
                ("Print receipts as PDF", "This needs a library: reportlab would do."),
                ("What does this repository do?", "It is a small shop: baskets, prices and receipts."),
            ]
        ):
            rollouts.write_session(
                world.codex_home, 9 - ago, text, answer=answer, cwd=str(world.work), ago_s=3600 * (1 + 20 * ago)
            )
        with world.start("resume", **SIZE) as terminal:
            terminal.until(kit.has("Resume a session", "They are sums of floats", "Add a test"))
            _picture(terminal, world.home, folder / "picker.svg", "codex resume")
        with world.start(**SIZE) as terminal:
            _session(kit, world, terminal, folder)
    return 0


def _session(kit: Any, world: Any, terminal: Any, folder: Path) -> None:
    terminal.until(kit.READY)
    terminal.until("/help lists commands")
    _picture(terminal, world.home, folder / "start.svg", "codex")

    steps = [{"step": step, "status": status} for step, status in STEPS]
    world.answers([think("**Looking for the cause**"), call("update_plan", "u1", plan=steps)])
    stall = world.waits(say(ANSWER), after_steps=36)
    world.enter(terminal, "Why are the totals wrong?")
    assert stall.reached.wait(kit.LIMIT_S)
    terminal.until("for line")
    _picture(terminal, world.home, folder / "streaming.svg", "codex")
    stall.release()
    terminal.until("worked for")

    world.answers([call("exec_command", "c1", cmd="python -m unittest -v", justification="to see what fails")])
    world.enter(terminal, "Run the tests")
    terminal.until(kit.has("Run this command?", "Waiting for you"))
    terminal.until("a question", gone=True)
    _picture(terminal, world.home, folder / "approval.svg", "codex")
    world.answers([say("Nothing was run.")])
    terminal.press("n")
    terminal.until("Nothing was run.")

    world.answers([freeform("apply_patch", PATCH, "p1")], [say("Both are in.")])
    world.enter(terminal, "Mend it")
    terminal.until("e hunk by hunk")
    world.answer(terminal, "e")
    terminal.until("0 of 2 decided")
    terminal.press("y")
    terminal.until(kit.has("1 of 2 decided", "Waiting for you"))
    _picture(terminal, world.home, folder / "hunks.svg", "codex")
    terminal.press("y", "enter")
    terminal.until("Both are in.")

    terminal.press("ctrl+t")
    terminal.until("q close")
    _picture(terminal, world.home, folder / "transcript.svg", "codex")


def _picture(terminal: Any, home: Path, path: Path, title: str) -> None:
    """The screen, in a font that needs nothing from elsewhere and without times."""
    terminal.screenshot_svg(path, title)
    text = _FONT.sub("", path.read_text(encoding="utf-8")).replace("Fira Code", "monospace")
    text = text.replace(str(home), HOME)
    text = _SPAN.sub(lambda found: re.sub(r"\d", "1", found[0]), text)
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def _module(name: str) -> Any:
    """A module of the tests, which are no package that is installed."""
    package = sys.modules.setdefault("tui_tests", type(sys)("tui_tests"))
    package.__path__ = [str(TESTS)]
    found = f"tui_tests.{name}"
    if found not in sys.modules:
        spec = spec_from_file_location(found, TESTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[found] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[found])
    return sys.modules[found]


if __name__ == "__main__":
    sys.exit(main())
