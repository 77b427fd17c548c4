"""Explaining why a confined command failed: what the sandbox kept it from, and what would allow it.

A sandbox refuses system calls, so all that is left of a refusal is what the program says of it. The words are
those of the C library and the usual tools; a refusal in other words, or by a program that hides it, is not found.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum

from codex_kernel.protocol.policy import NetworkMode, SandboxPolicy
from codex_kernel.protocol.value import Value, value


class Denied(StrEnum):
    """What kind of thing was refused."""

    WRITE = "write"
    READ = "read"
    NETWORK = "network"
    OPERATION = "operation"


@value
class Denial(Value):
    """A refusal: `subject` is the path or host, empty where it is not known; `cure` what would allow it, empty
    where nothing but an approval does. `approvable` false where not even that helps."""

    kind: Denied
    subject: str
    cure: str = ""
    approvable: bool = True

    def in_words(self, *, asking: bool = True) -> str:
        """One sentence for the user and the model; `asking` false where nobody can be asked."""
        what = {
            Denied.WRITE: f"writing {self.subject or 'outside the writable roots'}",
            Denied.READ: f"reading {self.subject}",
            Denied.NETWORK: f"reaching {self.subject or 'the network'}",
            Denied.OPERATION: f"an operation{f' on {self.subject}' if self.subject else ''} that it forbids",
        }[self.kind]
        ask = ["ask for approval (sandbox_permissions: require_escalated)"] if asking and self.approvable else []
        return f"the sandbox kept the command from {what}" + "".join(
            f"; {way}" for way in filter(None, [self.cure, *ask])
        )


_SCANNED_CHARS = 20_000
_WORDS = r"(?P<word>Read-only file system|Permission denied|Operation not permitted)"
# `touch: cannot touch '/etc/x': Read-only file system`, `sh: 1: cannot create /etc/x: Read-only file system`
_BEFORE = re.compile(
    rf"(?:['\"\u2018](?P<quoted>[^'\"\u2019\n]+)['\"\u2019]|(?P<bare>[^\s:'\"]+)): {_WORDS}", re.IGNORECASE
)
# `[Errno 30] Read-only file system: '/etc/x'`, `EROFS: read-only file system, open '/etc/x'`
_AFTER = re.compile(rf"{_WORDS}[^'\"\n]{{0,40}}['\"](?P<path>[^'\"\n]+)['\"]", re.IGNORECASE)
_HOSTS = re.compile(
    r"(?:could not resolve host:? |unable to look up |getaddrinfo [A-Z_]+ |Failed to connect to |"
    r"unable to resolve host address |NameResolutionError.{0,80}host=|Could not resolve )['\"\u2018]?(?P<host>[\w.-]+)",
    re.IGNORECASE,
)
_NETWORK_WORDS = (
    "temporary failure in name resolution",
    "name or service not known",
    "network is unreachable",
    "could not resolve host",
    "getaddrinfo",
    "nameresolutionerror",
)


def explain_denial(output: str, policy: SandboxPolicy, cwd: str, tmpdir: str | None = None) -> Denial | None:
    """What a failed command's output tells of a refusal by its sandbox, or None where nothing does.

    A path that the policy lets be written is no denial of the sandbox: its own permissions are the cause.
    """
    if policy.unconfined:
        return None
    policy = policy.anchored(cwd)
    text = output[-_SCANNED_CHARS:]
    for match in [*_AFTER.finditer(text), *_BEFORE.finditer(text)]:
        groups = match.groupdict()
        path = groups.get("path") or groups.get("quoted") or groups.get("bare") or ""
        found = _of_path(path, match["word"].lower(), policy, cwd, tmpdir)
        if found is not None:
            return found
    return _of_network(text, policy)


def _of_path(path: str, word: str, policy: SandboxPolicy, cwd: str, tmpdir: str | None) -> Denial | None:
    place = os.path.normpath(os.path.join(cwd, path))
    if policy.denies_read(place):
        why = "a denied-read rule of the configuration names it"
        return Denial(kind=Denied.READ, subject=place, cure=why, approvable=False)
    looks_like_path = "/" in path or os.path.lexists(place)
    if not looks_like_path:
        if word == "operation not permitted":
            return Denial(kind=Denied.OPERATION, subject="")
        return None
    if word == "permission denied" and not _writable_on_host(place):
        return None  # nor would it be allowed outside
    root = _root_of(place, policy.roots(cwd, tmpdir))
    guarded = _guarded(place, root) if root else ""
    if root and not guarded and word != "read-only file system":
        return None
    if guarded:
        cure = f"{guarded} of a writable root stays as it is"
    elif root:
        cure = "it lies on a read-only mount or is kept read-only by the permission profile"
    else:
        cure = f"allowed by a writable root such as {os.path.dirname(place)} (sandbox_workspace_write.writable_roots)"
    return Denial(kind=Denied.WRITE, subject=place, cure=cure)


def _writable_on_host(place: str) -> bool:
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    return os.access(place, os.W_OK)


def _root_of(place: str, roots: tuple[str, ...]) -> str:
    inside = [root for root in roots if place == root or place.startswith(root.rstrip("/") + "/")]
    return max(inside, key=len, default="")


def _guarded(place: str, root: str) -> str:
    first = os.path.relpath(place, root).split(os.sep)[0]
    return first if first in (".git", ".codex", ".agents") else ""


def _of_network(text: str, policy: SandboxPolicy) -> Denial | None:
    if policy.network is NetworkMode.ON:
        return None
    host = _HOSTS.search(text)
    low = text.lower()
    if host is None and not any(word in low for word in _NETWORK_WORDS):
        return None
    proxied = policy.network is NetworkMode.PROXIED
    cure = (
        "programs reach permitted hosts through the proxy that HTTPS_PROXY names"
        if proxied
        else "allowed by sandbox_workspace_write.network_access = true or by a permission profile's network domains"
    )
    return Denial(kind=Denied.NETWORK, subject=host["host"] if host else "", cure=cure)
