"""What is wrong outside the program: one clear error, the documented exit code, no traceback, nothing lost."""

from __future__ import annotations

import json
import os
import socket
import sys

import pytest

from codex_plugin_sdk import ExitCode
from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import cut, empty, garbage, json_reply, stalled

LAUNCHER = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Every file may grow to so many bytes: what a full disk does, for one process."""


def told(outcome, code, *parts):
    """The one error of a run: it exits with that code and says each of these parts."""
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    errors = [line for line in outcome.err.splitlines() if line.lower().startswith("error")]
    assert len(errors) == 1, outcome.err
    error = outcome.err[outcome.err.index(errors[0]) :]
    for part in parts:
        assert part in error, outcome.err
    assert "hint: " in error, outcome.err
    assert outcome.out == ""
    return error


# -- configuration -------------------------------------------------------------------------------------


def test_without_config_toml_the_defaults_hold(codex):
    (codex.codex_home / "config.toml").unlink()
    told(codex.run("exec", "go"), ExitCode.AUTH, "No API key", "OPENAI_API_KEY")


def test_a_codex_home_that_is_not_there_is_made(codex, server):
    table = f'model_providers.x={{name="x", base_url="{server.base_url}"}}'
    server.play(server.answer(say("Done.")))
    home = codex.root / "new" / "home"
    done = codex.run("exec", "-c", table, "-c", "model_provider=x", "go", env={"CODEX_HOME": str(home)})
    assert (done.code, done.out) == (0, "Done.\n"), done.err
    assert list(home.rglob("rollout-*.jsonl"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b'model = "a"\nfoo = [1,\nbar=2\n', (":3:1: ",)),
        (b'model = "a\n', (":1:",)),
        (b"model = 3\n", (":1", "`model`")),
        (b'model = "\xff"\n', ("UTF-8",)),
        (b'sandbox_mode = "bogus"\n', (":1", "bogus", "workspace-write")),
        (b'model_provider = "nope"\n', (":1", "Model provider `nope` not found", "openai")),
        (b'model_provider = "x"\n[model_providers.x]\nbase_url = "ftp://x"\n', (":3", "ftp://x")),
    ],
    ids=["syntax", "string", "type", "bytes", "choice", "provider", "address"],
)
def test_a_configuration_that_cannot_be_used_names_the_place(codex, server, text, parts):
    path = codex.codex_home / "config.toml"
    path.write_bytes(text)
    done = codex.run("exec", "go")
    assert done.code == ExitCode.CONFIG, done.err
    error = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1
    assert "Traceback" not in done.err
    for part in (str(path), *parts):
        assert part in done.err
    assert not server.requests
    assert not codex.rollouts()


def test_config_toml_that_is_a_folder(codex):
    (codex.codex_home / "config.toml").unlink()
    (codex.codex_home / "config.toml").mkdir()
    told(codex.run("exec", "go"), ExitCode.CONFIG, str(codex.codex_home / "config.toml"), "directory")


@pytest.mark.parametrize("override", ["novalue", "model=3", "model_provider=nope", "max_turns=0"])
def test_an_override_that_cannot_be_used(codex, server, override):
    done = codex.run("exec", "-c", override, "go")
    assert done.code == ExitCode.CONFIG, done.err
    assert done.err.count("error: ") == 1
    assert "-c" in done.err
    assert not server.requests


# -- the model server ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_model(codex, server, status):
    server.play(
        json_reply(status, {"error": {"message": "The model `gpt-0` does not exist", "code": "model_not_found"}})
    )
    told(codex.run("exec", "-m", "gpt-0", "go"), ExitCode.PROVIDER, "The model `gpt-0` does not exist")
    assert len(server.requests) == 1


def test_no_key(codex, server):
    codex.use(server.base_url, env_key='"MY_KEY"')
    told(codex.run("exec", "go"), ExitCode.AUTH, "Missing environment variable: `MY_KEY`.")
    assert not server.requests


def test_a_key_that_the_server_refuses(codex, server):
    codex.use(server.base_url, env_key='"MY_KEY"')
    server.play(json_reply(401, {"error": {"message": "Incorrect API key provided"}}))
    error = told(codex.run("exec", "go", env={"MY_KEY": "sk-secret-0123456789"}), ExitCode.AUTH, "Incorrect API key")
    assert "sk-secret" not in error


def test_an_unreachable_server_tells_its_retries(codex, server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: whoever connects is refused
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        codex.use(f"http://{address}/v1", stream_max_retries="1", request_max_retries="1")
        done = codex.run("exec", "go")
    told(done, ExitCode.PROVIDER, "cannot reach the model server", address)
    assert "Reconnecting... 1/1" in done.err


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@pytest.mark.parametrize(
    "reply",
    [
        lambda s: garbage(),
        lambda s: empty(),
        lambda s: s.not_json(),
        lambda s: cut(s.answer(say("Done.")), 150),
        lambda s: json_reply(500, "<html>oops</html>"),
        lambda s: json_reply(200, {"hello": "world"}),
        lambda s: s.error_event("server_error", "it broke"),
    ],
    ids=["garbage", "nothing", "not-json", "cut", "html", "json", "error"],
)
def test_a_server_that_does_not_speak_the_protocol(codex, server, chat_server, dialect, reply):
    speaking = server if dialect == "responses" else chat_server
    codex.use(speaking.base_url, dialect)
    speaking.play(reply(speaking))
    done = codex.run("exec", "go")
    assert done.code == ExitCode.PROVIDER, done.err
    assert done.out == ""
    assert done.err.count("ERROR:") == 1
    assert "Traceback" not in done.err
    # Nothing is lost: the prompt is there when the server is well again.
    speaking.play(speaking.answer(say("Done.")))
    again = codex.run("exec", "resume", "--last", "again")
    assert again.out == "Done.\n", again.err
    assert '"go"' in speaking.requests[-1].body.decode()


@pytest.mark.parametrize("dialect", ["responses", "chat"])
def test_half_a_character_is_replaced(codex, server, chat_server, dialect):
    speaking = server if dialect == "responses" else chat_server
    codex.use(speaking.base_url, dialect)
    speaking.play(speaking.half_utf8())
    done = codex.run("exec", "go")
    assert (done.code, done.out) == (0, "a\ufffdz\n"), done.err


def test_an_event_of_50_mb(codex, server):
    server.play(server.huge_event(50_000_000))
    done = codex.run("exec", "go")
    assert done.code == 0, done.err
    assert len(done.raw_out) == 50_000_001


def test_a_silent_server_is_given_up(codex, server):
    codex.use(server.base_url, stream_idle_timeout_ms="200")
    reply, _ = stalled(server.answer(say("Done.")))
    server.play(reply)
    done = codex.run("exec", "go")
    assert done.code == ExitCode.PROVIDER, done.err
    assert done.err.count("ERROR:") == 1


# -- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "No such file"), ("{", "is not valid JSON"), ("[1]", "does not hold a JSON object")],
    ids=["missing", "json", "list"],
)
def test_a_schema_that_cannot_be_one(codex, server, text, why):
    path = codex.root / "schema.json"
    if text is not None:
        path.write_text(text)
    told(codex.run("exec", "--output-schema", str(path), "go"), ExitCode.FAILED, str(path), why)
    assert not server.requests


@pytest.mark.parametrize(
    ("text", "why"), [(None, "does not exist"), (b"no image", "is not an image")], ids=["missing", "text"]
)
def test_an_image_that_cannot_be_shown(codex, server, text, why):
    path = codex.root / "a.png"
    if text is not None:
        path.write_bytes(text)
    told(codex.run("exec", "-i", str(path), "go"), ExitCode.FAILED, str(path), why)
    assert not server.requests


@pytest.mark.parametrize(("path", "why"), [("no/such/last", "does not exist"), (".", "is a folder")])
def test_a_last_message_file_that_cannot_be_written_is_told_before_any_request(codex, server, path, why):
    told(codex.run("exec", "-o", path, "go"), ExitCode.FAILED, str(codex.work), why)
    assert not server.requests


def test_a_prompt_that_is_not_text(codex, server):
    told(codex.run("exec", stdin=b"ab\xff"), ExitCode.FAILED, "byte 2", "0xff")
    assert not server.requests


def test_a_folder_that_is_not_there(codex):
    told(codex.run("exec", "-C", "nope", "go"), ExitCode.FAILED, str(codex.work / "nope"), "-C")


def test_a_working_directory_that_vanished(codex, server):
    gone = codex.root / "gone"
    gone.mkdir()
    launcher = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.argv[1], sys.argv[1:])"
    program = os.path.join(os.path.dirname(sys.executable), "codex")
    done = codex.run("-c", launcher, program, "exec", "go", program=sys.executable, cwd=gone)
    told(done, ExitCode.FAILED, "the working directory is gone", "-C")
    assert not server.requests


def test_a_home_that_cannot_be_written(codex, server):
    in_the_way = codex.codex_home / "sessions"
    in_the_way.write_text("")
    server.play(server.answer(say("Done.")), server.answer(say("Done.")))
    told(codex.run("exec", "go"), ExitCode.STORE, str(in_the_way))
    assert not server.requests
    assert codex.run("exec", "--ephemeral", "go").out == "Done.\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_without_the_right_to_write(codex, server):
    codex.codex_home.chmod(0o500)
    try:
        told(codex.run("exec", "go"), ExitCode.STORE, str(codex.codex_home), "ermission denied")
    finally:
        codex.codex_home.chmod(0o700)


def limited(codex, size_bytes, *args):
    """A run that may write no file larger than that."""
    program = os.path.join(os.path.dirname(sys.executable), "codex")
    return codex.run("-c", LAUNCHER, str(size_bytes), program, *args, program=sys.executable)


def test_a_disk_that_is_full_from_the_start(codex, server):
    server.play(server.answer(say("Done.")))
    told(limited(codex, 100, "exec", "go"), ExitCode.STORE, str(codex.codex_home / "sessions"))


def test_a_disk_that_fills_during_a_turn_ends_it_and_keeps_what_was_recorded(codex, server):
    server.play(
        server.answer(say("x" * 200_000, "m1"), call("exec_command", cmd="touch ran")), server.answer(say("Done."))
    )
    done = limited(codex, 100_000, "exec", "-s", "danger-full-access", "go")
    told(done, ExitCode.STORE, str(codex.codex_home / "sessions"))
    assert not (codex.work / "ran").exists(), "a call that is not recorded must not run"
    lines = codex.rollouts()[0].read_bytes().splitlines()
    assert all(json.loads(line) for line in lines)
    again = codex.run("exec", "resume", "--last", "go on")
    assert again.out == "Done.\n", again.err


@pytest.mark.parametrize("mode", [(), ("--json",)], ids=["text", "json"])
def test_stdout_on_a_full_disk(codex, server, mode):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    server.play(server.answer(say("Done.")))
    with open("/dev/full", "wb") as full:
        done = codex.run("exec", *mode, "-o", "last", "go", stdout=full)
    told(done, ExitCode.STORE, "the output cannot be written: No space left on device", "resume")
    assert (codex.work / "last").read_text() == "Done."


def test_stderr_on_a_full_disk_still_exits_with_an_error(codex, server):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    server.play(server.answer(say("Done.")))
    with open("/dev/full", "wb") as full:
        assert codex.run("exec", "-m", "a", stdin=b"go", stderr=full).code == ExitCode.STORE
        assert codex.run("exec", "-c", "novalue", "go", stderr=full).code == ExitCode.CONFIG


def test_debug_shows_the_traceback(codex):
    done = codex.run("--debug", "exec", "-c", "model_provider=nope", "go")
    assert done.code == ExitCode.CONFIG
    assert "Traceback" in done.err
