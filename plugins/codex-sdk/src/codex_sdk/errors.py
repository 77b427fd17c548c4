"""What can go wrong, told apart by who should act.

::

    CodexSdkError
      ConnectError            no server could be started or reached
      TransportClosedError    the connection ended: the server died, or this client was closed
      TurnFailedError         the turn ended as failed; `.result` holds what it did until then
      JsonRpcError            the server refused a request; `.code`, `.message`, `.data`
        ParseError InvalidRequestError MethodNotFoundError InvalidParamsError InternalRpcError
        ServerBusyError       overloaded: try again, `.retry_after_s` says when
          RetryLimitExceededError   `retry_on_overload` gave up
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .models import TurnResult


class CodexSdkError(Exception):
    """Everything that this package raises on purpose."""


class ConnectError(CodexSdkError):
    """No server could be started or reached."""


class TransportClosedError(CodexSdkError):
    """The connection has ended. `exit_code` is the server's if it was our child and has ended; `stderr` the last
    lines that it wrote there."""

    def __init__(self, message: str, *, exit_code: int | None = None, stderr: str = "") -> None:
        super().__init__(f"{message}\n{stderr}" if stderr else message)
        self.exit_code, self.stderr = exit_code, stderr


class TurnFailedError(CodexSdkError):
    """The turn ended as failed. `result` holds its items, its error and what it used."""

    def __init__(self, message: str, result: TurnResult) -> None:
        super().__init__(message)
        self.result = result


class JsonRpcError(CodexSdkError):
    """The server answered a request with an error."""

    def __init__(self, code: int, message: str, data: Any = None, *, method: str = "") -> None:
        super().__init__(f"{method}: {message} ({code})" if method else f"{message} ({code})")
        self.code, self.message, self.data, self.method = code, message, data, method


class ParseError(JsonRpcError):
    """-32700: the server could not read what was sent."""


class InvalidRequestError(JsonRpcError):
    """-32600: most refusals of Codex, unknown methods and threads among them; the message says which."""


class MethodNotFoundError(JsonRpcError):
    """-32601"""


class InvalidParamsError(JsonRpcError):
    """-32602"""


class InternalRpcError(JsonRpcError):
    """-32603: a fault of the server."""


class ServerBusyError(JsonRpcError):
    """-32001: the server has too much to do; nothing was begun."""

    @property
    def retry_after_s(self) -> float | None:
        """When the server would like to be asked again; None if it did not say."""
        found = self.data.get("retryAfterMs") if isinstance(self.data, dict) else None
        if not isinstance(found, int | float) or isinstance(found, bool) or found < 0:
            return None
        return found / 1000


class RetryLimitExceededError(ServerBusyError):
    """The server was still busy at the last attempt. The refusal itself is the cause."""


_BY_CODE: dict[int, type[JsonRpcError]] = {
    -32700: ParseError,
    -32600: InvalidRequestError,
    -32601: MethodNotFoundError,
    -32602: InvalidParamsError,
    -32603: InternalRpcError,
    -32001: ServerBusyError,
}


def rpc_error(found: Any, method: str) -> JsonRpcError:
    """The exception for the member `error` of an answer, however odd it is."""
    if not isinstance(found, dict):
        return InternalRpcError(-32603, f"an error that is no object: {found!r:.200}", method=method)
    code, message = found.get("code"), found.get("message")
    code = code if isinstance(code, int) else -32603
    text = message if isinstance(message, str) else f"an error without a message: {found!r:.200}"
    return _BY_CODE.get(code, JsonRpcError)(code, text, found.get("data"), method=method)


def is_retryable_error(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    return isinstance(error, ServerBusyError) and not isinstance(error, RetryLimitExceededError)
