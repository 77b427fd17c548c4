"""Large deletes of commands become moves: a program before `rm` on PATH, and the place where things go."""

from __future__ import annotations

import os
import shlex
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING

import orjson

from codex_plugin_sdk import StoreError, UserError, Value, replace_file, value

from .places import folder_of
from .scan import QUARANTINE

if TYPE_CHECKING:
    from codex_plugin_sdk import ExecRequest, SandboxPolicy

    from .section import UndoSection

_SHELLS = frozenset({"bash", "zsh", "sh", "dash", "ash", "ksh"})
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST = 4096 * 2


@value
class Held(Value):
    """Something in the quarantine. `item` is where it lies, `path` where it was."""

    id: str
    path: bytes
    item: bytes
    thread: str
    moved_at: int
    folder: bool


def quarantine_folder(codex_home: str) -> str:
    """Where deleted things wait."""
    return os.path.join(codex_home, "kernel", "quarantine")


class Quarantine:
    """What a thread's commands move, and where it ends up. Raises `StoreError`."""

    def __init__(self, codex_home: str, thread: str, section: UndoSection) -> None:
        self._folder = quarantine_folder(codex_home)
        self._bin = os.path.join(codex_home, "kernel", "undo", "bin")
        self._incoming = os.path.join(self._folder, "incoming", thread)
        self._thread, self._section = thread, section
        self._stores: dict[bytes, bytes] = {}
        self._ready = False
        self._news: list[str] = []

    def guarded(self, request: ExecRequest, policy: SandboxPolicy, roots: Sequence[bytes]) -> ExecRequest:
        """The request with our program first on PATH. A login shell sets PATH anew, so that its command does it too."""
        self._prepare()
        env = dict(request.env)
        scratch = [] if policy.exclude_slash_tmp and not policy.unconfined else ["/tmp"]  # noqa: S108 - as the policy
        if not policy.exclude_tmpdir_env_var and env.get("TMPDIR"):
            scratch.append(env["TMPDIR"])
        known = [
            root for root in (*roots, *(os.fsencode(os.path.realpath(one)) for one in scratch)) if b"\n" not in root
        ]
        for root in known:
            self._stores[os.path.join(root, QUARANTINE)] = root
        self._stores[os.fsencode(self._incoming)] = b"/"
        env["CODEX_QUARANTINE_ROOTS"] = "\n".join(map(os.fsdecode, known))
        env["CODEX_QUARANTINE"] = self._incoming
        env["PATH"] = f"{self._bin}{os.pathsep}{env.get('PATH', os.defpath)}"
        return request.replace(env=env, argv=self._words(request.argv))

    def _words(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        if len(argv) != 3 or os.path.basename(argv[0]) not in _SHELLS or argv[1] != "-lc":
            return argv
        return (*argv[:2], f'PATH={shlex.quote(self._bin)}:"$PATH"; {argv[2]}')

    def _prepare(self) -> None:
        if self._ready:
            return
        text = resources.files(__package__).joinpath("shim.sh").read_text()
        section = self._section
        text = text.replace("@FILES@", str(section.quarantine_files)).replace("@KB@", str(section.quarantine_mb << 10))
        try:
            os.makedirs(self._bin, mode=0o700, exist_ok=True)
            os.makedirs(self._incoming, mode=0o700, exist_ok=True)
            for name in ("rm", "unlink"):
                place = os.path.join(self._bin, name)
                if _read(place) != text.encode():
                    replace_file(place, text.encode(), mode=0o700)
        except OSError as error:
            raise _failed("prepare the quarantine", self._folder, error) from error
        self._ready = True

    def collect(self) -> None:
        """Take over what commands have moved."""
        found = []
        for store, root in self._stores.items():
            found += list(_taken(store, root, self._folder, self._thread))
        for held in found:
            what = "folder" if held.folder else "file"
            self._news.append(
                f"the {what} {os.fsdecode(held.path)} was not deleted but put aside: codex quarantine restore {held.id}"
            )
        if len(self._news) > 3:
            self._news[3:] = [f"{len(found)} things were put aside: codex quarantine list"]

    def news(self) -> list[str]:
        """What to tell the user, once."""
        said, self._news = self._news, []
        return said


def _taken(store: bytes, root: bytes, folder: str, thread: str) -> Iterator[Held]:
    """What lies in a store, moved to the quarantine where that is on the same file system. The store is in reach of
    commands: nothing in it is followed, and a path that lies outside of its root is not believed."""
    try:
        with folder_of(os.path.join(store, b"x")) as (fd, _):
            store_fd = os.open(".", _FOLDER, dir_fd=fd)
    except OSError:
        return
    try:
        for name in os.listdir(store_fd):
            with suppress(OSError):
                held = _take(store_fd, os.path.join(store, os.fsencode(name)), root, folder)
                if held is not None:
                    held = held.replace(thread=thread)
                    _write_meta(folder, held)
                    yield held
    finally:
        os.close(store_fd)
    if os.path.basename(store) == QUARANTINE:
        with suppress(OSError):
            os.rmdir(store)


def _take(store_fd: int, slot_path: bytes, root: bytes, folder: str) -> Held | None:
    name = os.path.basename(slot_path)
    slot = os.open(name, _FOLDER, dir_fd=store_fd)
    try:
        there = os.listdir(slot)
        if "item" not in there or "taken" in there:
            return None
        path = _told_path(slot)
        if not path.startswith(os.path.join(root, b"")) or path != os.path.normpath(path):
            path = os.path.join(root, b"recovered-" + name)
        found = os.stat("item", dir_fd=slot, follow_symlinks=False)
        id = time.strftime("%Y%m%d-%H%M%S-") + os.urandom(2).hex()
        home = os.path.join(folder, id)
        os.mkdir(home, 0o700)
        item = os.path.join(os.fsencode(home), b"item")
        try:
            os.rename("item", item, src_dir_fd=slot)
        except OSError:  # another file system: it stays where it is
            item = os.path.join(slot_path, b"item")
            os.close(os.open("taken", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=slot))
        else:
            with suppress(FileNotFoundError):
                os.unlink("path", dir_fd=slot)
            os.rmdir(name, dir_fd=store_fd)
    finally:
        os.close(slot)
    return Held(id=id, path=path, item=item, thread="", moved_at=int(time.time()), folder=stat.S_ISDIR(found.st_mode))


def _write_meta(folder: str, held: Held) -> None:
    replace_file(os.path.join(folder, held.id, "meta.json"), _encoded(held), mode=0o600)


def _told_path(slot: int) -> bytes:
    try:
        fd = os.open("path", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=slot)
    except OSError:
        return b""
    try:
        return os.read(fd, _LONGEST)
    finally:
        os.close(fd)


# -- for the commands ---------------------------------------------------------------------------------------------


def held_things(codex_home: str) -> list[Held]:
    """All that waits, the newest first. Raises `StoreError`."""
    folder = quarantine_folder(codex_home)
    found = []
    try:
        names = sorted(os.listdir(folder), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _failed("list the quarantine", folder, error) from error
    for name in names:
        data = _read(os.path.join(folder, name, "meta.json"))
        if data is not None and (held := _decoded(data)) is not None and os.path.lexists(held.item):
            found.append(held)
    return found


def restore(codex_home: str, wanted: str) -> Held:
    """Bring a thing back to where it was; without `wanted` the newest. Raises `UserError` where something else is there
    by now, `StoreError`."""
    things = held_things(codex_home)
    fits = [held for held in things if held.id.startswith(wanted) or os.fsdecode(held.path) == wanted]
    if not fits:
        raise UserError(f"nothing in the quarantine is {wanted!r}", hint="codex quarantine list shows what there is")
    if wanted and len(fits) > 1 and not any(held.id == wanted for held in fits):
        raise UserError(f"{len(fits)} things in the quarantine are {wanted!r}", hint="give the whole id")
    held = fits[0]
    try:
        _move_back(held)
    except FileExistsError as error:
        raise UserError(
            f"{os.fsdecode(held.path)} is there again",
            hint=f"move it away first; the other one is {os.fsdecode(held.item)}",
        ) from error
    except OSError as error:
        raise _failed("restore", os.fsdecode(held.path), error) from error
    with suppress(OSError):
        home = os.path.join(quarantine_folder(codex_home), held.id)
        os.unlink(os.path.join(home, "meta.json"))
        os.rmdir(home)
    return held


def _move_back(held: Held) -> None:
    os.makedirs(os.path.dirname(held.path), exist_ok=True)
    with folder_of(held.path) as (fd, name):
        try:
            os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            raise FileExistsError(17, "exists", os.fsdecode(held.path))
        try:
            os.rename(held.item, name, dst_dir_fd=fd)
        except OSError as error:
            if error.errno != 18:  # EXDEV
                raise
            import shutil

            shutil.move(os.fsdecode(held.item), os.fsdecode(held.path))


def drop(codex_home: str, older_than_s: float) -> list[Held]:
    """Delete for good what was moved before then (Unix seconds); what went. Raises `StoreError`."""
    import shutil

    gone = []
    for held in held_things(codex_home):
        if held.moved_at < older_than_s:
            try:
                if held.folder:
                    shutil.rmtree(held.item)
                else:
                    os.unlink(held.item)
                shutil.rmtree(os.path.join(quarantine_folder(codex_home), held.id))
            except OSError as error:
                raise _failed("delete from the quarantine", os.fsdecode(held.item), error) from error
            gone.append(held)
    return gone


def _encoded(held: Held) -> bytes:
    return orjson.dumps(
        {
            "schema": 1,
            "id": held.id,
            "path": held.path.decode("latin-1"),
            "item": held.item.decode("latin-1"),
            "thread": held.thread,
            "moved_at": held.moved_at,
            "folder": held.folder,
        }
    )


def _decoded(data: bytes) -> Held | None:
    try:
        found = orjson.loads(data)
        return Held(
            id=found["id"],
            path=found["path"].encode("latin-1"),
            item=found["item"].encode("latin-1"),
            thread=found["thread"],
            moved_at=found["moved_at"],
            folder=found["folder"],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _failed(operation: str, path: str, error: OSError) -> StoreError:
    return StoreError(
        f"could not {operation} ({path}): {error.strerror or error}",
        path=path,
        operation=operation,
        hint="`[undo] quarantine = false` goes on without it",
    )
