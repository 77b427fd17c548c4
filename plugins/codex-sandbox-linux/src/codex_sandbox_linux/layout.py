"""What a confined command sees of the file system, planned before anything is started.

A plan is made anew for every command from a few `lstat` calls, because the disk changes between commands; nothing
is scanned, so that a hanging network file system elsewhere does not matter.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from codex_plugin_sdk import SandboxPolicy, SandboxUnavailable, Value, value

PROTECTED = (".git", ".codex", ".agents")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/run/current-system")
"""What programs need to start, readable under every policy."""
KERNEL_KNOBS = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "asound", "driver", "mtrr", "timer_list")
MAX_DENIED = 512
"""Paths that denied-read globs may lead to; more is an error, since each is a mount."""


@value
class Layout(Value):
    """Where a command may write, and what of that stays as it is.

    All paths are real ones. `writable` are ordered so that an outer one comes before those inside it; `pinned`
    are the folders between an outer and an inner one, which must not be renamed; `kept` stay read-only;
    `hidden` may not be read (path, whether it is a folder); `absent` are protected entries that do not exist and
    must not once the command has ended; `links` are protected entries that are symbolic links, with their targets.
    """

    everything_readable: bool
    everything_writable: bool
    readable: tuple[str, ...]
    writable: tuple[str, ...]
    pinned: tuple[str, ...]
    kept: tuple[str, ...]
    hidden: tuple[tuple[str, bool], ...]
    absent: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    private_tmp: bool


def plan(policy: SandboxPolicy, cwd: str, tmpdir: str | None) -> Layout:
    """The layout of a policy on this disk, now. Raises `SandboxUnavailable` for what cannot be enforced."""
    policy = policy.anchored(cwd)
    roots = _existing(policy.roots(cwd, tmpdir))
    protection = _Protection(roots)
    for root in roots:
        protection.add(root)
    kept = [*protection.kept, *_existing(policy.read_only_paths)]
    return Layout(
        everything_readable="/" in policy.readable_roots,
        everything_writable="/" in roots,
        readable=tuple(root for root in _existing(policy.readable_roots) if root != "/"),
        writable=tuple(root for root in roots if root != "/"),
        pinned=tuple(_between(roots)),
        kept=tuple(dict.fromkeys(path for path in kept if any(_within(path, root) for root in roots))),
        hidden=tuple(_hidden(policy.denied_reads)),
        absent=tuple(protection.absent),
        links=tuple(protection.links),
        private_tmp=not any(root in ("/tmp", tmpdir) for root in policy.roots(cwd, tmpdir)),  # noqa: S108
    )


def _within(path: str, root: str) -> bool:
    return root in ("/", path) or path.startswith(root + "/")


def _existing(paths: Iterable[str]) -> list[str]:
    """The real folders or files behind paths, each once, outer ones first; what does not exist is left out."""
    found = dict.fromkeys(os.path.realpath(path) for path in paths)
    return sorted((path for path in found if os.path.lexists(path)), key=lambda path: (path.count("/"), path))


def _between(roots: Sequence[str]) -> Iterator[str]:
    """Folders above an inner root and below an outer one: a command that renames such a folder could put
    something else where the inner root was."""
    seen: set[str] = set(roots)
    for inner in roots:
        outer = max((root for root in roots if root != inner and _within(inner, root)), key=len, default=None)
        if outer is None or outer == "/":
            continue
        above = os.path.dirname(inner)
        while above not in seen and _within(above, outer):
            seen.add(above)
            yield above
            above = os.path.dirname(above)


class _Protection:
    """Entries of writable roots that are run or obeyed outside the sandbox."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = set(roots)
        self.kept: list[str] = []
        self.absent: list[str] = []
        self.links: list[tuple[str, str]] = []

    def add(self, root: str) -> None:
        for name in PROTECTED:
            path = os.path.join(root, name)
            try:
                mode = os.lstat(path).st_mode
            except (FileNotFoundError, NotADirectoryError):
                self.absent.append(path)
                continue
            except OSError as error:
                raise SandboxUnavailable(f"{path} cannot be protected: {error.strerror}") from error
            if stat.S_ISLNK(mode):
                self.links.append((path, os.readlink(path)))
            self._keep(os.path.realpath(path))
            if name == ".git" and not stat.S_ISDIR(mode):
                for folder in git_folders(path):
                    self._keep(folder)

    def _keep(self, path: str) -> None:
        # A root that names a protected entry itself opens it on purpose.
        if path not in self._roots and os.path.lexists(path):
            self.kept.append(path)


def git_folders(path: str) -> list[str]:
    """The repository that a `.git` file or link leads to, and the one that it shares; empty where it leads nowhere."""
    gitdir = os.path.realpath(path)
    if os.path.isfile(gitdir):
        text = _first_line(gitdir)
        if not text.startswith("gitdir:"):
            return []
        gitdir = os.path.realpath(os.path.join(os.path.dirname(path), text.removeprefix("gitdir:").strip()))
    if not os.path.isdir(gitdir):
        return []
    common = _first_line(os.path.join(gitdir, "commondir"))
    return [gitdir, *([os.path.realpath(os.path.join(gitdir, common))] if common else [])]


def _first_line(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.readline(8192)).strip("\n")
    except OSError:
        return ""


def _hidden(globs: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """What exists of denied reads, real paths, inner ones of a hidden folder left out."""
    found: dict[str, bool] = {}
    for pattern in globs:
        for path in _expand(pattern):
            real = os.path.realpath(path)
            found[real] = os.path.isdir(real)
            if len(found) > MAX_DENIED:
                raise SandboxUnavailable(
                    f"the denied read {pattern!r} leads to more than {MAX_DENIED} files",
                    hint="deny their folder instead",
                )
    folders = [path for path, is_folder in found.items() if is_folder]
    for path, is_folder in sorted(found.items()):
        if not any(path != folder and _within(path, folder) for folder in folders):
            yield path, is_folder


def _expand(pattern: str) -> Iterator[str]:
    if not any(sign in pattern for sign in "*?["):
        if os.path.lexists(pattern):
            yield pattern
        return
    from .globs import matches

    yield from matches(pattern)
