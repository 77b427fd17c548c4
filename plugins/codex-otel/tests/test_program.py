"""The real program: what it loads with telemetry off, what arrives with it on, and how it ends when nobody answers."""

import json
import os
import subprocess
import sys
from time import monotonic

import pytest

from codex_plugin_sdk import FunctionCall, text_message
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROBE = """
import atexit, sys
atexit.register(lambda: sys.stderr.write("IMPORTED " + " ".join(sys.modules) + "\\n"))
from codex_kernel.main import run
sys.exit(run(["codex", *sys.argv[1:]]))
"""


@pytest.fixture
def run(tmp_path):
    """Runs `codex exec` with an `[otel]` table against a scripted model; the result and how long it took."""

    def go(table="", **environ):
        with ScriptedResponsesServer() as server:
            call = FunctionCall(call_id="call_1", name="exec_command", arguments=json.dumps({"cmd": "true"}), id="fc_1")
            server.play(server.answer(call), server.answer(text_message("assistant", "hello", id="msg_1")))
            provider = f'name="x"\nbase_url="{server.base_url}"\nwire_api="responses"\n'
            text = f'model_provider="x"\n[model_providers.x]\n{provider}{table}'
            (tmp_path / "config.toml").write_text(text)
            env = {**os.environ, "CODEX_HOME": str(tmp_path), "NO_PROXY": "*", **environ}
            args = ["exec", "--skip-git-repo-check", "-s", "danger-full-access", "hi"]
            began = monotonic()
            done = subprocess.run(
                [sys.executable, "-c", PROBE, *args],
                env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            took = monotonic() - began
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "hello"
        return done, took

    return go


def imported(done):
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("IMPORTED ")]
    return set(line.split())


def everything(server):
    return f'[otel]\nexporter = {{ otlp-http = {{ endpoint = "{server.url}", protocol = "binary" }} }}\n'


def test_with_telemetry_off_nothing_of_it_is_loaded(run):
    done, _ = run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    modules = imported(done)
    assert {"codex_otel.plugin", "codex_otel.switch"} <= modules
    assert [name for name in modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))] == []
    assert [name for name in modules if name.startswith("codex_otel.")] in (
        ["codex_otel.plugin", "codex_otel.switch"],
        ["codex_otel.switch", "codex_otel.plugin"],
    )


def test_with_telemetry_on_no_library_is_loaded_for_it_either(run, receiver):
    server = receiver()
    done, _ = run(everything(server))
    modules = imported(done)
    assert "codex_otel.sink" in modules
    unwanted = ("opentelemetry", "google.protobuf", "requests", "http.client")
    assert [name for name in modules if name.startswith(unwanted)] == []


def test_a_run_arrives_as_one_trace(run, receiver):
    server = receiver()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    run(everything(server), TRACEPARENT=f"00-{trace}-00f067aa0ba902b7-01")
    spans = server.spans()
    assert {span["traceId"] for span in spans} == {trace}
    assert sorted(span["name"].split()[0] for span in spans) == [
        "chat", "chat", "codex.thread", "execute_tool", "invoke_agent",
    ]  # fmt: skip
    assert {"gen_ai.client.token.usage", "codex.tool.calls", "codex.turn.duration"} <= set(server.metrics())
    assert next(r["eventName"] for r in server.logs()) == "codex.conversation_starts"


@pytest.mark.parametrize("mode", ["hang", "drip"])
def test_a_receiver_that_hangs_for_ever_keeps_the_program_but_a_moment(run, receiver, tmp_path, mode):
    done, took_s = run(everything(receiver(mode)))
    assert took_s < 20  # 0.7 s longer by design; the receiver would keep it for ever
    assert "Traceback" not in done.stderr
    log = tmp_path / "log" / "codex.log"
    # The kernel leaves its sinks a second. On a machine so busy that this one cannot give up within it nothing is
    # told; that a sink which gives up says so is shown in test_sending.py, without a second to do it in.
    assert not log.exists() or "telemetry records were not delivered" in log.read_text()


def test_a_receiver_that_is_not_there_is_told_in_the_log_only(run, tmp_path):
    done, _ = run('[otel]\nexporter = { otlp-http = { endpoint = "http://127.0.0.1:9" } }\n')
    assert "not delivered" not in done.stdout + done.stderr
    assert "127.0.0.1:9" in (tmp_path / "log" / "codex.log").read_text()


def test_an_exporter_that_is_not_known_leaves_the_turn_alone(run, tmp_path):
    run('[otel]\nexporter = { otlp-grpc = { endpoint = "http://127.0.0.1:9" } }\n')
    assert "otlp-grpc" in (tmp_path / "log" / "codex.log").read_text()
