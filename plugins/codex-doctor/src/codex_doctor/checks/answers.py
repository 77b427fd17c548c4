"""What an answer of the model server, or the lack of one, means and what to do about it."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping

from codex_plugin_sdk import Finding, Health, Value, value

NAME = "provider"
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


@value
class Asked(Value):
    """The request: to whom, by which address (without its query), which setting has
    it (`origin`), and whether a key went along. `missing` says
    what to do about a key that should have."""

    provider: str = ""
    url: str = ""
    origin: str = "its address"
    env_key: str = ""
    with_key: bool = False
    missing: str = ""
    proxied: bool = False
    limit_s: float = 0.0

    def finding(
        self, health: Health, message: str, cure: str = "", details: Mapping[str, object] | None = None
    ) -> Finding:
        """A finding on this request."""
        given = {"provider": self.provider, "url": self.url, "key_sent": self.with_key, "proxy": self.proxied}
        details = {**given, **(details or {})}
        return Finding(
            name=NAME,
            health=health,
            message=f"{self.provider}: {message}" if self.provider else message,
            cure=cure,
            details=details,
        )


def of_status(asked: Asked, status: int, location: str, taken_ms: float) -> Finding:
    """What a status means. An answer within the range that says that we were understood is enough: whether the
    server lists its models does not matter to a turn."""
    details: dict[str, object] = {"status": status, "elapsed_ms": round(taken_ms, 1)}
    came = f"{asked.url} answered {status} in {taken_ms:,.0f} ms"

    def found(health: Health, message: str, cure: str = "") -> Finding:
        return asked.finding(health, message, cure, details)

    match status:
        case 401 if asked.missing:
            return found(Health.OK, f"{came}: it can be reached, and wants the key that is missing (see auth)")
        case 401 if asked.with_key:
            return found(Health.FAILED, f"{came}: it refuses the key", _new_key(asked))
        case 401:
            cure = f"add env_key to [model_providers.{asked.provider}], naming the variable that holds the key"
            return found(Health.FAILED, f"{came}: it wants a key, and none is configured", cure)
        case 403:
            cure = "may this key list models and use them, from this network and country? A proxy may refuse, too"
            return found(Health.WARNING, f"{came}: not permitted", cure)
        case 404 | 405:
            cure = f"is {asked.origin} right? It usually ends in /v1"
            return found(Health.WARNING, f"{came}: there is a server, but it lists no models there", cure)
        case 407:
            return found(
                Health.FAILED, f"{came}: the proxy wants a login", "put it into HTTPS_PROXY: http://USER:PW@HOST:PORT"
            )
        case 429:
            return found(
                Health.WARNING, f"{came}: too many requests, or the quota is used up", "wait, or look at the plan"
            )
        case _ if 200 <= status < 300:
            return found(Health.OK, came)
        case _ if 300 <= status < 400:
            where = location.partition("?")[0] or "elsewhere"
            return found(
                Health.FAILED,
                f"{came}: it redirects to {where}, which is not followed",
                f"set {asked.origin} to that",
            )
        case _ if status >= 500:
            cure = "try again in a while; the server, or a gateway before it, is in trouble"
            return found(Health.FAILED, f"{came}: a fault of the server", cure)
        case _:
            return found(Health.WARNING, f"{came}: not an answer that was expected", f"is {asked.origin} right?")


def of_failure(asked: Asked, error: Exception) -> Finding:
    """What a request means that got no answer: by the innermost cause that is known."""
    told = str(error)
    message, cure = _explained(asked, error)
    details = {"cause": message}
    return asked.finding(Health.FAILED, f"{message} ({told})", cure, details)


def of_silence(asked: Asked) -> Finding:
    """Nothing came in time."""
    if not asked.url:
        message = f"its plugin was not ready to be asked within {asked.limit_s:g} s"
        return asked.finding(Health.FAILED, message, "update that plugin, or choose another model_provider")
    message = f"time-out: {asked.url} did not answer within {asked.limit_s:g} s"
    return asked.finding(Health.FAILED, message, _way(asked), {"cause": "time-out"})


def _explained(asked: Asked, error: Exception) -> tuple[str, str]:
    """The cause in a few words, and its cure."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return "TLS: its certificate is not trusted", _certificate(cause)
            case ssl.SSLError():
                return (
                    "TLS: the handshake failed",
                    f"is it https at all? See {asked.origin}; a proxy may be in the way",
                )
            case socket.gaierror() | UnicodeError():
                return "DNS: its name cannot be resolved", f"is the name in {asked.origin} right? {_way(asked)}"
            case ConnectionRefusedError():
                cure = f"is the server running, and is the port in {asked.origin} right?"
                return "connection refused", cure if not asked.proxied else f"is the proxy running? {_way(asked)}"
            case TimeoutError():
                return "time-out", _way(asked)
            case OSError() if cause.errno in _NO_ROUTE:
                return "no route", _way(asked)
    kind = type(error).__name__
    if kind == "TlsFailed":
        return "TLS: the handshake failed", f"is it https at all? See {asked.origin}"
    if kind == "MalformedResponse":
        return "it does not speak HTTP/1.1", f"is {asked.origin} right, https:// or http://?"
    return "the connection broke", f"is it https:// that it wants? See {asked.origin}. {_way(asked)}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """All below an error, the innermost of each line last."""
    todo, seen = [error], set[int]()
    while todo:
        at = todo.pop(0)
        if id(at) in seen:
            continue
        seen.add(id(at))
        yield at
        if isinstance(at, BaseExceptionGroup):
            todo += at.exceptions
        todo += [below for below in (at.__cause__, at.__context__) if below is not None]


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    words = error.verify_message.lower()
    if "expired" in words or "not yet valid" in words:
        return "is the clock of this machine right? Else its owner must renew it"
    if "mismatch" in words or "not valid for" in words:
        return "the certificate is for another name: is base_url right?"
    return "if it is your organisation's: CODEX_CA_CERTIFICATE=FILE.pem names the authority that signed it"


def _way(asked: Asked) -> str:
    if asked.proxied:
        return "is the proxy right that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names?"
    return "is there a network, and does a firewall want a proxy (HTTPS_PROXY)?"


def _new_key(asked: Asked) -> str:
    if asked.env_key:
        return f"is the key in the variable {asked.env_key} still valid?"
    return "codex login status tells where the key comes from; codex login stores another"
