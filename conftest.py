"""Fixtures for every test of the repository."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Async tests (`@pytest.mark.anyio`) run on asyncio, as the program does."""
    return "asyncio"
