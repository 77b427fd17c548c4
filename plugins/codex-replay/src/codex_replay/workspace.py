"""The scratch copy of the workspace in which a replay runs. The user's folder is read and never written."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

from codex_plugin_sdk import UserError, Value, git_root, value

from .recording import Recording

COPY_LIMIT_BYTES = 1 << 30
_GIT_TIMEOUT_S = 300


@value
class Workspace(Value):
    """`root` is the scratch copy of `recorded_root`, `cwd` the folder within it where the thread works; `source` says
    in words what it is a copy of; `folder` is all that has to be removed in the end."""

    folder: str
    root: str
    cwd: str
    recorded_root: str
    source: str
    notes: tuple[str, ...] = ()

    def remove(self) -> None:
        """Remove it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def prepare(recording: Recording, chosen: str | None, *, files: str | None = None, keep: bool = False) -> Workspace:
    """The scratch copy: of `chosen`, of a capsule's `files`, of the recorded commit, or of the folder as it is now.
    Raises `UserError` where there is nothing to copy."""
    cwd = os.path.normpath(recording.cwd or "/")
    folder = os.path.realpath(tempfile.mkdtemp(prefix="codex-what-if-" if keep else "codex-replay-"))
    try:
        return _filled(recording, cwd, folder, chosen, files)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _filled(recording: Recording, cwd: str, folder: str, chosen: str | None, files: str | None) -> Workspace:
    notes: list[str] = []
    here = cwd if os.path.isdir(cwd) and files is None else None
    top = (git_root(cwd) or cwd) if here is not None and chosen is None else cwd
    root = os.path.join(folder, os.path.basename(top) or "workspace")
    if chosen is not None:
        _copy(os.path.abspath(chosen), root)
        source = f"a copy of {os.path.abspath(chosen)}"
    elif files is not None:
        _copy(files, root)
        source = "the files of the capsule"
    elif here is None:
        os.makedirs(root)
        source = "an empty folder"
        notes.append(f"{cwd or 'the recorded folder'} is not there: files come from the trace alone (--workspace DIR)")
    else:
        source = _of_folder(recording, top, root, notes)
    if chosen is None:
        _lay_over(recording, top, root, notes, at_commit=source.startswith("commit"))
    if files is not None and recording.commit is not None and _new_repository(root, recording.commit[1]):
        notes.append("a repository of one commit, of the capsule's files, stands for the recorded one")
    inner = os.path.join(root, os.path.relpath(cwd, top)) if cwd != top else root
    os.makedirs(inner, exist_ok=True)
    return Workspace(folder=folder, root=root, cwd=inner, recorded_root=top, source=source, notes=tuple(notes))


def _of_folder(recording: Recording, top: str, root: str, notes: list[str]) -> str:
    """The recorded commit where it is known and still there, else the folder as it is."""
    commit = recording.commit
    if commit is not None and os.path.exists(os.path.join(top, ".git")):
        if _clone(top, root, *commit):
            notes.append("files that were not committed then are missing, but for those that patches changed")
            return f"commit {commit[0][:12]} of {top}"
        notes.append(f"commit {commit[0][:12]} is not to be had from {top}")
        shutil.rmtree(root, ignore_errors=True)
    _copy(top, root)
    notes.append("no commit was recorded: the folder is taken as it is now, with what has changed since")
    return f"{top} as it is now"


def _clone(top: str, root: str, commit: str, branch: str) -> bool:
    """A repository of its own at a commit, which borrows the objects of the user's and writes none there."""
    clone = ["clone", "--quiet", "--shared", "--no-checkout", "--template=", top, root]
    return (
        _git([*clone])
        and _git(["-C", root, "checkout", "--quiet", "--force", "-B", branch or "replay", commit])
        and _git(["-C", root, "remote", "remove", "origin"])
    )


def _new_repository(root: str, branch: str) -> bool:
    """A repository in which all that is there is committed."""
    name = ["-c", "user.name=replay", "-c", "user.email=replay@localhost"]
    return (
        _git(["init", "--quiet", "--template=", f"--initial-branch={branch or 'main'}", root])
        and _git(["-C", root, "add", "--all", "--force"])
        and _git(["-C", root, *name, "commit", "--quiet", "--allow-empty", "--message=capsule"])
    )


def _git(args: list[str]) -> bool:
    quiet = ["-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", "-c", "core.fsmonitor=false"]
    kept = {name: found for name, found in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *quiet, *args],
            env={**kept, "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _copy(source: str, root: str) -> None:
    """Copy a folder. Raises `UserError` if that cannot be done, or is too much."""
    if not os.path.isdir(source):
        raise UserError(f"{source} is not a folder", hint="name one that exists with --workspace DIR")
    if _size(source) > COPY_LIMIT_BYTES:
        raise UserError(
            f"{source} is larger than 1 GiB and not at a recorded commit: it is not copied",
            hint="name a smaller folder with --workspace DIR",
        )
    try:
        shutil.copytree(source, root, symlinks=True, ignore=_no_sockets)
    except (OSError, shutil.Error) as error:
        raise UserError(
            f"{source} cannot be copied: {error}", hint="name another folder with --workspace DIR"
        ) from error


def _no_sockets(folder: str, names: Iterable[str]) -> set[str]:
    """What is neither file, folder nor link: to read a pipe would wait for ever."""
    paths = ((name, os.path.join(folder, name)) for name in names)
    return {n for n, p in paths if not (os.path.isfile(p) or os.path.isdir(p) or os.path.islink(p))}


def _size(folder: str) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:
                continue
        if total > COPY_LIMIT_BYTES:
            break
    return total


# -- pre-images ---------------------------------------------------------------------------------------


def _lay_over(recording: Recording, top: str, root: str, notes: list[str], *, at_commit: bool) -> None:
    """Give files that patches changed the text that they had before. At a commit only where that text is older than
    the thread: else a command wrote it, and will again."""
    trace = recording.trace
    if trace is None:
        return
    seen: set[str] = set()
    for image in trace.images:
        path = os.path.normpath(str(image.get("path") or ""))
        if path in seen or not path.startswith(top.rstrip("/") + "/"):
            continue
        seen.add(path)
        place = os.path.join(root, os.path.relpath(path, top))
        if not (os.path.realpath(os.path.dirname(place)) + "/").startswith(os.path.realpath(root) + "/"):
            notes.append(f"{path} lies outside the workspace by way of a link and is left as it is")
        elif image.get("absent"):
            if not at_commit and os.path.lexists(place):
                os.unlink(place)
        elif "before" in image and not (at_commit and _written_since(image, trace.began_ms)):
            _restore(place, image, trace.bodies, notes)


def _written_since(image: Any, began_ms: int) -> bool:
    written = image.get("mtime_ms")
    return isinstance(written, int) and written >= began_ms


def _restore(place: str, image: Any, bodies: Callable[[str], Any], notes: list[str]) -> None:
    text = bodies(str(image["before"]))
    if not isinstance(text, str):
        notes.append(f"the text of {image['path']} before its change is not in the trace")
        return
    if "[REDACTED:" in text:
        notes.append(f"{image['path']} held a secret, which is not in the trace")
        if os.path.exists(place):
            return
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.islink(place):
        os.unlink(place)
    with open(place, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    if isinstance(image.get("mode"), int):
        os.chmod(place, image["mode"] & 0o777)
