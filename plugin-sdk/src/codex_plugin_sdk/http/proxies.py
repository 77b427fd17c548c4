"""Which proxy, if any, the environment asks for."""

from __future__ import annotations

from collections.abc import Mapping

from .message import Url


def proxy_for(url: Url, environ: Mapping[str, str]) -> str | None:
    """The proxy for `url` by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (either case; lower wins)."""
    proxy = _read(environ, f"{url.scheme}_proxy") or _read(environ, "all_proxy")
    if not proxy or _bypassed(url, _read(environ, "no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _read(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _bypassed(url: Url, no_proxy: str) -> bool:
    host = url.host.lower().rstrip(".")
    for raw in no_proxy.lower().replace(",", " ").split():
        entry, port = raw, ""
        if raw.count(":") == 1:
            entry, _, port = raw.partition(":")
        if port and port != str(url.port):
            continue
        entry = entry.strip("[]")
        suffix = entry.removeprefix("*").removeprefix(".")
        if entry == "*" or host == suffix or (suffix and host.endswith("." + suffix)):
            return True
        if "/" in entry and _in_network(host, entry):
            return True
    return False


def _in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
