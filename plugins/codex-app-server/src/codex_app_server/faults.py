"""What went wrong in a method or a task, as clients are told and as we log it."""

from __future__ import annotations

from codex_plugin_sdk import CodexError, ProtocolError

from .wire import INTERNAL_ERROR, RpcError


def log(text: str, error: BaseException) -> None:
    """A fault of ours that no answer can tell of."""
    import logging

    logging.getLogger("codex.app_server").error(text, exc_info=error)


def told(error: Exception, method: str) -> RpcError:
    """What the client is told of what a method raised."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, ProtocolError):
        return RpcError(error.message, error.code, error.data, hint=error.hint)
    if isinstance(error, CodexError):
        return RpcError(error.message, hint=error.hint)
    log(f"{method} failed", error)
    return RpcError(f"internal error: {type(error).__name__}: {error}", INTERNAL_ERROR)


def innermost(error: BaseException) -> BaseException:
    """The first error within groups of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
