"""`codex debug models`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio
import orjson

from .thread import folder, prepare

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, ModelInfo


def print_models(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `CodexError` for a provider that cannot be made."""
    opened, _ = prepare(invocation, given, folder(invocation, given))
    state = opened.state
    provider = getattr(state.provider, "wrapped", state.provider)
    # Optional, as `head_start` is: names worth offering, the best first.
    model_names = getattr(provider, "model_names", None)
    names = list(model_names()) if model_names is not None else []
    if not names:
        sys.stderr.write(
            f"warning: the provider {state.settings.provider_id!r} lists no models: here is the configured one\n"
        )
    if state.settings.model not in names:
        names.append(state.settings.model)
    entries = [_entry(name, provider.model_info(name), place) for place, name in enumerate(names, 1)]
    anyio.run(opened.aclose)
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps({"models": entries}) + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _entry(name: str, info: ModelInfo, place: int) -> dict[str, Any]:
    """One model by Codex's keys, as far as a provider knows them. `priority` is the place in the list."""
    return {
        "slug": name,
        "display_name": name,
        "visibility": "list",
        "supported_in_api": True,
        "priority": place,
        "context_window": info.context_window,
        "auto_compact_token_limit": info.auto_compact_token_limit,
        "default_reasoning_level": info.default_effort,
        "support_verbosity": info.default_verbosity is not None,
        "default_verbosity": info.default_verbosity,
        "input_modalities": ["text", "image"] if info.supports_images else ["text"],
        "apply_patch_tool_type": "freeform" if info.supports_freeform_tools else "function",
    }
