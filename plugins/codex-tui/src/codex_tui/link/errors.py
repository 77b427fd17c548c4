"""What can become of a link."""

from __future__ import annotations

from codex_plugin_sdk import CodexError


class LinkLost(CodexError):
    """The server is gone: what was asked of it may have been done or not."""
