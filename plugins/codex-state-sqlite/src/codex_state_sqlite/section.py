"""The table `[state]` of the configuration."""

from __future__ import annotations

from codex_plugin_sdk import Value, value


@value
class StateSection(Value):
    """`index`: whether what was said in sessions is indexed, so that it is found without reading them."""

    index: bool = True
