"""What the checks of this plugin are told beyond what every check is."""

from __future__ import annotations

from codex_plugin_sdk import CheckSetup, CodexError, Config, field, value


@value
class Examined(CheckSetup):
    """`config` is the configuration with all layers, or None where `problem` says why there is none; `options`
    then holds as much of it as could be read. With `offline` nothing is to be sent."""

    config: Config | None = field(default=None, repr=False)
    problem: CodexError | None = None
    offline: bool = False
