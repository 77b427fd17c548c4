"""Where a server listens, as `--remote` names it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from codex_kernel.config import codex_home
from codex_kernel.errors import UserError
from codex_kernel.protocol.value import Value, field, value

FORMS = "expected `ws://host:port`, `wss://host:port`, `unix://`, or `unix://PATH`"
NOT_PROTECTED = "`--remote-auth-token-env` requires a `wss://` or loopback `ws://` remote"
_WEB = re.compile(r"(wss?)://(\[[0-9A-Fa-f:.]+\]|[^\s/:@\[\]]+):(\d{1,5})/?\Z")


@value
class RemoteAddress(Value):
    """One of `path` (of a Unix socket) and `url` (of a web socket) is set; `text` is what the user gave."""

    text: str
    path: str | None = None
    url: str | None = None
    loopback: bool = True
    token: str | None = field(default=None, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether paths mean the same there as here."""
        return self.path is not None or self.loopback


def default_socket(home: str) -> str:
    """Where the server of a home listens, and where clients look for it."""
    return os.path.join(home, "app-server-control", "app-server-control.sock")


def remote_address(text: str, environ: Mapping[str, str], token_env: str | None = None) -> RemoteAddress:
    """The address, with the token of the variable `token_env`. Raises `UserError` for one that cannot be used, and for
    a token that would travel unprotected."""
    found = _parsed(text, environ)
    if token_env is None:
        return found
    if found.url is None or not (found.loopback or found.url.startswith("wss://")):
        raise UserError(NOT_PROTECTED, hint="whoever listens on the way could read it")
    token = environ.get(token_env, "").strip()
    if not token:
        raise UserError(f"environment variable `{token_env}` is not set", hint="it has to hold the server's token")
    return found.replace(token=token)


def _parsed(text: str, environ: Mapping[str, str]) -> RemoteAddress:
    if text.startswith("unix://"):
        path = text.removeprefix("unix://")
        place = os.path.abspath(os.path.expanduser(path)) if path else default_socket(codex_home(environ))
        return RemoteAddress(text=text, path=place)
    match = _WEB.match(text)
    if match is None or not 0 < int(match[3]) < 65536:
        raise UserError(f"invalid remote address `{text}`; {FORMS}")
    return RemoteAddress(text=text, url=f"{match[1]}://{match[2]}:{match[3]}/", loopback=_is_loopback(match[2]))


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
