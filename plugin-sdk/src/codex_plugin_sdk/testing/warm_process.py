"""What `warm_start` runs: a process that has loaded what `codex` may load, and forks itself for each start of it.

Run as `python -m codex_plugin_sdk.testing.warm_process FD PROGRAM`. FD is a Unix socket (SOCK_SEQPACKET) that carries
one JSON object for each start (`args`, `cwd`, `env`, `session`, `group`, `terminal`, `script`) with the three standard
streams; the answer is the pid. `terminal` is opened in place of the streams, `script` runs in place of the program. It
ends with the other side of the socket. The program's parent is whoever reads the socket, if that process is a subreaper
at that moment: what is forked is forked twice, and the one between ends at once.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import time
import warnings
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any, NoReturn

LIBRARIES = (
    "anyio._backends._asyncio",
    "anyio._core._signals",
    "cattrs",
    "click._textwrap",
    "codex_kernel.main",
    "concurrent.futures.thread",
    "encodings.ascii",
    "encodings.idna",
    "httpcore2._async.connection",
    "httpcore2._async.connection_pool",
    "httpcore2._async.http11",
    "httpcore2._async.http_proxy",
    "httpcore2._backends.anyio",
    "importlib.metadata",
    "jsonschema",
    "keyring.backends.SecretService",
    "keyring.backends.chainer",
    "keyring.backends.fail",
    "keyring.backends.kwallet",
    "keyring.backends.libsecret",
    "keyring.backends.null",
    "mcp",
    "mcp.client.stdio",
    "mcp.client.streamable_http",
    "mcp.server.lowlevel.server",
    "multiprocessing.connection",
    "readline",
    "rich.console",
    "rich.logging",
    "ssl",
    "tomllib",
    "tree_sitter",
    "tree_sitter_bash",
    "truststore",
    "uvicorn",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.auto",
)
"""What is loaded beside the modules of all packages and plugins."""

MAX_REQUEST_BYTES = 8 * 1024 * 1024


def main() -> NoReturn:
    """Load, then serve until the other side is gone."""
    wire, program = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    sys.path[0] = os.path.dirname(program)
    _load()
    gc.collect()
    gc.freeze()  # else each child writes into every page that holds an object
    wire.send(b"ready")
    while (found := _request(wire)) is not None:
        request, streams = found
        pid = _forked(wire, program, request, streams)
        for fd in streams:
            os.close(fd)
        wire.send(b"%d" % pid)
    sys.exit(0)


def _request(wire: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    said, streams, _, _ = socket.recv_fds(wire, MAX_REQUEST_BYTES, 3)
    return (json.loads(said), streams) if said else None


def _load() -> None:
    """Import all modules of the kernel, the SDK and the plugins; one that cannot be imported here is left out."""
    packages = {entry.value.partition(":")[0].partition(".")[0] for entry in entry_points(group="codex")}
    with warnings.catch_warnings(action="ignore"):
        for package in ("codex_kernel", "codex_plugin_sdk", *sorted(packages)):
            found = _imported(package)
            for module in pkgutil.walk_packages(getattr(found, "__path__", ()), f"{package}."):
                if ".testing" not in module.name and not module.name.endswith("__main__"):
                    _imported(module.name)
        for name in LIBRARIES:
            _imported(name)


def _imported(name: str) -> Any:
    with suppress(Exception):
        return importlib.import_module(name)
    return None


def _forked(wire: socket.socket, program: str, request: dict[str, Any], streams: list[int]) -> int:
    told, telling = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            pid = os.fork()
            if pid:
                os.write(telling, b"%d" % pid)
        finally:
            if pid:
                os._exit(0)
        for fd in (told, telling):
            os.close(fd)
        wire.close()
        _become(program, request, streams)
    os.close(telling)
    os.waitpid(between, 0)
    pid = int(os.read(told, 20))
    os.close(told)
    return pid


def _become(program: str, request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the program, as if the interpreter had just started."""
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    if request["session"]:
        os.setsid()
    if request["terminal"]:
        _open_terminal(request["terminal"])
    if request["group"] >= 0:
        os.setpgid(0, request["group"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    if not any(request["env"].get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG")):
        os.environ["LC_CTYPE"] = "C.UTF-8"  # the interpreter does so (PEP 538)
    sys.dont_write_bytecode = bool(request["env"].get("PYTHONDONTWRITEBYTECODE"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=bool(request["env"].get("PYTHONUNBUFFERED")))  # type: ignore[union-attr]
    time.tzset()
    sys.path[1:1] = filter(None, request["env"].get("PYTHONPATH", "").split(os.pathsep))
    sys.argv = [request["script"] or program, *request["args"]]
    sys.orig_argv = [sys.executable, *sys.argv]
    gc.enable()
    _run(request["script"])
    sys.exit(0)


def _open_terminal(path: str) -> None:
    """Have a terminal as one's own, as the leader of a new session has the first one that it opens."""
    terminal = os.open(path, os.O_RDWR)
    for number in range(3):
        os.dup2(terminal, number)
    os.close(terminal)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _run(script: str) -> None:
    if script:
        sys.path[0] = os.path.dirname(script)
        runpy.run_path(script, run_name="__main__")
        return
    from codex_kernel.main import main as codex

    codex()


if __name__ == "__main__":
    signal.set_wakeup_fd(-1)
    main()
