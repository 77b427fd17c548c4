"""Finding plugins: the entry points of the group `codex` among installed distributions.

`importlib.metadata` finds the same, but its import alone costs more than the whole scan here (email, csv,
zipfile); a start-up that wants its first request out in a tenth of a second cannot pay for that. Directories
on `sys.path` are read; distributions inside zip files are not seen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from .protocol.value import Value, value

GROUP = "codex"
ROOT_DISTRIBUTION = "codex-agent"


@value
class Candidate(Value):
    """An entry point that names a plugin module; `dist` is the normalised distribution name."""

    name: str
    module: str
    dist: str
    version: str


def discover(path: Sequence[str] | None = None) -> tuple[Candidate, ...]:
    """All plugins on `path` (default `sys.path`), in the order of their distribution and name.

    The first of two distributions with one name counts, as for imports.
    """
    found: list[Candidate] = []
    seen: set[str] = set()
    for folder, dist, version in _distributions(sys.path if path is None else path):
        if dist in seen:
            continue
        seen.add(dist)
        text = _read(os.path.join(folder, "entry_points.txt"))
        if text:
            found.extend(
                Candidate(name=name, module=module, dist=dist, version=version) for name, module in _group(text)
            )
    return tuple(sorted(found, key=lambda c: (c.dist, c.name)))


def bundled_distributions(path: Sequence[str] | None = None) -> frozenset[str]:
    """What the root distribution `codex-agent` depends on; empty where it is not installed."""
    for folder, dist, _ in _distributions(sys.path if path is None else path):
        if dist == ROOT_DISTRIBUTION:
            return frozenset(_requirements(_read(os.path.join(folder, "METADATA"))))
    return frozenset()


def normalise(name: str) -> str:
    """A distribution name with runs of `-`, `_` and `.` as one dash, in lower case (PEP 503)."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def _distributions(path: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    for entry in path:
        try:
            names = os.listdir(entry or ".")
        except OSError:
            continue
        for name in sorted(names):
            stem, dot, suffix = name.rpartition(".")
            if dot and suffix in ("dist-info", "egg-info"):
                dist, _, version = stem.partition("-")
                yield os.path.join(entry or ".", name), normalise(dist), version.partition("-")[0]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _group(text: str) -> Iterator[tuple[str, str]]:
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, _, module = line.partition("=")
            yield name.strip(), module.partition("[")[0].strip()


def _requirements(metadata: str) -> Iterator[str]:
    for line in metadata.splitlines():
        if not line:
            return  # the description follows
        if line.startswith("Requires-Dist:"):
            text = line[len("Requires-Dist:") :].strip()
            end = next((i for i, char in enumerate(text) if not (char.isalnum() or char in "-_.")), len(text))
            yield normalise(text[:end])
