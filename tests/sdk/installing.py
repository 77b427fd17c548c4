"""Clients that others publish, installed once into a cache outside the repository.

Each package has a folder below `$XDG_CACHE_HOME/codex-agent/clients`: its newest release when it was installed,
looked for anew after a week. A machine that reaches no package index skips what needs it without waiting long: a
failure is remembered for ten minutes, and one to reach the index at all counts for all of its packages.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FRESH_S = 7 * 24 * 3600
FAILED_S = 600
INSTALL_LIMIT_S = 90
UNREACHABLE = re.compile(
    r"error sending request|client error \(Connect\)|ECONN|ENOTFOUND|EAI_AGAIN|TIMEDOUT|TimeoutExp"
)
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "codex-agent", "clients")


class NotInstalled(Exception):
    """An installer failed; the text is the end of what it said."""


def python_client(name: str, *, without: tuple[str, ...] = ()) -> Path:
    """The interpreter of an environment with this distribution, its dependencies, and nothing else.

    `without` are dependencies that the client does not import.
    """

    def install(folder: Path) -> None:
        uv = Path(sys.executable).with_name("uv")
        if not uv.exists():
            raise NotInstalled("uv is not in this environment")
        left_out = folder / "left-out.txt"
        _run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"])
        left_out.write_text("".join(f"{one}\n" for one in without))
        target = ["--python", folder / "venv/bin/python"]
        _run(
            [uv, "pip", "install", "--quiet", *target, "--excludes", left_out, name],
            UV_HTTP_RETRIES="0",
            UV_HTTP_TIMEOUT="15",
        )

    tag = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return _cached("python", f"{name}-{tag}", install) / "venv/bin/python"


def node_client(label: str, *packages: str) -> Path:
    """The `node_modules` folder with these packages. Optional dependencies, such as binaries, are left out."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm on PATH")

    def install(folder: Path) -> None:
        (folder / "package.json").write_text("{}")
        quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--no-update-notifier", "--loglevel=error"]
        retries = ["--fetch-retries=0", "--fetch-timeout=15000"]
        left_out = ["--ignore-scripts", "--omit=optional"]
        _run(["npm", "install", "--prefix", folder, *quiet, *retries, *left_out, *packages])

    return _cached("npm", label, install) / "node_modules"


def _cached(kind: str, name: str, install: Callable[[Path], None]) -> Path:
    folder = CACHE / f"{kind}-{name}"
    marks = [CACHE / f"{kind}.unreachable", CACHE / f"{kind}-{name}.failed"]
    with locked(CACHE / f"{kind}.lock"):
        if _age_s(folder / "complete") < FRESH_S:
            return folder
        if all(_age_s(mark) > FAILED_S for mark in marks):
            for mark in marks:
                mark.unlink(missing_ok=True)
            _install(folder, install, *marks)
        if (folder / "complete").exists():
            return folder  # an old one is better than none
        why = next(mark.read_text() for mark in marks if mark.exists())
        pytest.skip(f"{name} could not be installed: {' '.join(why.split())[:300]}")


def _install(folder: Path, install: Callable[[Path], None], unreachable: Path, failed: Path) -> None:
    made = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        install(made)
    except (NotInstalled, subprocess.TimeoutExpired) as error:
        (unreachable if UNREACHABLE.search(repr(error)) else failed).write_text(str(error))
        return
    (made / "complete").touch()
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time: tests run in several."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _run(command: list[str | Path], **env: str) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=INSTALL_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise NotInstalled(done.stderr or done.stdout)
