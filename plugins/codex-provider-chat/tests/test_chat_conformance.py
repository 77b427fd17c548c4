"""The provider against the SDK's conformance kit, over both transports."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import ProviderInfo, ProviderSetup
from codex_plugin_sdk.testing.provider_kit import ProviderCase, ProviderConformance
from codex_plugin_sdk.testing.servers import ScriptedChatServer
from codex_provider_chat.provider import ChatProvider


class TestChatProvider(ProviderConformance):
    @pytest.fixture(params=["direct", "httpx"])
    def provider_case(self, request):
        def open(base_url):
            info = ProviderInfo(id="scripted", base_url=base_url, wire_api="chat", options={"transport": request.param})
            return ChatProvider(ProviderSetup(info=info, environ={}, thread_id="thread"))

        return ProviderCase(server_type=ScriptedChatServer, open=open)
