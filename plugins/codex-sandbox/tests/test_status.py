"""`codex sandbox status` and the check of `codex doctor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codex_plugin_sdk import (
    CheckSetup,
    ConfigSources,
    Engine,
    Guarantee,
    Health,
    Probe,
    SandboxBackendSpec,
    SandboxPolicy,
    UnconfinedBackend,
    load_config,
    spawn_process,
)
from codex_plugin_sdk.testing.harness import manager, plugin
from codex_sandbox.check import SandboxCheck
from codex_sandbox.survey import survey

PROGRAM = Path(sys.executable).with_name("codex")
TOP = {
    "schema_version", "mode", "permission_profile", "network", "preference", "chosen", "confined", "problem", "cure",
    "engines",
}  # fmt: skip
ENGINE = {
    "name", "version", "available", "usable", "chosen", "degraded", "proof", "reason", "cure", "guarantees",
}  # fmt: skip


def status(home, *args, before=(), **env):
    environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "CODEX_HOME": str(home), **env}
    return subprocess.run(
        [str(PROGRAM), "sandbox", *before, "status", *args],
        env=environ,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_json_has_a_stable_schema_and_one_chosen_engine(any_sandbox):
    (any_sandbox.home / "kernel" / "sandbox" / "proofs.json").unlink()
    done = status(any_sandbox.home, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert set(found) == TOP
    assert (found["schema_version"], found["mode"], found["network"]) == (1, "read-only", "off")
    assert all(set(engine) == ENGINE for engine in found["engines"])
    (chosen,) = [engine for engine in found["engines"] if engine["chosen"]]
    assert (chosen["name"], chosen["usable"], chosen["proof"]) == (found["chosen"], True, "now")
    assert all(set(g) == {"name", "enforced", "why"} for g in chosen["guarantees"])
    again = json.loads(status(any_sandbox.home, "--json").stdout)
    assert [e["proof"] for e in again["engines"] if e["chosen"]] == ["earlier"]


def test_options_count_on_both_sides_of_the_word(any_sandbox):
    options = ("-s", "workspace-write"), ("-c", "sandbox.preference=require")
    for before, after in (options, options[::-1]):
        found = json.loads(status(any_sandbox.home, *after, "--json", before=before).stdout)
        assert (found["mode"], found["preference"]) == ("workspace-write", "require")


def test_a_profile_is_shown_by_its_name(any_sandbox):
    found = json.loads(status(any_sandbox.home, "-P", ":workspace", "--json").stdout)
    assert (found["permission_profile"], found["mode"]) == (":workspace", "workspace-write")


def test_the_table_says_what_is_enforced(any_sandbox):
    text = status(any_sandbox.home).stdout.decode()
    assert "commands are confined by" in text
    assert "write-outside" in text
    assert "enforced" in text


def test_without_an_engine_it_prints_and_fails_with_the_cure(tmp_path):
    done = status(tmp_path, "--json", CODEX_NO_PLUGINS="codex-sandbox-linux")
    found = json.loads(done.stdout)
    assert done.returncode == 7
    assert (found["chosen"], found["engines"]) == (None, [])
    assert "pip install codex-sandbox-linux" in found["cure"]
    assert b"pip install codex-sandbox-linux" in done.stderr


def test_unconfined_says_so(tmp_path):
    done = status(tmp_path, "-s", "danger-full-access")
    assert done.returncode == 0
    assert b"unconfined" in done.stdout


def test_forbid_chooses_nothing(tmp_path):
    done = status(tmp_path, "-c", "sandbox.preference=forbid", "--json")
    assert done.returncode == 7
    assert json.loads(done.stdout)["chosen"] is None


def test_an_argument_too_many_is_a_usage_error(tmp_path):
    assert status(tmp_path, "more").returncode == 2


# -- over engines of our own -------------------------------------------------------------------------

FULL = Probe(available=True, version="1", guarantees=(Guarantee(name="write-outside", enforced=True),))
WEAK = Probe(
    available=True,
    degraded=True,
    guarantees=(Guarantee(name="devices", enforced=False, why="no way"), Guarantee(name="ipc", enforced=True)),
)
GONE = Probe(available=False, reason="it is not there", cure="install it")


class Leaky(UnconfinedBackend):
    """Promises what it does not do."""

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self._probe = probe

    def probe(self) -> Probe:
        return self._probe

    async def spawn(self, request, policy):
        return await spawn_process(request)


def spec(name, probe, strength=0):
    return SandboxBackendSpec(name=name, factory=lambda _: Leaky(probe), strength=strength)


def engine(home, *specs, **flags):
    config = load_config(ConfigSources(codex_home=str(home), flags=flags))
    return Engine(config=config, plugins=manager(plugin(codex_sandbox_backends=specs)), environ=dict(os.environ))


@pytest.mark.anyio
async def test_an_engine_that_leaks_is_found_out_and_not_chosen(tmp_path):
    found = await survey(engine(tmp_path, spec("leaky", FULL), spec("gone", GONE, 1)), SandboxPolicy())
    gone, leaky = found.candidates
    assert (gone.name, gone.proved, "install it" in gone.reason) == ("gone", False, True)
    assert (leaky.name, leaky.proved, "leaks" in leaky.reason) == ("leaky", True, True)
    assert found.chosen is None
    assert "install it" in found.cure


@pytest.mark.anyio
async def test_the_check_fails_with_the_cure_where_nothing_confines(tmp_path):
    (finding,) = await check(tmp_path, spec("gone", GONE)).run()
    assert (finding.name, finding.health) == ("sandbox", Health.FAILED)
    assert "it is not there" in finding.message
    assert "install it" in finding.cure


@pytest.mark.anyio
async def test_the_check_warns_of_a_configuration_that_confines_nothing(tmp_path):
    (finding,) = await check(tmp_path, spec("gone", GONE), sandbox_mode="danger-full-access").run()
    assert finding.health is Health.WARNING
    assert "nothing here could confine them" in finding.message


@pytest.mark.anyio
async def test_the_check_names_what_a_weaker_engine_does_not_enforce(tmp_path, monkeypatch):
    async def believe(*_):
        from codex_kernel.sandbox_proof import Proof

        return Proof()

    monkeypatch.setattr("codex_kernel.sandboxing.prove", believe)
    (finding,) = await check(tmp_path, spec("weak", WEAK), spec("gone", GONE, 1)).run()
    assert finding.health is Health.WARNING
    assert finding.message == "weak confines commands to read-only, but does not enforce: devices"
    assert finding.cure == "gone: install it"
    assert finding.details["devices"] == "NOT enforced: no way"
    (finding,) = await check(tmp_path, spec("full", FULL)).run()
    assert (finding.health, finding.message) == (Health.OK, "full (1) confines commands to read-only")


def check(home, *specs, **options):
    plugins = manager(plugin(codex_sandbox_backends=specs))
    setup = CheckSetup(codex_home=str(home), cwd=str(home), environ={}, options=options, plugins=plugins)
    return SandboxCheck(setup)
