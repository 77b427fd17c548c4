"""AGENTS.md: what a user and a project tell every agent, from the home and from the project root down to cwd."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from codex_kernel.contracts.context import ContextRequest, Fragment

OVERRIDE_NAME = "AGENTS.override.md"
NAME = "AGENTS.md"
DEFAULT_MAX_BYTES = 32 * 1024
DEFAULT_MARKERS = (".git",)


class AgentsMdSource:
    """One fragment per folder that has a file; at most `project_doc_max_bytes` in all."""

    def fragments(self, request: ContextRequest) -> Sequence[Fragment]:
        """User fragments, the global file first, then from the project root down to cwd."""
        left = _number(request.config.get("project_doc_max_bytes"), DEFAULT_MAX_BYTES)
        names = (OVERRIDE_NAME, NAME, *_strings(request.config.get("project_doc_fallback_filenames")))
        found: list[Fragment] = []
        for folder in (request.codex_home, *_folders(request.cwd, request.config)):
            path = _first_file(folder, names)
            if path is None:
                continue
            if left <= 0:
                found.append(_skipped(path))
                continue
            fragment, size = _read(path, folder, left)
            left -= size
            if fragment is not None:
                found.append(fragment)
        return found


def project_root(cwd: str, markers: Sequence[str] = DEFAULT_MARKERS) -> str:
    """The nearest folder at or above cwd that holds a marker; cwd itself where none does."""
    folder = cwd
    while True:
        if any(os.path.exists(os.path.join(folder, marker)) for marker in markers):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return cwd
        folder = parent


def _folders(cwd: str, config: Mapping[str, object]) -> Iterator[str]:
    given = config.get("project_root_markers")
    root = project_root(cwd, _strings(given) if given is not None else DEFAULT_MARKERS)
    below = os.path.relpath(cwd, root)
    folder = root
    yield folder
    for part in below.split(os.sep):
        if part not in (".", ""):
            folder = os.path.join(folder, part)
            yield folder


def _first_file(folder: str, names: Sequence[str]) -> str | None:
    return next((p for n in names if os.path.isfile(p := os.path.join(folder, n))), None)


def _read(path: str, folder: str, limit: int) -> tuple[Fragment | None, int]:
    try:
        with open(path, "rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        notice = f"{path} could not be read and was left out: {error.strerror}"
        text = f"# {NAME} instructions for {folder}\n\nThe file could not be read: {error.strerror}"
        return Fragment(kind=path, text=text, notice=notice), 0
    cut = len(raw) > limit
    text = raw[:limit].decode("utf-8", "ignore" if cut else "replace")
    if not text.strip():
        return None, 0
    body = f"# {NAME} instructions for {folder}\n\n<INSTRUCTIONS>\n{text}\n</INSTRUCTIONS>"
    notice = ""
    if cut:
        notice = f"{path} was cut after {limit} bytes; raise project_doc_max_bytes to send all of it"
        body += f"\n\nThe file was cut after {limit} bytes. Read {path} if you need the rest."
    return Fragment(kind=path, text=body, notice=notice), min(len(raw), limit)


def _skipped(path: str) -> Fragment:
    notice = f"{path} was left out: project_doc_max_bytes is used up"
    return Fragment(kind=path, text=f"There are further instructions in {path}; read them there.", notice=notice)


def _number(found: object, default: int) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def _strings(found: object) -> tuple[str, ...]:
    return tuple(entry for entry in found if isinstance(entry, str)) if isinstance(found, list | tuple) else ()
