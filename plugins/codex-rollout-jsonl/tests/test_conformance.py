"""The store passes the kit of the SDK, and its plugin registers it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from codex_plugin_sdk import StoreSetup
from codex_plugin_sdk.testing.library_kit import RolloutLibraryConformance
from codex_plugin_sdk.testing.store_kit import RolloutStoreConformance
from codex_rollout_jsonl import plugin


class TestJsonlRolloutStore(RolloutStoreConformance):
    @pytest.fixture
    def store_factory(self):
        (spec,) = plugin.codex_stores()
        return lambda codex_home: spec.factory(StoreSetup(codex_home=codex_home))


class TestJsonlLibrary(RolloutLibraryConformance):
    @pytest.fixture
    def store_factory(self):
        (spec,) = plugin.codex_stores()
        return lambda codex_home: spec.factory(StoreSetup(codex_home=codex_home))


def test_plugin_offers_the_rollout_store_jsonl() -> None:
    assert [(spec.name, spec.kind) for spec in plugin.codex_stores()] == [("jsonl", "rollout")]


def test_registering_imports_none_of_the_work() -> None:
    code = (
        "import sys; from codex_rollout_jsonl import plugin; list(plugin.codex_stores());"
        "print([m for m in sys.modules if m.startswith('codex_rollout_jsonl.') or m == 'orjson'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['codex_rollout_jsonl.plugin']"
