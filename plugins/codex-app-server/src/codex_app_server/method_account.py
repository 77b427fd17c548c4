"""The account: the API key that is kept, and signing in and out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import Config

from .kept import Kept
from .logins import FLOWS, Logins
from .methods import method
from .scopes import ALONE, GLOBAL, SHARED_READ
from .server import Reply
from .settings import engine_for
from .shapes import BOOLEAN, STRING, record, tagged
from .wire import RpcError

if TYPE_CHECKING:
    from codex_plugin_sdk.credentials import Credential

    from .client import Client
    from .server import Server

LOGIN = tagged(
    apiKey=record({"apiKey": STRING}),
    chatgpt=record(),
    chatgptDeviceCode=record(),
    chatgptAuthTokens=record(),
    amazonBedrock=record(),
    amazonBedrockAccessKeys=record(),
)
LOGINS = Kept(Logins)


@method("account/read", record(refreshToken=BOOLEAN), scope=SHARED_READ)
async def read(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the provider wants a key of OpenAI, and whether there is one."""
    needed = await anyio.to_thread.run_sync(_needs_openai, server)
    account = {"type": "apiKey"} if needed and await _credential(server) is not None else None
    return {"account": account, "userId": None, "requiresOpenaiAuth": needed, "workspaceRouting": None}


@method("account/login/start", LOGIN, scope=GLOBAL)
async def login(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Keep an API key, or begin a flow by which the user signs in."""
    kind = params["type"]
    if kind == "apiKey":
        return await _login_with_key(server, params["apiKey"])
    begin = FLOWS.get(kind)
    if begin is None:
        raise RpcError(f"signing in with {kind} is not available in this build: log in with an API key")
    pending = await begin(params)
    login_id = _new_id()

    async def then() -> None:
        error = await LOGINS.of(server).run(login_id, pending)
        await _tell(server, login_id, error)

    server.start(then)
    return Reply({"type": kind, **pending.result, "loginId": login_id})


async def _login_with_key(server: Server, key: str) -> Reply:
    from codex_plugin_sdk.credentials import credentials_store, require_api_key_login, save_credential

    def save() -> None:
        config = _config(server)
        require_api_key_login(config.data)
        save_credential(config.codex_home, key, credentials_store(config.data))

    await anyio.to_thread.run_sync(save)

    async def then() -> None:
        await _tell(server, None, None)

    return Reply({"type": "apiKey"}, then)


@method("account/login/cancel", record({"loginId": STRING}), scope=ALONE)
async def cancel(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, str]:
    """End a flow."""
    import uuid

    login_id = params["loginId"]
    try:
        uuid.UUID(login_id)
    except ValueError as error:
        raise RpcError(f"invalid login id: {login_id}") from error
    return {"status": "canceled" if LOGINS.of(server).cancel(login_id) else "notFound"}


@method("account/logout", scope=GLOBAL)
async def logout(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Forget what is kept. A key in the environment stays, and counts."""
    from codex_plugin_sdk.credentials import credentials_store, delete_credential

    def delete() -> None:
        config = _config(server)
        delete_credential(config.codex_home, credentials_store(config.data))

    await anyio.to_thread.run_sync(delete)

    async def then() -> None:
        await _tell_account(server)

    return Reply({}, then)


@method("account/rateLimits/read", scope=ALONE)
async def rate_limits(server: Server, client: Client, params: Mapping[str, Any]) -> None:
    """Limits belong to ChatGPT accounts, which this build has none of."""
    raise await _chatgpt_needed(server, "read rate limits")


@method("account/usage/read", record(threadId=STRING), scope=ALONE)
async def usage(server: Server, client: Client, params: Mapping[str, Any]) -> None:
    """Usage is counted for ChatGPT accounts, which this build has none of."""
    raise await _chatgpt_needed(server, "read token usage")


async def _chatgpt_needed(server: Server, what: str) -> RpcError:
    kind = "codex account" if await _credential(server) is None else "chatgpt"
    return RpcError(f"{kind} authentication required to {what}")


async def _tell(server: Server, login_id: str | None, error: str | None) -> None:
    server.tell_all(
        "account/login/completed",
        {"loginId": login_id, "success": error is None, "error": error, "onboardingEntrypoint": None},
    )
    if error is None:
        await _tell_account(server)


async def _tell_account(server: Server) -> None:
    mode = None if await _credential(server) is None else "apikey"
    server.tell_all("account/updated", {"authMode": mode, "planType": None})


async def _credential(server: Server) -> Credential | None:
    from codex_plugin_sdk.credentials import credentials_store, load_credential

    def load() -> Credential | None:
        config = _config(server)
        return load_credential(config.codex_home, credentials_store(config.data), server.invocation.environ)

    return await anyio.to_thread.run_sync(load)


def _config(server: Server) -> Config:
    """The configuration without a project's: none may say where keys are kept."""
    return server.invocation.load_config(cwd=None)


def _needs_openai(server: Server) -> bool:
    import os

    engine = engine_for(server.invocation, {}, os.getcwd())
    info = engine.settings.provider
    if info is not None:
        return info.requires_openai_auth
    specs = [offer.spec for offer in engine.plugins.providers().values()]
    id = engine.settings.provider_id
    return any(spec.builtin(id).requires_openai_auth for spec in specs if spec.builtin and id in spec.builtin_ids)


def _new_id() -> str:
    import uuid

    return str(uuid.uuid4())
