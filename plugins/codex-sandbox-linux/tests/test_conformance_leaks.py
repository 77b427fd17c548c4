"""The escape suite finds leaks: bubblewrap with a part taken away fails the cases of that part, and few others."""

import pytest

from codex_plugin_sdk.testing.sandbox_kit import SandboxConformance, failures_of, list_cases
from codex_sandbox_linux import bwrap_command, bwrap_plan
from codex_sandbox_linux.bwrap import BwrapBackend
from codex_sandbox_linux.protected import Protection

pytestmark = pytest.mark.anyio


class Kit(SandboxConformance):
    __test__ = False

    def open_backend(self, setup):
        return BwrapBackend(setup)


GUARANTEE = {case.id: case.guarantee for case in list_cases()}


def of(guarantee):
    return {id for id, found in GUARANTEE.items() if found == guarantee}


async def test_writable_repositories_are_found(monkeypatch):
    monkeypatch.setattr(bwrap_plan, "survey", lambda roots, cwd: Protection(read_only=(), watched=()))
    found = await failures_of(Kit, ("protected", "files", "roots", "reads", "commands"))
    assert len(found & of("protected-folders")) >= 10
    assert {GUARANTEE[id] for id in found} == {"protected-folders"}


async def test_a_shared_network_without_a_filter_is_found(monkeypatch):
    honest = bwrap_command.arguments

    def shared(*args, **options):
        return [word for word in honest(*args, **options) if word != "--unshare-net"]

    allow_everything = b"\x06\x00\x00\x00\x00\x00\xff\x7f"
    monkeypatch.setattr(bwrap_command, "arguments", shared)
    monkeypatch.setattr(bwrap_command, "filter_program", lambda network: allow_everything)
    found = await failures_of(Kit, ("network", "unix", "kernel", "ipc"))
    assert found & of("network-ip")
    assert found & of("network-unix-sockets")
    assert found & of("kernel-knobs")
    assert {GUARANTEE[id] for id in found} >= {"network-ip", "network-unix-sockets"}
