"""What can go wrong below HTTP, told apart by what to do about it.

TransportError
  ConnectFailed      no connection: name not found, refused, timed out
  TlsFailed          the handshake or a certificate
  ConnectionLost     reset, or closed before the answer began
  BodyTruncated      the answer's body ended early
  MalformedResponse  not HTTP/1.1, or more of it than we take
"""

from __future__ import annotations

import os


class TransportError(Exception):
    """Base of the tree. The message names the host and the cause; `retryable` says whether the same
    request may succeed a moment later."""

    retryable = True

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        if retryable is not None:
            self.retryable = retryable


class ConnectFailed(TransportError):
    """No connection could be made; nothing was sent."""


class TlsFailed(TransportError):
    """The TLS handshake failed. A certificate that does not verify is not retryable."""


class ConnectionLost(TransportError):
    """The connection broke; how much of the request was processed is not known."""


class BodyTruncated(TransportError):
    """The body is shorter than its framing promised."""


class MalformedResponse(TransportError):
    """The peer does not speak HTTP/1.1, or sent a header larger than the limit."""

    retryable = False


def in_words(error: BaseException) -> str:
    """The innermost cause in a few words, without an errno."""
    import ssl

    seen = error
    while not isinstance(seen, ssl.SSLError):
        inner = seen.exceptions[0] if isinstance(seen, BaseExceptionGroup) else seen.__cause__ or seen.__context__
        if inner is None:
            break
        seen = inner
    if isinstance(seen, ssl.SSLError):
        return (seen.reason or "TLS error").replace("_", " ").lower()
    if isinstance(seen, OSError) and seen.strerror:
        # asyncio puts words of its own in the place of the system's; those of getaddrinfo are all there is.
        words = os.strerror(seen.errno) if seen.errno and seen.errno > 0 else seen.strerror
        return words[0].lower() + words[1:]
    return str(seen) or str(error) or "the connection was closed"
