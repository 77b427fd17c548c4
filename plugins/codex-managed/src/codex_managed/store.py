"""The copy of the last good bundle, in `$CODEX_HOME/kernel/managed/`.

The user can write there, so that nothing in it is believed: the signature is checked on every load. One file holds
the bundle with its signature, another when the source was last asked; each is replaced as a whole, and without the
second all that happens is that the source is asked again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from codex_plugin_sdk import ConfigError, Value, field, replace_file, value

from .bundle import MAX_BUNDLE_BYTES, Bundle, BundleRefused, parse_bundle
from .guard import read_plain
from .settings import BundleSettings
from .signing import verify
from .words import shown

FOLDER = ("kernel", "managed")
SCHEMA_VERSION = 1
_MAX_FILE_BYTES = 7 * MAX_BUNDLE_BYTES  # JSON may need six bytes for one
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,512}"')


@value
class Signed(Value):
    """A bundle as it came: its bytes, its signature (base64 text) and the server's tag for it."""

    raw: bytes = field(repr=False)
    signature: bytes
    etag: str = ""


@value
class Copy(Value):
    """A copy whose signature fits. It may have expired: then it still says which versions are older."""

    signed: Signed
    bundle: Bundle


@value
class Contact(Value):
    """When the source last confirmed the copy, and when it was last asked in vain and why; Unix seconds."""

    confirmed_at: float = 0.0
    failed_at: float = 0.0
    problem: str = ""


class CopyStore:
    """The copy for one source and key: another source starts anew, because an administrator chose it."""

    def __init__(self, codex_home: str, settings: BundleSettings) -> None:
        from hashlib import sha256

        self._settings = settings
        name = sha256(f"{settings.source}\n{settings.public_key}".encode()).hexdigest()[:16]
        self._folder = os.path.join(codex_home, *FOLDER)
        self.path = os.path.join(self._folder, f"{name}.json")
        self._contact_path = os.path.join(self._folder, f"{name}.contact.json")

    def load(self) -> Copy | None:
        """The copy; None if there is none. Raises `BundleRefused` for one that is damaged or not signed."""
        found = _read(self.path)
        if found is None:
            return None
        raw, signature, etag = (found.get(name) for name in ("bundle", "signature", "etag"))
        if not (isinstance(raw, str) and isinstance(signature, str) and isinstance(etag, str)):
            raise BundleRefused(f"the copy {self.path} is damaged")
        signed = Signed(raw=raw.encode(), signature=signature.encode(), etag=etag if _ETAG.fullmatch(etag) else "")
        try:
            verify(self._settings.public_key, signed.raw, signed.signature)
            return Copy(signed=signed, bundle=parse_bundle(signed.raw, self._settings.source))
        except (BundleRefused, ConfigError) as error:
            raise BundleRefused(f"the copy {self.path} is not good: {error.message}") from error

    def contact(self) -> Contact:
        """When the source was last asked; all zero where that is not known."""
        try:
            found = _read(self._contact_path) or {}
        except BundleRefused:
            return Contact()  # the source is asked again, which mends it
        problem = found.get("problem")
        return Contact(
            confirmed_at=_number(found.get("confirmed_at")),
            failed_at=_number(found.get("failed_at")),
            problem=shown(problem, 500) if isinstance(problem, str) else "",
        )

    def keep(self, copy: Copy, now_s: float) -> None:
        """Store a copy, unless another process has stored a newer one meanwhile. Raises `OSError`."""
        with self._locked() as alone:
            if not alone:
                return  # another process is about to store what the same server told it
            try:
                held = self.load()
            except BundleRefused:
                held = None
            if held is not None:
                try:
                    copy.bundle.check_newer(held.bundle)
                except BundleRefused:
                    return
            if held is None or held.signed != copy.signed:
                whole = {
                    "schema_version": SCHEMA_VERSION,
                    "source": self._settings.source,
                    "etag": copy.signed.etag,
                    "signature": copy.signed.signature.decode("ascii"),
                    "bundle": copy.signed.raw.decode(),
                }
                replace_file(self.path, orjson.dumps(whole), mode=0o600)
            self.note(Contact(confirmed_at=now_s))

    def note(self, contact: Contact) -> None:
        """Store when the source was asked. Raises `OSError`."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        whole = {"confirmed_at": contact.confirmed_at, "failed_at": contact.failed_at, "problem": contact.problem}
        replace_file(self._contact_path, orjson.dumps(whole), mode=0o600)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Whether no other process stores a copy now. Nobody waits: a start must not hang on another's lock."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        try:
            import fcntl
        except ImportError:  # Windows: the last writer wins, with a bundle that is signed in any case
            yield True
            return
        fd = os.open(os.path.join(self._folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(fd)


def _read(path: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(read_plain(path, _MAX_FILE_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BundleRefused(f"the copy {path} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise BundleRefused(f"the copy {path} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise BundleRefused(f"the copy {path} is damaged")
    return found


def _number(found: object) -> float:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else 0.0
