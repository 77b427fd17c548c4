"""`codex debug prompt-input`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio
import orjson

from codex_plugin_sdk import (
    EndOfThread,
    Notice,
    TextInput,
    UserTurn,
    encode_item,
    local_image,
    text_message,
)

from .thread import folder, prepare

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, ModelRequest, OpenedThread


def print_prompt_input(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `CodexError` where a first turn would fail before
    its request."""
    cwd = folder(invocation, given)
    paths = [path for text in (*invocation.flags.get("images", ()), *given["images"]) for path in text.split(",")]
    images = tuple(local_image(path, cwd) for path in paths if path)
    opened, left_out = prepare(invocation, given, cwd)
    for name in left_out:
        sys.stderr.write(f"warning: the hooks of {name} are not run: what they would add is missing here\n")
    prompt = given["prompt"]
    words = (TextInput(text=prompt),) if prompt is not None else ()
    # The very same opening as that of a session: it only has nobody to send its request to.
    opened.begin(UserTurn(input=(*words, *images)))
    anyio.run(_tell_and_close, opened)
    opening = opened.opening
    assert opening is not None
    if opening.error is not None:
        raise opening.error
    assert opening.request is not None  # nothing to compact in a new thread, no hooks to wait for
    encoded = _items(opening.request, asked=bool(words or images), instructions=given["instructions"])
    _print(encoded, one_line=given["as_json"])
    return 0


def _items(request: ModelRequest, *, asked: bool, instructions: bool) -> list[bytes]:
    """The input, item by item as it would be sent. Without a prompt the message of the user goes, which is empty."""
    items = [entry.encoded for entry in (request.input if asked else request.input[:-1])]
    if instructions:
        items.insert(0, encode_item(text_message("developer", request.instructions)))
    return items


def _print(items: list[bytes], *, one_line: bool) -> None:
    text = b"[" + b",".join(items) + b"]"
    if not one_line:
        text = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2)
    sys.stdout.flush()
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


async def _tell_and_close(opened: OpenedThread) -> None:
    """Show the warnings of the opening, and release everything."""
    try:
        opened.queue.close()
        while True:
            event = await opened.queue.get()
            if isinstance(event.msg, Notice):
                sys.stderr.write(f"{event.msg.level}: {event.msg.message}\n")
    except EndOfThread:
        return
    finally:
        await opened.aclose()
