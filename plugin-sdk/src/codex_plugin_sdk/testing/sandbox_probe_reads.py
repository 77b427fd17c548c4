"""Attempts to read what must not be read; each gives what it got. Runs inside the sandbox."""

from __future__ import annotations

import ctypes
import os
import subprocess

from codex_plugin_sdk.testing.sandbox_probe import Given, attack, checked, libc


def _content(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode(errors="replace")


def _everything(folder: str) -> str:
    """Names and contents of what lies in a folder. Raises the first error when nothing can be read."""
    found = [name + _content(os.path.join(folder, name)) for name in os.listdir(folder)]
    if not found:
        raise FileNotFoundError(2, "it is empty", folder)
    return " ".join(found)


@attack("reads.file")
def file(given: Given) -> object:
    return _content(os.path.join(given["victim"], "secret"))


@attack("reads.folder")
def folder(given: Given) -> object:
    return _content(os.path.join(given["victim"], "secret"))


@attack("reads.folder-listing")
def listing(given: Given) -> object:
    return _everything(given["victim"])


@attack("reads.glob")
def glob(given: Given) -> object:
    return _content(os.path.join(given["victim"], "deep", "key.pem"))


@attack("reads.through-symlink")
def through_symlink(given: Given) -> object:
    return _content(given["read-link"])


@attack("reads.through-proc-root")
def proc_root(given: Given) -> object:
    return _content("/proc/self/root" + os.path.join(given["victim"], "secret"))


@attack("reads.through-root-of-another")
def root_of_another(given: Given) -> object:
    return _content(f"/proc/{given['pid']}/root" + os.path.join(given["victim"], "secret"))


@attack("reads.hard-link")
def hard_link(given: Given) -> object:
    ours = os.path.join(given["workspace"], "linked")
    os.link(os.path.join(given["victim"], "secret"), ours)
    return _content(ours)


@attack("reads.chmod-first")
def chmod_first(given: Given) -> object:
    path = os.path.join(given["victim"], "secret")
    os.chmod(path, 0o644)
    return _content(path)


@attack("reads.chmod-folder-first")
def chmod_folder_first(given: Given) -> object:
    os.chmod(given["victim"], 0o755)
    return _everything(given["victim"])


@attack("reads.unmount-first")
def unmount_first(given: Given) -> object:
    path = os.path.join(given["victim"], "secret")
    checked(libc.umount2(os.fsencode(path), 2))
    return _content(path)


@attack("reads.child-program")
def child_program(given: Given) -> object:
    done = subprocess.run(["cat", os.path.join(given["victim"], "secret")], stdout=-1, stderr=-2, check=False)
    if done.returncode:
        raise PermissionError(13, done.stdout.decode(errors="replace"))
    return done.stdout.decode()


@attack("reads.rename-of-the-parent")
def rename_parent(given: Given) -> object:
    moved = given["victim"] + "-moved"
    os.rename(given["victim"], moved)
    return _content(os.path.join(moved, "secret"))


@attack("reads.rename-of-the-file")
def rename_file(given: Given) -> object:
    moved = os.path.join(given["victim"], "moved")
    os.rename(os.path.join(given["victim"], "secret"), moved)
    return _content(moved)


@attack("reads.private-mounts")
def private_mounts(given: Given) -> object:
    path = os.path.join(given["victim"], "secret")
    checked(libc.unshare(ctypes.c_int(0x10020000)))
    libc.umount2(os.fsencode(path), 2)
    return _content(path)
