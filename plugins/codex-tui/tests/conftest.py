"""What the end-to-end tests begin with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

from .e2e_kit import World

# few machines lack it, and nothing of ours needs it: what these show is shown in a pseudo-terminal too
collect_ignore_glob = [] if shutil.which("tmux") else ["test_in_tmux*.py"]


@pytest.fixture
def tui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A home and a scripted model; nothing of the environment of who runs the tests."""
    for name in ("OPENAI_API_KEY", "CODEX_API_KEY", "PYTHONDONTWRITEBYTECODE", "EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    with ScriptedResponsesServer() as server:
        yield World(tmp_path, server)
