"""Attacks on files outside the writable roots, and on their metadata. Runs inside the sandbox."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct

from codex_plugin_sdk.testing.sandbox_probe import Given, Refused, attack, checked, libc, syscall

_MS_REMOUNT, _MS_BIND = 32, 4096
_NEWNS, _NEWUSER = 0x00020000, 0x10000000


def _scribble(path: str, flags: int = os.O_WRONLY) -> str:
    fd = os.open(path, flags | os.O_CLOEXEC, 0o666)
    try:
        os.write(fd, b"overwritten")
    finally:
        os.close(fd)
    return f"wrote {path}"


def _file(given: Given) -> str:
    return os.path.join(given["victim"], "file")


def _new(given: Given) -> str:
    return os.path.join(given["victim"], "new")


@attack("files.create")
def create(given: Given) -> object:
    return _scribble(_new(given), os.O_WRONLY | os.O_CREAT)


@attack("files.overwrite")
def overwrite(given: Given) -> object:
    return _scribble(_file(given))


@attack("files.append")
def append(given: Given) -> object:
    return _scribble(_file(given), os.O_WRONLY | os.O_APPEND)


@attack("files.truncate")
def truncate(given: Given) -> None:
    os.truncate(_file(given), 0)


@attack("files.truncate-while-reading")
def truncate_while_reading(given: Given) -> object:
    return os.open(_file(given), os.O_RDONLY | os.O_TRUNC)


@attack("files.unlink")
def unlink(given: Given) -> None:
    os.unlink(_file(given))


@attack("files.mkdir")
def mkdir(given: Given) -> None:
    os.mkdir(_new(given))


@attack("files.rmdir")
def rmdir(given: Given) -> None:
    os.rmdir(os.path.join(given["victim"], "empty"))


@attack("files.mkfifo")
def mkfifo(given: Given) -> None:
    os.mkfifo(_new(given))


@attack("files.rename")
def rename(given: Given) -> None:
    os.rename(_file(given), _new(given))


@attack("files.rename-out-of-it")
def rename_out(given: Given) -> None:
    os.rename(_file(given), os.path.join(given["workspace"], "taken"))


@attack("files.rename-into-it")
def rename_into(given: Given) -> None:
    os.rename(given["own"] + "-1", _file(given))


@attack("files.rename-exchange")
def exchange(given: Given) -> object:
    ours, theirs = os.fsencode(given["own"] + "-2"), os.fsencode(_file(given))
    return syscall("renameat2", -100, ctypes.c_char_p(ours), -100, ctypes.c_char_p(theirs), 2)


@attack("files.symlink")
def symlink(given: Given) -> None:
    os.symlink("/etc/passwd", _new(given))


@attack("files.hard-link-into-it")
def link_into(given: Given) -> None:
    os.link(given["own"] + "-3", _new(given))


@attack("files.hard-link-out-of-it")
def link_out(given: Given) -> object:
    ours = os.path.join(given["workspace"], "hard")
    os.link(_file(given), ours)
    return _scribble(ours)


@attack("files.nameless-file")
def nameless(given: Given) -> object:
    fd = os.open(given["victim"], os.O_TMPFILE | os.O_WRONLY, 0o600)
    os.link(f"/proc/self/fd/{fd}", _new(given), follow_symlinks=True)
    return "linked"


@attack("files.shared-mapping")
def mapping(given: Given) -> object:
    fd = os.open(_file(given), os.O_RDWR)
    with mmap.mmap(fd, 4) as memory:
        memory[:4] = b"evil"
    return "mapped"


@attack("files.reopen-for-writing")
def reopen(given: Given) -> object:
    return _scribble(f"/proc/self/fd/{os.open(_file(given), os.O_RDONLY)}")


@attack("files.through-symlink")
def through_symlink(given: Given) -> object:
    return _scribble(os.path.join(given["link"], "file"))


@attack("files.through-symlinked-file")
def through_symlinked_file(given: Given) -> object:
    return _scribble(given["file-link"], os.O_WRONLY | os.O_CREAT)


@attack("files.dot-dot")
def dot_dot(given: Given) -> object:
    return _scribble(os.path.join(given["workspace"], os.path.relpath(_file(given), given["workspace"])))


@attack("files.open-at-folder")
def open_at(given: Given) -> object:
    folder = os.open(given["victim"], os.O_RDONLY | os.O_DIRECTORY)
    return os.write(os.open("file", os.O_WRONLY, dir_fd=folder), b"evil")


@attack("files.own-root-in-proc")
def own_root(given: Given) -> object:
    return _scribble("/proc/self/root" + _file(given))


@attack("files.root-of-init")
def root_of_init(given: Given) -> object:
    return _scribble("/proc/1/root" + _file(given))


@attack("files.root-of-another")
def root_of_another(given: Given) -> object:
    return _scribble(f"/proc/{given['pid']}/root" + _file(given))


@attack("files.folder-of-another")
def folder_of_another(given: Given) -> object:
    there = os.readlink(f"/proc/{given['pid']}/cwd")
    return _scribble(os.path.join(f"/proc/{given['pid']}/cwd", os.path.relpath(_file(given), there)))


@attack("files.inherited-descriptor")
def inherited(given: Given) -> object:
    wanted = os.stat(_file(given))
    for fd in range(3, 256):
        try:
            found = os.fstat(fd)
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return os.write(fd, b"evil")
    raise Refused("no such descriptor")


def _bind(source: str, target: str) -> None:
    checked(libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND, None))


@attack("files.bind-mount")
def bind_mount(given: Given) -> object:
    target = os.path.join(given["workspace"], "mount-point")
    _bind(given["victim"], target)
    try:
        return _scribble(os.path.join(target, "file"))
    finally:
        libc.umount2(os.fsencode(target), 2)


def _remount(path: str) -> None:
    if not os.statvfs(path).f_flag & os.ST_RDONLY:
        return  # it is writable already: nothing to be changed
    kept = os.statvfs(path).f_flag & (2 | 4 | 8)  # nosuid, nodev, noexec
    checked(libc.mount(None, os.fsencode(path), None, _MS_REMOUNT | _MS_BIND | kept, None))


@attack("files.remount")
def remount(given: Given) -> object:
    _remount("/")
    return _scribble(_file(given))


@attack("files.private-mounts")
def private_mounts(given: Given) -> object:
    checked(libc.unshare(_NEWNS))
    _remount("/")
    return _scribble(_file(given))


@attack("files.private-users-and-mounts")
def private_users(given: Given) -> object:
    checked(libc.unshare(_NEWNS | _NEWUSER))
    _remount("/")
    return _scribble(_file(given))


@attack("files.new-mount-calls")
def new_mount_calls(given: Given) -> object:
    cloned = syscall("open_tree", -100, ctypes.c_char_p(os.fsencode(given["victim"])), 1 | os.O_CLOEXEC)
    writable = struct.pack("QQQQ", 0, 1, 0, 0)  # clear MOUNT_ATTR_RDONLY
    syscall("mount_setattr", cloned, ctypes.c_char_p(b""), 0x1000, ctypes.c_char_p(writable), len(writable))
    return os.write(os.open("file", os.O_WRONLY, dir_fd=cloned), b"evil")


@attack("files.pivot-root")
def pivot_root(given: Given) -> object:
    checked(libc.unshare(_NEWNS))
    checked(libc.mount(None, b"/", None, 16384 | 262144, None))  # recursively private
    _bind(given["workspace"], given["workspace"])
    here = ctypes.c_char_p(os.fsencode(given["workspace"]))
    return syscall("pivot_root", here, here)


@attack("files.chroot")
def chroot(given: Given) -> object:
    os.chroot(os.path.join(given["workspace"], "mount-point"))
    for _ in range(40):
        os.chdir("..")
    os.chroot(".")
    return _scribble(_file(given))


@attack("files.by-handle")
def by_handle(given: Given) -> object:
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    checked(libc.name_to_handle_at(-100, os.fsencode(_file(given)), handle, ctypes.byref(mount), 0))
    folder = os.open(given["workspace"], os.O_RDONLY)
    return os.write(checked(libc.open_by_handle_at(folder, handle, os.O_RDWR)), b"evil")


@attack("files.home-dotfile")
def dotfile(given: Given) -> object:
    return _scribble(os.path.expanduser("~/.bashrc"), os.O_WRONLY | os.O_APPEND)


@attack("files.home-new-dotfile")
def new_dotfile(given: Given) -> object:
    return _scribble(os.path.join(given["victim"], ".profile"), os.O_WRONLY | os.O_CREAT)


@attack("files.codex-home")
def codex_home(given: Given) -> object:
    return _scribble(os.path.join(given["victim"], "config.toml"), os.O_WRONLY | os.O_CREAT)


@attack("metadata.chmod")
def chmod(given: Given) -> None:
    os.chmod(_file(given), 0o777)


@attack("metadata.chmod-folder")
def chmod_folder(given: Given) -> None:
    os.chmod(given["victim"], 0o777)


@attack("metadata.chmod-open-file")
def fchmod(given: Given) -> None:
    os.fchmod(os.open(_file(given), os.O_RDONLY), 0o777)


@attack("metadata.chmod-through-proc")
def chmod_proc(given: Given) -> None:
    os.chmod(f"/proc/self/fd/{os.open(_file(given), os.O_RDONLY)}", 0o777)


@attack("metadata.chmod-through-symlink")
def chmod_symlink(given: Given) -> None:
    os.chmod(given["metadata-link"], 0o777)


@attack("metadata.chown")
def chown(given: Given) -> None:
    os.chown(_file(given), os.getuid(), os.getgid())


@attack("metadata.times")
def times(given: Given) -> None:
    os.utime(_file(given), (1, 1))


@attack("metadata.attribute")
def attribute(given: Given) -> None:
    os.setxattr(_file(given), "user.kit", b"evil")


@attack("metadata.file-flags")
def flags(given: Given) -> object:
    fd = os.open(_file(given), os.O_RDONLY)
    found = struct.unpack("i", fcntl.ioctl(fd, 0x80086601, struct.pack("i", 0))[:4])[0]
    return fcntl.ioctl(fd, 0x40086602, struct.pack("l", found | 0x40))  # "no dump": harmless


@attack("files.workspace-while-read-only")
def workspace(given: Given) -> object:
    return _scribble(_file(given))
