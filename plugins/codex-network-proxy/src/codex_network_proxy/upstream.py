"""The proxy of a company's network, behind which ours may have to stand."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote

from codex_plugin_sdk import ConfigError, Value, value
from codex_plugin_sdk.http.message import Url
from codex_plugin_sdk.http.proxies import proxy_for

from .faults import Malformed, Unreachable
from .head import Fields, parse_response, write_head
from .target import Target, parse_target
from .wire import Wire


@value
class ParentProxy(Value):
    """Where it is and how it wants to be greeted."""

    target: Target
    fields: Fields = ()

    async def open_tunnel(self, wire: Wire, target: Target, limit: int) -> None:
        """Ask for a tunnel. Raises `Unreachable`, `Malformed` or `OSError`."""
        name = str(target).encode()
        await wire.send(write_head(b"CONNECT %b HTTP/1.1" % name, ((b"Host", name), *self.fields)))
        raw = await wire.head(limit)
        if raw is None:
            raise Unreachable(f"the proxy {self.target} hung up", "upstream-proxy")
        answer = parse_response(raw, "CONNECT")
        if not 200 <= answer.status < 300:
            reason = answer.reason.decode("latin-1")
            raise Unreachable(
                f"the proxy {self.target} refused a tunnel to {target}: {answer.status} {reason}", "upstream-proxy"
            )


class Upstream:
    """Chooses. Without configuration every connection is direct."""

    def __init__(self, url: str | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._fixed = parent_proxy(url) if url else None
        self._environ = environ or {}
        for name in ("http_proxy", "https_proxy", "all_proxy"):  # a bad one is told now, not by each request
            found = self._environ.get(name) or self._environ.get(name.upper())
            if found:
                parent_proxy(found)

    def choose(self, target: Target, *, tunnel: bool) -> ParentProxy | None:
        """The proxy for a target, None for a direct connection; NO_PROXY counts."""
        if self._fixed is not None:
            return self._fixed
        url = Url(scheme="https" if tunnel else "http", host=target.host, port=target.port, target="/")
        found = proxy_for(url, self._environ) if self._environ else None
        return None if found is None else parent_proxy(found)


def parent_proxy(url: str) -> ParentProxy:
    """The proxy of an `http://[USER:PASSWORD@]HOST[:PORT]` address. Raises `ConfigError`."""
    scheme, found, rest = url.strip().partition("://")
    if not found:
        scheme, rest = "http", scheme
    user, at, place = rest.rstrip("/").rpartition("@")
    try:
        if scheme.lower() != "http":
            raise Malformed("only http:// proxies can be chained")
        target = parse_target(place, default_port=80)
    except Malformed as error:
        raise ConfigError(
            f"the upstream proxy cannot be used: {error}", hint='[network] upstream = "http://HOST:PORT"'
        ) from None
    token = b64encode(unquote(user).encode())
    return ParentProxy(target=target, fields=((b"Proxy-Authorization", b"Basic " + token),) if at else ())
