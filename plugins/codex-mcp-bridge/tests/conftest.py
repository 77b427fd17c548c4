"""An authorization server with an MCP server behind it, one for all tests: it takes a second to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

SERVER = Path(__file__).with_name("servers") / "oauth_server.py"


class Guarded:
    """The server's process, its faults and what it was asked."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.origin = self._process.stdout.readline().decode().strip()
        self.url = f"{self.origin}/mcp"

    def faults(self, **wanted):
        httpx2.post(f"{self.origin}/control", json=wanted).raise_for_status()

    def asked(self, what):
        return httpx2.get(f"{self.origin}/stats").json()["asked"].get(what, [])

    def secrets(self):
        return httpx2.get(f"{self.origin}/stats").json()["issued"]

    def refreshes(self):
        return [form for form in self.asked("token") if form["grant_type"] == "refresh_token"]

    def close(self):
        self._process.communicate(timeout=10)


@pytest.fixture(scope="session")
def process():
    guarded = Guarded()
    yield guarded
    guarded.close()


@pytest.fixture
def server(process):
    process.faults(reset=True)
    return process
