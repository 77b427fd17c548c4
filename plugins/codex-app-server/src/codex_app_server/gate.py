"""Who may come in over a web socket: no web page, no rebound name, and with a token only those who have it."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import UserError

if TYPE_CHECKING:
    from websockets.datastructures import Headers

Refusal = tuple[int, str]
"""HTTP status and text."""
CheckToken = Callable[[str], str | None]
"""What is wrong with a bearer token; None if nothing is."""
PROBES = ("/readyz", "/healthz")
MIN_SECRET_BYTES = 32


class Gate:
    """Decides on each HTTP request. Without `check_token`, names other than `localhost` and IP addresses are refused
    as `Host`: a page whose own name was rebound to this machine sends that name."""

    def __init__(self, check_token: CheckToken | None = None, *, any_host: bool = False) -> None:
        self.check_token = check_token
        self._any_host = any_host or check_token is not None

    def refusal(self, path: str, headers: Headers) -> Refusal | None:
        """Why a request is refused; None if it may go on."""
        if "Origin" in headers:  # every browser sends it, no other client has to
            return 403, "requests of web pages are refused"
        if not self._any_host and not all(map(_is_local_name, headers.get_all("Host") or [""])):
            return 403, "the Host header must be localhost or an IP address"
        if self.check_token is None or (path.partition("?")[0] in PROBES and "Upgrade" not in headers):
            return None
        found = headers.get_all("Authorization")
        kind, _, token = found[0].partition(" ") if len(found) == 1 else ("", "", "")
        if kind.lower() != "bearer" or not token.strip():
            return 401, "missing websocket bearer token"
        wrong = self.check_token(token.strip())
        return None if wrong is None else (401, wrong)


def _is_local_name(host: str) -> bool:
    import socket

    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        socket.inet_pton(family, name)
    except (OSError, ValueError):
        return False
    return True


def capability_token(*, file: str | None, sha256: str | None) -> CheckToken:
    """The one token of a file, or the one with this digest (hex). Raises `UserError`."""
    if file is not None and sha256 is not None:
        raise UserError("--ws-token-file and --ws-token-sha256 are mutually exclusive")
    if file is not None:
        wanted = hashlib.sha256(_secret(file)).digest()
    elif sha256 is not None:
        try:
            wanted = bytes.fromhex(sha256)
        except ValueError:
            wanted = b""
        if len(wanted) != hashlib.sha256().digest_size:
            raise UserError("--ws-token-sha256 must be a 64-character hex SHA-256 digest")
    else:
        raise UserError("--ws-token-file or --ws-token-sha256 is required when --ws-auth capability-token is set")

    def check(token: str) -> str | None:
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        return None if hmac.compare_digest(given, wanted) else "invalid websocket bearer token"

    return check


def signed_bearer(*, secret_file: str | None, issuer: str | None, audience: str | None, skew_s: int) -> CheckToken:
    """JSON web tokens signed with HS256 and the secret of a file; `exp` is required. Raises `UserError`."""
    if secret_file is None:
        raise UserError("--ws-shared-secret-file is required when --ws-auth signed-bearer-token is set")
    secret = _secret(secret_file)
    if len(secret) < MIN_SECRET_BYTES:
        raise UserError(f"signed websocket bearer secret {secret_file} must be at least {MIN_SECRET_BYTES} bytes")

    def check(token: str) -> str | None:
        claims = _claims(token, secret)
        return "invalid websocket jwt" if claims is None else _wrong_claim(claims, issuer, audience, skew_s)

    return check


def _secret(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            found = file.read().strip()
    except OSError as error:
        raise UserError(f"failed to read websocket auth secret {path}: {error.strerror}") from error
    if not found:
        raise UserError(f"websocket auth secret {path} must not be empty")
    return found


def _claims(token: str, secret: bytes) -> Mapping[str, Any] | None:
    """The claims of a token that was signed with the secret."""
    try:
        head, body, signature = token.encode("ascii").split(b".")
        signed = hmac.digest(secret, head + b"." + body, "sha256")
        if not hmac.compare_digest(signed, _unpacked(signature)):
            return None
        header, claims = json.loads(_unpacked(head)), json.loads(_unpacked(body))
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict) or header.get("alg") != "HS256" or not isinstance(claims, dict):
        return None
    return claims


def _unpacked(part: bytes) -> bytes:
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _wrong_claim(claims: Mapping[str, Any], issuer: str | None, audience: str | None, skew_s: int) -> str | None:
    now = time.time()
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        return "invalid websocket jwt"
    if expires + skew_s < now:
        return "expired websocket jwt"
    if begins - skew_s > now:
        return "websocket jwt is not valid yet"
    if issuer is not None and claims.get("iss") != issuer:
        return "websocket jwt issuer mismatch"
    meant = claims.get("aud")
    if audience is not None and audience not in (meant if isinstance(meant, list) else [meant]):
        return "websocket jwt audience mismatch"
    return None
