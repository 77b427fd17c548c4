"""Our TypeScript SDK, compiled outside the repository, once for each state of its files."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from .installing import CACHE, locked, node_client

SOURCES = Path(__file__).resolve().parents[2] / "contrib" / "sdk-typescript"
BUILD = "sdk-typescript-"


class BuildFailed(Exception):
    """What the compiler said."""


def typescript_sdk() -> Path:
    """The package with its `dist`. Raises `BuildFailed`; skips the test without node or the compiler."""
    modules = node_client("typescript", "typescript@5", "@types/node@20")
    digest = hashlib.sha256()
    files = [file for file in sorted(SOURCES.rglob("*")) if file.is_file() and not _made(file)]
    for file in files:
        digest.update(f"{file.relative_to(SOURCES)}\0".encode() + file.read_bytes())
    folder = CACHE / (BUILD + digest.hexdigest()[:16])
    with locked(CACHE / f"{BUILD}build.lock"):
        if not (folder / "complete").exists():
            for old in CACHE.glob(f"{BUILD}*/"):
                shutil.rmtree(old)
            _build(files, folder, modules)
    return folder


def _build(files: list[Path], folder: Path, modules: Path) -> None:
    for file in files:
        copy = folder / file.relative_to(SOURCES)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    (folder / "node_modules").symlink_to(modules)
    compiler = ["node", modules / "typescript/bin/tsc", "-p", "."]
    done = subprocess.run(compiler, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode != 0:
        raise BuildFailed(done.stdout + done.stderr)
    (folder / "complete").touch()


def _made(file: Path) -> bool:
    return not {"node_modules", "dist"}.isdisjoint(file.relative_to(SOURCES).parts)
