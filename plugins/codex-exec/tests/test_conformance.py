"""Both renderers against the kit."""

from __future__ import annotations

import pytest

from codex_exec.jsonl import JsonlRenderer
from codex_exec.text import TextRenderer
from codex_plugin_sdk.testing.renderer_kit import RendererCase, RendererConformance


class TestTextRenderer(RendererConformance):
    @pytest.fixture
    def renderer_case(self):
        return RendererCase(open=TextRenderer, streams=frozenset({"stdout", "stderr"}))


class TestJsonlRenderer(RendererConformance):
    @pytest.fixture
    def renderer_case(self):
        return RendererCase(open=JsonlRenderer, streams=frozenset({"stdout"}), for_programs=True)
