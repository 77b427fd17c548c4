"""One entry of the system's keyring, under the service that Codex uses for MCP servers.

Backends of `keyring` are other people's code and talk to other programs: whatever they raise becomes `KeyringFailed`,
cleaned of secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from codex_plugin_sdk import AuthenticationFailed

T = TypeVar("T")

SERVICE = "Codex MCP Credentials"
_CURE = 'unlock or install one (a Secret Service, say), or set mcp_oauth_credentials_store = "file"'


class KeyringFailed(AuthenticationFailed):
    """No keyring works here, or it refused."""


def read(account: str) -> dict[str, Any] | None:
    """The entry, None if there is none. Raises `KeyringFailed`."""
    import json

    backend = _backend()
    text = _ask("read", lambda: backend.get_password(SERVICE, account))
    if not text:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None  # the decoder's error holds the text: it is not chained
    return found if isinstance(found, dict) else None


def write(account: str, entry: Mapping[str, Any]) -> None:
    """Put the entry in place of an earlier one, and see that it is there. Raises `KeyringFailed`."""
    import json

    backend, text = _backend(), json.dumps(dict(entry))
    _ask("write to", lambda: backend.set_password(SERVICE, account, text), text)
    if _ask("read", lambda: backend.get_password(SERVICE, account), text) != text:
        raise KeyringFailed("The keyring does not keep what is put into it.", hint=_CURE)


def delete(account: str) -> bool:
    """Remove the entry; whether there was one. Raises `KeyringFailed`."""
    backend = _backend()
    if _ask("read", lambda: backend.get_password(SERVICE, account)) is None:
        return False
    _ask("delete from", lambda: backend.delete_password(SERVICE, account))
    return True


def _backend() -> Any:
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError as error:
        raise KeyringFailed(f"No keyring can be used: {error}.", hint=f"pip install keyring; else {_CURE}") from error
    backend = _ask("open", keyring.get_keyring)
    if isinstance(backend, fail.Keyring | null.Keyring):
        raise KeyringFailed("No keyring can be used: there is none on this system.", hint=_CURE)
    return backend


def _ask(verb: str, question: Callable[[], T], secret: str = "") -> T:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - a backend may raise anything, and each is a keyring that failed
        # Not chained: a backend's error may quote what was to be stored, and chains are shown by --debug.
        raise KeyringFailed(f"Cannot {verb} the keyring: {_clean(error, secret)}.", hint=_CURE) from None


def _clean(error: Exception, secret: str) -> str:
    """The error's kind and words; only the kind, where they come from an operation that had a secret."""
    from codex_plugin_sdk.redact import redact_text

    kind = type(error).__name__
    return kind if secret else redact_text(" ".join(f"{kind}: {error}".split())[:300]).rstrip(": ")
