"""Offers recorded answers as wire API `replay`, and the provider `replay`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import ModelProviderSpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import ModelProvider, ProviderInfo, ProviderSetup


@hookimpl
def codex_model_providers() -> Iterable[ModelProviderSpec]:
    """One spec: scripts and recorded rollouts."""
    yield ModelProviderSpec(
        name="replay", factory=_open, wire_apis=("replay",), builtin_ids=("replay",), builtin=_builtin
    )


def _open(setup: ProviderSetup) -> ModelProvider:
    from .provider import open_provider

    return open_provider(setup)


def _builtin(id: str) -> ProviderInfo:
    from codex_plugin_sdk import ProviderInfo

    return ProviderInfo(id=id, name="Replay", wire_api="replay")
