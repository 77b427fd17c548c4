"""`sandbox/status`, as an app server calls it."""

from __future__ import annotations

import json
import os

import anyio
import pytest

from codex_plugin_sdk import (
    ConfigSources,
    Guarantee,
    Invocation,
    Probe,
    ProtocolError,
    SandboxBackendSpec,
    ThreadFacts,
    UnconfinedBackend,
    load_config,
    spawn_process,
)
from codex_plugin_sdk.testing.harness import manager, plugin
from codex_sandbox.plugin import codex_app_methods

pytestmark = pytest.mark.anyio
LIMIT_S = 60
FULL = Probe(
    available=True, version="full 1", identity="full", guarantees=(Guarantee(name="write-outside", enforced=True),)
)
WEAK = Probe(
    available=True,
    degraded=True,
    identity="weak",
    guarantees=(Guarantee(name="devices", enforced=False, why="no way"), Guarantee(name="ipc", enforced=True)),
)
GONE = Probe(available=False, reason="it is not there", cure="install it")
NONE = SandboxBackendSpec(name="none", factory=lambda _: UnconfinedBackend(), confines=False)


class Believed(UnconfinedBackend):
    """Counts how often it is tried out, and says what the trial wants to hear."""

    def __init__(self, probe, tried) -> None:
        super().__init__()
        self._probe, self._tried = probe, tried

    def probe(self) -> Probe:
        return self._probe

    async def spawn(self, request, policy):
        self._tried.append(policy.mode.value)
        words = "done read-ordinary" + (" wrote-inside" if policy.mode == "workspace-write" else "")
        return await spawn_process(request.replace(argv=("/bin/echo", words)))


class Place:
    """A home with engines of our own; `call(**params)` is a request."""

    def __init__(self, home, probes, config="") -> None:
        self.home, self.tried = str(home), []
        (home / "config.toml").write_text(config)
        specs = [
            SandboxBackendSpec(name=name, factory=lambda _, probe=probe: Believed(probe, self.tried), strength=strength)
            for strength, (name, probe) in enumerate(reversed(probes.items()))
        ]
        plugins = manager(plugin(codex_sandbox_backends=[*specs, NONE]))
        environ = {"CODEX_HOME": self.home, "HOME": self.home, "PATH": os.defpath}
        self.invocation = Invocation(plugins=plugins, environ=environ)
        self.codex_home = self.home
        (offer,) = codex_app_methods()
        self.call_with = offer.factory(self)
        self.opened = {}

    async def thread(self, thread_id):
        if thread_id not in self.opened:
            raise ProtocolError(f"thread not found: {thread_id}")
        return ThreadFacts(thread_id=thread_id, cwd=self.home, loaded=True)

    async def config(self, thread_id):
        return load_config(ConfigSources(codex_home=self.home, flags=self.opened[thread_id]))

    async def call(self, **params):
        found = await self.call_with(params)
        assert json.loads(json.dumps(found)) == found
        return found


async def test_the_engine_and_what_it_enforces_are_told_and_not_tried_out_again(tmp_path):
    place = Place(tmp_path, {"full": FULL, "weak": WEAK})
    found = await place.call(cwd=place.home)
    assert place.tried == ["read-only"]
    engines = found.pop("engines")
    assert found == {
        "cwd": place.home,
        "permissionProfile": None,
        "mode": "read-only",
        "network": "off",
        "preference": "auto",
        "works": True,
        "engine": "full",
        "version": "full 1",
        "confined": True,
        "degraded": False,
        "why": "",
        "problem": "",
        "cure": "",
        "guarantees": [{"name": "write-outside", "enforced": True, "why": ""}],
    }
    assert [(one["name"], one["chosen"], one["proof"]) for one in engines] == [("full", True, "now")]
    again = await place.call()
    assert again["cwd"] == os.getcwd()
    assert [one["proof"] for one in again["engines"]] == ["earlier"]
    assert place.tried == ["read-only"]


async def test_a_weaker_engine_says_why_and_what_would_cure_it(tmp_path):
    found = await Place(tmp_path, {"gone": GONE, "weak": WEAK}).call()
    assert (found["works"], found["engine"], found["degraded"]) == (True, "weak", True)
    assert (found["why"], found["cure"]) == ("devices: no way", "gone: install it")
    assert found["guarantees"][0] == {"name": "devices", "enforced": False, "why": "no way"}
    assert [one["name"] for one in found["engines"]] == ["gone", "weak"]


async def test_where_nothing_works_the_problem_and_its_cure_are_told(tmp_path):
    found = await Place(tmp_path, {"gone": GONE}).call()
    assert (found["works"], found["engine"], found["guarantees"]) == (False, None, [])
    assert "it is not there" in found["problem"]
    assert found["cure"].startswith("install it")
    forbids = await Place(tmp_path, {"full": FULL}, '[sandbox]\npreference = "forbid"').call()
    assert (forbids["works"], forbids["preference"]) == (False, "forbid")


async def test_a_thread_and_another_mode_are_asked_about(tmp_path):
    place = Place(tmp_path, {"full": FULL}, 'sandbox_mode = "danger-full-access"')
    assert (await place.call())["engine"] == "none"
    assert place.tried == []
    place.opened["t"] = {"sandbox_mode": "workspace-write"}
    found = await place.call(threadId="t")
    assert (found["mode"], found["engine"], found["confined"]) == ("workspace-write", "full", True)
    found = await place.call(threadId="t", mode="danger-full-access")
    assert (found["mode"], found["engine"], found["confined"]) == ("danger-full-access", "none", False)
    found = await place.call(mode="read-only")
    assert (found["mode"], found["engine"]) == ("read-only", "full")
    assert place.tried == ["workspace-write", "read-only"]


@pytest.mark.parametrize(
    "params",
    [
        {"threadId": "unknown"},
        {"threadId": 5},
        {"threadId": "t", "cwd": "/"},
        {"cwd": "relative"},
        {"cwd": "/no/such/folder"},
        {"cwd": 5},
        {"mode": "everything"},
        {"mode": []},
    ],
)
async def test_what_makes_no_sense_is_refused(tmp_path, params):
    with pytest.raises(ProtocolError):
        await Place(tmp_path, {"full": FULL}).call(**params)


async def test_a_real_server_tells_it_of_an_open_thread(tmp_path):
    (tmp_path / "config.toml").write_text('sandbox_mode = "danger-full-access"\n')
    environ = {"CODEX_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    plugins = type(manager()).from_environment(environ)
    hello = {"clientInfo": {"name": "tests", "version": "1"}, "capabilities": {"experimentalApi": True}}
    invocation = Invocation(plugins=plugins, environ=environ)
    with anyio.fail_after(LIMIT_S):
        async with plugins.app_server().factory(invocation) as server, server.connect() as client:
            await client.request("initialize", hello)
            opened = await client.request("thread/start", {"cwd": str(tmp_path), "sandbox": "read-only"})
            found = await client.request("sandbox/status", {"threadId": opened["thread"]["id"]})
            assert (found["mode"], found["cwd"], found["confined"]) == ("read-only", str(tmp_path), True)
            assert found["works"] is bool(found["engine"])
            assert bool(found["guarantees"]) is found["works"]
    plugins.close()
