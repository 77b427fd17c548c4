"""`codex debug app-server send-message`: a real server, a scripted model."""

import json

import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer


@pytest.fixture
def model(home):
    with ScriptedResponsesServer() as server:
        (home / "config.toml").write_text(
            'model = "gpt-5.5"\nmodel_provider = "s"\nallow_login_shell = false\n[model_providers.s]\nname = "S"\n'
            f'base_url = "{server.base_url}"\nwire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n'
        )
        yield server


def messages(text, sign):
    """What was shown with this sign: indented JSON, one object after the other."""
    lines = [line[2:] for line in text.splitlines() if line.startswith(f"{sign} ")]
    found, decoder, rest = [], json.JSONDecoder(), "\n".join(lines)
    while rest:
        message, end = decoder.raw_decode(rest)
        found.append(message)
        rest = rest[end:].lstrip()
    return found


def test_all_that_passes_is_shown_and_questions_are_declined(codex, model, folder):
    model.play(model.answer(call("exec_command", "c1", cmd="touch made")), model.answer(say("done", "m1")))
    done = codex("-a", "untrusted", "debug", "app-server", "send-message", "-C", str(folder), "hello 世界")
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    ours, theirs = messages(text, ">"), messages(text, "<")
    assert [m["method"] for m in ours if "method" in m] == ["initialize", "initialized", "thread/start", "turn/start"]
    assert ours[3]["params"]["input"][0]["text"] == "hello 世界"
    (question,) = [m for m in theirs if m.get("method") == "item/commandExecution/requestApproval"]
    assert {"id": question["id"], "result": {"decision": "decline"}} in ours
    assert not (folder / "made").exists()
    assert theirs[-1]["method"] == "turn/completed"
    assert text.endswith("[codex app-server exited: exit status: 0]\n")
    assert not [m for m in theirs if m.get("method", "").endswith("/delta")]


@pytest.mark.parametrize("name", ["send-message", "send-message-v2"])
def test_a_turn_that_fails_has_an_exit_code(codex, model, folder, name):
    model.play(model.failed("invalid_prompt", "no such thing"))
    done = codex("debug", "app-server", name, "hello", cwd=folder)
    assert done.returncode == 1
    assert messages(done.stdout.decode(), "<")[-1]["params"]["turn"]["status"] == "failed"


def test_what_the_server_refuses_is_said_in_one_line(codex, model, tmp_path):
    done = codex("debug", "app-server", "send-message", "hello", "-C", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert b"thread/start" in done.stderr
    assert b"is not a folder" in done.stderr
    assert b"Traceback" not in done.stderr
