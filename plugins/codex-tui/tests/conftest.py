"""What the end-to-end tests begin with, and those of commands."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_plugin_sdk.testing.harness import manager
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

from .commands_kit import Place, opened
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


@pytest.fixture(scope="session")
def plugins() -> Iterator[Any]:
    """All of them."""
    found = type(manager()).from_environment({})
    yield found
    found.close()


@pytest.fixture
def settings() -> dict[str, Any]:
    """Those that `place` begins its thread with."""
    return {}


@pytest.fixture
async def place(tmp_path: Path, plugins: Any, settings: dict[str, Any], anyio_backend: object) -> AsyncIterator[Place]:
    """A session that is open, before a server in this process."""
    with ScriptedResponsesServer() as model:
        async with opened(tmp_path, model, plugins, **settings) as found:
            yield found
