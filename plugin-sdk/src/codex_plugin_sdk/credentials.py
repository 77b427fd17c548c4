"""The user's API key: where it is found, kept and taken away.

Places, the first that holds a key counts: the variables CODEX_API_KEY and OPENAI_API_KEY, then what
`cli_auth_credentials_store` names: `file` (`$CODEX_HOME/auth.json`, mode 0600, the file of Codex), `keyring` (the
system's, under the name that Codex uses), `auto` (the keyring, else the file) or `ephemeral` (the memory of this
process). All failures are `AuthenticationFailed`; no text and no `repr` here ever holds a key.

Everything here may wait for a disk, a lock or the user's answer to a keyring's question: call it in a thread where
an event loop runs.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from typing import Any

from codex_kernel.errors import AuthenticationFailed, ConfigError
from codex_kernel.protocol.value import Value, field, value

KEY_VARIABLES = ("CODEX_API_KEY", "OPENAI_API_KEY")
AUTH_FILE = "auth.json"
KEY_MEMBER = "OPENAI_API_KEY"
STORE_SETTING = "cli_auth_credentials_store"
METHOD_SETTING = "forced_login_method"
STORES = ("file", "keyring", "auto", "ephemeral")
METHODS = ("api", "chatgpt")
_SHOWN = 4
_LONG_ENOUGH = 20  # of a shorter key, four characters are too much to show

_memory: dict[str, str] = {}


@value
class Credential(Value):
    """A key and where it was found: `source` is environment, keyring, file or memory; `place` the variable, the
    keyring's name or the path."""

    key: str = field(repr=False)
    source: str
    place: str = ""

    @property
    def masked(self) -> str:
        """What may be shown: at most the last four characters."""
        return "***" + (self.key[-_SHOWN:] if len(self.key) >= _LONG_ENOUGH else "")

    @property
    def where(self) -> str:
        """The place in words: `environment variable OPENAI_API_KEY`."""
        return f"{_WORDS[self.source]} {self.place}".rstrip()


_WORDS = {"environment": "environment variable", "keyring": "keyring", "file": "file", "memory": "this process"}


@value
class Saved(Value):
    """A key that was stored, and what the user should be told besides."""

    credential: Credential
    notices: tuple[str, ...] = ()


@value
class Removed(Value):
    """The places that a credential was taken from (none: there was none), and what the user should be told."""

    places: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def load_credential(
    codex_home: str, store: str = "file", environ: Mapping[str, str] | None = None
) -> Credential | None:
    """The key that counts, or None. Without `environ` only what is stored is looked at.

    Raises `AuthenticationFailed` when the place that should hold a key cannot be read, or holds something that
    cannot be one.
    """
    found = _in_environment(environ or {})
    if found is None and store == "ephemeral":
        found = _credential(_memory.get(codex_home, ""), "memory")
    if found is None and store in ("keyring", "auto"):
        found = _in_keyring(codex_home, store)
    if found is None and store in ("file", "auto"):
        from ._auth_file import read_members

        path = auth_file(codex_home)
        found = _credential(_key_of(read_members(path)), "file", path)
    if found is not None:
        checked_key(found.key, found.where)
    return found


def save_credential(codex_home: str, key: str, store: str = "file") -> Saved:
    """Store a key, in place of the one that was there.

    Other members of the entry or file stay, but for `auth_mode`, which says that the key is what counts. Once the
    key is in the keyring, none is left in the file. Raises `AuthenticationFailed`, with nothing changed.
    """
    checked_key(key, "what was given")
    if store == "ephemeral":
        _memory[codex_home] = key
        return Saved(credential=Credential(key=key, source="memory"))
    notices: tuple[str, ...] = ()
    if store in ("keyring", "auto"):
        from ._auth_keyring import KeyringFailed, save_key

        try:
            place = save_key(codex_home, key)
        except KeyringFailed as error:
            if store == "keyring":
                raise
            notices = (f"{error.message} The key is kept in {auth_file(codex_home)} instead.",)
        else:
            return Saved(credential=Credential(key=key, source="keyring", place=place), notices=_clear(codex_home))
    from ._auth_file import edit_members

    path = auth_file(codex_home)
    notices += edit_members(path, lambda members: members | {"auth_mode": "apikey", KEY_MEMBER: key})
    return Saved(credential=Credential(key=key, source="file", place=path), notices=notices)


def delete_credential(codex_home: str, store: str = "file") -> Removed:
    """Take away all that is stored: the key and other sign-ins. The environment is not ours to change.

    Raises `AuthenticationFailed` when something could not be taken away.
    """
    from ._auth_file import delete_file

    places: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    if store == "ephemeral":
        return Removed(places=("this process",) if _memory.pop(codex_home, None) is not None else ())
    if store in ("keyring", "auto"):
        from ._auth_keyring import KeyringFailed, delete_entry

        try:
            places += delete_entry(codex_home)
        except KeyringFailed as error:
            if store == "keyring":
                raise
            notices += (f"{error.message} Only {auth_file(codex_home)} was looked at.",)
    removed, told = delete_file(auth_file(codex_home))
    return Removed(places=places + removed, notices=notices + told)


def auth_file(codex_home: str) -> str:
    """The path of auth.json."""
    return os.path.join(codex_home, AUTH_FILE)


def credentials_store(options: Mapping[str, Any]) -> str:
    """The store that a configuration names. Raises `ConfigError` for one that there is not."""
    return _choice(options, STORE_SETTING, STORES) or "file"


def require_api_key_login(options: Mapping[str, Any]) -> None:
    """Raise `AuthenticationFailed` where the configuration rules keys out."""
    if _choice(options, METHOD_SETTING, METHODS) == "chatgpt":
        raise AuthenticationFailed(
            f'API key login is disabled: `{METHOD_SETTING}` is "chatgpt".',
            hint="signing in with ChatGPT is not available in this build; ask who administers the configuration",
        )


def exposed_mode(codex_home: str) -> int | None:
    """The permission bits of auth.json if others than its owner have any, else None."""
    try:
        mode = stat.S_IMODE(os.stat(auth_file(codex_home)).st_mode)
    except OSError:
        return None
    return mode if sys.platform != "win32" and mode & 0o077 else None


def keyring_problem(codex_home: str) -> AuthenticationFailed | None:
    """Why no keyring works here, or None. For reports: `auto` goes on without one."""
    from ._auth_keyring import KeyringFailed, read_entry

    try:
        read_entry(codex_home)
    except KeyringFailed as error:
        return error
    return None


def has_chatgpt_tokens(codex_home: str) -> bool:
    """Whether auth.json holds a ChatGPT sign-in, which serves other programs. Raises as `load_credential` does."""
    from ._auth_file import read_members

    return bool(read_members(auth_file(codex_home)).get("tokens"))


def checked_key(key: str, where: str) -> str:
    """The key, if a header can hold it. Raises `AuthenticationFailed` that names the place and not the key."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise AuthenticationFailed(f"The key in {where} holds a blank or a character that no key has.")
    return key


def _in_environment(environ: Mapping[str, str]) -> Credential | None:
    for name in KEY_VARIABLES:
        found = _credential(environ.get(name, ""), "environment", name)
        if found is not None:
            return found
    return None


def _in_keyring(codex_home: str, store: str) -> Credential | None:
    from ._auth_keyring import KeyringFailed, read_entry

    try:
        members, place = read_entry(codex_home)
    except KeyringFailed:
        if store == "keyring":
            raise
        return None  # the file is what `auto` uses where no keyring works
    return _credential(_key_of(members), "keyring", place)


def _clear(codex_home: str) -> tuple[str, ...]:
    """Leave no key in the file; a failure is told, since the key that counts is safe."""
    from ._auth_file import edit_members, read_members

    path = auth_file(codex_home)
    try:
        if KEY_MEMBER not in read_members(path):
            return ()
        return edit_members(path, _without_key)
    except AuthenticationFailed as error:
        return (f"{error.message} An older key may be left in it.",)


def _without_key(members: dict[str, Any]) -> dict[str, Any]:
    rest = {name: found for name, found in members.items() if name != KEY_MEMBER}
    return rest if any(found for name, found in rest.items() if name != "auth_mode") else {}


def _credential(key: str, source: str, place: str = "") -> Credential | None:
    key = key.strip()
    return Credential(key=key, source=source, place=place) if key else None


def _key_of(members: Mapping[str, Any]) -> str:
    key = members.get(KEY_MEMBER)
    return key if isinstance(key, str) else ""


def _choice(options: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str | None:
    found = options.get(name)
    if found is not None and found not in allowed:
        raise ConfigError(f"`{name}` is {found!r}, which is not one of {', '.join(allowed)}")
    return found
