"""A layout as bubblewrap's arguments. Pure: what is planned here is what golden tests compare."""

from __future__ import annotations

import os
from collections.abc import Iterable

from codex_plugin_sdk import NetworkMode

from .layout import KERNEL_KNOBS, SYSTEM, Layout

TMPDIR = "/dev/shm"  # noqa: S108 - of the sandbox's own /dev: nobody else's


def arguments(layout: Layout, network: NetworkMode, cwd: str, *, fresh_proc: bool, unreadable: str) -> list[str]:
    """Everything but descriptors and the command. `unreadable` is an empty file of mode 000, which takes the
    place of hidden files; without `fresh_proc` the machine's own /proc is shown, read-only."""
    words = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--cap-drop", "ALL"]
    if network is not NetworkMode.ON:
        words.append("--unshare-net")
    words += _base(layout)
    words += ["--dev", "/dev", *_proc(fresh=fresh_proc)]
    for root in sorted({*layout.writable, *layout.pinned}, key=lambda path: (path.count("/"), path)):
        words += ["--bind", root, root]
    for path in layout.kept:
        words += ["--ro-bind", path, path]
    for path, is_folder in layout.hidden:
        # Read-only, so that not even its owner can give it back its mode.
        if is_folder:
            words += ["--perms", "0000", "--tmpfs", path, "--remount-ro", path]
        else:
            words += ["--ro-bind", unreadable, path]
    if not layout.everything_readable:
        words += ["--remount-ro", "/"]
    return [*words, "--chdir", cwd]


def _base(layout: Layout) -> list[str]:
    if layout.everything_writable:
        return ["--bind", "/", "/"]
    if layout.everything_readable:
        return ["--ro-bind", "/", "/"]
    words: list[str] = []
    for path in SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            words += ["--ro-bind", path, path]
    return words + _bind_all("--ro-bind", layout.readable)


def _bind_all(option: str, paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in (option, path, path)]


def _proc(*, fresh: bool) -> list[str]:
    if not fresh:
        return ["--ro-bind", "/proc", "/proc"]
    # Real root needs no capability to write a sysctl: being user 0 is enough.
    knobs = [f"/proc/{name}" for name in KERNEL_KNOBS if os.path.exists(f"/proc/{name}")]
    return ["--proc", "/proc", *_bind_all("--ro-bind", knobs)]
