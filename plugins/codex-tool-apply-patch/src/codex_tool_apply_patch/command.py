"""The command `apply_patch`: one patch, hunk by hunk, as the person who calls it.

Nothing confines it but the rights of its process; inside a session that is the sandbox of the command.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import BinaryIO

from codex_plugin_sdk import remove_file, replace_file

from .apply import resolve, summary, updated
from .hunks import AddFile, DeleteFile, Hunk, PatchError, UpdateFile
from .parser import parse
from .reading import Unreadable, read_text, same_entry

APPLIED, FAILED, MISUSED = 0, 1, 2
USAGE = "Usage: apply_patch 'PATCH'\n       echo 'PATCH' | apply_patch\n"
PARTIAL = "Updated the following files before the failure:\n"


def main(argv: Sequence[str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO, cwd: str) -> int:
    """Apply the patch that is the only argument, or else on stdin; relative paths start at `cwd`.

    Returns the exit code: 0 applied, with the files on stdout; 1 refused or failed, with the reason on stderr
    and the files that were written before it, if any, on stdout; 2 not called as it should be.
    """
    if list(argv) in (["-h"], ["--help"]):
        _tell(stdout, USAGE)
        return APPLIED
    if len(argv) > 1:
        _tell(stderr, "Error: apply_patch accepts exactly one argument.\n")
        return MISUSED
    try:
        patch = _patch_text(argv, stdin)
    except _NoText as error:
        _tell(stderr, str(error))
        return FAILED
    if not argv and not patch:
        _tell(stderr, USAGE)
        return MISUSED
    return _apply(patch, stdout, stderr, cwd)


class _NoText(Exception):
    """What was given is not text; the message is for stderr."""


def _patch_text(argv: Sequence[str], stdin: BinaryIO) -> str:
    if not argv:
        try:
            return stdin.read().decode()
        except UnicodeDecodeError as error:
            reason = "stream did not contain valid UTF-8"
            raise _NoText(f"Error: Failed to read PATCH from stdin.\n{reason}\n") from error
        except OSError as error:
            raise _NoText(f"Error: Failed to read PATCH from stdin.\n{error.strerror}\n") from error
    try:
        argv[0].encode()
    except UnicodeEncodeError as error:  # bytes that are no text arrive as lone surrogates
        raise _NoText("Error: apply_patch requires a UTF-8 PATCH argument.\n") from error
    return argv[0]


def _apply(text: str, stdout: BinaryIO, stderr: BinaryIO, cwd: str) -> int:
    done: list[Hunk] = []
    try:
        hunks = parse(text).hunks
        if not hunks:
            raise PatchError("No files were modified.")
        for hunk in hunks:
            _apply_hunk(hunk, cwd)
            done.append(hunk)
    except PatchError as error:
        if done:
            _tell(stdout, summary(done, PARTIAL))
        _tell(stderr, f"{error.message}\n")
        return FAILED
    _tell(stdout, summary(done))
    return APPLIED


def _apply_hunk(hunk: Hunk, cwd: str) -> None:
    path = resolve(cwd, hunk.path)
    match hunk:
        case AddFile():
            _write(path, hunk.content.encode())
        case DeleteFile():
            _delete(path)
        case UpdateFile():
            try:
                text = read_text(path)
            except Unreadable as error:
                raise PatchError(f"Failed to read file to update {path}: {error.reason}") from error
            content = updated(hunk, path, text)[0].encode()
            if hunk.move_to is None:
                _write(path, content)
            else:
                _move(path, resolve(cwd, hunk.move_to), content)


def _write(path: str, content: bytes, mode: int | None = None) -> None:
    try:
        replace_file(path, content, mode=mode)
    except OSError as error:
        raise PatchError(f"Failed to write file {path}") from error


def _move(source: str, target: str, content: bytes) -> None:
    """Write the new file, then remove the old one. A new file is as executable as the old one was."""
    mode = None if os.path.exists(target) else stat.S_IMODE(os.stat(source).st_mode)
    stays = same_entry(source, target)
    _write(target, content, mode)
    if stays:
        return
    try:
        remove_file(source)
    except OSError as error:
        raise PatchError(f"Failed to remove original {source}") from error


def _delete(path: str) -> None:
    try:
        # `stat` follows a link, `remove_file` does not: a link to a folder, or to nothing, is refused.
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise PatchError(f"Failed to delete file {path}")
        remove_file(path)
    except (OSError, ValueError) as error:
        raise PatchError(f"Failed to delete file {path}") from error


def _tell(stream: BinaryIO, text: str) -> None:
    stream.write(text.encode())
    stream.flush()
