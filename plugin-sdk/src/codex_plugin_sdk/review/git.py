"""Questions to git about a repository that nobody has vouched for.

Only plumbing that compares names and stat data: it runs no hook, no file-system monitor, no content filter, no external
diff, and reads nothing from the network. The program is never one that the repository brings along.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from codex_kernel.errors import UserError
from codex_kernel.git_info import git_root

TIMEOUT_S = 60
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "protocol.allow=never",
    "log.showSignature=false",
    "safe.bareRepository=explicit",
)
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PAGER": "cat",
}
_DROPPED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF", "GIT_TRACE", "GIT_CEILING_DIRECTORIES")


class Git:
    """Git for one folder. Raises `UserError` where there is no repository, or no git."""

    def __init__(self, cwd: str, environ: Mapping[str, str]) -> None:
        root = git_root(cwd)
        if root is None:
            hint = "go to one, name one with -C DIR, or say what to review in words"
            raise UserError(f"{cwd} is not inside a Git repository: there are no changes to review", hint=hint)
        program = _program(environ.get("PATH", os.defpath), root)
        if program is None:
            raise UserError("git is not installed, or not on PATH", hint="install git, or say what to review in words")
        self._cwd = cwd
        self._argv = [program, *(word for setting in _SETTINGS for word in ("-c", setting))]
        kept = {name: text for name, text in environ.items() if name not in _DROPPED}
        self._environ = {**kept, **_ENVIRONMENT}

    def commit(self, name: str) -> str | None:
        """The full id of the commit that a name means; None if it means none."""
        return self._line("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def upstream(self, branch: str) -> str | None:
        """The full id of the commit that a branch's upstream is at; None if it has none."""
        return self._line("rev-parse", "--verify", "--quiet", "--end-of-options", f"{branch}@{{upstream}}^{{commit}}")

    def merge_base(self, one: str, other: str) -> str | None:
        """The commit at which two parted; None if they share nothing."""
        return self._line("merge-base", one, other)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether all of `older` is in `newer`."""
        return self._ask("merge-base", "--is-ancestor", older, newer, good=(0, 1)).returncode == 0

    def changed_since(self, commit: str) -> bool:
        """Whether tracked files, staged or not, differ from a commit. A file that was only touched counts: to tell
        would take the content filters that a repository may set."""
        done = self._ask(
            "diff-index", "--quiet", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", commit, "--",
            good=(0, 1),
        )  # fmt: skip
        return done.returncode == 1

    def has_staged(self) -> bool:
        """Whether anything is in the index; for a repository without a commit."""
        return bool(self._ask("ls-files", "-z", "--cached").stdout)

    def has_untracked(self) -> bool:
        """Whether there are files that git neither tracks nor ignores."""
        words = ("ls-files", "-z", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "--", ":/")
        return bool(self._ask(*words).stdout)

    def changes_in(self, commit: str) -> bool:
        """Whether a commit differs from a parent; a first one from nothing."""
        words = ("diff-tree", "-r", "-m", "--root", "--no-commit-id", "--name-only", "-z", commit)
        return bool(self._ask(*words).stdout)

    def _line(self, *words: str) -> str | None:
        done = self._ask(*words, good=(0, 1, 128))
        return os.fsdecode(done.stdout).strip() or None if done.returncode == 0 else None

    def _ask(self, *words: str, good: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[bytes]:
        try:
            done = subprocess.run(
                [*self._argv, *words],
                cwd=self._cwd,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(f"git {words[0]} took more than {TIMEOUT_S} s in {self._cwd}") from error
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise UserError(f"git could not be run: {why}", hint="codex doctor looks into it") from error
        said = " ".join(os.fsdecode(done.stderr).removeprefix("fatal: ").split())
        if done.returncode not in good or (done.returncode == 128 and "dubious ownership" in said):
            raise UserError(f"git cannot use {self._cwd}: {said}", hint="git status says more")
        return done


def _program(path: str, root: str) -> str | None:
    """The git of a PATH; never one within the repository, nor one named relative to the folder."""
    inside = os.path.join(os.path.realpath(root), "")
    for folder in path.split(os.pathsep):
        program = os.path.join(folder, "git")
        if os.path.isabs(folder) and os.path.isfile(program) and os.access(program, os.X_OK):
            if os.path.realpath(program).startswith(inside):
                continue
            return program
    return None
