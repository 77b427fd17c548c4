"""What logging in to a server gave us, and where it is kept.

The places are those of Codex, so that both programs may share a home: the keyring's service `Codex MCP Credentials`
or `$CODEX_HOME/.credentials.json` (mode 0600), and the locks in `$CODEX_HOME/mcp-oauth-locks`. Members that Codex does
not know (`client_secret`, `auth_method`, `token_endpoint`, `resource`) stand beside its own. All
failures are `AuthenticationFailed`; no text and no `repr` here ever holds a token.

Everything synchronous here may wait for a disk, a lock or a keyring's question: call it in a thread.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from codex_plugin_sdk import AuthenticationFailed, ConfigError, Value, field, value

FILE = ".credentials.json"
LOCKS = "mcp-oauth-locks"
SETTING = "mcp_oauth_credentials_store"
STORES = ("auto", "file", "keyring")
FILE_LOCK_TIMEOUT_S = 10.0
LOGIN_LOCK_TIMEOUT_S = 60.0
_LOCK_PAUSE_S = 0.02
_MAX_BYTES = 4 * 1024 * 1024


@value
class Login(Value):
    """The tokens of one server. `expires_at_ms` is None where the server did not say; `scopes` are those granted."""

    server_name: str
    server_url: str
    client_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at_ms: int | None = None
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    client_secret: str = field(default="", repr=False)
    auth_method: str = ""
    token_endpoint: str = ""
    resource: str = ""

    def expires_within(self, seconds: float, now_s: float) -> bool:
        """Whether the access token is over then."""
        return self.expires_at_ms is not None and self.expires_at_ms <= (now_s + seconds) * 1000


def store_setting(config: Mapping[str, Any]) -> str:
    """Where logins are kept: auto, file or keyring. Raises `ConfigError`."""
    found = config.get(SETTING, STORES[0])
    if found not in STORES:
        raise ConfigError(f"`{SETTING}` is {found!r}, which is not one of {', '.join(STORES)}")
    return str(found)


def entry_key(name: str, url: str) -> str:
    """The name of a server's entry, in the keyring and in the file."""
    import hashlib
    import json

    said = json.dumps({"type": "http", "url": url, "headers": {}}, separators=(",", ":"), ensure_ascii=False)
    return f"{name}|{hashlib.sha256(said.encode()).hexdigest()[:16]}"


class LoginStore:
    """The logins of one home. Made for a call and thrown away: nothing is cached, so that what another process did is
    seen at once."""

    def __init__(self, codex_home: str, store: str = "auto") -> None:
        self.codex_home, self.store = codex_home, store
        self.path = os.path.join(codex_home, FILE)

    def load(self, name: str, url: str) -> Login | None:
        """The login of a server, or None. Raises `AuthenticationFailed` where the place that should hold it cannot be
        read."""
        key, found = entry_key(name, url), None
        if self.store != "file":
            found = self._in_keyring(key)
        if found is None and self.store != "keyring":
            found = self._file_entries().get(key)
        return decoded(found) if isinstance(found, Mapping) else None

    def save(self, login: Login) -> tuple[str, ...]:
        """Keep a login in place of an earlier one; what the user should be told. Raises `AuthenticationFailed`."""
        key, entry = entry_key(login.server_name, login.server_url), encoded(login)
        notices: tuple[str, ...] = ()
        if self.store != "file":
            from . import keyring_entry

            try:
                keyring_entry.write(key, entry)
            except keyring_entry.KeyringFailed as error:
                if self.store == "keyring":
                    raise
                notices = (f"{error.message} The login is kept in {self.path} instead.",)
            else:
                self._edit(lambda entries: {name: kept for name, kept in entries.items() if name != key})
                return ()
        self._edit(lambda entries: entries | {key: entry})
        return notices

    def delete(self, name: str, url: str) -> bool:
        """Take a login away from every place; whether there was one. Raises `AuthenticationFailed`."""
        key, found = entry_key(name, url), False
        if self.store != "file":
            from . import keyring_entry

            try:
                found = keyring_entry.delete(key)
            except keyring_entry.KeyringFailed:
                if self.store == "keyring":
                    raise  # `auto` goes on without a keyring: nothing was kept in one that does not work
        if key in self._file_entries():
            found = True
            self._edit(lambda entries: {name: kept for name, kept in entries.items() if name != key})
        return found

    @asynccontextmanager
    async def exclusive(self, name: str, url: str) -> AsyncIterator[None]:
        """Hold the lock by which processes take turns in renewing a login. Raises `AuthenticationFailed` when another
        one does not let go of it."""
        import hashlib

        import anyio

        file = hashlib.sha256(entry_key(name, url).encode()).hexdigest() + ".lock"
        fd, path = self._open_lock(file)
        try:
            with anyio.move_on_after(LOGIN_LOCK_TIMEOUT_S) as waiting:
                while not _try_lock(fd, path):  # noqa: ASYNC110 - nothing tells when a file lock becomes free
                    await anyio.sleep(_LOCK_PAUSE_S)
            if waiting.cancelled_caught:
                raise _held(path, LOGIN_LOCK_TIMEOUT_S)
            yield
        finally:
            os.close(fd)  # which ends the lock

    def _in_keyring(self, key: str) -> Any:
        from . import keyring_entry

        try:
            return keyring_entry.read(key)
        except keyring_entry.KeyringFailed:
            if self.store == "keyring":
                raise
            return None  # the file is what `auto` uses where no keyring works

    def _file_entries(self) -> dict[str, Any]:
        """What the file holds, none if it is missing. Raises `AuthenticationFailed`."""
        import json

        try:
            with open(self.path, "rb") as file:
                raw = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _refused(self.path, "read", error) from error
        try:
            found = json.loads(raw) if raw.strip() else {}
        except (ValueError, RecursionError):
            found = None  # the decoder's error holds the text: it is not chained
        if not isinstance(found, dict) or len(raw) > _MAX_BYTES:
            raise AuthenticationFailed(
                f"{self.path} holds no JSON object.", hint="move it away and log in again: codex mcp login NAME"
            )
        return found

    def _edit(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        import json

        from codex_plugin_sdk import replace_file

        with self._file_locked():
            before = self._file_entries()
            after = change(before)
            if after == before:
                return
            try:
                if after:
                    replace_file(os.path.realpath(self.path), json.dumps(after).encode(), mode=0o600)
                else:
                    os.unlink(self.path)
            except OSError as error:
                raise _refused(self.path, "written", error) from error

    @contextmanager
    def _file_locked(self) -> Iterator[None]:
        import time

        fd, path = self._open_lock("file-store.lock")
        try:
            ends = time.monotonic() + FILE_LOCK_TIMEOUT_S
            while not _try_lock(fd, path):
                if time.monotonic() > ends:
                    raise _held(path, FILE_LOCK_TIMEOUT_S)
                time.sleep(_LOCK_PAUSE_S)
            yield
        finally:
            os.close(fd)

    def _open_lock(self, name: str) -> tuple[int, str]:
        folder = os.path.join(self.codex_home, LOCKS)
        path = os.path.join(folder, name)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
            return os.open(path, flags, 0o600), path
        except OSError as error:
            raise _refused(path, "opened", error) from error


def encoded(login: Login) -> dict[str, Any]:
    """The entry as Codex writes it, and our own members where they say something."""
    entry: dict[str, Any] = {
        "server_name": login.server_name,
        "server_url": login.server_url,
        "issuer": login.issuer or None,
        "client_id": login.client_id,
        "access_token": login.access_token,
        "expires_at": login.expires_at_ms,
        "refresh_token": login.refresh_token or None,
        "scopes": list(login.scopes),
    }
    entry |= {name: getattr(login, name) for name in ("client_secret", "auth_method", "token_endpoint", "resource")}
    return {name: found for name, found in entry.items() if found not in (None, "")}


def decoded(entry: Mapping[str, Any]) -> Login | None:
    """An entry as a value; None if it holds no token, and members of a wrong kind are as if they were missing."""
    words = {name: entry[name] for name in _WORDS if isinstance(entry.get(name), str)}
    if not all(words.get(name) for name in ("server_name", "server_url", "access_token")):
        return None
    expires, scopes = entry.get("expires_at"), entry.get("scopes")
    return Login(
        **({"client_id": ""} | words),
        expires_at_ms=expires if isinstance(expires, int) and not isinstance(expires, bool) else None,
        scopes=tuple(word for word in scopes if isinstance(word, str)) if isinstance(scopes, list) else (),
    )


_WORDS = (
    *("server_name", "server_url", "client_id", "access_token", "refresh_token", "issuer"),
    *("client_secret", "auth_method", "token_endpoint", "resource"),
)


def _try_lock(fd: int, path: str) -> bool:
    import sys

    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the latter is how Windows says it
        return False
    except OSError as error:
        raise _refused(path, "locked", error) from error
    return True


def _held(path: str, seconds: float) -> AuthenticationFailed:
    return AuthenticationFailed(
        f"{path} is held by another program for more than {seconds:g} s.",
        hint="end it, or try again when it is done",
    )


def _refused(path: str, verb: str, error: OSError) -> AuthenticationFailed:
    return AuthenticationFailed(
        f"{path} cannot be {verb}: {error.strerror or error}.", hint="check its owner and permissions"
    )
