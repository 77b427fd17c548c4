"""Cases of the sandbox kit: the network when it is off, on and proxied, and other programs' sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import anyio
import orjson

from codex_plugin_sdk import NetworkRules, SandboxPolicy, SandboxUnavailable

from .sandbox_bench import Bench, Outcome, equal, expect, interpreter
from .sandbox_cases import Verdicts, cases, scenario
from .sandbox_probe import BEGINS
from .sandbox_victims import Listeners, LittleProxy, listeners

_IP = {
    "network.tcp": "127.0.0.1 of this machine",
    "network.tcp6": "::1 of this machine",
    "network.tcp-any-address": "0.0.0.0",
    "network.tcp-fast-open": "sendto with MSG_FASTOPEN",
    "network.udp": "",
    "network.udp6": "",
    "network.vsock": "the host of a virtual machine",
    "network.raw": "raw sockets",
    "network.packet": "packet sockets",
    "network.interface-settings": "flags of the loopback interface",
}
_UNIX = {
    "unix.stream": "a stream socket with a path",
    "unix.stream-in-workspace": "one in the workspace",
    "unix.stream-through-symlink": "one behind a symlink",
    "unix.sequenced": "SOCK_SEQPACKET",
    "unix.datagram": "sendto a path",
    "unix.datagram-connected": "connect and send",
    "unix.abstract-stream": "without a path",
    "unix.abstract-datagram": "without a path, datagrams",
    "unix.stray-from-datagram-pair": "sendto, sendmsg and connect on a socketpair of datagrams",
    "unix.stray-from-stream-pair": "the same on one of streams",
    "unix.handed-over-datagram": "a datagram socket that came over another",
}
_SENT_BLINDLY = ("network.udp", "network.udp6")
"""Sending them tells nothing of whether somebody got them."""


def _judge(bench: Bench, say: Verdicts, outcomes: dict[str, Outcome], heard: Listeners, ids: Iterable[str]) -> None:
    came = heard.came()
    nameless = came.pop("", "")
    for id in ids:
        outcome = outcomes[id]
        blind = id.rpartition(".")[2] in [each.rpartition(".")[2] for each in _SENT_BLINDLY] and outcome.fate == "done"
        say(id, "" if blind else bench.fault(outcome), came.get(id, ""), nameless and f"somebody {nameless}")


def _tries(say: Verdicts, heard: Listeners, prefix: str = "") -> dict[str, str]:
    """The cases that can be tried here, with their functions."""
    found = {}
    for id in say.wanted:
        function = id if not prefix else id.replace(prefix, "network", 1)
        if function.endswith("6") and not heard.given["tcp6"]:
            say.skip(id, "this machine has no IPv6")
        else:
            found[id] = function
    return found


@scenario(cases("network-ip", _IP))
async def off(bench: Bench, say: Verdicts) -> None:
    """No address outside is reached."""
    with listeners(bench.outside, bench.workspace, bench.mark) as heard:
        tries = _tries(say, heard)
        outcomes = await bench.attack("network", tries, **heard.given)
        _judge(bench, say, outcomes, heard, tries)


@scenario(cases("network-unix-sockets", _UNIX))
async def unix_sockets(bench: Bench, say: Verdicts) -> None:
    """No socket of another program is reached."""
    with listeners(bench.outside, bench.workspace, bench.mark) as heard:
        outcomes = await bench.attack("network", {id: id for id in say.wanted}, **heard.given)
        _judge(bench, say, outcomes, heard, say.wanted)


@scenario(
    cases("network-ip", {"network.bind": "a server inside cannot be reached from outside"}),
    cases("", {"network.own-loopback": "a server and its client in one command"}),
)
async def servers(bench: Bench, say: Verdicts) -> None:
    """The command listens on 127.0.0.1."""
    if bench.traits["private_loopback"]:
        attacks = {"network.own-loopback": "network.own-loopback"}
        outcome = (await bench.attack("network", attacks, tcp6=0)).popitem()[1]
        say("network.own-loopback", expect(outcome.fate == "done", f"{outcome.fate}: {outcome.detail}"))
    else:
        say.skip("network.own-loopback", "the backend has no loopback of its own")
    if "network.bind" not in say.wanted:
        return
    request = bench.request(*bench.probe("network", {"network.bind": "network.bind"}), stdin_pipe=True)
    reached, output = "", b""
    async with bench.running(request) as process:
        while part := await process.read():
            output += part
            port = _port(output)
            if port:
                reached = _connects(port)
                await process.write(b"x")
    outcome = _last(output, "network.bind")
    say("network.bind", bench.fault(outcome), reached)


def _told(output: bytes) -> dict[str, list[str]]:
    lines = [line for line in output.decode().split("\n")[:-1] if line.startswith(BEGINS)]
    return {words[0]: words[1:] for words in map(orjson.loads, (line[1:] for line in lines))}


def _port(output: bytes) -> int:
    told = _told(output)
    return int(told["port"][0]) if "port" in told and "network.bind" not in told else 0


def _last(output: bytes, id: str) -> Outcome:
    fate, detail = _told(output).get(id, ("crashed", repr(output[-300:])))
    return Outcome(fate=fate, detail=detail)


def _connects(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), 2):
            return "it was reached from outside"
    except OSError:
        return ""


# -- on --------------------------------------------------------------------------------------------------


@scenario(
    cases("", {"network-on.tcp": "TCP works", "network-on.own-loopback": ""}),
    cases("network-unix-sockets", {f"network-on.{id}": f"still refused: {text}" for id, text in _UNIX.items()}),
    cases("network-ip", {"network-on.vsock": "", "network-on.packet": ""}),
)
async def on(bench: Bench, say: Verdicts) -> None:
    """With network access, sockets of other programs are still out of reach."""
    attacks = {id: id.replace("network-on.unix.", "unix.").replace("network-on.", "network.") for id in say.wanted}
    with listeners(bench.outside, bench.workspace, bench.mark) as heard:
        policy = bench.policy(network_access=True)
        outcomes = await bench.attack("network", attacks, policy=policy, **heard.given)
        came = heard.came()
    for id, outcome in outcomes.items():
        if id in ("network-on.tcp", "network-on.own-loopback"):
            say(id, expect(outcome.fate == "done", f"{outcome.fate}: {outcome.detail}"))
        else:
            say(id, bench.fault(outcome), came.get(id, ""))
    if "network-on.tcp" in outcomes:
        say("network-on.tcp", equal(came.get("network-on.tcp", "nobody"), f"reached {_where()}"))


def _where() -> str:
    return f"{socket.AF_INET}/{socket.SOCK_STREAM}"


# -- proxied ---------------------------------------------------------------------------------------------

_PROXIED = {
    "proxied.tcp": "listeners of this machine",
    "proxied.tcp6": "",
    "proxied.tcp-any-address": "",
    "proxied.udp": "",
    "proxied.vsock": "",
    "proxied.packet": "",
}


@scenario(
    cases(
        "network-ip",
        {
            **_PROXIED,
            "proxied.reaches-its-proxy": "the proxy is found where the environment says, and is closed at the end",
        },
    ),
    cases("network-unix-sockets", {f"proxied.{id}": text for id, text in _UNIX.items()}),
    cases("network-ip", {"proxied.without-a-session": "refused without a proxy to go through"}),
)
async def proxied(bench: Bench, say: Verdicts) -> None:
    """The command reaches the session's listener and nothing else."""
    policy = bench.policy(network_rules=NetworkRules())
    say("proxied.without-a-session", await _refused(bench, policy))
    if not bench.traits["proxied_network"]:
        for id in say.wanted:
            say.skip(id, "the backend refuses a proxied network")
        return
    if not interpreter() or bench.traits["no_helper_python"]:
        for id in say.wanted:
            say.skip(id, "this user may not run the agent's Python, which a proxied network may need inside")
        return
    session = LittleProxy()
    names = {"proxied.reaches-its-proxy": "network.through-proxy"}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.run)
        try:
            with listeners(bench.outside, bench.workspace, bench.mark) as heard:
                tries = _tries(say, heard, "proxied")
                tries = {id: names.get(id, f.replace("network.unix.", "unix.")) for id, f in tries.items()}
                tries.pop("proxied.without-a-session", None)
                outcomes = await bench.attack(
                    "network", tries, policy=policy, options={"network": session}, **heard.given
                )
                own = outcomes.pop("proxied.reaches-its-proxy", Outcome(fate="done"))
                _judge(bench, say, outcomes, heard, outcomes)
            said = equal((own.fate, own.detail), ("done", LittleProxy.GREETING.decode()))
            visited = equal(session.visitors, ["proxied.reaches-its-proxy"])
            say("proxied.reaches-its-proxy", said, visited, expect(session.closed, "the session was not closed"))
        finally:
            session.close()
            tasks.cancel_scope.cancel()


async def _refused(bench: Bench, policy: SandboxPolicy) -> str:
    try:
        ended = await bench.run("true", policy=policy)
    except SandboxUnavailable:
        return ""
    return f"it ran: {ended}"
