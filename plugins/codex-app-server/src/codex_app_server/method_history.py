"""What changes the history of an open thread without the model: items put in, turns taken back, the user's commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import InjectItems, ResponseItem, decode_item

from .methods import method
from .released import set_free
from .scopes import THREAD
from .server import Reply
from .shapes import ANY, INTEGER, STRING, array, record
from .shelf import on_shelf, shelf
from .user_shell import UserCommand
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

_REQUIRED = {
    "message": ("role", "content"),
    "function_call": ("name", "arguments", "call_id"),
    "function_call_output": ("call_id", "output"),
    "custom_tool_call": ("call_id", "name", "input"),
    "custom_tool_call_output": ("call_id", "output"),
    "reasoning": ("summary",),
}


@method("thread/inject_items", record({"threadId": STRING, "items": array(ANY)}), scope=THREAD)
async def inject_items(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Put items at the end of the history; the next turn sends them."""
    loaded = server.loaded(params["threadId"])
    items = read_items(params["items"])
    if loaded.active_turn is not None:
        raise RpcError(f"turn {loaded.active_turn} is still running: inject items when it is over")
    await loaded.submit(InjectItems(items=items))
    return {}


def read_items(given: Sequence[Any]) -> tuple[ResponseItem, ...]:
    """Response items of a client. Raises `RpcError`."""
    if not given:
        raise RpcError("items must not be empty")
    for index, raw in enumerate(given):
        if fault := _fault(raw):
            raise RpcError(f"items[{index}] is not a valid response item: {fault}")
    return tuple(decode_item(raw) for raw in given)


def _fault(raw: object) -> str:
    if not isinstance(raw, Mapping):
        shown = f"integer `{raw}`" if isinstance(raw, int) else type(raw).__name__
        return f"invalid type: {shown}, expected internally tagged enum ResponseItem"
    if not isinstance(raw.get("type"), str):
        return "missing field `type`"
    missing = next((name for name in _REQUIRED.get(raw["type"], ()) if name not in raw), None)
    return f"missing field `{missing}`" if missing else ""


@method("thread/revert", record({"threadId": STRING, "beforeTurnId": STRING}), scope=THREAD)
async def revert(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Take back a turn and all that came after it: the thread is closed, cut off, and opened again for those who
    listen to it."""
    loaded, before = server.loaded(params["threadId"]), params["beforeTurnId"]
    if loaded.active_turn is not None:
        raise RpcError(f"turn {loaded.active_turn} is still running: interrupt it first")
    turns = await on_shelf(lambda: [id for id, _ in shelf(server).listed_turns(loaded.id, "notLoaded")])
    if before not in turns or loaded.ephemeral:
        raise RpcError(f"turn not found: {before}")
    async with set_free(server, loaded):
        done = await on_shelf(lambda: shelf(server).library.revert(loaded.id, before))
    again = server.loaded(loaded.id)
    if not done:
        raise RpcError(f"turn {before} belongs to the thread that this one was forked from: fork that one instead")
    left = turns[: turns.index(before)]
    if not left:
        again.preview = ""
    result = {
        "thread": again.wire(),
        "turnsBackwardsCursor": f"turns:at:{left[-1]}" if left else None,
        "itemsBackwardsCursor": await _last_item(server, again.id),
    }

    async def then() -> None:
        server.tell_all("thread/reverted", {"threadId": again.id})

    return Reply(result, then)


async def _last_item(server: Server, thread_id: str) -> str | None:
    def look() -> str | None:
        last = None
        for turn in shelf(server).turns(thread_id, "summary"):
            last = next(reversed(turn.items), last)
        return None if last is None else f"items:at:{last}"

    return await on_shelf(look)


@method(
    "thread/shellCommand",
    record({"threadId": STRING, "command": STRING}, timeoutMs=INTEGER),
    scope=THREAD,
)
async def shell_command(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Run a command of the user's own, outside the sandbox; the model reads of it with the next turn."""
    loaded, command = server.loaded(params["threadId"]), params["command"]
    if not command.strip():
        raise RpcError("command must not be empty")
    if loaded.active_turn is not None:
        raise RpcError(f"turn {loaded.active_turn} is still running: run the command when it is over")
    run = UserCommand(loaded, command, params.get("timeoutMs"), server.invocation.environ)

    async def then() -> None:
        loaded.subscribe(client)
        server.start(run.run)

    return Reply({}, then)
