"""The check `installation`: Python, what is installed and how, which `codex` a shell starts, and compiled modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from codex_plugin_sdk import CheckSetup, Finding, Health, Value, __version__, value

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)
ROOT = "codex-agent"
_TRAIN = ("codex-kernel", "codex-plugin-sdk", "codex-doctor")
_PROGRAMS = ("codex", "codex.exe", "codex.cmd") if os.name == "nt" else ("codex",)
_PYC_HEAD_BYTES = 16


@value
class Installed(Value):
    """A distribution: its version, and the folder of its sources if it is editable."""

    name: str
    version: str
    editable: str = ""


class InstallationCheck:
    """How this program came here, and what could make another one answer or this one slow."""

    def __init__(self, setup: CheckSetup) -> None:
        self._setup = setup

    async def run(self) -> tuple[Finding, ...]:
        """One finding for the whole; one more each for versions that do not fit, another program on PATH, and
        modules that are compiled anew at each start."""
        names = [*_TRAIN, *(report.dist for report in self._setup.plugins.reports())]
        installed = {name: found for name in dict.fromkeys([ROOT, *names]) if (found := _installed(name))}
        return (self._python(installed), *_versions(installed), *self._path(), *_bytecode())

    def _python(self, installed: Mapping[str, Installed]) -> Finding:
        version = ".".join(map(str, sys.version_info[:3]))
        editable = [found for found in installed.values() if found.editable]
        how = "as wheels" if not editable else "editable" if len(editable) == len(installed) else "partly editable"
        details: dict[str, object] = {
            "executable": sys.executable,
            "python": version,
            "prefix": sys.prefix,
            "programs": list(_programs(self._setup.environ)),
            "distributions": [
                f"{found.name} {found.version}" + (f" (editable: {found.editable})" if found.editable else "")
                for found in installed.values()
            ],
        }
        message = f"codex {__version__} on Python {version}, installed {how} in {sys.prefix}"
        if OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
            return Finding(name="installation", health=Health.OK, message=message, details=details)
        oldest, newest = (".".join(map(str, pair)) for pair in (OLDEST_PYTHON, NEWEST_PYTHON))
        return Finding(
            name="installation",
            health=Health.WARNING,
            message=f"{message}; this Python is not one that it is tested with",
            cure=f"install it with Python {oldest} to {newest}",
            details=details,
        )

    def _path(self) -> Iterator[Finding]:
        found = list(_programs(self._setup.environ))
        ours = {os.path.realpath(path) for path in _own_programs()}
        if found and os.path.realpath(found[0]) not in ours:
            mine = next(iter(_own_programs()), sys.executable)
            yield Finding(
                name="installation path",
                health=Health.WARNING,
                message=f"`codex` in a shell is {found[0]}, not this program ({mine})",
                cure=f"put {os.path.dirname(mine)} before {os.path.dirname(found[0])} in PATH, or remove that one",
                details={"programs": found},
            )


def _installed(name: str) -> Installed | None:
    """None for what is not installed as a distribution."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    try:
        origin: Any = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        origin = {}
    editable = isinstance(origin, dict) and origin.get("dir_info", {}).get("editable")
    url = str(origin.get("url", "")).removeprefix("file://") if editable else ""
    return Installed(name=name, version=found.version, editable=url)


def _versions(installed: Mapping[str, Installed]) -> Iterator[Finding]:
    """All that belongs together is released together, with one version."""
    wanted = installed["codex-kernel"].version if "codex-kernel" in installed else __version__
    train = {*_TRAIN, ROOT, *_bundled()}
    others = [f for f in installed.values() if f.name in train and f.version != wanted]
    if others:
        yield Finding(
            name="installation versions",
            health=Health.WARNING,
            message=f"{', '.join(f'{f.name} {f.version}' for f in others)} beside codex-kernel {wanted}",
            cure="make all one version: pip install -U " + " ".join(["codex-kernel", *(f.name for f in others)]),
        )


def _bundled() -> Iterator[str]:
    import re
    from importlib.metadata import PackageNotFoundError, requires

    try:
        for text in requires(ROOT) or ():
            yield re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0].lower().replace("_", "-")
    except PackageNotFoundError:
        return


def _own_programs() -> Iterator[str]:
    """This program under the names that it may be started by, those that exist."""
    folders = [os.path.dirname(sys.executable)]
    if os.path.basename(sys.argv[0]) in _PROGRAMS:
        folders.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    for folder in dict.fromkeys(folders):
        for name in _PROGRAMS:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                yield path


def _programs(environ: Mapping[str, str]) -> Iterator[str]:
    """Every `codex` on PATH, in the order of a shell."""
    for folder in dict.fromkeys(environ.get("PATH", "").split(os.pathsep)):
        for name in _PROGRAMS:
            path = os.path.join(folder or ".", name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                yield path


def _bytecode() -> Iterator[Finding]:
    """Our modules have all been imported by now: what has no bytecode yet will have none the next time."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("codex_")]
    pairs = [
        (spec.origin, spec.cached)
        for module in modules
        if (spec := getattr(module, "__spec__", None)) is not None and spec.origin and spec.cached
    ]
    missing = [source for source, cached in pairs if not _is_fresh(source, cached)]
    if not missing:
        return
    folder = os.path.dirname(missing[0])
    compiles = f"{sys.executable} -m compileall -q {' '.join(sorted({_package(source) for source in missing}))}"
    unset = "unset PYTHONDONTWRITEBYTECODE, or once, by a user who may write there: " if sys.dont_write_bytecode else ""
    why = "Python is told to write none" if sys.dont_write_bytecode else f"{folder} cannot be written"
    yield Finding(
        name="installation bytecode",
        health=Health.WARNING,
        message=f"{len(missing)} of {len(pairs)} modules are compiled at each start, which is slow: {why}",
        cure=unset + compiles,
        details={"modules": missing},
    )


def _package(source: str) -> str:
    """The folder of the top package of a module."""
    folder = os.path.dirname(source)
    while os.path.isfile(os.path.join(os.path.dirname(folder), "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


def _is_fresh(source: str, cached: str) -> bool:
    """Whether the bytecode is there and of this source."""
    try:
        with open(cached, "rb") as file:
            head = file.read(_PYC_HEAD_BYTES)
        found = os.stat(source)
    except OSError:
        return False
    if len(head) < _PYC_HEAD_BYTES:
        return False
    flags, written, size = (int.from_bytes(head[at : at + 4], "little") for at in (4, 8, 12))
    by_hash = bool(flags & 1)
    return by_hash or (written == int(found.st_mtime) & 0xFFFFFFFF and size == found.st_size & 0xFFFFFFFF)
