"""The check `git`: the program, and the repository that the working folder is in."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping

from codex_plugin_sdk import CheckSetup, Finding, Health, Value, git_head, git_root, value

OLDEST_GIT = (2, 20)
TIMEOUT_S = 3.0
STALE_S = 600.0
"""An index lock older than this belongs to nobody: git holds it for moments."""

_RUNNING = {
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisection",
}


@value
class Said(Value):
    """What git answered; `code` is None where it did not end in time."""

    code: int | None
    out: str = ""
    err: str = ""


class GitCheck:
    """Asks git nothing that would run what a repository configures: no status, no hooks, no file monitor."""

    def __init__(self, setup: CheckSetup) -> None:
        self._cwd, self._environ = setup.cwd, setup.environ
        self._program = ""

    async def run(self) -> tuple[Finding, ...]:
        """One finding for the program, one for the repository, one for a lock that was left behind."""
        return tuple(self._all())  # on a thread of our own, each call of git with a limit

    def _all(self) -> Iterator[Finding]:
        program = find_git(self._environ.get("PATH", os.defpath), git_root(self._cwd))
        if program is None:
            cure = "install git: apt install git, dnf install git, brew install git"
            yield _warning("git", "git is not on PATH: commits and diffs cannot be made or shown", cure)
            return
        self._program = program
        said = self._ask("--version")
        version = re.search(r"(\d+)\.(\d+)(?:\.\d+)*", said.out)
        if said.code != 0 or version is None:
            why = said.err or ("it did not answer" if said.code is None else f"it ended with {said.code}")
            yield _warning("git", f"{program} does not work: {why}", "install git anew, or repair PATH")
            return
        details: dict[str, object] = {"program": program, "version": version[0]}
        if (int(version[1]), int(version[2])) < OLDEST_GIT:
            wanted = ".".join(map(str, OLDEST_GIT))
            yield _warning("git", f"git {version[0]} is old", f"install git {wanted} or newer", details)
            return  # it does not know the questions that follow
        yield Finding(name="git", health=Health.OK, message=f"git {version[0]} ({program})", details=details)
        yield from self._repository()

    def _repository(self) -> Iterator[Finding]:
        said = self._ask("rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--absolute-git-dir")
        root = git_root(self._cwd)
        if said.code == 0:
            bare, _, folder = said.out.splitlines()[:3]
            yield self._state(folder, root, bare=bare == "true")
            yield from _left_behind(folder)
        elif said.code is None:
            yield _warning("git repository", "git did not answer", f"git -C {self._cwd} status tells more")
        elif "dubious ownership" in said.err or "unsafe repository" in said.err:
            named = re.search(r"repository (?:at )?\(?'([^']*)'", said.err)
            folder = named[1] if named else root or self._cwd
            message = f"git refuses {folder}: it belongs to another user"
            cure = f"if you trust it: git config --global --add safe.directory {folder}"
            yield _warning("git repository", message, cure)
        elif root is None and "not a git repository" in said.err:
            message = f"{self._cwd} is in no repository; codex exec wants --skip-git-repo-check there, or trust"
            yield Finding(name="git repository", health=Health.OK, message=message)
        elif "not a git repository" in said.err:
            message = f"there is {os.path.join(root or '', '.git')}, but git finds no repository in it"
            yield _warning("git repository", message, "remove it if it is empty; else clone the repository again")
        else:
            cure = f"git -C {root or self._cwd} fsck, or clone it again"
            yield _warning("git repository", f"git cannot use {root or self._cwd}: {said.err}", cure)

    def _state(self, folder: str, root: str | None, *, bare: bool) -> Finding:
        place = folder if bare else root or self._cwd
        head = self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        known = git_head(self._cwd) or {}
        details: dict[str, object] = {"root": place, "folder": folder, "bare": bare, **known}
        if head.code != 0 and "commit_hash" in known:
            message = f"{place}: its HEAD names {known['commit_hash']}, which cannot be read"
            cure = f"git -C {place} fsck, then fetch or clone what is missing"
            return _warning("git repository", message, cure, details)
        words = [place]
        if head.code != 0:
            words.append("without a commit yet")
        elif "branch" in known:
            words.append(f"on {known['branch']}")
        elif head.out:
            words.append(f"detached at {head.out[:12]}")
        running = [what for name, what in _RUNNING.items() if os.path.lexists(os.path.join(folder, name))]
        words += [f"in the middle of {what}" for what in dict.fromkeys(running)]
        if bare:
            words.append("bare: there are no files to work on")
        return Finding(name="git repository", health=Health.OK, message=", ".join(words), details=details)

    def _ask(self, *words: str) -> Said:
        environ = {
            **self._environ,
            "LC_ALL": "C",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
        }
        try:
            done = subprocess.run(
                [self._program, "-c", "core.fsmonitor=false", *words],
                cwd=self._cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Said(code=None)
        except OSError as error:
            return Said(code=-1, err=error.strerror or str(error))
        out, err = (os.fsdecode(text).strip() for text in (done.stdout, done.stderr))
        return Said(code=done.returncode, out=out, err=" ".join(err.removeprefix("fatal: ").split()))


def find_git(path: str, root: str | None) -> str | None:
    """The git of a PATH; never one that a repository brings along, nor one named relative to the folder."""
    inside = os.path.join(os.path.realpath(root), "") if root else None
    for folder in path.split(os.pathsep):
        program = os.path.join(folder, "git.exe" if os.name == "nt" else "git")
        if os.path.isabs(folder) and os.path.isfile(program) and os.access(program, os.X_OK):
            if inside and os.path.realpath(program).startswith(inside):
                continue
            return program
    return None


def _left_behind(folder: str) -> Iterator[Finding]:
    path = os.path.join(folder, "index.lock")
    try:
        age_s = time.time() - os.stat(path).st_mtime
    except OSError:
        return
    if age_s > STALE_S:
        message = f"{path} is {age_s / 60:,.0f} minutes old: while it is there, git changes nothing"
        yield _warning("git lock", message, f"if no git is running: rm {path}")


def _warning(name: str, message: str, cure: str, details: Mapping[str, object] | None = None) -> Finding:
    return Finding(name=name, health=Health.WARNING, message=message, cure=cure, details=details or {})
