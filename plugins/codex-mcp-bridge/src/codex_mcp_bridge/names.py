"""The names under which the model sees tools of servers: `mcp__SERVER__TOOL`, safe for every API, and unique."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from codex_plugin_sdk import Value, value

MAX_NAME_BYTES = 64
_HASH_CHARS = 8
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")


@value
class Origin(Value):
    """Where a tool comes from, in the server's own words. Calls are routed by it, never by the model's name."""

    server: str
    tool: str


def plain_name(origin: Origin) -> str:
    """The name that a tool has if no other wants it; characters that APIs refuse become `_`. It may be too long."""
    return f"mcp__{_UNSAFE.sub('_', origin.server)}__{_UNSAFE.sub('_', origin.tool)}"


def model_names(origins: Iterable[Origin], given: Mapping[Origin, str] | None = None) -> dict[Origin, str]:
    """A name for each origin: at most 64 characters of `[a-zA-Z0-9_-]`, each once, whatever the order.

    Of several that would be called alike the one whose own words are that name keeps it, and all others get a hash
    of their origin; so does a name that is too long. Names in `given` stay as they are.
    """
    wanted: dict[str, list[Origin]] = {}
    for origin in sorted(set(origins), key=lambda one: (one.server, one.tool)):
        wanted.setdefault(plain_name(origin), []).append(origin)
    kept = {origin: name for origin, name in (given or {}).items() if origin in wanted.get(plain_name(origin), ())}
    named, taken = dict(kept), set(kept.values())
    hashed: list[Origin] = []
    for name, rivals in wanted.items():
        holder = _holder(name, rivals)
        for origin in rivals:
            if origin in named:
                continue
            if origin is holder and name not in taken:
                named[origin] = name
                taken.add(name)
            else:
                hashed.append(origin)
    for origin in hashed:
        named[origin] = _hashed(origin, taken)
        taken.add(named[origin])
    return named


def _holder(name: str, rivals: list[Origin]) -> Origin | None:
    """Who may have the plain name; nobody where it is too long or two have the same claim to it."""
    if len(name) > MAX_NAME_BYTES:
        return None
    exact = [one for one in rivals if f"mcp__{one.server}__{one.tool}" == name and one.tool]
    claims = exact or rivals
    return claims[0] if len(claims) == 1 else None


def _hashed(origin: Origin, taken: set[str]) -> str:
    """The plain name, cut, with a hash of the origin behind it."""
    from hashlib import sha256

    attempt = 0
    while True:
        raw = f"{origin.server}\0{origin.tool}\0{attempt or ''}".encode("utf-8", "surrogatepass")
        suffix = "_" + sha256(raw).hexdigest()[:_HASH_CHARS]
        name = plain_name(origin)[: MAX_NAME_BYTES - len(suffix)] + suffix
        if name not in taken:
            return name
        attempt += 1
