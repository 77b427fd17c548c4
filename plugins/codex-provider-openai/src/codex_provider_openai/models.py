"""What is known of OpenAI's models, by name or by the longest family that a name begins with."""

from __future__ import annotations

from codex_plugin_sdk import ModelInfo

DEFAULT_CONTEXT_WINDOW = 272_000
"""Tokens that a model which is not in the table is taken to read."""

_COMPACT_AT = 0.9  # the share of the window at which a thread is shortened

# name or family: window, default effort, default verbosity (None: the model takes none)
_MODELS: dict[str, tuple[int, str | None, str | None]] = {
    "gpt-6.1-terra": (500_000, "low", "low"),
    "gpt-6.1": (272_000, "low", "low"),
    "gpt-6-astra": (272_000, "low", "low"),
    "gpt-6": (272_000, "medium", "low"),
    "gpt-5.6-sol": (272_000, "low", "low"),
    "gpt-5.6": (272_000, "medium", "low"),
    "gpt-5.5": (272_000, "medium", "low"),
    "gpt-5": (272_000, "medium", None),
    "gpt-daybreak-blue": (272_000, "low", "low"),
    "gpt-daybreak-red": (372_000, "medium", "high"),
    "codex-auto-review": (272_000, "medium", "low"),
    "gpt-4.1": (1_047_576, None, None),
    "gpt-4o": (128_000, None, None),
    "o3": (200_000, "medium", None),
    "o4-mini": (200_000, "medium", None),
}
_FAMILIES = sorted(_MODELS, key=len, reverse=True)
_OFFERED = ("gpt-6.1-terra", "gpt-6-astra", "gpt-5.6-sol", "gpt-5.5", "gpt-4.1", "gpt-4o", "o3", "o4-mini")
"""Names, not families, for people to choose from; the best first."""


def model_names() -> tuple[str, ...]:
    """Models worth offering, the best first."""
    return _OFFERED


def model_info(model: str) -> ModelInfo:
    """What is known of `model`; `known` is false where only defaults can be given."""
    family = next((name for name in _FAMILIES if model == name or model.startswith((f"{name}-", f"{name}:"))), None)
    if family is None:
        return _info(DEFAULT_CONTEXT_WINDOW, None, None, known=False)
    return _info(*_MODELS[family], known=True)


def _info(window: int, effort: str | None, verbosity: str | None, *, known: bool) -> ModelInfo:
    return ModelInfo(
        context_window=window,
        auto_compact_token_limit=int(window * _COMPACT_AT),
        default_effort=effort,
        default_verbosity=verbosity,
        known=known,
    )
