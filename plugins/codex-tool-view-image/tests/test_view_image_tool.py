"""The tool `view_image`."""

import base64
import struct
import zlib
from types import SimpleNamespace

import anyio
import pytest

import codex_tool_view_image.plugin
from codex_plugin_sdk import (
    ContentPart,
    ImageViewItem,
    ItemCompleted,
    ItemStarted,
    SandboxPolicy,
    ToolCall,
    ToolFailed,
    ToolOutput,
    TurnCompleted,
)
from codex_plugin_sdk.testing.harness import open_thread
from codex_plugin_sdk.testing.model import ScriptedModel, call, say
from codex_tool_view_image.tool import ViewImageTool

pytestmark = pytest.mark.anyio


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    + chunk(b"IEND", b"")
)
PART = ContentPart(type="input_image", image_url="data:image/png;base64," + base64.b64encode(PNG).decode())


class FakeContext:
    """The part of a `ToolContext` that the tool uses."""

    def __init__(self, cwd):
        self.cwd = str(cwd)
        self.sandbox_policy = SandboxPolicy()
        self.shown = []

    async def item_started(self, item):
        self.shown.append(("started", item))

    async def item_completed(self, item):
        self.shown.append(("completed", item))


def view(**arguments):
    return ToolCall(call_id="c1", name="view_image", input="", arguments=arguments)


@pytest.fixture
def shot(tmp_path):
    path = tmp_path / "shots" / "red.png"
    path.parent.mkdir()
    path.write_bytes(PNG)
    return path


@pytest.mark.parametrize("spelling", ["{absolute}", "shots/red.png", "./shots/red.png", "~/shots/red.png"])
async def test_image_is_shown_by_its_absolute_path_however_it_is_spelt(spelling, shot, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    ctx = FakeContext("/nowhere" if spelling.startswith("~") else tmp_path)
    output = await ViewImageTool().run(view(path=spelling.format(absolute=shot)), ctx)
    item = ImageViewItem(id="c1", path=str(shot))
    assert output == ToolOutput(output=(PART,))
    assert ctx.shown == [("started", item), ("completed", item)]


async def test_parent_of_a_linked_folder_is_that_of_its_target(shot, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "link").symlink_to(tmp_path / "shots")
    ctx = FakeContext(tmp_path / "work")
    await ViewImageTool().run(view(path="link/../shots/red.png"), ctx)
    assert ctx.shown[0][1].path == str(shot.resolve())


async def test_further_arguments_do_no_harm(shot, tmp_path):
    output = await ViewImageTool().run(view(path=str(shot), detail="high"), FakeContext(tmp_path))
    assert output.output == (PART,)


@pytest.mark.parametrize("arguments", [{}, {"path": ""}, {"path": None}, {"path": ["a.png"]}])
async def test_arguments_without_a_path_are_refused(arguments, tmp_path):
    ctx = FakeContext(tmp_path)
    with pytest.raises(ToolFailed, match=r"^failed to parse function arguments: `path` must be a string"):
        await ViewImageTool().run(view(**arguments), ctx)
    assert ctx.shown == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.png", None, "does not exist"),
        ("empty.png", b"", "is empty"),
        ("notes.png", b"just text", "is not an image that models can see (PNG, JPEG, GIF or WebP)"),
        ("torn.png", PNG[:-20], "is cut off: a PNG that ends within its data"),
    ],
)
async def test_file_that_is_no_image_is_refused_with_path_and_reason(name, content, reason, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    ctx = FakeContext(tmp_path)
    with pytest.raises(ToolFailed) as caught:
        await ViewImageTool().run(view(path=name), ctx)
    assert str(caught.value) == f"{tmp_path / name} {reason}"
    assert ctx.shown == []


async def test_plugin_offers_the_tool_that_it_makes():
    (spec,) = codex_tool_view_image.plugin.codex_tools()
    tool = spec.factory(SimpleNamespace())
    assert spec.name == tool.definition.name == "view_image"
    assert tool.parallel_safe
    assert tool.definition.parameters["required"] == ["path"]
    await tool.aclose()


async def test_model_sees_the_image_in_its_next_request(shot, tmp_path):
    model = ScriptedModel([call("view_image", "c1", path="shots/red.png")], [say("it is red")])
    with anyio.fail_after(10):
        async with open_thread(model, codex_tool_view_image.plugin, home=str(tmp_path)) as thread:
            events = await thread.turn("look at it")
    assert isinstance(events[-1].msg, TurnCompleted)
    outputs = [entry.item.output for entry in model.requests[1].input if hasattr(entry.item, "output")]
    assert outputs == [(PART,)]
    item = ImageViewItem(id="c1", path=str(shot))
    shown = [e.msg for e in events if isinstance(getattr(e.msg, "item", None), ImageViewItem)]
    assert shown == [ItemStarted(item=item), ItemCompleted(item=item)]


async def test_model_reads_why_there_is_nothing_to_see_and_the_turn_goes_on(tmp_path):
    model = ScriptedModel([call("view_image", "c1", path=str(tmp_path))], [say("no image, then")])
    with anyio.fail_after(10):
        async with open_thread(model, codex_tool_view_image.plugin, home=str(tmp_path)) as thread:
            events = await thread.turn()
            assert thread.outputs() == [f"{tmp_path} is a folder, not an image file"]
    assert isinstance(events[-1].msg, TurnCompleted)
    assert not [e for e in events if isinstance(getattr(e.msg, "item", None), ImageViewItem)]
