"""Models and their providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ConfigError, Engine, ModelInfo, ModelProvider, ProviderInfo, ProviderSetup, __version__

from .methods import method
from .paging import PAGE, page
from .scopes import SHARED_READ
from .settings import engine_for
from .shapes import BOOLEAN, STRING, record
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

EFFORTS = {
    "low": "Quick answers with little reasoning",
    "medium": "As much reasoning as most tasks need",
    "high": "More reasoning for hard problems",
}
"""The efforts that every reasoning model and every client knows."""
WEB_SEARCH, IMAGE_GENERATION = "web_search", "image_generation"


@method("model/list", record(includeHidden=BOOLEAN, modelProvider=STRING, **PAGE), scope=SHARED_READ)
async def model_list(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Models of a provider, the best first; the configured one is always among them."""
    wanted = params.get("modelProvider")
    try:
        engine = engine_for(server.invocation, {"modelProvider": wanted}, _here())
        provider = await _provider(engine)
    except ConfigError as error:
        if wanted is None:
            raise
        data = {"type": "modelProviderNotConfigured", "modelProvider": wanted}
        raise RpcError(f"model provider {wanted} is not configured: {error.message}", data=data) from error
    try:
        configured = engine.settings.model
        names = _names(provider, configured)
        return page([_entry(name, provider.model_info(name), default=name == configured) for name in names], params)
    finally:
        await provider.aclose()


@method("modelProvider/list", scope=SHARED_READ)
async def provider_list(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """The providers that are built in or configured. They are changed in config.toml."""
    engine = engine_for(server.invocation, {}, _here())
    found: dict[str, ProviderInfo] = {}
    for offer in engine.plugins.providers().values():
        if offer.spec.builtin is not None:
            found |= {id: offer.spec.builtin(id) for id in offer.spec.builtin_ids}
    for id in engine.config.table("model_providers"):
        info = engine_for(server.invocation, {"modelProvider": id}, _here()).settings.provider
        if info is not None:
            found[id] = info
    return {
        "data": [_summary(found[id]) for id in sorted(found)],
        "defaultProviderId": engine.settings.provider_id,
        "canChangeDefault": False,
    }


@method("modelProvider/capabilities/read", scope=SHARED_READ)
async def capabilities(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, bool]:
    """What threads can do besides text, which is what tools are there for."""
    tools = server.invocation.plugins.tools()
    return {"webSearch": WEB_SEARCH in tools, "imageGeneration": IMAGE_GENERATION in tools}


def _here() -> str:
    import os

    return os.getcwd()


async def _provider(engine: Engine) -> ModelProvider:
    """The provider that a thread of this engine would get; to be closed. Raises `ConfigError`, `PluginError`."""
    settings = engine.settings
    for offer in engine.plugins.providers().values():
        spec, info = offer.spec, settings.provider
        if info is None and spec.builtin is not None and settings.provider_id in spec.builtin_ids:
            info = spec.builtin(settings.provider_id)
        elif info is None or info.wire_api not in spec.wire_apis:
            continue
        options = {**engine.config.data, "codex_home": engine.config.codex_home}
        setup = ProviderSetup(info=info, environ=engine.environ, thread_id="", version=__version__, options=options)
        return spec.factory(setup)
    raise ConfigError(
        f"nothing that is installed provides {settings.provider_id!r}",
        where=engine.config.origin("model_provider"),
        hint="codex plugins list tells what is installed",
    )


def _names(provider: ModelProvider, configured: str) -> Sequence[str]:
    listed = getattr(provider, "model_names", None)  # optional, see the contract
    names = list(listed()) if listed is not None else []
    return names if configured in names else [configured, *names]


def _entry(name: str, info: ModelInfo, *, default: bool) -> dict[str, Any]:
    efforts = EFFORTS if info.default_effort is not None else {}
    window = f"Reads {info.context_window:,} tokens" if info.context_window else ""
    return {
        "id": name,
        "model": name,
        "displayName": name,
        "description": window if info.known else "A model of which nothing is known",
        "hidden": False,
        "isDefault": default,
        "upgrade": None,
        "supportedReasoningEfforts": [
            {"reasoningEffort": effort, "description": text} for effort, text in efforts.items()
        ],
        "defaultReasoningEffort": info.default_effort or "none",
        "inputModalities": ["text", "image"] if info.supports_images else ["text"],
        "supportsPersonality": False,
        "additionalSpeedTiers": [],
        "serviceTiers": [],
        "defaultServiceTier": None,
    }


def _summary(info: ProviderInfo) -> dict[str, Any]:
    settings: dict[str, Any] = {"type": "openai"}
    if not info.requires_openai_auth:
        auth: dict[str, Any] = {"mode": "none"}
        if info.env_key is not None:
            auth = {"mode": "environmentVariable", "envKey": info.env_key}
        elif info.experimental_bearer_token is not None or info.http_headers or info.env_http_headers:
            auth = {"mode": "externallyConfigured", "envKey": None}
        settings = {"type": "customGateway", "auth": auth}
    return {
        "id": info.id,
        "name": info.name or info.id,
        "baseUrl": info.base_url,
        "canEdit": False,
        "settings": settings,
    }
