"""Offers the network proxy `loopback`. Hookimpls only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codex_plugin_sdk import NetworkProxySpec, hookimpl

if TYPE_CHECKING:
    from codex_plugin_sdk import NetworkProxy, NetworkProxySetup


@hookimpl
def codex_network_proxies() -> Iterable[NetworkProxySpec]:
    """The proxy `loopback`: HTTP and SOCKS5 on one port of the command's own loopback interface."""
    yield NetworkProxySpec(name="loopback", factory=_open)


def _open(setup: NetworkProxySetup) -> NetworkProxy:
    from .proxy import LoopbackProxy

    return LoopbackProxy(setup)
