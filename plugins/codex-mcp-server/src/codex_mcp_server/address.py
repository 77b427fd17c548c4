"""Where the server listens."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from codex_plugin_sdk import Value, value

PATH = "/mcp"
"""Of the one endpoint over HTTP."""


@value
class Address(Value):
    """`kind` is stdio or http; `port` 0 takes a free one."""

    kind: str
    host: str = ""
    port: int = 0

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    def url(self, port: int) -> str:
        """The endpoint, with the port that was taken."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}{PATH}"


def parse_address(text: str) -> Address:
    """An address as the command line has it. Raises `ValueError`."""
    if text == "stdio://":
        return Address(kind="stdio")
    wrong = f"invalid --listen URL `{text}`; expected `stdio://` or `http://IP:PORT`"
    if not text.startswith("http://"):
        raise ValueError(wrong)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        host = "127.0.0.1" if host == "localhost" else host
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(wrong) from error
    if port is None or parts.path not in ("", "/", PATH) or parts.query or parts.username is not None:
        raise ValueError(wrong)
    return Address(kind="http", host=host, port=port)
