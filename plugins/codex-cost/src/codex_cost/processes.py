"""Telling processes apart: a number alone comes again."""

from __future__ import annotations

import os


def process_name(pid: int) -> str:
    """This run of the machine and when the process began, which no other process shares; empty where the system does
    not tell, or the process has ended."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):  # ended, and nobody has asked how
        return ""
    return f"{boot}:{fields[19].decode()}"


def is_running(pid: int, name: str) -> bool:
    """Whether the process of this number and `process_name` still runs; in doubt it does."""
    if name:
        return process_name(pid) == name
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
