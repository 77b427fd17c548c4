"""Files: read, write, copy, remove, list. As the user may: nothing here is confined, as in Codex."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .methods import method
from .paths import absolute, on_disk
from .scopes import ALONE
from .shapes import BOOLEAN, STRING, record
from .wire import MAX_MESSAGE_BYTES, RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

MAX_FILE_BYTES = MAX_MESSAGE_BYTES // 4 * 3 - 4096
"""What fits into one message, encoded."""
PATH = record({"path": STRING})


@method("fs/readFile", PATH, scope=ALONE)
async def read_file(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, str]:
    """A file's content."""
    path = absolute(params["path"])

    def read() -> str:
        from base64 import b64encode

        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):  # a pipe would keep us waiting
            raise RpcError(f"path `{path}` is not a file")
        if found.st_size > MAX_FILE_BYTES:
            raise RpcError(f"file `{path}` is too large: {found.st_size} bytes, at most {MAX_FILE_BYTES}")
        with open(path, "rb") as file:
            return b64encode(file.read(MAX_FILE_BYTES)).decode("ascii")

    return {"dataBase64": await on_disk(read)}


@method("fs/writeFile", record({"path": STRING, "dataBase64": STRING}), scope=ALONE)
async def write_file(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write a file, over what is there; its folder must exist."""
    path = absolute(params["path"])
    data = decoded(params["dataBase64"], "fs/writeFile requires valid base64 dataBase64", 0)

    def write() -> None:
        with open(path, "wb") as file:
            file.write(data)

    await on_disk(write)
    return {}


@method("fs/createDirectory", record({"path": STRING}, recursive=BOOLEAN), scope=ALONE)
async def create_directory(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Make a folder, and those above it unless `recursive` is false."""
    path = absolute(params["path"])
    alone = params.get("recursive") is False
    await on_disk(lambda: os.mkdir(path) if alone else os.makedirs(path, exist_ok=True))
    return {}


@method("fs/getMetadata", PATH, scope=ALONE)
async def metadata(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """What kind of thing a path leads to, and when it was changed; through symlinks."""
    path = absolute(params["path"])
    own, found = await on_disk(lambda: (os.lstat(path), os.stat(path)))
    born = getattr(found, "st_birthtime", 0)
    return {
        "isDirectory": stat.S_ISDIR(found.st_mode),
        "isFile": stat.S_ISREG(found.st_mode),
        "isSymlink": stat.S_ISLNK(own.st_mode),
        "createdAtMs": int(born * 1000),
        "modifiedAtMs": found.st_mtime_ns // 1_000_000,
    }


@method("fs/readDirectory", PATH, scope=ALONE)
async def read_directory(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """What is in a folder, by name. Symlinks are what they lead to; one that leads nowhere is left out."""
    path = absolute(params["path"])

    def read() -> list[dict[str, Any]]:
        with os.scandir(path) as entries:
            return [
                {"fileName": entry.name, "isDirectory": entry.is_dir(), "isFile": entry.is_file()}
                for entry in sorted(entries, key=lambda entry: entry.name)
                if not entry.is_symlink() or os.path.exists(entry.path)
            ]

    return {"entries": await on_disk(read)}


@method("fs/remove", record({"path": STRING}, recursive=BOOLEAN, force=BOOLEAN), scope=ALONE)
async def remove(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Remove a file, or a folder with all that is in it unless `recursive` is false. A symlink is removed, and not
    what it leads to. What is not there is an error only if `force` is false."""
    path = absolute(params["path"])

    def take_away() -> None:
        import shutil

        try:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                os.unlink(path)
            elif params.get("recursive") is False:
                os.rmdir(path)
            else:
                shutil.rmtree(path)
        except FileNotFoundError:
            if params.get("force") is False:
                raise

    await on_disk(take_away)
    return {}


@method("fs/copy", record({"sourcePath": STRING, "destinationPath": STRING}, recursive=BOOLEAN), scope=ALONE)
async def copy(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a file, a symlink as such, or with `recursive` a folder, into one that is there already too."""
    source, destination = absolute(params["sourcePath"]), absolute(params["destinationPath"])

    def copy_it() -> None:
        mode = os.lstat(source).st_mode
        if stat.S_ISDIR(mode):
            if not params.get("recursive"):
                raise RpcError("fs/copy requires recursive: true when sourcePath is a directory")
            above = os.path.realpath(source)
            if os.path.commonpath([above, os.path.realpath(destination)]) == above:
                raise RpcError("fs/copy cannot copy a directory to itself or one of its descendants")
            copy_folder(source, destination)
        elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            _copy_one(source, destination)
        else:
            raise RpcError("fs/copy only supports regular files, directories, and symlinks")

    await on_disk(copy_it)
    return {}


def copy_folder(source: str, destination: str) -> None:
    """Copy a folder's files, symlinks and folders; sockets, pipes and devices are passed over."""
    os.makedirs(destination, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            target = os.path.join(destination, entry.name)
            if entry.is_symlink() or entry.is_file():
                _copy_one(entry.path, target)
            elif entry.is_dir():
                copy_folder(entry.path, target)


def _copy_one(source: str, destination: str) -> None:
    if os.path.islink(source):
        os.symlink(os.readlink(source), destination)
        return
    if os.path.isdir(destination):
        raise IsADirectoryError(21, "Is a directory")
    import shutil

    shutil.copyfile(source, destination)
    shutil.copymode(source, destination)


def decoded(text: str, complaint: str, code: int) -> bytes:
    """Base64 as bytes. Raises `RpcError` that names the first character that does not belong (`code` 0: the usual
    one)."""
    import binascii
    from base64 import b64decode

    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        place = next(
            (i for i, char in enumerate(text) if not (char.isascii() and (char.isalnum() or char in "+/="))), -1
        )
        fault = f"Invalid symbol {ord(text[place])}, offset {place}." if place >= 0 else f"{error}."
        wrong = f"{complaint}: {fault}"
        raise (RpcError(wrong, code) if code else RpcError(wrong)) from error
