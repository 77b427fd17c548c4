"""The real program `codex doctor`, and its runner over checks of our own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest

from codex_doctor.checks.plugins import PluginsCheck
from codex_doctor.report import as_text
from codex_doctor.runner import run_checks
from codex_kernel.plugins import PluginReport
from codex_plugin_sdk import CheckSetup, CheckSpec, CodexError, Finding, Health
from codex_plugin_sdk.testing.harness import manager, plugin
from codex_plugin_sdk.testing.scripted_http import json_reply
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
KEYS = {"check", "plugin", "name", "health", "message", "cure", "details"}


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def doctor(home, *args, env=None, online=False, **options):
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "CODEX_HOME": str(home),
        "LANG": "C.UTF-8",
    }
    return subprocess.run(
        [str(PROGRAM), "doctor", *(() if online else ("--offline",)), *args],
        env={**environ, **(env or {})},
        capture_output=True,
        timeout=60,
        check=False,
        **options,
    )


def report(home, *args, **options):
    done = doctor(home, "--json", *args, **options)
    return done.returncode, json.loads(done.stdout)


def found(whole, name):
    (finding,) = [entry for entry in whole["findings"] if entry["name"] == name]
    return finding


def test_json_has_a_stable_schema(home):
    _, whole = report(home)
    assert set(whole) == {"schema_version", "version", "codex_home", "health", "findings"}
    assert whole["schema_version"] == 1
    assert whole["codex_home"] == str(home)
    assert all(set(finding) == KEYS for finding in whole["findings"])
    assert [f["name"] for f in whole["findings"][:1]] == ["installation"]
    expected = {"plugins", "home", "disk", "config", "provider", "git", "terminal"}
    assert {*expected, "state databases", "state sessions", "state locks"} <= {f["name"] for f in whole["findings"]}


def test_a_configuration_that_does_not_parse_fails_with_file_and_line(home):
    (home / "config.toml").write_text('model = "x"\nbroken\n')
    code, whole = report(home)
    assert code == 1
    assert whole["health"] == "failed"
    finding = found(whole, "config")
    assert finding["health"] == "failed"
    assert f"{home / 'config.toml'}:2" in finding["message"]
    assert found(whole, "home")["health"] == "ok"


def test_a_value_that_does_not_fit_fails_the_configuration_only(home):
    (home / "config.toml").write_text('sandbox_mode = "loose"\n')
    code, whole = report(home)
    assert code == 1
    assert "loose" in found(whole, "config")["message"]


def test_a_bad_override_is_an_error_of_the_command_line(home):
    done = doctor(home, "-c", "nonsense")
    assert done.returncode == 3
    assert b"KEY=VALUE" in done.stderr
    assert done.stdout == b""


def test_overrides_reach_the_checks(home):
    _, whole = report(home, "-c", "model=other")
    assert found(whole, "config")["details"]["model"] == "other"


def test_a_problem_with_the_configuration_leaves_the_other_checks_to_work(home):
    (home / "config.toml").write_text("model_provider = 'openai'\nbroken\n")
    code, whole = report(home, env={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, online=True)
    assert code == 1
    assert found(whole, "plugins")["health"] == "ok"
    provider = found(whole, "provider")
    assert (provider["health"], provider["cure"]) == ("warning", "correct the configuration first")


def test_an_unknown_key_is_a_row_with_its_cure(home):
    (home / "config.toml").write_text('modle = "x"\n')
    code, whole = report(home)
    assert code == 0
    row = found(whole, "config modle")
    assert row["health"] == "warning"
    assert f"{home / 'config.toml'}:1" in row["message"]
    assert "model" in row["cure"]
    assert found(whole, "config")["health"] == "ok"


def test_strict_config_makes_it_a_failure(home):
    (home / "config.toml").write_text('modle = "x"\n')
    done = subprocess.run(
        [str(PROGRAM), "--strict-config", "doctor", "--offline", "--json"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "modle" in found(json.loads(done.stdout), "config")["message"]


def test_an_untrusted_project_is_left_out_and_told(home, tmp_path):
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".codex").mkdir()
    (project / ".codex" / "config.toml").write_text('model = "from-the-project"\n')
    _, whole = report(home, "-C", str(project))
    assert found(whole, "config")["details"]["model"] != "from-the-project"
    row = found(whole, "config notice")
    assert (row["health"], row["cure"]) == ("warning", f"codex trust {project}")


def test_root_options_count(home):
    done = subprocess.run(
        [str(PROGRAM), "-m", "mine", "-s", "workspace-write", "doctor", "--offline", "--json"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    details = found(json.loads(done.stdout), "config")["details"]
    assert (details["model"], details["sandbox_mode"]) == ("mine", "workspace-write")


def test_a_profile_that_is_defined_nowhere_is_warned_of(home):
    assert found(report(home, "-p", "nope")[1], "config profile")["health"] == "warning"
    (home / "nope.config.toml").write_text("")
    assert "config profile" not in {f["name"] for f in report(home, "-p", "nope")[1]["findings"]}


def test_a_bad_profile_name_is_an_error_of_the_command_line(home):
    done = doctor(home, "-p", "../x")
    assert (done.returncode, done.stdout) == (3, b"")


def test_summary_is_one_line_and_what_is_not_ok(home):
    (home / "config.toml").write_text('modle = "x"\n')
    text = doctor(home, "--summary", env={"OPENAI_API_KEY": "sk-0123456789abcdef0123"}).stdout.decode()
    first, *rest = text.splitlines()
    assert first.startswith("doctor: ")
    assert first.endswith(" 0 failed")
    assert any(line.startswith("warning  config modle") for line in rest)
    assert not any(line.startswith("ok ") for line in rest)
    done = doctor(home, "--summary", "--json")
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_reachable_provider_is_asked_once_for_its_models(home):
    with ScriptedResponsesServer([json_reply(200, {"data": []})]) as server:
        (home / "config.toml").write_text(
            'model_provider = "mine"\n[model_providers.mine]\nname = "Mine"\nenv_key = "MINE"\n'
            f'base_url = "{server.base_url}"\n'
        )
        code, whole = report(home, online=True, env={"MINE": "a-very-secret-word"})
        (request,) = server.requests
    assert [f for f in whole["findings"] if f["health"] == "failed"] == []
    assert code == 0
    assert found(whole, "provider")["health"] == "ok"
    assert (request.method, request.path, request.body) == ("GET", "/v1/models", b"")
    assert request.headers["authorization"] == "Bearer a-very-secret-word"
    assert "thread-id" not in request.headers
    assert "a-very-secret-word" not in json.dumps(whole)


def test_secrets_are_taken_out_of_every_row(home):
    (home / "config.toml").write_text(
        'model_provider = "mine"\nsandbox_mode = "hush-hush-1"\n'
        '[model_providers.mine]\nname = "Mine"\nexperimental_bearer_token = "hush-hush-1"\n'
    )
    done = doctor(home, "--verbose", online=True)
    assert b"sandbox_mode" in done.stdout
    assert b"hush-hush-1" not in done.stdout + done.stderr


def test_files_that_others_may_read_are_warned_of_with_the_cure(home):
    secret = home / "auth.json"
    secret.write_text("{}")
    secret.chmod(0o644)
    finding = found(report(home)[1], "home auth.json")
    assert finding["health"] == "warning"
    assert finding["cure"] == f"chmod go-rw {secret}"
    secret.chmod(0o600)
    assert "home auth.json" not in {f["name"] for f in report(home)[1]["findings"]}


def test_a_home_that_others_may_write_is_warned_of(home):
    home.chmod(0o777)
    finding = found(report(home)[1], "home")
    assert (finding["health"], finding["cure"]) == ("warning", f"chmod go-w {home}")


def test_a_home_that_does_not_exist_yet_is_fine(tmp_path):
    _, whole = report(tmp_path / "new")
    assert found(whole, "home")["health"] == "ok"
    assert not (tmp_path / "new" / "config.toml").exists()


def test_text_names_every_finding_and_the_sum(home):
    done = doctor(home, "--no-such-option")
    assert done.returncode == 2
    done = doctor(home)
    assert b"installation" in done.stdout
    assert done.stdout.splitlines()[-1].split()[1] in (b"ok", b"ok,")
    assert b"\x1b" not in done.stdout
    assert b"executable" not in done.stdout
    assert b"executable" in doctor(home, "--verbose").stdout


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_without_no_color(home, no_color, coloured):
    leader, follower = pty.openpty()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "NO_COLOR": no_color}
    with subprocess.Popen(
        [str(PROGRAM), "doctor", "--offline"], env=environ, stdout=follower, stdin=follower
    ) as process:
        os.close(follower)
        text = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            text += chunk
        process.wait(30)
    os.close(leader)
    assert b"installation" in text
    assert (b"\x1b[32m" in text) is coloured


def test_help_teaches_exit_codes_and_examples(home):
    text = doctor(home, "--help").stdout
    for word in (b"Exit codes", b"codex doctor --json", b"NO_COLOR", b"cure"):
        assert word in text


# -- the runner ------------------------------------------------------------------------------------


class One:
    def __init__(self, action):
        self._action = action

    def __call__(self, setup):
        return self

    async def run(self):
        return await self._action()


async def fine():
    return (Finding(name="fine", health=Health.OK, message="fine"),)


async def waits():
    await anyio.sleep_forever()


async def raises():
    raise RuntimeError("out of order")


async def complains():
    raise CodexError("no such thing", hint="make one")


async def nonsense():
    return ("text",)


def run(setup_plugins=None, timeout_s=10.0, **checks):
    plugins = manager(
        plugin(codex_checks=[CheckSpec(name=n, factory=One(a), order=i) for i, (n, a) in enumerate(checks.items())])
    )
    setup = CheckSetup(codex_home="/nowhere", cwd="/", environ={}, options={}, plugins=plugins)
    try:
        return run_checks(plugins.checks(), setup, timeout_s)
    finally:
        plugins.close()


def test_a_check_that_raises_is_a_failed_finding_and_the_others_go_on():
    first, second, third, fourth = run(raises=raises, complains=complains, nonsense=nonsense, fine=fine)
    assert first.finding.health is Health.FAILED
    assert "out of order" in first.finding.message
    assert "out of order" in str(first.finding.details["traceback"])
    assert (second.finding.message, second.finding.cure) == ("no such thing", "make one")
    assert "not Finding" in third.finding.message
    assert fourth.finding.health is Health.OK


def test_a_check_that_waits_for_ever_is_cancelled():
    slow, good = run(timeout_s=0.2, slow=waits, fine=fine)
    assert slow.finding.health is Health.FAILED
    assert "0.2 s" in slow.finding.message
    assert slow.origin in slow.finding.message
    assert good.finding.health is Health.OK


def test_a_check_that_leaves_a_thread_behind_is_not_waited_for():
    release = threading.Event()

    async def asks_a_dead_name_server():
        await anyio.to_thread.run_sync(release.wait, 30, abandon_on_cancel=True)
        return await fine()

    began = time.monotonic()
    try:
        (slow,) = run(timeout_s=0.2, slow=asks_a_dead_name_server)
    finally:
        release.set()
    assert slow.finding.health is Health.FAILED
    assert time.monotonic() - began < 10


def test_a_check_that_raises_a_time_out_of_its_own_is_broken_not_slow():
    async def out_of_time():
        raise TimeoutError("the disk")

    (only,) = run(only=out_of_time)
    assert "itself failed: TimeoutError: the disk" in only.finding.message


def test_a_check_that_ends_the_program_is_a_failed_finding():
    async def leaves():
        raise SystemExit(3)

    first, second = run(leaves=leaves, fine=fine)
    assert (first.finding.health, second.finding.health) == (Health.FAILED, Health.OK)


def test_a_check_that_blocks_its_thread_is_left_behind(monkeypatch):
    monkeypatch.setattr("codex_doctor.runner.GRACE_S", 0.1)
    release = threading.Event()

    async def blocks():
        release.wait(30)
        return await fine()

    try:
        slow, good = run(timeout_s=0.1, slow=blocks, fine=fine)
    finally:
        release.set()
    assert "did not end" in slow.finding.message
    assert good.finding.health is Health.OK


def test_checks_run_at_the_same_time():
    both = threading.Barrier(2, timeout=20)

    async def meets():
        both.wait()
        return await fine()

    assert [f.finding.health for f in run(one=meets, two=meets)] == [Health.OK, Health.OK]


def test_text_shows_cures_and_no_control_characters():
    async def odd():
        return (
            Finding(name="a", health=Health.WARNING, message="x\x1b[31m\udcff", cure="do this"),
            Finding(name="b", health=Health.OK, message="fine", cure="not shown", details={"k": [1, 2]}),
        )

    found = run(odd=odd)
    text = as_text(found, color=False, verbose=False)
    assert "\x1b" not in text
    assert "cure: do this" in text
    assert "not shown" not in text
    assert text.endswith("1 ok, 1 warning\n")
    assert "k: 2" in as_text(found, color=False, verbose=True)
    assert "\x1b[33m" in as_text(found, color=True, verbose=False)


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "health"), [("sandbox", Health.FAILED), ("tool", Health.WARNING)])
async def test_a_plugin_that_is_left_out_fails_only_if_it_is_a_guard(kind, health):
    class Plugins:
        def reports(self):
            bad = PluginReport(name="p", dist="d", version="1", status="failed", kinds=(kind,), reason="why", cure="do")
            blocked = PluginReport(name="b", dist="d", version="1", status="blocked", kinds=(kind,))
            return (PluginReport(name="ok", dist="d", version="1"), bad, blocked)

    setup = CheckSetup(codex_home="/nowhere", cwd="/", environ={}, options={}, plugins=Plugins())
    whole, problem = await PluginsCheck(setup).run()
    assert whole.health is Health.OK
    assert (problem.name, problem.health, problem.message, problem.cure) == (
        "plugin p",
        health,
        "d 1 is failed: why",
        "do",
    )
