"""The commit and branch of a working directory, read from `.git` without starting git."""

from __future__ import annotations

import os


def git_root(cwd: str) -> str | None:
    """The folder at or above cwd that holds `.git` (a folder, or a file in worktrees), or None."""
    folder = cwd
    while True:
        if os.path.exists(os.path.join(folder, ".git")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def git_head(cwd: str) -> dict[str, str] | None:
    """`{"commit_hash", "branch"}` as far as they are known, or None outside a repository."""
    root = git_root(cwd)
    if root is None:
        return None
    folder = os.path.join(root, ".git")
    pointer = _first_line(folder) if os.path.isfile(folder) else ""
    if pointer.startswith("gitdir:"):
        folder = os.path.join(root, pointer.removeprefix("gitdir:").strip())
    common = os.path.join(folder, _first_line(os.path.join(folder, "commondir")) or ".")
    head = _first_line(os.path.join(folder, "HEAD"))
    if not head.startswith("ref:"):
        return {"commit_hash": head} if head else None
    ref = head.removeprefix("ref:").strip()
    commit = _first_line(os.path.join(common, ref)) or _packed(common, ref)
    found = {"branch": ref.removeprefix("refs/heads/")}
    return {"commit_hash": commit, **found} if commit else found


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _packed(common: str, ref: str) -> str:
    try:
        with open(os.path.join(common, "packed-refs"), encoding="utf-8", errors="replace") as file:
            for entry in file:
                commit, _, name = entry.strip().partition(" ")
                if name == ref:
                    return commit
    except OSError:
        return ""
    return ""
