"""Which hosts and addresses are reached: one spelling each, no way in through a name."""

from __future__ import annotations

from ipaddress import ip_address

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_network_proxy import ranges
from codex_network_proxy.faults import Malformed
from codex_network_proxy.limits import Limits
from codex_network_proxy.ranges import objection, special
from codex_network_proxy.target import Target, parse_host, parse_target
from codex_plugin_sdk import NetworkRules


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("a_b.example", "a_b.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("::FFFF:127.0.0.1", "127.0.0.1"),
        ("[::ffff:7f00:1]", "127.0.0.1"),
        ("1.example", "1.example"),
    ],
)
def test_host_has_one_spelling(text, host):
    assert parse_host(text)[0] == host


@pytest.mark.parametrize(
    "text",
    [
        *("2130706433", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01", "1.2.3.4.5", "a.0x"),
        *("256.1.1.1", "a.1", "", ".", "a..b", ".a", "-a", "a-", "a b", "a/b", "a@b", "a%00", "bücher.example", "a\n"),
        *("a" * 64, ("a" * 60 + ".") * 5, "[fe80::1%eth0]", "fe80::1%1", "[::1", "::1]", "[127.0.0.1]", "[]", ":"),
        *("\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021"),
    ],
)
def test_odd_spelling_is_refused(text):
    with pytest.raises(Malformed):
        parse_host(text)


@given(st.text(max_size=40) | st.from_regex(r"[0-9a-fx.:\[\]]{1,20}", fullmatch=True))
def test_whatever_is_parsed_stays_the_same_when_parsed_again(text):
    try:
        target = parse_target(text, default_port=80)
    except Malformed:
        return
    assert parse_target(str(target)) == target
    assert target.host.isascii()
    assert target.host == target.host.lower()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("8.8.8.8", ""),
        ("2606:4700::1", ""),
        ("64:ff9b::808:808", ""),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("10.1.2.3", "private"),
        ("172.31.0.1", "private"),
        ("172.32.0.1", ""),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "shared (carrier-grade NAT)"),
        ("169.254.169.254", "link-local"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::1", "loopback"),
        ("::", "unspecified"),
        ("fe80::1", "link-local"),
        ("fd00::1", "private"),
        ("fec0::1", "reserved"),
        ("ff02::1", "multicast"),
        ("::ffff:10.0.0.1", "private"),
        ("::10.0.0.1", "reserved"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b:1::a00:1", "reserved"),
        ("2002:a00:1::", "6to4"),
        ("2001::1", "reserved"),
        ("2001:db8::1", "documentation"),
    ],
)
def test_address_range(text, word):
    assert special(ip_address(text)) == word


@given(st.ip_addresses(v=4))
def test_no_address_counts_as_public_that_python_knows_as_not_global(address):
    assert address.is_global or special(address)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_counts_as_public_that_python_knows_as_not_global(address):
    assert address.is_global or special(address)


@given(st.ip_addresses(v=4))
def test_what_an_ipv6_address_carries_is_judged(address):
    for carrier in (f"::ffff:{address}", f"64:ff9b::{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"):
        assert special(ip_address(carrier)) == special(address)


def named(*allowed, **more):
    return NetworkRules(allowed=allowed, **more)


@pytest.mark.parametrize(
    ("host", "address", "rules", "refused"),
    [
        ("a.test", "8.8.8.8", named(), False),
        ("a.test", "10.0.0.1", named(), True),
        ("a.test", "10.0.0.1", named("*"), True),
        ("a.test", "10.0.0.1", named("*.test"), True),
        ("a.test", "10.0.0.1", named("**.a.test"), True),
        ("a.test", "10.0.0.1", named("A.test"), False),
        ("a.test", "10.0.0.1", named("10.0.0.1"), False),
        ("a.test", "10.0.0.1", named(allow_private=True), False),
        ("a.test", "10.0.0.1", named("a.test", denied=("10.0.0.1",)), True),
        ("a.test", "8.8.8.8", named("a.test", denied=("8.8.8.8",)), True),
        ("a.test", "127.0.0.1", named("a.test"), True),
        ("a.test", "169.254.169.254", named("a.test"), True),
        ("a.test", "169.254.169.254", named("a.test", "169.254.169.254"), False),
        ("localhost", "127.0.0.1", named("localhost"), False),
        ("localhost", "::1", named("localhost"), False),
        ("localhost", "127.0.0.1", named("*"), True),
        ("app.localhost", "127.0.0.1", named("app.localhost"), False),
        ("localhost", "169.254.169.254", named("localhost"), True),
        ("127.0.0.1", "127.0.0.1", named("127.0.0.1"), False),
    ],
)
def test_private_address_needs_to_be_meant(host, address, rules, refused):
    target = Target(host=host, port=80)
    assert bool(objection(ip_address(address), target, rules)) is refused


def test_address_of_this_machine_is_not_a_way_back_in(monkeypatch):
    assert ranges.is_own(ip_address("127.0.0.1"))
    assert not ranges.is_own(ip_address("203.0.113.77"))
    monkeypatch.setattr(ranges, "_binds", lambda text, version: True)
    assert not ranges.is_own(ip_address("203.0.113.77"))  # any address can be bound here: nothing is known
    monkeypatch.setattr(ranges, "is_own", lambda address: True)
    assert "this machine" in objection(ip_address("8.8.8.8"), Target(host="a.test", port=80), named("a.test"))


def get(port, host):
    return f"GET http://{host}:{port}/ HTTP/1.1\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.anyio
async def test_private_literal_is_refused_without_asking_and_a_name_is_not_resolved_before_asking(serve):
    looked_up = []

    async def resolve(host):
        looked_up.append(host)
        return ["10.9.8.7"]

    async with serve(NetworkRules(allowed=("*",)), resolve=resolve) as proxy:
        proxy.answers["no.test"] = "no"
        literal = await proxy.raw(get(80, "10.1.1.1"))
        assert (proxy.asked, looked_up) == ([], [])
        await proxy.raw(get(80, "no.test"))
        assert looked_up == []
        name = await proxy.raw(get(80, "inside.test"))
    for answer in (literal, name):
        assert b"403 Forbidden" in answer
        assert b"X-Proxy-Error: private-address" in answer
    assert [(host, port) for host, port, _ in proxy.refused] == [("10.1.1.1", 80), ("inside.test", 80)]


@pytest.mark.anyio
@pytest.mark.parametrize(("allowed", "refused"), [((), True), (("*",), True), (("localhost",), False)])
async def test_nobody_is_asked_about_localhost_unless_it_is_named(serve, origin, replying, allowed, refused):
    names = {"localhost": ["127.0.0.1"]}
    async with origin(replying()) as server, serve(NetworkRules(allowed=allowed), names=names) as proxy:
        answer = await proxy.raw(get(server.port, "localhost"))
    assert (b"403 Forbidden" in answer) is refused
    assert len(proxy.asked) == (not refused)


@pytest.mark.anyio
async def test_rebinding_name_is_resolved_once_and_one_private_address_refuses_all(serve, origin, replying):
    async with origin(replying()) as server:
        answers = [["127.0.0.1"], ["10.0.0.1"]]

        async def rebinding(host):
            return answers.pop(0)

        async with serve(NetworkRules(allowed=("127.0.0.1",)), resolve=rebinding) as proxy:
            assert b"200 OK" in await proxy.raw(get(server.port, "bind.test"))
            assert len(answers) == 1
            assert b"403" in await proxy.raw(get(server.port, "bind.test"))
        mixed = {"mixed.test": ["127.0.0.1", "10.0.0.1"]}
        async with serve(NetworkRules(allowed=("127.0.0.1",)), names=mixed) as proxy:
            assert b"403" in await proxy.raw(get(server.port, "mixed.test"))


@pytest.mark.anyio
async def test_second_address_is_tried_when_the_first_does_not_answer(serve, origin, replying):
    async with origin(replying()) as server:
        names = {"two.test": ["127.0.0.2", "127.0.0.1"]}
        async with serve(names=names) as proxy:
            assert b"200 OK" in await proxy.raw(get(server.port, "two.test"))


@pytest.mark.anyio
async def test_slow_look_up_ends_in_time(serve):
    async def never(host):
        await anyio.sleep_forever()

    async with serve(resolve=never, limits=Limits(lookup_s=0.05, linger_s=0.1)) as proxy:
        assert b"504 Gateway Timeout" in await proxy.raw(get(80, "slow.test"))


@pytest.mark.anyio
async def test_systems_resolver_finds_localhost(serve, origin, replying):
    from codex_network_proxy.dial import Dialer

    dialer = Dialer(Limits())
    found = await dialer.addresses(Target(host="localhost", port=80), NetworkRules(allowed=("localhost",)))
    assert ip_address("127.0.0.1") in found or ip_address("::1") in found


@pytest.mark.anyio
async def test_rules_deny_although_permission_allows_and_a_failing_permission_is_no(serve):
    async def fail():
        raise RuntimeError("broken policy")

    async with serve(NetworkRules(denied=("no.test",), allow_private=True)) as proxy:
        proxy.answers["odd.test"] = fail
        assert b"denied by the rules" in await proxy.raw(get(80, "no.test"))
        assert b"broken policy" in await proxy.raw(get(80, "odd.test"))
    assert len(proxy.refused) == 2
