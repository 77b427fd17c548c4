"""Results of servers, for the model and for whoever watches: every kind of content, bounded and harmless."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ContentPart, ToolOutput, Value, value

from .safe_text import shown, shown_data

if TYPE_CHECKING:
    from mcp.types import BlobResourceContents, CallToolResult, ContentBlock, TextResourceContents

    from .spill import Spill

OUTPUT_TOKENS = 10_000
CHARS_PER_TOKEN = 4
MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_IMAGES = 16
MAX_ITEM_CHARS = 64_000
MAX_BLOCKS = 1_000

_MAGIC = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
_SUFFIXES = {"audio/wav": ".wav", "audio/mpeg": ".mp3", "audio/ogg": ".ogg", "application/pdf": ".pdf"}


@value
class Rendered(Value):
    """A result for both readers: `output` for the model, `item` in the shape that clients know."""

    output: ToolOutput
    item: dict[str, Any]


class Rendering:
    """Renders results of one thread. `limit_tokens` is what the model reads of one; `sees_images` whether it does."""

    def __init__(self, spill: Spill, *, limit_tokens: int = OUTPUT_TOKENS, sees_images: bool = True) -> None:
        self._spill = spill
        self._limit_chars = max(200, limit_tokens * CHARS_PER_TOKEN)
        self._sees_images = sees_images

    def result(self, result: CallToolResult, wall_time_s: float) -> Rendered:
        """A call's result. May write files, so it belongs into a thread where it is large."""
        structured = None if result.is_error else result.structured_content
        texts: list[str] = [] if structured is None else [_compact(structured)]
        images: list[ContentPart] = []
        for block in result.content[:MAX_BLOCKS]:
            # Structured content says the same as the texts, which are there for clients that do not know it.
            if structured is None or block.type != "text":
                self.block(block, texts, images)
        if len(result.content) > MAX_BLOCKS:
            texts.append(f"[{len(result.content) - MAX_BLOCKS:,} more blocks were left out]")
        text = self.bounded("\n".join(texts))
        head = f"Wall time: {wall_time_s:.4f} seconds\nOutput:\n"
        output: str | tuple[ContentPart, ...] = head + text
        if images:
            output = (ContentPart(type="input_text", text=head + text), *images)
        return Rendered(output=ToolOutput(output=output, success=not result.is_error), item=_item(result))

    def bounded(self, text: str) -> str:
        """Text for the model: escaped, its middle cut out where it is too long, and then whole in a file."""
        if len(text) <= self._limit_chars:
            return shown(text)
        where = self._spill.write(text.encode("utf-8", "replace"), ".txt")
        half = self._limit_chars // 2
        cut = (len(text) - 2 * half) // CHARS_PER_TOKEN
        note = f"[Truncated: the whole output of {len(text):,} characters: {where}]"
        return f"{shown(text[:half])}…{cut:,} tokens truncated…{shown(text[-half:])}\n{note}"

    def block(self, block: ContentBlock, texts: list[str], images: list[ContentPart]) -> None:
        """Add what the model is to read of one part; neither cut nor escaped."""
        match block.type:
            case "text":
                texts.append(block.text)
            case "image":
                texts += self._image(block.data, block.mime_type, images)
            case "audio":
                texts.append(self._file("audio", block.data, block.mime_type))
            case "resource_link":
                about = f": {block.description}" if block.description else ""
                kind = f" ({block.mime_type})" if block.mime_type else ""
                texts.append(f"[resource {block.name}{kind} at {block.uri}{about}; read_mcp_resource reads it]")
            case "resource":
                texts += self.contents(block.resource, images)

    def contents(self, resource: TextResourceContents | BlobResourceContents, images: list[ContentPart]) -> list[str]:
        """What a resource holds; an image goes to `images`."""
        kind = resource.mime_type or ""
        if (text := getattr(resource, "text", None)) is not None:
            return [f"[resource {resource.uri}{f' ({kind})' if kind else ''}]", str(text)]
        data: str = getattr(resource, "blob", "")
        if kind.startswith("image/"):
            return [f"[resource {resource.uri} ({kind})]", *self._image(data, kind, images)]
        return [f"[resource {resource.uri}]", self._file("file", data, kind)]

    def _image(self, data: str, kind: str, images: list[ContentPart]) -> list[str]:
        """Adds the image, and nothing to the text; else says what became of it."""
        if not self._sees_images:
            return [self._file("image, which the model cannot see", data, kind)]
        if len(images) >= MAX_IMAGES:
            return [self._file(f"image, one of more than {MAX_IMAGES}", data, kind)]
        if (url := image_url(data)) is None:
            return [self._file("image that cannot be shown", data, kind)]
        images.append(ContentPart(type="input_image", image_url=url))
        return []

    def _file(self, what: str, data: str, kind: str) -> str:
        raw = _decoded(data)
        if raw is None:
            return f"[{what} {kind}: its data is no base64]"
        return f"[{what} {kind}, {len(raw):,} bytes, {self._spill.write(raw, _SUFFIXES.get(kind, '.bin'))}]"


def _decoded(data: str, limit: int | None = None) -> bytes | None:
    """The bytes; None for what is no base64 or too large."""
    if limit is not None and len(data) > limit * 4 // 3 + 4:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def image_url(data: str) -> str | None:
    """A data URL for base64 data; None for what is too large or no image that models read."""
    raw = _decoded(data, MAX_IMAGE_BYTES)
    kind = None if raw is None else _image_kind(raw)
    return None if raw is None or kind is None else f"data:{kind};base64,{base64.b64encode(raw).decode('ascii')}"


def _image_kind(raw: bytes) -> str | None:
    """What an image is by its bytes: a wrong word would make the model's server refuse the whole request."""
    for magic, kind in _MAGIC:
        if raw.startswith(magic):
            return kind
    return "image/webp" if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" else None


def _compact(data: Any) -> str:
    import json

    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)


def _item(result: CallToolResult) -> dict[str, Any]:
    """The result as clients know it, small enough to be kept with the session."""
    content: list[dict[str, Any]] = []
    room = MAX_ITEM_CHARS
    for block in result.content[:MAX_BLOCKS]:
        size = _size(block)
        if size > room:
            if block.type == "text":
                cut = shown(block.text, max(room, 1_000))
                content.append({"type": "text", "text": f"{cut} [of {len(block.text):,} characters]"})
            else:
                content.append({"type": "text", "text": f"[{block.type} of {size:,} characters left out]"})
            room = 0
            if len(content) > 100:
                break
            continue
        room -= size
        raw = block.model_dump(mode="json", by_alias=True, exclude_none=True)
        content.append(shown_data(raw))
    structured = result.structured_content
    if structured is not None:
        text = _compact(structured)
        structured = shown_data(structured) if len(text) <= MAX_ITEM_CHARS else shown(text, 1_000)
    return {"content": content, "structured_content": structured}


def _size(block: ContentBlock) -> int:
    match block.type:
        case "text":
            return len(block.text)
        case "image" | "audio":
            return len(block.data)
        case "resource":
            return len(str(getattr(block.resource, "text", None) or getattr(block.resource, "blob", "")))
        case _:
            return len(block.name) + len(block.uri) + len(block.description or "")
