"""Bubblewrap's arguments, from facts about the disk. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping

from codex_plugin_sdk import NetworkMode, SandboxUnavailable

from .bwrap_plan import Facts, Mount

TMPDIR = "/dev/shm"  # noqa: S108 - of the sandbox's own /dev, so nobody else's
"""Where temporary files go if no writable root serves: private, in memory, and there without a mount of its own."""

MAX_MOUNTS = 1000
"""Each costs bubblewrap the more the more there are: 1,000 take 1.8 s, 2,900 take 19 s."""

LOADER_VARIABLES = ("LD_", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "MALLOC_", "RESOLV_HOST_CONF")
"""Prefixes of what the dynamic linker obeys: bubblewrap itself must not see it, being started outside."""


def split_environment(env: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The environment for bubblewrap, and what only the command may have."""
    inner = {name: text for name, text in env.items() if name.startswith(LOADER_VARIABLES)}
    return {name: text for name, text in env.items() if name not in inner}, inner


def arguments(
    facts: Facts,
    network: NetworkMode,
    cwd: str,
    *,
    inner_env: Mapping[str, str] | None = None,
    pins: Mapping[str, int] | None = None,
    new_session: bool = True,
    fresh_proc: bool = True,
    as_root: bool = False,
) -> list[str]:
    """Everything but descriptors and the command.

    `pins` are descriptors of the folders that are to be pinned, so that no other command can swap one for a link
    before it is mounted (without it they are mounted by name).
    `as_root` is for real root, who needs no capability to write the machine's settings, so that all of /proc is
    read-only; other users could write those of their namespaces only, and /proc/sys is enough.
    Without `fresh_proc` the machine's own /proc is shown, read-only. Raises `SandboxUnavailable` for more
    mounts than bubblewrap makes in bearable time.
    """
    if len(facts.mounts) > MAX_MOUNTS:
        raise SandboxUnavailable(
            f"the policy takes {len(facts.mounts)} mounts, and bubblewrap is good for {MAX_MOUNTS}"
            f" ({len(facts.writable)} writable roots)",
            hint="name the folders that hold them instead",
        )
    words = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--cap-drop", "ALL"]
    if network is not NetworkMode.ON:
        words.append("--unshare-net")
    if new_session:
        words.append("--new-session")
    words += _file_system(facts, pins or {}, fresh_proc=fresh_proc, as_root=as_root)
    for name, text in (inner_env or {}).items():
        words += ["--setenv", name, text]
    return [*words, "--chdir", cwd]


def _file_system(facts: Facts, pins: Mapping[str, int], *, fresh_proc: bool, as_root: bool) -> list[str]:
    whole = [mount for mount in facts.mounts if mount.path == "/"]
    words = ["--bind" if whole else "--ro-bind", "/", "/"] if facts.everything else []
    words += ["--dev", "/dev"]
    if not fresh_proc:
        words += ["--ro-bind", "/proc", "/proc"]
    else:
        words += [
            "--proc",
            "/proc",
            *(("--remount-ro", "/proc") if as_root else ("--ro-bind", "/proc/sys", "/proc/sys")),
        ]
    if not facts.everything:
        words += ["--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108 - the sandbox's own
    for mount in facts.mounts:
        if mount.path != "/":
            words += _mount(mount, pins)
    return words if facts.everything else [*words, "--remount-ro", "/"]


def _mount(mount: Mount, pins: Mapping[str, int]) -> list[str]:
    path = mount.path
    match mount.mode:
        case "pin" if path in pins:
            return ["--bind-fd", str(pins[path]), path]
        case "pin":
            return ["--bind", path, path]
        case "rw":
            return ["--bind", path, path]
        case "ro":
            return ["--ro-bind", path, path]
        case "link":
            return ["--symlink", mount.target, path]
        case "hidden-folder":
            # Read-only, so that not even its owner can give it another mode.
            return ["--perms", "0000", "--tmpfs", path, "--remount-ro", path]
        case "hidden-file":
            # A device on a mount without devices cannot be opened, whoever tries.
            return ["--ro-bind", "/dev/null", path]
    raise AssertionError(mount.mode)


def encode(words: list[str]) -> bytes:
    """As `--args FD` takes them; paths are bytes, whatever they are. Raises `ValueError` for a NUL in one."""
    encoded = [os.fsencode(word) for word in words]
    if any(b"\0" in word for word in encoded):
        raise ValueError("embedded null byte")
    return b"".join(word + b"\0" for word in encoded)
