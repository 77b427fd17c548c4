"""Carrying out a plan: all of it, or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from codex_plugin_sdk import CodexError, StoreError

from .blobs import Blobs
from .places import dress_folder, join, make_folder, opened, put_file, put_link, remove, seen
from .plan import Step, identity_of, observe
from .states import State


def keep_present(steps: Sequence[Step], blobs: Blobs) -> None:
    """Keep what the steps will replace, so that they can be taken back. Raises `OSError`, and `StoreError` where a file
    is not what the plan saw."""
    for step in steps:
        if step.now is not None and step.now.kind == "file" and not blobs.has(step.now.content):
            fd = opened(step.path)
            try:
                if blobs.keep(fd, os.fstat(fd).st_size) != step.now.content:
                    raise _changed(step.path)
            finally:
                os.close(fd)


def carry_out(steps: Sequence[Step], blobs: Blobs) -> None:
    """Do the steps whose verdict is do. When one fails, those before it are taken back. Raises `StoreError`."""
    done: list[Callable[[], None]] = []
    try:
        _carry_out([step for step in steps if step.verdict == "do"], blobs, done)
    except (OSError, CodexError) as error:
        failed = []
        for take_back in reversed(done):
            try:
                take_back()
            except (OSError, CodexError) as again:
                failed.append(str(again))
        raise _told(error, failed) from error


def _told(error: OSError | CodexError, failed: list[str]) -> StoreError:
    if isinstance(error, StoreError) and not failed:
        return error
    place = os.fsdecode(error.filename) if isinstance(error, OSError) and error.filename else ""
    text = (error.strerror or str(error)) if isinstance(error, OSError) else error.message
    rest = f"; some could not be put back: {'; '.join(failed)}" if failed else "; nothing was changed"
    return StoreError(f"could not restore {place or 'the files'}: {text}{rest}", path=place, operation="restore")


def _carry_out(steps: Sequence[Step], blobs: Blobs, done: list[Callable[[], None]]) -> None:
    def make_way(step: Step) -> bool:
        return step.now is not None and (step.want is None or step.want.kind != step.now.kind)

    folders = [step for step in steps if step.want is not None and step.want.kind == "dir"]
    for step in folders:
        if step.now is not None and step.now.kind == "dir":  # one that was closed is opened for what is in it
            done.append(_dressing(step.path, step.now))
            dress_folder(step.path, step.now.replace(mode=step.now.mode | 0o700))
    for step in sorted(filter(make_way, steps), key=_depth, reverse=True):
        assert step.now is not None
        _require_unchanged(step)
        remove(step.path, step.now.kind)
        done.append(_putting(step.path, step.now, blobs))
    for step in sorted(folders, key=_depth):
        if step.now is None or step.now.kind != "dir":
            make_folder(step.path)
            done.append(_removing(step.path, "dir"))
    for step in sorted(steps, key=_names):
        if step.want is not None and step.want.kind != "dir":
            if not make_way(step):
                _require_unchanged(step)
            _put(step.path, step.want, blobs)
            was = step.now if step.now is not None and not make_way(step) else None
            done.append(_putting(step.path, was, blobs) if was else _removing(step.path, step.want.kind))
    for step in sorted(folders, key=_depth, reverse=True):
        assert step.want is not None
        dress_folder(step.path, step.want)


def _putting(path: bytes, state: State, blobs: Blobs) -> Callable[[], None]:
    return lambda: _put(path, state, blobs)


def _removing(path: bytes, kind: str) -> Callable[[], None]:
    return lambda: remove(path, kind)


def _dressing(path: bytes, state: State) -> Callable[[], None]:
    return lambda: dress_folder(path, state)


def _put(path: bytes, state: State, blobs: Blobs) -> None:
    if state.kind == "dir":
        make_folder(path)
        dress_folder(path, state)
    elif state.kind == "link":
        put_link(path, state)
    elif not _joined(path, state, blobs):
        put_file(path, state, blobs)


def _joined(path: bytes, state: State, blobs: Blobs) -> bool:
    """Whether the path could be made another name of a file that it was one of before: that has the same bytes."""
    for peer in state.peers:
        with suppress(OSError):
            found, identity = observe(peer)
            here = seen(path)
            if not state.same(found):
                continue
            if here is None or identity[0] != here.st_ino:
                join(path, peer)
            return True
    return False


def _require_unchanged(step: Step) -> None:
    found = seen(step.path)
    if step.now is not None and step.now.kind == "dir":
        return
    if (found is None) != (step.now is None) or (found is not None and identity_of(found) != step.seen):
        if step.now is not None and step.now.peers:
            return
        raise _changed(step.path)


def _changed(path: bytes) -> StoreError:
    name = os.fsdecode(path)
    return StoreError(f"{name} was changed at this moment", path=name, operation="restore", hint="call it again")


def _depth(step: Step) -> int:
    return step.path.count(b"/")


def _names(step: Step) -> int:
    """Files that become another name of one come after it."""
    return len(step.want.peers) if step.want is not None else 0
