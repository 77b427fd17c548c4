"""A shell's part in job control, for tests: on a terminal of its own it runs a command as a job of its own.

Usage: python job.py CMD...; prints `stopped` when the job stops, then continues it on the first key that is read
from descriptor 3, and ends with the job's exit code.
"""

from __future__ import annotations

import os
import signal
import sys

terminal = os.open("/dev/tty", os.O_RDWR)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.close(3)
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        break
    os.tcsetpgrp(terminal, os.getpgrp())
    print("stopped", flush=True)
    os.read(3, 1)
    os.tcsetpgrp(terminal, pid)
    os.killpg(pid, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(status))
