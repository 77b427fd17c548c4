"""Fetching a bundle and its signature over HTTPS, whole and within a deadline, whatever the server does.

The work is done in a thread of its own, because a name server that does not answer cannot be interrupted: the thread
is then left to end by itself. A server that sends a byte now and then is cut off at the deadline by shutting down
the connection.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from codex_plugin_sdk.http.errors import in_words
from codex_plugin_sdk.http.message import parse_url
from codex_plugin_sdk.http.proxies import proxy_for
from codex_plugin_sdk.http.tls import ssl_context

from .bundle import MAX_BUNDLE_BYTES, BundleRefused
from .settings import BundleSettings, is_loopback
from .signing import MAX_SIGNATURE_TEXT
from .store import Signed
from .words import shown

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

MAX_REDIRECTS = 3
_CUT_S = 0.25
"""How long a thread may take to notice that its connection was shut down."""


def fetch(settings: BundleSettings, etag: str, environ: Mapping[str, str]) -> Signed | None:
    """The bundle and its signature; None if the bundle is still that of `etag`. Raises `BundleRefused` with the
    cause, `ConfigError` for certificates or a proxy that are set wrong."""
    import httpx  # noqa: F401 - here and not in the thread: slow imports are not the server's fault

    ssl_context(environ)
    timeout_s = settings.timeout_s
    late = BundleRefused(
        f"the server did not send all of it within {timeout_s:g} s", hint="bundle.timeout_s in managed.toml allows more"
    )
    line = _Line(late)
    return _within(timeout_s, lambda: _Fetch(settings, environ, line).run(etag), line)


class _Line:
    """The connections of one fetch; `cut` ends them all, at whatever point they are."""

    def __init__(self, late: BundleRefused) -> None:
        self.late = late
        self.is_cut = False
        self._lock = threading.Lock()
        self._held: list[socket.socket] = []

    def trace(self, name: str, info: dict[str, Any]) -> None:
        """What httpx calls at each step of a request."""
        if name.endswith("connect_tcp.complete"):
            found = info["return_value"].get_extra_info("socket")
            with self._lock:
                # A second descriptor: TLS takes the first one away from its object.
                self._held.append(found.dup())
        if self.is_cut:
            raise self.late

    def cut(self) -> None:
        """Shut all connections down."""
        with self._lock:
            self.is_cut = True
            for held in self._held:
                try:
                    held.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the server was faster

    def close(self) -> None:
        """Let go of the descriptors."""
        with self._lock:
            for held in self._held:
                held.close()
            self._held.clear()


def _within(timeout_s: float, work: Callable[[], T], line: _Line) -> T:
    outcome: list[T | BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            outcome.append(error)
        finally:
            line.close()
            done.set()

    thread = threading.Thread(target=run, name="codex-managed-fetch", daemon=True)
    thread.start()
    try:
        in_time = done.wait(timeout_s)
    finally:
        line.cut()
        if done.wait(_CUT_S):
            thread.join(_CUT_S)
    if not in_time:
        raise line.late
    found = outcome[0]
    if isinstance(found, BaseException):
        raise found
    return found


class _Fetch:
    def __init__(self, settings: BundleSettings, environ: Mapping[str, str], line: _Line) -> None:
        self._settings, self._environ, self._line = settings, environ, line

    def run(self, etag: str) -> Signed | None:
        """Get both files."""
        settings = self._settings
        with self._client() as client:
            found = self._get(client, settings.url, MAX_BUNDLE_BYTES, etag)
            if found is None:
                return None
            signature = self._get(client, settings.signature_source, MAX_SIGNATURE_TEXT, "")
        assert signature is not None  # no tag was sent, and a 304 without one is refused
        return Signed(raw=found[0], signature=signature[0], etag=found[1])

    def _client(self) -> httpx.Client:
        import httpx

        url = parse_url(self._settings.url)
        proxy = None if is_loopback(url.host) else proxy_for(url, self._environ)
        try:
            return httpx.Client(
                verify=ssl_context(self._environ),
                proxy=proxy,
                timeout=self._settings.timeout_s,
                trust_env=False,
                follow_redirects=False,
                headers={"user-agent": "codex-managed", "accept": "*/*", "accept-encoding": "identity"},
            )
        except (ImportError, ValueError) as error:
            raise BundleRefused(f"the proxy that the environment names cannot be used: {error}") from error

    def _get(self, client: httpx.Client, url: str, limit_bytes: int, etag: str) -> tuple[bytes, str] | None:
        """The body and its tag, None for a 304."""
        import httpx

        what = "" if url == self._settings.url else f"{url}: "
        try:
            for _ in range(MAX_REDIRECTS + 1):
                headers = {"if-none-match": etag} if etag else {}
                extensions = {"trace": self._line.trace}
                with client.stream("GET", url, headers=headers, extensions=extensions) as response:
                    if response.has_redirect_location:
                        url = _next_url(response)
                        continue
                    if response.status_code == 304 and etag:
                        return None
                    return _body(response, limit_bytes), response.headers.get("etag", "")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if self._line.is_cut:
                raise self._line.late from error
            raise BundleRefused(what + _in_words(error, self._settings.timeout_s)) from error
        except BundleRefused as error:
            if what:
                raise BundleRefused(what + error.message, hint=error.hint) from error
            raise
        raise BundleRefused(f"{what}the server redirects more than {MAX_REDIRECTS} times")


def _next_url(response: httpx.Response) -> str:
    request = response.next_request
    before = response.request.url
    after = request.url if request is not None else before
    if (after.scheme, after.host, after.port) != (before.scheme, before.host, before.port):
        raise BundleRefused(
            f"the server redirects to another host ({shown(str(after.host))}), which is not followed",
            hint="bundle.url in managed.toml has to name the right one",
        )
    return str(after)


def _body(response: httpx.Response, limit_bytes: int) -> bytes:
    if response.status_code != 200:
        reason = shown(response.reason_phrase)
        raise BundleRefused(f"the server answers {response.status_code} {reason}".rstrip())
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise BundleRefused("the server compresses it, which was not asked for")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > limit_bytes:
            size = f"{limit_bytes >> 20} MiB" if limit_bytes >= 1 << 20 else f"{limit_bytes >> 10} KiB"
            raise BundleRefused(f"it is larger than {size}")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html" or body[:256].lstrip()[:1] == b"<":
        raise BundleRefused("the server sends a web page instead", hint="is there a log-in page or a proxy in between?")
    return bytes(body)


def _in_words(error: Exception, timeout_s: float) -> str:
    import ssl

    import httpx

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's certificate cannot be trusted: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    said = shown(in_words(error))
    match error:
        case httpx.TimeoutException():
            return f"the server did not answer within {timeout_s:g} s"
        case httpx.ConnectError() | httpx.ProxyError():
            return f"the server cannot be reached: {said}"
        case httpx.RemoteProtocolError() if "complete message body" in said or "incomplete chunked" in said:
            return "it was cut off: the connection ended before all of it had come"
        case httpx.RemoteProtocolError() if "disconnected" in said:
            return "the server closed the connection without an answer"
        case httpx.RemoteProtocolError() | httpx.InvalidURL():
            return f"the server does not speak HTTP: {said}"
        case _:
            return f"the connection broke: {said}"
