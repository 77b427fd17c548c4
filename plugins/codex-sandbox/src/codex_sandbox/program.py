"""The program `codex-linux-sandbox`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point: `codex sandbox` under another name. Ends the process with its exit code."""
    from .quick import run

    code = run(sys.argv[1:])
    if code is not None:
        sys.stdout.flush()
        os._exit(code)
    from codex_plugin_sdk import run_codex

    run_codex(["codex-linux-sandbox", *sys.argv[1:]])
