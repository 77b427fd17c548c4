"""Fixtures and marks for every test of the repository."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

pytest_plugins = ["codex_plugin_sdk.testing.warm_start"]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks that all packages share, and hear Ctrl-C."""
    # a shell that runs this behind itself (`make test &`) has keys ignored, and what tests start would inherit it
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    config.addinivalue_line(
        "markers", "requires_tool(*names): programs the test runs; without one it is skipped, in CI it fails"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Figures of benchmarks are those of a program that is executed."""
    for item in items:
        if "benchmarks" in item.path.parts:
            item.add_marker(pytest.mark.cold_start)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Keep a machine without, say, git usable, and a CI without it red: a skipped test proves nothing."""
    wanted = [name for mark in item.iter_markers("requires_tool") for name in mark.args]
    missing = [name for name in wanted if shutil.which(name) is None]
    if not missing:
        return
    reason = f"needs {', '.join(missing)} on PATH"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must not skip it", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests (`@pytest.mark.anyio`) run on asyncio, as the program does."""
    return "asyncio"
