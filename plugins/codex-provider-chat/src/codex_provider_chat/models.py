"""What is known of open models that local servers run."""

from __future__ import annotations

from codex_plugin_sdk import ModelInfo

# Windows are those of the models; a server may have been started with less, and says so when it is full.
_WINDOWS = {
    "gpt-oss": 131_072,
    "qwen3-coder": 262_144,
    "qwen3": 40_960,
    "devstral": 131_072,
    "llama3.1": 131_072,
    "llama3.3": 131_072,
    "deepseek-r1": 131_072,
}
_FAMILIES = sorted(_WINDOWS, key=len, reverse=True)


def model_info(model: str) -> ModelInfo:
    """What is known of `model`, by the family in its name (`qwen3-coder:30b`, `openai/gpt-oss-20b`)."""
    name = model.lower().rpartition("/")[2]
    window = next((_WINDOWS[family] for family in _FAMILIES if name.startswith(family)), None)
    if window is None:
        return ModelInfo()
    return ModelInfo(context_window=window, auto_compact_token_limit=int(window * 0.9), known=True)
