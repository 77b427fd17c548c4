"""Offers the Chat Completions API as wire API `chat`, and the local servers that speak it by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ModelProviderSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import ModelProvider, ProviderInfo, ProviderSetup


@hookimpl
def codex_model_providers() -> Iterable[ModelProviderSpec]:
    """One spec: all servers that speak Chat Completions."""
    yield ModelProviderSpec(
        name="chat",
        factory=_open,
        wire_apis=("chat",),
        builtin_ids=("ollama", "lmstudio", "llamacpp", "vllm"),
        builtin=_builtin,
    )


def _open(setup: ProviderSetup) -> ModelProvider:
    from .provider import ChatProvider

    return ChatProvider(setup)


def _builtin(id: str) -> ProviderInfo:
    from .local_servers import provider_info

    return provider_info(id)
