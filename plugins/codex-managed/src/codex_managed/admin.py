"""`codex managed keygen` and `sign`: what an administrator needs to publish a bundle."""

from __future__ import annotations

import os
import sys
from time import time
from typing import TYPE_CHECKING

from codex_plugin_sdk import ConfigError, ExitCode, UserError, replace_file

from .bundle import MAX_BUNDLE_BYTES, BundleRefused, parse_bundle
from .guard import read_plain
from .signing import encode, load_key, new_key, public_key_of, verify
from .trial import try_out

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

MAX_KEY_BYTES = 1 << 16


def run_keygen(path: str) -> int:
    """Write a private key that only its owner can read. Raises `UserError` for a file that exists: a key that is
    overwritten cannot be had back."""
    pem, public_key = new_key()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise UserError(f"{path} exists; keys are not overwritten", hint="name another file") from error
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    with open(fd, "wb") as file:
        file.write(pem)
    sys.stderr.write(f"{path} holds the private key: keep it off the machines that the bundle is for\n")
    sys.stdout.write(f'public_key = "{public_key}"\n')
    sys.stdout.flush()
    return ExitCode.OK


def run_sign(invocation: Invocation, path: str, key_path: str) -> int:
    """Check a bundle and write its signature beside it. Raises `UserError` for one that could not be used."""
    key = load_key(_private(key_path), key_path)
    raw = _read(path, MAX_BUNDLE_BYTES)
    try:
        bundle = parse_bundle(raw, path)
        bundle.check_dates(time())
        notices = try_out(bundle, path, invocation.plugins)
    except BundleRefused as error:
        raise ConfigError(f"is not signed: {error.message}", where=path, hint=error.hint) from error
    signature = encode(key.sign(raw))
    public_key = public_key_of(key)
    verify(public_key, raw, signature.encode())
    target = f"{path}.sig"
    try:
        replace_file(target, f"{signature}\n".encode())
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}") from error
    for notice in notices:
        sys.stderr.write(f"warning: {notice}\n")
    sys.stdout.write(f'{target}: version {bundle.version}, public_key = "{public_key}"\n')
    sys.stdout.flush()
    return ExitCode.OK


def _private(path: str) -> bytes:
    raw = _read(path, MAX_KEY_BYTES)
    if sys.platform != "win32" and os.stat(path).st_mode & 0o077:
        raise UserError(f"{path} can be read by others", hint=f"chmod 600 {path}")
    return raw


def _read(path: str, limit_bytes: int) -> bytes:
    try:
        return read_plain(path, limit_bytes)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
