"""Offers the Responses API as wire API `responses`, and the provider `openai`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ModelProviderSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import ModelProvider, ProviderInfo, ProviderSetup


@hookimpl
def codex_model_providers() -> Iterable[ModelProviderSpec]:
    """One spec: all servers that speak the Responses API."""
    yield ModelProviderSpec(
        name="openai", factory=_open, wire_apis=("responses",), builtin_ids=("openai",), builtin=_builtin
    )


def _open(setup: ProviderSetup) -> ModelProvider:
    from .provider import OpenAIProvider

    return OpenAIProvider(setup)


def _builtin(id: str) -> ProviderInfo:
    from codex_plugin_sdk import ProviderInfo

    return ProviderInfo(id=id, name="OpenAI", base_url="https://api.openai.com/v1", requires_openai_auth=True)
