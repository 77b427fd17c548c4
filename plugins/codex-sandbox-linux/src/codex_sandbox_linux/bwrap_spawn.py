"""Starting a command in bubblewrap on an event loop, up to its first instruction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import anyio

from codex_plugin_sdk import ExecRequest, NetworkMode, Process, ProxySession, SandboxPolicy, spawn_process

from .bwrap_binary import Binary
from .bwrap_command import CommandLine, SetupFailed
from .bwrap_plan import Facts, gather
from .bwrap_process import BwrapProcess, Start
from .bwrap_program import prefix, shielded
from .quarantine import Watch

if TYPE_CHECKING:
    from .bwrap import BwrapBackend
    from .bwrap_proxied import Handover


async def start(backend: BwrapBackend, binary: Binary, request: ExecRequest, policy: SandboxPolicy) -> Process:
    """The process, once everything is in place and the command has been let go. Raises `SetupFailed`,
    `SandboxUnavailable`, `OSError`, `ValueError`; then nothing of it is left."""
    facts = await _facts(backend, request, policy)
    backend.notices.extend(text for text in facts.notices if text not in backend.notices)
    network = request.network if policy.network is NetworkMode.PROXIED else None
    line = CommandLine(binary, request, policy, facts)
    conversation = Start()
    handover: Handover | None = None
    watch: Watch | None = None
    try:
        if network is not None:
            from .bwrap_proxied import Handover

            handover = Handover(network)
        line.words += conversation.arguments()
        words = line.seal(backend.program(binary, facts))
        watch = Watch(backend.state_dir, facts.watched, backend.notices.append)
        process = BwrapProcess(conversation, _ending(watch, network))
        inner = await spawn_process(
            request,
            argv=[*words, *prefix(request, binary), *(handover.words() if handover else ()), *request.argv],
            pass_fds=[*line.fds, *conversation.theirs, *([handover.fd] if handover else ())],
            env=line.env,
            controlling=False,
            launch=shielded if request.inherit else None,
            on_exit=process.leader_ended,
        )
    except BaseException:
        conversation.close()
        if handover is not None:
            handover.close()
        if watch is not None:
            watch.end()
        raise
    finally:
        conversation.close_theirs()
        line.close()
    process.adopt(inner)
    await _let_go(conversation, handover, process, inner)
    return process


async def _facts(backend: BwrapBackend, request: ExecRequest, policy: SandboxPolicy) -> Facts:
    readable: tuple[str, ...] = ()
    if policy.network is NetworkMode.PROXIED:
        from .bwrap_proxied import python_places

        readable = python_places()

    def plan() -> Facts:
        return gather(policy, request.cwd, request.env.get("TMPDIR"), keep=backend.kept, readable=readable)

    if any(sign in pattern for pattern in policy.denied_reads for sign in "*?["):
        # A search: not on the event loop.
        return await anyio.to_thread.run_sync(plan, abandon_on_cancel=True)
    return plan()


async def _let_go(start: Start, handover: Handover | None, process: BwrapProcess, inner: Process) -> None:
    """See that the sandbox stands, and let the command begin; else nothing of it is left. Raises `SetupFailed`."""
    try:
        if handover is not None:
            handover.close_theirs()
        await start.finish()
        if handover is not None:
            await handover.finish()
    except SetupFailed as error:
        said = str(error) or await _last_words(inner)
        await process.kill_tree()
        raise SetupFailed(said) from error
    except BaseException:
        with anyio.CancelScope(shield=True):
            await process.kill_tree()
        raise
    finally:
        if handover is not None:
            handover.close()


def _ending(watch: Watch, network: ProxySession | None) -> Callable[[], Sequence[str]]:
    def end() -> Sequence[str]:
        if network is not None:
            network.close()
        return watch.end()

    return end


async def _last_words(process: Process) -> str:
    """What bubblewrap said before it ended."""
    said = b""
    with anyio.move_on_after(2):
        while len(said) < 10_000 and (part := await process.read()):
            said += part
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("bwrap: ") if lines else ""
