"""Attempts to reach sockets outside. Runs inside the sandbox.

Whatever gets through carries the attack's name, so that the listener can tell who came.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import socket
import struct

from codex_plugin_sdk.testing.sandbox_probe import Given, Refused, attack, tell

_VSOCK, _PACKET = 40, 17


def _greet(family: int, kind: int, address: object, given: Given) -> str:
    with socket.socket(family, kind) as client:
        client.settimeout(2)
        client.connect(address)  # type: ignore[arg-type]
        client.send(given["name"].encode())
        return f"reached {address!r}"


def _send(family: int, address: object, given: Given) -> str:
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.sendto(given["name"].encode(), address)  # type: ignore[call-overload]
        return f"sent to {address!r}"


@attack("network.tcp")
def tcp(given: Given) -> object:
    return _greet(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", given["tcp"]), given)


@attack("network.tcp6")
def tcp6(given: Given) -> object:
    return _greet(socket.AF_INET6, socket.SOCK_STREAM, ("::1", given["tcp6"]), given)


@attack("network.tcp-any-address")
def tcp_any(given: Given) -> object:
    return _greet(socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", given["tcp"]), given)


@attack("network.tcp-fast-open")
def fast_open(given: Given) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        return client.sendto(given["name"].encode(), 0x20000000, ("127.0.0.1", given["tcp"]))


@attack("network.udp")
def udp(given: Given) -> object:
    return _send(socket.AF_INET, ("127.0.0.1", given["udp"]), given)


@attack("network.udp6")
def udp6(given: Given) -> object:
    return _send(socket.AF_INET6, ("::1", given["udp6"]), given)


@attack("network.vsock")
def vsock(given: Given) -> object:
    with socket.socket(_VSOCK, socket.SOCK_STREAM):
        return "a socket to the host of this machine"


@attack("network.raw")
def raw(given: Given) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return "a raw socket"


@attack("network.packet")
def packet(given: Given) -> object:
    with socket.socket(_PACKET, socket.SOCK_RAW, 0x0300):
        return "a packet socket"


@attack("network.interface-settings")
def interface(given: Given) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        found = fcntl.ioctl(client, 0x8913, struct.pack("16sh22x", b"lo", 0))  # as they are: it changes nothing
        return fcntl.ioctl(client, 0x8914, found)


@attack("network.bind")
def bind(given: Given) -> object:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(4)
        tell("port", [str(server.getsockname()[1]), ""])
        came = select.select([server.fileno(), 0], [], [])[0]
        reached = server.fileno() in came
    if not reached:
        raise Refused("nobody came from outside")
    return "somebody came from outside"


# -- sockets of other programs ---------------------------------------------------------------------------


@attack("unix.stream")
def unix_stream(given: Given) -> object:
    return _greet(socket.AF_UNIX, socket.SOCK_STREAM, given["unix-stream"], given)


@attack("unix.stream-in-workspace")
def unix_stream_inside(given: Given) -> object:
    return _greet(socket.AF_UNIX, socket.SOCK_STREAM, given["unix-inside"], given)


@attack("unix.stream-through-symlink")
def unix_stream_link(given: Given) -> object:
    return _greet(socket.AF_UNIX, socket.SOCK_STREAM, given["unix-link"], given)


@attack("unix.sequenced")
def unix_sequenced(given: Given) -> object:
    return _greet(socket.AF_UNIX, socket.SOCK_SEQPACKET, given["unix-sequenced"], given)


@attack("unix.datagram")
def unix_datagram(given: Given) -> object:
    return _send(socket.AF_UNIX, given["unix-datagram"], given)


@attack("unix.datagram-connected")
def unix_datagram_connected(given: Given) -> object:
    return _greet(socket.AF_UNIX, socket.SOCK_DGRAM, given["unix-datagram"], given)


@attack("unix.abstract-stream")
def abstract_stream(given: Given) -> object:
    return _greet(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + given["abstract"], given)


@attack("unix.abstract-datagram")
def abstract_datagram(given: Given) -> object:
    return _send(socket.AF_UNIX, "\0" + given["abstract"] + "-datagram", given)


def _pair(kind: int) -> socket.socket:
    return socket.socketpair(socket.AF_UNIX, kind)[0]


def _strays(kind: int, given: Given) -> str:
    """Use a socket that has a peer to write to somebody else."""
    text = given["name"].encode()
    pair = socket.socketpair(socket.AF_UNIX, kind)
    errors = []
    for path in (given["unix-datagram"], "\0" + given["abstract"] + "-datagram"):
        for way in ("send", "message", "connect"):
            try:
                if way == "send":
                    pair[0].sendto(text, path)
                elif way == "message":
                    pair[0].sendmsg([text], [], 0, path)
                else:
                    pair[0].connect(path)
                    pair[0].send(text)
                return f"{way} to {path!r}"
            except OSError as error:
                errors.append(f"{way}: {error}")
    raise Refused("; ".join(errors))


@attack("unix.stray-from-datagram-pair")
def stray_datagram(given: Given) -> object:
    return _strays(socket.SOCK_DGRAM, given)


@attack("unix.stray-from-stream-pair")
def stray_stream(given: Given) -> object:
    return _strays(socket.SOCK_STREAM, given)


@attack("unix.handed-over-datagram")
def handed_over(given: Given) -> object:
    """A socket of a kind that only a pair gives, passed through another pair, is as good as before."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    sent = _pair(socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sent.fileno()]))])
    ancillary = theirs.recvmsg(1, socket.CMSG_SPACE(4))[1]
    taken = array.array("i")
    taken.frombytes(ancillary[0][2][:4])
    with socket.socket(fileno=taken[0]) as client:
        return client.sendto(given["name"].encode(), given["unix-datagram"])


# -- ways that are open ----------------------------------------------------------------------------------


@attack("network.own-loopback")
def own_loopback(given: Given) -> object:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        if family == socket.AF_INET6 and not given["tcp6"]:
            continue
        with socket.socket(family) as server, socket.socket(family) as client:
            server.bind((address, 0))
            server.listen(1)
            client.connect(server.getsockname()[:2])
            peer = server.accept()[0]
            peer.send(b"hello")
            assert client.recv(5) == b"hello"
            peer.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.sendto(b"hello", server.getsockname())
        assert server.recv(5) == b"hello"
    return "served itself"


@attack("network.through-proxy")
def through_proxy(given: Given) -> object:
    host, port = os.environ["KIT_PROXY"].split(":")
    with socket.create_connection((host, int(port)), 3) as client:
        client.sendall(given["name"].encode())
        return client.recv(100).decode()
