"""What backends have proved: one small file, forgotten when the machine's state changes."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress

import orjson

from .files import replace_file

_FILE = "proofs.json"


def key(backend: str, identity: str, kind: str, version: int) -> str:
    """A name for a proof: other kernel, boot, namespace, user, backend or policy, other name."""
    system = os.uname()
    state = [system.sysname, system.release, system.version, system.machine, os.getuid(), os.getgid()]
    for path in ("/proc/self/ns/user", "/proc/self/ns/mnt"):
        with suppress(OSError):
            state.append(os.readlink(path))
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        state.append(file.read().strip())
    text = orjson.dumps([*state, backend, identity, kind, version])
    return hashlib.sha256(text).hexdigest()


def knows(state_dir: str, wanted: str) -> bool:
    """Whether this proof was given before. A file that cannot be read knows nothing."""
    return wanted in _read(state_dir)


def remember(state_dir: str, proved: str, limit: int) -> None:
    """Keep a proof, and the newest `limit` in all. A folder that cannot be written is only slower."""
    known = {**_read(state_dir), proved: int(time.time())}
    newest = dict(sorted(known.items(), key=lambda item: -item[1])[:limit])
    with suppress(OSError):
        replace_file(os.path.join(state_dir, _FILE), orjson.dumps(newest), mode=0o600)


def _read(state_dir: str) -> dict[str, int]:
    try:
        with open(os.path.join(state_dir, _FILE), "rb") as file:
            found = orjson.loads(file.read())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: at for name, at in found.items() if isinstance(at, int)}
