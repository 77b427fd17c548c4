"""The check `config` over layers, requirements and sources of its own, and what keeps secrets out of a report."""

from __future__ import annotations

import threading
import time

import pytest

from codex_doctor.checks.configuration import ConfigCheck
from codex_doctor.examined import Examined
from codex_doctor.loading import Loaded, in_time
from codex_doctor.secrecy import redactor
from codex_plugin_sdk import (
    CheckSetup,
    ConfigError,
    ConfigSources,
    ConfigSourceSpec,
    Diagnostic,
    Finding,
    Health,
    SourcedConfig,
    load_config,
)
from codex_plugin_sdk.testing.harness import manager, plugin

pytestmark = pytest.mark.anyio


class Source:
    def __init__(self, found=None, problems=()):
        self._found, self._problems = found or SourcedConfig(), problems

    def __call__(self):
        return self

    def read(self, request):
        return self._found

    def check(self, config):
        return self._problems


async def examine(home, *sources, **flags):
    specs = [ConfigSourceSpec(name=f"s{at}", factory=source) for at, source in enumerate(sources)]
    plugins = manager(plugin(codex_config_sources=specs))
    config = load_config(ConfigSources(codex_home=str(home), system_dir=str(home), flags=flags), plugins)
    setup = Examined(
        codex_home=str(home), cwd=str(home), environ={}, options=config.data, plugins=plugins, config=config
    )
    try:
        return await ConfigCheck(setup).run()
    finally:
        plugins.close()


async def test_requirements_are_named_and_what_they_change_is_a_row(tmp_path):
    (tmp_path / "requirements.toml").write_text('allowed_sandbox_modes = ["read-only"]\n')
    whole, row = await examine(tmp_path, sandbox_mode="workspace-write")
    assert whole.health is Health.OK
    assert f"constrained by {tmp_path / 'requirements.toml'}" in whole.message
    assert whole.details["sandbox_mode"] == "read-only"
    assert whole.details["requirements"] == [f"sandbox_mode: read-only ({tmp_path / 'requirements.toml'}:1:1)"]
    assert row.health is Health.WARNING
    assert "`sandbox_mode` may not be workspace-write" in row.message


async def test_a_provider_that_is_not_permitted_fails(tmp_path):
    (tmp_path / "requirements.toml").write_text('allowed_model_providers = ["corporate"]\n')
    (whole,) = await examine(tmp_path)
    assert (whole.health, "may not be openai" in whole.message) == (Health.FAILED, True)
    assert whole.cure


async def test_each_warning_is_a_row_once_with_its_own_cure(tmp_path):
    warning = Diagnostic(severity="warning", message="not known", where="f:1:2", key="a.b", hint="try c (or d)")
    notices = ("left out; to allow it: codex trust /p", "only so")
    whole, first, second, third = await examine(
        tmp_path, Source(SourcedConfig(notices=notices)), Source(None, [warning])
    )
    assert whole.health is Health.OK
    assert (first.name, first.message, first.cure) == ("config a.b", "f:1:2: not known", "try c (or d)")
    assert (second.message, second.cure) == (notices[0], "codex trust /p")
    assert third.message == "only so"
    assert third.cure


async def test_layers_are_listed_weakest_first(tmp_path):
    (tmp_path / "config.toml").write_text('model = "x"\n')
    (whole,) = await examine(tmp_path, approval_policy="never")
    assert whole.details["layers"] == [
        f"system: {tmp_path / 'config.toml'}",
        f"user: {tmp_path / 'config.toml'}",
        "flags: the command line",
    ]


async def test_the_problem_of_loading_is_the_finding(tmp_path):
    setup = Examined(
        codex_home="/", cwd="/", environ={}, options={}, plugins=None, problem=ConfigError("no", where="f:1", hint="do")
    )
    (whole,) = await ConfigCheck(setup).run()
    assert (whole.health, whole.message, whole.cure) == (Health.FAILED, "f:1: no", "do")


async def test_the_check_works_without_the_command(tmp_path):
    (tmp_path / "config.toml").write_text('model = "x"\n')
    plugins = manager()
    setup = CheckSetup(codex_home=str(tmp_path), cwd="/", environ={}, options={}, plugins=plugins)
    found = await ConfigCheck(setup).run()
    plugins.close()
    assert found[0].details["model"] == "x"


async def test_a_source_that_hangs_is_a_problem_and_not_waited_for():
    release = threading.Event()

    def hangs():
        release.wait(30)
        return Loaded(options={})

    began = time.monotonic()
    found = in_time(hangs, 0.1, {})
    release.set()
    assert time.monotonic() - began < 10
    assert "0.1 s" in found.problem.message
    assert found.config is None


async def test_an_error_of_loading_is_raised_where_it_is_asked_for():
    def wrong():
        raise ConfigError("wrong")

    with pytest.raises(ConfigError, match="wrong"):
        in_time(wrong, 10, {})


async def test_secrets_of_environment_and_configuration_are_taken_out():
    environ = {"SERVICE_TOKEN": "from-the-environment", "ODD": "odd-named-key", "HOME": "/home/me"}
    options = {
        "model": "gpt-harmless",
        "model_providers": {
            "a": {"env_key": "ODD", "http_headers": {"x": "header-value"}, "base_url": "https://h/v1?k=query-value"},
            "b": {"experimental_bearer_token": "bearer-value"},
        },
        "mcp_servers": {"m": {"env": {"ANY": "mcp-env-value"}}},
    }
    secrets = ["from-the-environment", "odd-named-key", "header-value", "query-value", "bearer-value", "mcp-env-value"]
    text = "gpt-harmless ODD /home/me " + " ".join(secrets)
    finding = Finding(name="x", health=Health.OK, message=text, cure=text, details={"a": [text, {"b": text}], "n": 1})
    clean = redactor(environ, options)(finding)
    shown = repr(clean)
    assert [secret for secret in secrets if secret in shown] == []
    assert shown.count("gpt-harmless ODD /home/me") == 4
    assert clean.details["n"] == 1
