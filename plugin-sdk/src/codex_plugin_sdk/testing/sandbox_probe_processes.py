"""Attacks on processes outside, and on memory that is shared with them. Runs inside the sandbox."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from codex_plugin_sdk.testing.sandbox_probe import Given, Refused, attack, checked, libc, syscall

# Signals that whoever does not ask for them ignores, one for each attack, so that the victim can tell them apart.


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode(errors="replace")


def _is_victim(pid: object, given: Given) -> bool:
    return bool(_read(f"/proc/{pid}/cmdline").rstrip("\0").split("\0")[-1] == given["victim-word"])


@attack("processes.list")
def listed(given: Given) -> object:
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and _is_victim(name, given):
                return f"process {name} is the victim"
        except OSError:
            continue
    raise Refused("the victim is not among the processes")


@attack("processes.environ")
def environ(given: Given) -> object:
    return _read(f"/proc/{given['pid']}/environ")


@attack("processes.command-line")
def command_line(given: Given) -> object:
    if not _is_victim(given["pid"], given):
        raise Refused("another process has this number here")
    return "read its command line"


@attack("processes.memory-file")
def memory_file(given: Given) -> object:
    with open(f"/proc/{given['pid']}/mem", "rb", buffering=0) as file:
        file.seek(given["address"])
        return file.read(given["length"]).decode(errors="replace")


@attack("processes.memory-call")
def memory_call(given: Given) -> object:
    taken = ctypes.create_string_buffer(given["length"])
    ours = _Vector(ctypes.cast(taken, ctypes.c_void_p), given["length"])
    theirs = _Vector(given["address"], given["length"])
    checked(libc.process_vm_readv(given["pid"], ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0))
    return taken.raw.decode(errors="replace")


@attack("processes.memory-write")
def memory_write(given: Given) -> object:
    evil = ctypes.create_string_buffer(b"X" * given["length"], given["length"])
    ours = _Vector(ctypes.cast(evil, ctypes.c_void_p), given["length"])
    theirs = _Vector(given["spare"], given["length"])
    return checked(libc.process_vm_writev(given["pid"], ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0))


@attack("processes.open-files")
def open_files(given: Given) -> object:
    return _read(f"/proc/{given['pid']}/fd/{given['secret-fd']}")


@attack("processes.folder")
def folder(given: Given) -> object:
    return os.readlink(f"/proc/{given['pid']}/cwd")


@attack("processes.take-descriptor")
def take_descriptor(given: Given) -> object:
    fd = syscall("pidfd_getfd", syscall("pidfd_open", given["pid"], 0), given["secret-fd"], 0)
    return os.pread(fd, 4096, 0).decode(errors="replace")


@attack("processes.trace")
def trace(given: Given) -> object:
    checked(libc.ptrace(0x4206, given["pid"], None, None))  # PTRACE_SEIZE does not stop it
    libc.ptrace(17, given["pid"], None, None)
    return "seized"


@attack("processes.signal")
def signal_pid(given: Given) -> None:
    os.kill(given["pid"], signal.SIGWINCH)


@attack("processes.signal-group")
def signal_group(given: Given) -> None:
    os.killpg(given["pid"], signal.SIGCHLD)


@attack("processes.signal-thread")
def signal_thread(given: Given) -> object:
    return syscall("tgkill", given["pid"], given["pid"], int(signal.SIGCONT))


@attack("processes.signal-everybody")
def signal_everybody(given: Given) -> None:
    os.kill(-1, signal.SIGURG)


@attack("processes.signal-by-descriptor")
def signal_pidfd(given: Given) -> object:
    return syscall("pidfd_send_signal", syscall("pidfd_open", given["second"], 0), int(signal.SIGWINCH), 0, 0)


@attack("processes.priority")
def priority(given: Given) -> None:
    os.setpriority(os.PRIO_PROCESS, given["pid"], 7)


@attack("processes.priority-of-group")
def priority_of_group(given: Given) -> None:
    os.setpriority(os.PRIO_PGRP, given["second"], 7)


@attack("processes.limits")
def limits(given: Given) -> object:
    return resource.prlimit(given["pid"], resource.RLIMIT_CORE, (0, 0))


@attack("processes.affinity")
def affinity(given: Given) -> None:
    os.sched_setaffinity(given["pid"], {min(os.sched_getaffinity(0))})


# -- shared memory, queues, semaphores -------------------------------------------------------------------


@attack("ipc.shared-memory")
def shared_memory(given: Given) -> object:
    found = checked(libc.shmget(given["ipc-key"], 0, 0o600))
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(found, None, 0o10000)
    if place in (None, ctypes.c_void_p(-1).value):
        raise PermissionError(13, "it cannot be attached")
    return ctypes.string_at(place, 64).decode(errors="replace")


@attack("ipc.queue")
def queue(given: Given) -> object:
    found = checked(libc.msgget(given["ipc-key"], 0o600))
    message = ctypes.create_string_buffer((1).to_bytes(8, "little") + b"evil")
    return checked(libc.msgsnd(found, message, 4, 0o4000))


@attack("ipc.semaphore")
def semaphore(given: Given) -> object:
    found = checked(libc.semget(given["ipc-key"], 1, 0o600))
    return checked(libc.semctl(found, 0, 16, 42))


@attack("ipc.shared-memory-file")
def shared_memory_file(given: Given) -> object:
    return _read("/dev/shm/" + given["shm-name"])


@attack("ipc.new-shared-memory-file")
def new_shared_memory_file(given: Given) -> object:
    with open("/dev/shm/" + given["shm-name"] + "-new", "x", encoding="ascii") as file:
        return file.write("evil")


@attack("ipc.posix-queue")
def posix_queue(given: Given) -> object:
    library = libc if hasattr(libc, "mq_open") else ctypes.CDLL("librt.so.1", use_errno=True)
    return checked(library.mq_open(b"/" + given["shm-name"].encode(), os.O_RDWR))
