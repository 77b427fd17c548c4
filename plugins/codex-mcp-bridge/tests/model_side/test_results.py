import base64
import os
import stat

import mcp.types as t
import pytest

from codex_mcp_bridge.results import Rendering
from codex_mcp_bridge.spill import Spill

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()


@pytest.fixture
def rendering(tmp_path):
    return Rendering(Spill(str(tmp_path / "spill")), limit_tokens=100)


def told(rendered):
    output = rendered.output.output
    return output if isinstance(output, str) else output[0].text


def body(rendered):
    return told(rendered).partition("Output:\n")[2]


def test_text_is_told_with_its_time(rendering, make_text):
    assert told(rendering.result(make_text("a", "b"), 0.5)) == "Wall time: 0.5000 seconds\nOutput:\na\nb"


def test_structured_content_stands_for_the_texts(rendering, make_text):
    rendered = rendering.result(make_text("5", structured_content={"result": 5}), 0)
    assert body(rendered) == '{"result":5}'
    assert rendered.item == {"content": [{"type": "text", "text": "5"}], "structured_content": {"result": 5}}


def test_an_error_is_told_and_is_no_success(rendering, make_text):
    rendered = rendering.result(make_text("broken", is_error=True, structured_content={"x": 1}), 0)
    assert body(rendered) == "broken"
    assert not rendered.output.success


def test_an_image_becomes_a_part_by_its_bytes_not_by_its_name(rendering):
    result = t.CallToolResult(content=[t.ImageContent(data=PNG, mime_type="image/svg+xml")])
    parts = rendering.result(result, 0).output.output
    assert parts[1].type == "input_image"
    assert parts[1].image_url.startswith("data:image/png;base64,")


@pytest.mark.parametrize("data", ["no base64!", base64.b64encode(b"<svg/>").decode()])
def test_a_broken_image_is_described(rendering, data):
    rendered = rendering.result(t.CallToolResult(content=[t.ImageContent(data=data, mime_type="image/png")]), 0)
    assert isinstance(rendered.output.output, str)
    assert "image that cannot be shown image/png" in body(rendered)


def test_a_model_that_sees_nothing_gets_a_file(tmp_path):
    blind = Rendering(Spill(str(tmp_path)), sees_images=False)
    rendered = blind.result(t.CallToolResult(content=[t.ImageContent(data=PNG, mime_type="image/png")]), 0)
    assert "cannot see image/png, 28 bytes, saved as" in body(rendered)


def test_audio_goes_to_a_file_of_the_owner(rendering, tmp_path):
    sound = base64.b64encode(b"RIFFxxxx").decode()
    rendered = rendering.result(t.CallToolResult(content=[t.AudioContent(data=sound, mime_type="audio/wav")]), 0)
    (name,) = os.listdir(tmp_path / "spill")
    assert name.endswith(".wav")
    assert f"[audio audio/wav, 8 bytes, saved as {tmp_path}/spill/{name}]" in body(rendered)
    assert stat.S_IMODE((tmp_path / "spill" / name).stat().st_mode) == 0o600


def test_links_and_embedded_resources_are_told(rendering):
    link = t.ResourceLink(name="log", uri="file:///log", mime_type="text/plain", description="The log")
    text = t.EmbeddedResource(resource=t.TextResourceContents(uri="demo://a", text="inside"))
    blob = t.EmbeddedResource(resource=t.BlobResourceContents(uri="demo://b", blob="AAAA", mime_type="application/pdf"))
    found = body(rendering.result(t.CallToolResult(content=[link, text, blob]), 0))
    assert "[resource log (text/plain) at file:///log: The log; read_mcp_resource reads it]" in found
    assert "[resource demo://a]\ninside" in found
    assert "[file application/pdf, 3 bytes, saved as" in found


def test_a_huge_text_is_cut_in_the_middle_and_kept_whole(rendering, tmp_path, make_text):
    text = "A" * 5_000 + "\x1b" + "Z" * 5_000
    found = body(rendering.result(make_text(text), 0))
    assert len(found) < 1_000
    assert found.startswith("A" * 200 + "…2400 tokens truncated…".replace("2400", "2,400") + "Z" * 200)
    (name,) = os.listdir(tmp_path / "spill")
    assert f"10,001 characters: saved as {tmp_path}/spill/{name}" in found
    assert (tmp_path / "spill" / name).read_text() == text


def test_a_full_disk_is_told_and_does_no_harm(tmp_path, make_text):
    (tmp_path / "spill").write_text("a file where the folder should be")
    found = body(Rendering(Spill(str(tmp_path / "spill")), limit_tokens=100).result(make_text("x" * 5_000), 0))
    assert "could not be saved" in found


def test_control_characters_are_escaped_for_both_readers(rendering, make_text):
    rendered = rendering.result(make_text("\x1b]0;title\x07\u202e"), 0)
    assert body(rendered) == "\\x1b]0;title\\x07\\u202e"
    assert rendered.item["content"][0]["text"] == "\\x1b]0;title\\x07\\u202e"


def test_what_is_kept_with_the_session_is_bounded(rendering, make_text):
    rendered = rendering.result(make_text(*["y" * 50_000] * 5, structured_content={"a": "z" * 100_000}), 0)
    assert len(str(rendered.item)) < 160_000
    assert "[of 50,000 characters]" in rendered.item["content"][-1]["text"]


def test_a_flood_of_blocks_is_cut_off(rendering, make_text):
    assert "1,000 more blocks were left out" in body(rendering.result(make_text(*["a"] * 2_000), 0))
