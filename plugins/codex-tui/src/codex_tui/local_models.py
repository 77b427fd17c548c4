"""Model servers on this machine: which of the providers answer, and with which models. No textual in it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import anyio
import attrs

TIMEOUT_S = 1.0
MOST_BYTES = 1 << 20
OWN_ADDRESS = frozenset(("ollama", "lmstudio", "llamacpp", "vllm"))
"""Providers whose address CODEX_OSS_BASE_URL and CODEX_OSS_PORT move."""


@attrs.frozen(kw_only=True)
class LocalServer:
    """A provider on this machine. `models` is None if nothing answers at its address."""

    id: str
    name: str
    base_url: str
    models: tuple[str, ...] | None


async def find_servers(providers: Sequence[Mapping[str, Any]], environ: Mapping[str, str]) -> list[LocalServer]:
    """Ask all providers on loopback addresses (entries of modelProvider/list) for their models, at the same time. It
    takes a second at most."""
    local = [(entry, url) for entry in providers if is_loopback(url := base_url(entry, environ))]
    found: dict[str, LocalServer] = {}

    async def ask(entry: Mapping[str, Any], url: str) -> None:
        models = None
        with anyio.move_on_after(TIMEOUT_S):
            models = await anyio.to_thread.run_sync(_models, url, abandon_on_cancel=True)
        found[entry["id"]] = LocalServer(id=entry["id"], name=entry["name"], base_url=url, models=models)

    async with anyio.create_task_group() as tasks:
        for entry, url in local:
            tasks.start_soon(ask, entry, url)
    return [found[entry["id"]] for entry, _ in local]


def base_url(entry: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Where a provider is; empty if nothing says."""
    if entry["id"] in OWN_ADDRESS:
        moved, port = environ.get("CODEX_OSS_BASE_URL", "").strip(), environ.get("CODEX_OSS_PORT", "").strip()
        if moved or port:
            return moved or f"http://localhost:{port}/v1"
    return entry.get("baseUrl") or ""


def is_loopback(url: str) -> bool:
    """Whether an address is one of this machine."""
    try:
        host = urlsplit(url).hostname or ""
        if host == "localhost":
            return True
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _models(url: str) -> tuple[str, ...] | None:
    """The names that `GET /models` tells; None if nothing that we understand answers."""
    import http.client
    import json

    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", f"{parts.path.rstrip('/')}/models", headers={"Accept": "application/json"})
            answer = connection.getresponse()
            data = json.loads(answer.read(MOST_BYTES)) if answer.status == 200 else None
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return None
    listed = data.get("data") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return None
    return tuple(entry["id"] for entry in listed if isinstance(entry, dict) and isinstance(entry.get("id"), str))
