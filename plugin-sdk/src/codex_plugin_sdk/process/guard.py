"""The guard: a small process that ends what this program has started when this program is killed.

SIGKILL leaves us no last word. So the guard, a shell that is started with our first command, holds the read end
of a pipe whose write end nobody but us has, and waits. A word in it says that we end in order. Its end without
that word says that we were killed; then everything that carries a mark of ours is killed: on Linux by `sweep`,
by environment and limit (see `tree`), wherever it is by then, at no cost for a single command. A program that is
just being started has its mark before its first instruction, and holds our end of the pipe until it has: no moment
is left out. Where processes cannot be asked for their environment (macOS), the guard is told of each command's
process group, and kills the groups of those that had not ended.

Rejected: PR_SET_PDEATHSIG, which is for the end of the *thread* that starts a program, is lost to what the program
starts in turn and to every change of rights, and needs code of ours between fork and exec.

There is no guard where there is no `/bin/sh`.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from contextlib import suppress

from . import sweep

# A target is what `kill` takes: -123 is a group. What is to be run is in the environment, so that the guard's
# command line has no word of ours in it: `pkill -9 -f codex` is to leave it alone.
_SCRIPT = """
targets=
while read -r verb target; do
  case $verb in
    add) targets="$targets $target" ;;
    remove)
      kept=
      for each in $targets; do [ "$each" = "$target" ] || kept="$kept $each"; done
      targets=$kept ;;
    end) exit ;;
  esac
done
for each in $targets; do kill -s KILL -- "$each"; done
[ -z "$SWEEP" ] || exec "$PYTHON" -I -S "$SWEEP" "$OWNER"
"""


class Guard:
    """A guard over our marks, or over the targets that it is told of if `by_name`. Thread-safe.

    The process is started by `stand` and ends with this one.
    """

    def __init__(self, *, by_name: bool) -> None:
        self._by_name = by_name
        self._lock = threading.Lock()
        self._pid = 0
        self._pipe = -1
        self._home = 0  # whose child the guard is: not that of a fork of ours

    @property
    def pid(self) -> int:
        """The guard's process id; 0 before there is one."""
        return self._pid

    def stand(self, owner: str) -> None:
        """See that the guard is there; to be called before a command is started. `owner` is how our marks begin.
        Raises `OSError`."""
        with self._lock:
            if not self._stands():
                with suppress(FileNotFoundError):
                    self._start(owner)

    def add(self, pid: int, *, group: bool) -> None:
        """A command has been started, as leader of a process group of its own if `group`."""
        self._tell("add", pid, group=group)

    def remove(self, pid: int, *, group: bool) -> None:
        """A command has ended, and its number may soon mean another."""
        self._tell("remove", pid, group=group)

    def dismiss(self) -> None:
        """We end in order: the guard goes without doing anything."""
        if self._home == os.getpid():
            self._write("end\n")
            self._forget()

    def _stands(self) -> bool:
        if self._home != os.getpid():
            return False
        with suppress(ChildProcessError):
            # A command may have ended it by mistake: `pkill sh`.
            return os.waitpid(self._pid, os.WNOHANG)[0] == 0
        return False

    def _start(self, owner: str) -> None:
        if self._home:
            self._forget()
        env = {"PATH": os.defpath, "PYTHON": sys.executable, "SWEEP": sweep.__file__, "OWNER": owner}
        if self._by_name:
            env["SWEEP"] = ""
        theirs, ours = os.pipe()
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "guard"],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=env,
                start_new_session=True,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        process.returncode = 0  # it is waited for by its number: Popen would warn when it goes out of use
        os.set_blocking(ours, False)  # a guard that is stopped must not stop us
        self._pid, self._pipe, self._home = process.pid, ours, os.getpid()
        atexit.register(self.dismiss)

    def _forget(self) -> None:
        atexit.unregister(self.dismiss)
        os.close(self._pipe)
        self._pid, self._pipe, self._home = 0, -1, 0

    def _tell(self, verb: str, pid: int, *, group: bool) -> None:
        if self._by_name and self._home == os.getpid():
            self._write(f"{verb} {'-' if group else ''}{pid}\n")

    def _write(self, line: str) -> None:
        with suppress(BrokenPipeError, BlockingIOError):  # ended by a command, or stopped
            os.write(self._pipe, line.encode())
