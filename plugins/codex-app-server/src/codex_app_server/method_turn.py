"""Turns: start, steer, interrupt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import (
    ApprovalPolicy,
    ImageInput,
    Steer,
    TextInput,
    ToolSource,
    TurnOverrides,
    UserInput,
    UserTurn,
    local_image,
)
from codex_plugin_sdk.remote.items import read_sandbox

from .method_thread import APPROVAL
from .methods import method
from .params import SANDBOX_POLICY, USER_INPUT
from .scopes import THREAD
from .server import Reply
from .settings import folder
from .shapes import ANY, STRING, array, enum, record
from .tool_sources import inquire
from .translate import TurnRecord
from .wire import RpcError

if TYPE_CHECKING:
    import anyio

    from .client import Client
    from .loaded import LoadedThread
    from .server import Server

MAX_INPUT_CHARS = 1_048_576
INPUT = array(USER_INPUT)
START = record(
    {"threadId": STRING, "input": INPUT},
    cwd=STRING,
    model=STRING,
    effort=STRING,
    summary=enum("auto", "concise", "detailed", "none"),
    approvalPolicy=APPROVAL,
    sandboxPolicy=SANDBOX_POLICY,
    serviceTier=STRING,
    outputSchema=ANY,
    clientUserMessageId=STRING,
)
STEER = record({"threadId": STRING, "input": INPUT, "expectedTurnId": STRING}, clientUserMessageId=STRING)
INTERRUPT = record({"threadId": STRING, "turnId": STRING})


@method("turn/start", START, scope=THREAD)
async def start(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """A turn with the user's input."""
    loaded = server.loaded(params["threadId"])
    approval, sandbox = params.get("approvalPolicy"), params.get("sandboxPolicy")
    overrides = TurnOverrides(
        cwd=folder(params) if params.get("cwd") else None,
        model=params.get("model"),
        effort=params.get("effort"),
        summary=params.get("summary"),
        approval_policy=ApprovalPolicy(approval) if isinstance(approval, str) else None,
        service_tier=params.get("serviceTier"),
        sandbox_policy=None if sandbox is None else read_sandbox(sandbox),
        output_schema=params.get("outputSchema"),
    )
    op = UserTurn(
        input=await _expanded(loaded, read_input(params["input"], loaded.state.cwd)),
        overrides=overrides,
        client_id=params.get("clientUserMessageId"),
    )
    active = loaded.active_turn
    if active is not None:
        raise RpcError(f"turn {active} is still running: steer or interrupt it")

    async def then() -> None:
        loaded.subscribe(client)
        await loaded.submit(op)

    turn = TurnRecord(str(op.turn_id), 0).wire("notLoaded")
    return Reply({"turn": {**turn, "startedAt": None}}, then)


@method("turn/steer", STEER, scope=THREAD)
async def steer(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, str]:
    """More input for the turn under way."""
    loaded = server.loaded(params["threadId"])
    active, expected = loaded.active_turn, params["expectedTurnId"]
    if active is None:
        raise RpcError("no active turn to steer")
    if active != expected:
        raise RpcError(f"expected active turn id `{expected}` but found `{active}`")
    if loaded.reviewing:
        text, kind = "cannot steer a review turn", {"activeTurnNotSteerable": {"turnKind": "review"}}
        raise RpcError(text, data={"message": text, "codexErrorInfo": kind, "additionalDetails": None})
    given = read_input(params["input"], loaded.state.cwd)
    await loaded.submit(Steer(input=given, client_id=params.get("clientUserMessageId")))
    return {"turnId": active}


@method("turn/interrupt", INTERRUPT, scope=None)
async def interrupt(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Stop the turn under way."""
    await server.loaded(params["threadId"]).interrupt(params["turnId"])
    return {}


async def _expanded(loaded: LoadedThread, given: tuple[UserInput, ...]) -> tuple[UserInput, ...]:
    """The input with what a prompt of an MCP server stands for in place of its command. Raises `UserError`."""
    if not given or not isinstance(given[0], TextInput) or not given[0].text.startswith("/"):
        return given
    from codex_plugin_sdk.slash import SOURCE, is_server_prompt, server_input

    sources = loaded.state.sources
    servers = loaded.engine.config.table("mcp_servers")
    if SOURCE not in sources or not is_server_prompt(given[0].text, servers):
        return given  # other clients mean other things by a slash
    ask = partial(_asked, sources[SOURCE], loaded.closed)
    return (*await server_input(given[0].text, ask), *given[1:])


async def _asked(source: ToolSource, gone: anyio.Event, method: str, params: Mapping[str, Any]) -> Any:
    return await inquire(source, method, params, gone)


def read_input(given: Sequence[Mapping[str, Any]], cwd: str) -> tuple[UserInput, ...]:
    """The user's input. Raises `RpcError`, `UserError` for an image that cannot be read."""
    if sum(len(part.get("text") or "") for part in given) > MAX_INPUT_CHARS:
        data = {"input_error_code": "input_too_large", "max_chars": MAX_INPUT_CHARS}
        raise RpcError(f"Input exceeds the maximum length of {MAX_INPUT_CHARS} characters.", data=data)
    return tuple(_part(part, cwd) for part in given)


def _part(part: Mapping[str, Any], cwd: str) -> UserInput:
    match part["type"]:
        case "text":
            return TextInput(text=part["text"])
        case "image":
            return ImageInput(url=part["url"])
        case "localImage":
            return local_image(part["path"], cwd)
        case "skill":
            return TextInput(text=f"${part['name']}")
        case _:
            return TextInput(text=f"@{part['path']}")
