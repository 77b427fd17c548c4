"""Commands that a client runs in the sandbox, and processes that it runs beside it. None outlives its client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Engine, SandboxMode, SandboxPolicy, permission_profile
from codex_plugin_sdk.remote.items import read_sandbox

from .kept import Kept
from .methods import method
from .params import SANDBOX_POLICY
from .paths import absolute
from .running import Running, encoded, read_request, read_wanted
from .scopes import ALONE, COMMAND, PROCESS
from .server import Reply
from .settings import engine_for
from .shapes import BOOLEAN, INTEGER, STRING, Shape, array, experimental, mapping, nullable, record
from .wire import RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

EXEC, SPAWN = "command/exec", "process/spawn"
SIZE = record({"rows": INTEGER, "cols": INTEGER})
COMMON: dict[str, Shape] = {
    "env": mapping(nullable(STRING)),
    "outputBytesCap": INTEGER,
    "size": SIZE,
    "streamStdin": BOOLEAN,
    "streamStdoutStderr": BOOLEAN,
    "timeoutMs": INTEGER,
    "tty": BOOLEAN,
}
RUN = record(
    {"command": array(STRING)},
    cwd=STRING,
    disableOutputCap=BOOLEAN,
    disableTimeout=BOOLEAN,
    permissionProfile=experimental(STRING),
    processId=STRING,
    sandboxPolicy=SANDBOX_POLICY,
    **COMMON,
)
START = record({"command": array(STRING), "cwd": STRING, "processHandle": STRING}, **COMMON)


class Programs:
    """What a client has running: commands by process id, processes by handle."""

    def __init__(self) -> None:
        self.commands: dict[str, Running] = {}
        self.processes: dict[str, Running] = {}


PROGRAMS = Kept(Programs)


# -- commands ----------------------------------------------------------------------------------------


# Not in COMMAND: it keeps its place until the command has ended, and is to be written to before. The id is taken before
# anything is awaited, so that order is kept all the same.
@method(EXEC, RUN, scope=ALONE)
async def execute(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Run a command in the sandbox; the answer comes when it has ended. Its stderr comes with its stdout, in order."""
    wanted, id = read_wanted(params, EXEC), params.get("processId")
    commands = PROGRAMS.of(client).commands
    if id is None and (wanted.stream or wanted.feeds):
        raise RpcError("command/exec tty or streaming requires a client-supplied processId")
    if id is not None and id in commands:
        raise RpcError(f'duplicate active command/exec process id: "{id}"')

    def tell(data: bytes, capped: bool) -> None:
        delta = {"processId": id, "stream": "stdout", "deltaBase64": encoded(data), "capReached": capped}
        client.notify("command/exec/outputDelta", delta)

    running = Running(wanted, tell)
    if id is not None:
        commands[id] = running
    try:
        cwd = _folder(params.get("cwd") or ".")
        engine = _engine(server, cwd)
        request = read_request(params, server.invocation.environ, cwd, "command")
        code = await _run(engine, running, request, _policy(engine, params, cwd), "command")
        return {"exitCode": code, "stdout": running.text, "stderr": ""}
    finally:
        if id is not None:
            del commands[id]


async def _run(engine: Engine, running: Running, request: Any, policy: SandboxPolicy, what: str) -> int:
    chooser = engine.sandbox()
    try:
        try:
            backend = await chooser.backend(policy)
        except BaseException:
            running.give_up()
            raise
        await running.start(backend, request, policy, what)
        return await running.run()
    finally:
        await chooser.aclose()


def _folder(path: str) -> str:
    return os.path.abspath(path)


def _engine(server: Server, cwd: str) -> Engine:
    """An engine with the configuration of a folder; one that does not exist is told by the start of the program."""
    return engine_for(server.invocation, {}, cwd if os.path.isdir(cwd) else os.getcwd())


def _policy(engine: Engine, params: Mapping[str, Any], cwd: str) -> SandboxPolicy:
    """The policy that is asked for, if it is permitted. Raises `RpcError`, `ConfigError`."""
    asked, profile = params.get("sandboxPolicy"), params.get("permissionProfile")
    if asked is not None and profile is not None:
        raise RpcError("`permissionProfile` cannot be combined with `sandboxPolicy`")
    policy = engine.settings.sandbox_policy
    if asked is not None:
        policy = read_sandbox(asked)
    elif profile is not None:
        policy = permission_profile(engine.config, profile)
    engine.config.requirements.check_turn(engine.settings.replace(sandbox_policy=policy))
    # What a proxy would have to let through is not reached at all: there is no thread that could be asked.
    return policy.anchored(cwd).replace(network_rules=None)


@method("command/exec/write", record({"processId": STRING}, deltaBase64=STRING, closeStdin=BOOLEAN), scope=COMMAND)
async def write(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Feed a command."""
    await _command(client, params).write(params, "command/exec/write")
    return {}


@method("command/exec/resize", record({"processId": STRING, "size": SIZE}), scope=COMMAND)
async def resize(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Change the size of a command's terminal."""
    await _command(client, params).resize(params["size"], EXEC)
    return {}


@method("command/exec/terminate", record({"processId": STRING}), scope=COMMAND)
async def terminate(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """End a command and all that it started."""
    _command(client, params).kill()
    return {}


def _command(client: Client, params: Mapping[str, Any]) -> Running:
    found = PROGRAMS.of(client).commands.get(params["processId"])
    if found is None:
        raise RpcError(f'no active command/exec for process id "{params["processId"]}"')
    return found


# -- processes ---------------------------------------------------------------------------------------


@method(SPAWN, START, scope=ALONE, experimental=True)
async def spawn(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Start a process outside the sandbox; `process/exited` tells of its end."""
    handle, cwd, wanted = params["processHandle"], absolute(params["cwd"]), read_wanted(params, SPAWN)
    processes = PROGRAMS.of(client).processes
    if not handle:
        raise RpcError("processHandle must not be empty")
    if handle in processes:
        raise RpcError(f'duplicate active process handle: "{handle}"')

    def tell(data: bytes, capped: bool) -> None:
        delta = {"processHandle": handle, "stream": "stdout", "deltaBase64": encoded(data), "capReached": capped}
        client.notify("process/outputDelta", delta)

    running = processes[handle] = Running(wanted, tell)
    try:
        engine = _engine(server, cwd)
        policy = SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)
        engine.config.requirements.check_turn(engine.settings.replace(sandbox_policy=policy))
        request = read_request(params, server.invocation.environ, cwd, "process")
        chooser = engine.sandbox()
        await running.start(await chooser.backend(policy), request, policy, "process")
    except BaseException:
        running.give_up()
        del processes[handle]
        raise

    async def then() -> None:
        try:
            code = await running.run()
        finally:
            del processes[handle]
            await chooser.aclose()
        ended = {
            "stdout": running.text,
            "stdoutCapReached": running.cap_reached,
            "stderr": "",
            "stderrCapReached": False,
        }
        client.notify("process/exited", {"processHandle": handle, "exitCode": code, **ended})

    return Reply({}, then)


@method(
    "process/writeStdin",
    record({"processHandle": STRING}, deltaBase64=STRING, closeStdin=BOOLEAN),
    scope=PROCESS,
    experimental=True,
)
async def write_stdin(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Feed a process."""
    await _process(client, params).write(params, "process/writeStdin")
    return {}


@method("process/resizePty", record({"processHandle": STRING, "size": SIZE}), scope=PROCESS, experimental=True)
async def resize_pty(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Change the size of a process's terminal."""
    await _process(client, params).resize(params["size"], "process/resizePty")
    return {}


@method("process/kill", record({"processHandle": STRING}), scope=PROCESS, experimental=True)
async def kill(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """End a process and all that it started."""
    _process(client, params).kill()
    return {}


def _process(client: Client, params: Mapping[str, Any]) -> Running:
    found = PROGRAMS.of(client).processes.get(params["processHandle"])
    if found is None:
        raise RpcError(f'no active process for process handle "{params["processHandle"]}"')
    return found
