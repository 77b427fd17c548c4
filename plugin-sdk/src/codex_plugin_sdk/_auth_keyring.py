"""The credential in the system's keyring, under the service and the account that Codex uses.

The `keyring` package is imported when a keyring is configured and asked for, never before. Its backends are other
people's code and talk to other programs: whatever they raise becomes `KeyringFailed`, cleaned of secrets.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from codex_kernel.errors import AuthenticationFailed

T = TypeVar("T")

SERVICE = "Codex Auth"
_CURE = 'unlock or install one (a Secret Service, say), or set cli_auth_credentials_store = "file"'


class KeyringFailed(AuthenticationFailed):
    """No keyring works here, or it refused."""


def account(codex_home: str) -> str:
    """The name of the entry: each home has its own."""
    import hashlib

    digest = hashlib.sha256(os.fsencode(os.path.realpath(codex_home))).hexdigest()
    return f"cli|{digest[:16]}"


def read_entry(codex_home: str) -> tuple[dict[str, Any], str]:
    """The members of the entry, none if there is none, and the keyring's name. Raises `KeyringFailed`, and
    `AuthenticationFailed` for an entry that is no JSON object."""
    backend = _backend()
    return _members(backend, codex_home), _name(backend)


def save_key(codex_home: str, key: str) -> str:
    """Put the key into the entry, other members stay; returns the keyring's name. Raises as `read_entry`."""
    import json

    backend = _backend()
    members = _members(backend, codex_home) | {"auth_mode": "apikey", "OPENAI_API_KEY": key}
    text, name = json.dumps(members), account(codex_home)
    _ask("write to", lambda: backend.set_password(SERVICE, name, text), key)
    if _ask("read", lambda: backend.get_password(SERVICE, name), key) != text:
        raise KeyringFailed(f"The keyring {_name(backend)} does not keep what is put into it.", hint=_CURE)
    return _name(backend)


def delete_entry(codex_home: str) -> tuple[str, ...]:
    """Remove the entry, whatever it holds; returns the keyring's name if there was one. Raises `KeyringFailed`."""
    backend = _backend()
    name = account(codex_home)
    if _ask("read", lambda: backend.get_password(SERVICE, name)) is None:
        return ()
    _ask("delete from", lambda: backend.delete_password(SERVICE, name))
    return (f"keyring {_name(backend)}",)


def _members(backend: Any, codex_home: str) -> dict[str, Any]:
    import json

    text = _ask("read", lambda: backend.get_password(SERVICE, account(codex_home)))
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AuthenticationFailed(
            f"The entry {SERVICE!r} of the keyring {_name(backend)} is no JSON object.",
            hint="`codex logout` removes it",
        )
    return found


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


def _name(backend: Any) -> str:
    return str(getattr(backend, "name", type(backend).__name__))


def _ask(verb: str, question: Callable[[], T], key: str = "") -> T:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - a backend may raise anything, and each is a keyring that failed
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        clean = _clean(reason, key)
        # A chained error is shown by --debug and in logs: only one that holds no secret may be.
        cause = error if clean == reason and error.__context__ is None else None
        raise KeyringFailed(f"Cannot {verb} the keyring: {clean}.", hint=_CURE) from cause


def _clean(text: str, key: str) -> str:
    from .redact import Redactor

    text = text.replace(key, "***") if key else text
    return Redactor().redact_text(" ".join(text.split())[:300])
