"""What the disk is like where a policy names it: the facts from which bubblewrap's arguments are made.

Gathered anew for every command from a few dozen `lstat` calls, since the disk changes between commands.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from codex_plugin_sdk import SandboxPolicy, SandboxUnavailable, Value, value

from .protected import NAMES, Watched, survey, within, within_any

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/nix", "/run/current-system")
"""What programs need to start, readable under every policy."""
_KERNELS = ("/proc", "/sys", "/dev")
_NET_CONFIGURATION = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
MAX_LINKS = 40
MAX_PINS = 128
"""Folders that are kept from being renamed; each takes a descriptor and a mount."""


@value
class Mount(Value):
    """One place of the sandbox's view. `mode` is rw, ro, hidden-folder, hidden-file, link to `target`, or pin: a
    writable folder that is mounted on itself, so that it cannot be renamed with what is kept or hidden below it."""

    path: str
    mode: str
    target: str = ""


@value
class Facts(Value):
    """All that is to be known of the disk for one command. `mounts` are in order, and nothing needless is among
    them; `writable` are the real roots; `everything` says whether the whole disk is visible at all."""

    everything: bool
    mounts: tuple[Mount, ...]
    writable: tuple[str, ...]
    watched: tuple[Watched, ...]
    own_tmpdir: bool
    notices: tuple[str, ...] = ()


def gather(
    policy: SandboxPolicy,
    cwd: str,
    tmpdir: str | None,
    *,
    keep: Sequence[str] = (),
    readable: Sequence[str] = (),
) -> Facts:
    """The facts for a policy. `keep` are folders of ours that stay read-only if a root holds them, `readable`
    what must be readable for us beside the policy. Raises `SandboxUnavailable` for what cannot be enforced."""
    policy = policy.anchored(cwd)
    real_cwd = os.path.realpath(cwd)
    if policy.denied_reads and policy.denies_read(cwd):
        raise SandboxUnavailable(f"the working directory {cwd} lies in what the policy forbids to read")
    chooser = _Roots(policy, cwd, tmpdir)
    roots = chooser.roots
    protection = survey(roots, real_cwd)
    ours = [place for place in map(_existing, keep) if place and within_any(place, roots)]
    modes = dict.fromkeys(ours, "ro")
    modes |= dict.fromkeys(protection.read_only, "ro")
    modes |= dict.fromkeys((root for root in roots if root in chooser.explicit or root not in modes), "rw")
    watched = [entry for entry in protection.watched if entry.path not in roots]
    for name in policy.read_only_paths:
        path = os.path.realpath(name)
        if os.path.lexists(path):
            modes[path] = "ro"
        elif within_any(path, roots):
            watched.append(Watched(path=path))
    if within_any("/", roots):
        modes["/sys"] = "ro"
    everything = "/" in policy.readable_roots or "/" in roots
    view = [] if everything else _view(policy, real_cwd, readable, modes)
    hidden = _hidden(policy, real_cwd)
    for path in _pins(roots, modes, [mount.path for mount in hidden]):
        modes[path] = "pin"
    mounts = [*view, *_ordered(modes, "ro" if everything else "")]
    mounts = [mount for mount in mounts if not within_any(mount.path, (gone.path for gone in hidden))]
    return Facts(
        everything=everything,
        mounts=(*mounts, *hidden),
        writable=tuple(roots),
        watched=tuple(watched),
        own_tmpdir=not _has_tmpdir(tmpdir, roots),
        notices=tuple(chooser.notices),
    )


def _pins(roots: Sequence[str], modes: Mapping[str, str], hidden: Sequence[str]) -> list[str]:
    """The folders above what is kept or hidden, as far as commands could rename them: the thing would be at
    another place for whoever comes next, and something else at its own."""
    outermost = [root for root in roots if not within_any(os.path.dirname(root), roots) or root == "/"]
    kept = [path for path, mode in modes.items() if mode == "ro"]
    found: dict[str, None] = {}
    for path in (*kept, *hidden):
        above = os.path.dirname(path)
        while within_any(above, outermost) and above not in outermost and above not in found:
            if not within_any(above, kept):
                found[above] = None
            above = os.path.dirname(above)
        if len(found) > MAX_PINS:
            break
    return list(found)[:MAX_PINS]


def _has_tmpdir(tmpdir: str | None, roots: Sequence[str]) -> bool:
    return within_any(os.path.realpath(tmpdir or "/tmp"), roots)  # noqa: S108 - what programs use by themselves


def _hidden(policy: SandboxPolicy, cwd: str) -> list[Mount]:
    if not policy.denied_reads:
        return []
    from .denied import find

    found = [
        Mount(path=denied.path, mode="hidden-folder" if denied.folder else "hidden-file")
        for denied in find(policy.denied_reads)
    ]
    for mount in found:
        if within(cwd, mount.path):
            raise SandboxUnavailable(f"the working directory {cwd} lies in {mount.path}, which must not be read")
    return [mount for mount in found if not within_any(mount.path, ("/proc", "/dev"))]


class _Roots:
    """The writable roots by their real paths, as far as they exist and may be trusted."""

    def __init__(self, policy: SandboxPolicy, cwd: str, tmpdir: str | None) -> None:
        self.notices: list[str] = []
        named = [os.path.normpath(root) for root in policy.writable_roots]
        real = {name: _existing(name) for name in dict.fromkeys(map(os.path.normpath, policy.roots(cwd, tmpdir)))}
        firm = [place for name, place in real.items() if place == name]
        self.roots: list[str] = []
        for name, place in real.items():
            if place and self._trusted(name, place, firm) and not self._kernels(place):
                self.roots.append(place)
        self.roots = list(dict.fromkeys(self.roots))
        self.explicit = {real[name] for name in named if real.get(name)}
        # A working directory chosen inside `.git` does not open it; naming it in the configuration does.
        protected = [os.path.join(root, name) for root in self.roots for name in NAMES]
        self.roots = [root for root in self.roots if root in self.explicit or not within_any(root, protected)]

    def _trusted(self, name: str, place: str, firm: Sequence[str]) -> bool:
        """A link that lies in a writable root may be the work of an earlier command: it leads nowhere outside."""
        if place == name or within_any(place, firm) or not any(within_any(at, firm) for at in _links_on(name)):
            return True
        self.notices.append(
            f"the writable root {name} is a link to {place} that commands could have made, so it is not followed"
        )
        return False

    def _kernels(self, place: str) -> bool:
        return within_any(place, _KERNELS) and not within(place, "/dev/shm")  # noqa: S108 - may be granted by name


def _existing(path: str) -> str:
    try:
        return os.path.realpath(path, strict=True)
    except (OSError, ValueError):
        return ""


def _links_on(path: str) -> list[str]:
    """The real places of all links that are followed on the way to a path."""
    links: list[str] = []
    left, at = path.split("/")[1:], ""
    while left and len(links) < MAX_LINKS:
        at = os.path.normpath(f"{at}/{left.pop(0)}")
        if os.path.islink(at):
            links.append(at)
            target = os.path.normpath(os.path.join(os.path.dirname(at), os.readlink(at)))
            left, at = target.split("/")[1:] + left, ""
    return links


def _view(policy: SandboxPolicy, cwd: str, readable: Sequence[str], modes: dict[str, str]) -> list[Mount]:
    """Where not all of the disk is readable: the system, the named folders, and links as they are on the disk.
    Adds the folders to `modes`."""
    links: dict[str, Mount] = {}
    for path in (*SYSTEM, *policy.readable_roots, *policy.writable_roots, *readable):
        place = _existing(path)
        if not place or within_any(place, _KERNELS):
            continue
        if place != path:
            for at in _links_on(os.path.normpath(path)):
                links.setdefault(at, Mount(path=at, mode="link", target=os.readlink(at)))
        modes.setdefault(place, "ro")
    if policy.network.value != "off":
        for path in _NET_CONFIGURATION:
            if (place := _existing(path)) != path and place:
                modes.setdefault(place, "ro")
    shown = list(modes)
    if not within_any(cwd, shown):
        raise SandboxUnavailable(
            f"the working directory {cwd} lies outside what the policy allows to read", hint="make it readable"
        )
    return [mount for mount in links.values() if not within_any(os.path.dirname(mount.path), shown)]


def _ordered(modes: dict[str, str], base: str) -> Iterable[Mount]:
    """Outer places first; those that are as their surroundings are need nothing."""
    effective: dict[str, str] = {}
    for path in sorted(modes, key=lambda path: (path.count("/") if path != "/" else 0, path)):
        above = path
        around = base
        while above != "/":
            above = os.path.dirname(above)
            if above in effective:
                around = effective[above]
                break
        effective[path] = modes[path]
        if modes[path] == "pin" or _access(modes[path]) != _access(around):
            yield Mount(path=path, mode=modes[path])


def _access(mode: str) -> str:
    return "rw" if mode == "pin" else mode
