"""`codex exec --remote`: the turn runs in a server, real processes and sockets on both ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 60


class Place:
    """A home, a folder and a scripted model."""

    def __init__(self, root: Path, model: ScriptedResponsesServer) -> None:
        self.root, self.work, self.model = root, root / "work", model
        for name in ("home", "codex-home", "work/.git"):
            (root / name).mkdir(parents=True)
        (self.work / ".git/HEAD").write_text("ref: refs/heads/main\n")
        os.mkfifo(self.work / "running")
        (root / "codex-home/config.toml").write_text(
            'model = "gpt-5.5"\nmodel_provider = "s"\nallow_login_shell = false\nsandbox_mode = "workspace-write"\n'
            f'[model_providers.s]\nname = "S"\nbase_url = "{model.base_url}"\nwire_api = "responses"\n'
            "request_max_retries = 0\nstream_max_retries = 0\n"
        )
        self.env = {
            "PATH": f"{PROGRAM.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(root / "home"),
            "CODEX_HOME": str(root / "codex-home"),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/sh",
        }

    def script(self, *answers):
        """What the model says, request by request."""
        self.model.play(*(self.model.answer(*items) for items in answers))

    def start(self, *args, env=None, **options):
        """`codex` with these words, its output on pipes."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(
            [str(PROGRAM), *args], env={**self.env, **(env or {})}, cwd=self.work, text=True, **streams
        )

    def run(self, *args, env=None):
        """Exit code, stdout and stderr."""
        with self.start(*args, env=env) as process:
            out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, err

    @contextmanager
    def server(self, url, *args):
        """A server; gives its process and the address that it tells."""
        with self.start("app-server", f"--listen={url}", *args, stdout=subprocess.DEVNULL) as process:
            try:
                while "listening on: " not in (line := process.stderr.readline()):
                    assert line, "the server ended"
                yield process, line.partition("listening on: ")[2].strip()
            finally:
                process.terminate()
                process.communicate(timeout=LIMIT_S)

    def wait_until_running(self):
        """Return when the command `echo > running` has run."""
        with (self.work / "running").open() as pipe:
            pipe.read()


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="rem-") as root, ScriptedResponsesServer() as model:
        yield Place(Path(root), model)


WAIT = call("exec_command", "c1", cmd="echo > running; sleep 60", yield_time_ms=30_000)


def lines(text):
    """The events of `--json`."""
    return [json.loads(line) for line in text.splitlines()]


def said(text):
    """What the agent said."""
    items = [event["item"] for event in lines(text) if event["type"] == "item.completed"]
    return [item["text"] for item in items if item["type"] == "agent_message"]


def test_sessions_are_resumed_by_id_prefix_name_and_last_wherever_they_began(place):
    place.script(*([say(text, "m1")] for text in ("one", "two", "three", "four")))
    _, out, _ = place.run("exec", "--json", "first")
    thread = lines(out)[0]["thread_id"]
    with place.server(f"unix://{place.root}/s.sock") as (_, address):
        for words, answer in (
            (["resume", thread], "two"),
            (["resume", thread[:30]], "three"),
            (["resume", "--last"], "four"),
        ):
            code, out, err = place.run("exec", "--remote", address, "--json", *words, "more")
            assert (code, lines(out)[0]["thread_id"], said(out)) == (0, thread, [answer]), err
        code, _, err = place.run("exec", "--remote", address, "resume", "no such name", "more")
        assert (code, "no rollout found for thread id no such name" in err) == (1, True)
    told = [part["text"] for item in place.model.requests[-1].json["input"] for part in item.get("content", ())]
    assert [text for text in told if text in ("one", "two", "three")] == ["one", "two", "three"]


def test_warnings_of_a_resumed_session_are_shown_as_without_a_server(place):
    place.script(*([say("done", "m1")] for _ in range(3)))
    thread = lines(place.run("exec", "--json", "first")[1])[0]["thread_id"]
    config = place.root / "codex-home/config.toml"
    config.write_text(f"odd_key = 1\n{config.read_text()}")
    _, alone, _ = place.run("exec", "--json", "resume", thread, "more")
    with place.server(f"unix://{place.root}/s.sock") as (_, address):
        _, attached, _ = place.run("exec", "--remote", address, "--json", "resume", thread, "more")
    assert "odd_key" in alone
    assert lines(attached) == lines(alone)


def test_a_server_that_is_killed_in_mid_turn_is_one_error_and_the_session_goes_on(place):
    place.script([WAIT], [say("better", "m2")])
    with place.server(f"unix://{place.root}/s.sock") as (server, address):
        with place.start("exec", "--remote", address, "--json", "hello") as process:
            place.wait_until_running()
            server.kill()
            out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 1
    thread, last = lines(out)[0]["thread_id"], lines(out)[-2:]
    assert last[0] == {"type": "error", "message": f"the connection to the server at {address} was lost in mid-turn"}
    assert last[1] == {"type": "turn.failed", "error": {"message": last[0]["message"]}}
    assert f"codex exec resume {thread}" in err
    assert "Traceback" not in err
    code, out, _ = place.run("exec", "--json", "resume", thread, "go on")
    assert (code, said(out)) == (0, ["better"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_interrupts_the_turn_in_the_server_which_lives_on(place, number, code):
    place.script([WAIT], [say("again", "m2")])
    with place.server(f"unix://{place.root}/s.sock") as (_, address):
        with place.start("exec", "--remote", address, "--json", "hello") as process:
            place.wait_until_running()
            process.send_signal(number)
            out, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == code
        commands = [e["item"] for e in lines(out) if e.get("item", {}).get("type") == "command_execution"]
        assert [item["status"] for item in commands] == ["in_progress", "failed"]
        code, out, _ = place.run("exec", "--remote", address, "--json", "resume", lines(out)[0]["thread_id"], "more")
        assert (code, said(out)) == (0, ["again"])


def test_a_thread_that_asks_its_users_asks_nobody_while_exec_is_attached(place):
    from websockets.sync.client import unix_connect

    ask = {"sandbox_permissions": "require_escalated", "justification": "may I?"}
    place.script([call("exec_command", "c1", cmd="touch made", **ask)], [say("refused", "m2")])
    socket = place.root / "s.sock"
    with place.server(f"unix://{socket}") as (_, address), unix_connect(str(socket), "ws://localhost/") as client:

        def request(id, method, params):
            client.send(json.dumps({"id": id, "method": method, "params": params}))
            while (found := json.loads(client.recv(LIMIT_S))).get("id") != id or "method" in found:
                assert "requestApproval" not in found.get("method", "")
            return found["result"]

        request(1, "initialize", {"clientInfo": {"name": "editor", "version": "1"}})
        asks = {"cwd": str(place.work), "approvalPolicy": "untrusted", "sandbox": "workspace-write"}
        thread = request(2, "thread/start", asks)["thread"]["id"]
        code, out, err = place.run("exec", "--remote", address, "--json", "resume", thread, "try")
        assert (code, said(out)) == (0, ["refused"]), err
        found = request(3, "thread/read", {"threadId": thread})
        assert found["thread"]["status"] == {"type": "idle"}
    (command,) = [e["item"] for e in lines(out) if e["type"] == "item.completed" and "exit_code" in e["item"]]
    assert command["status"] == "declined"
    assert not (place.work / "made").exists()


def test_a_web_socket_wants_its_token(place):
    place.script([say("done", "m1")])
    (place.root / "token").write_text("s3cret")
    auth = ("--ws-auth=capability-token", f"--ws-token-file={place.root}/token")
    with place.server("ws://127.0.0.1:0", *auth) as (_, address):
        code, _, err = place.run("exec", "--remote", address, "hello")
        assert (code, "HTTP 401" in err, "--remote-auth-token-env" in err) == (1, True, True)
        words = ("--remote", address, "--remote-auth-token-env", "TOKEN")
        code, _, err = place.run("exec", *words, "hello", env={"TOKEN": "wrong"})
        assert (code, "HTTP 401" in err) == (1, True)
        code, out, err = place.run(*words, "exec", "hello", env={"TOKEN": "s3cret"})
        assert (code, out) == (0, "done\n"), err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("exec", "--remote=unix:///nowhere.sock", "x"), 1, "cannot reach the server at unix:///nowhere.sock: No such file"),
        (("exec", "--remote=unix://", "x"), 1, "codex app-server daemon start"),
        (("exec", "--remote=http://x", "x"), 1, "invalid remote address `http://x`; expected `ws://host:port`"),
        (("exec", "--remote=ws://127.0.0.1", "x"), 1, "invalid remote address"),
        (("exec", "--remote=ws://10.0.0.1:1", "--remote-auth-token-env=HOME", "x"), 1, "requires a `wss://` or loopback"),
        (("exec", "--remote=ws://[::1]:1", "--remote-auth-token-env=NONE", "x"), 1, "`NONE` is not set"),
        (("exec", "--remote=unix:///x", "-p", "work", "x"), 2, "is for the server to be started with"),
        (("exec", "--remote=unix:///x", "review", "--uncommitted"), 2, "does not work with --remote"),
        (("--remote=unix:///x", "plugin", "list"), 2, "`--remote unix:///x` is not supported for `codex plugin`"),
        (("--remote=unix:///x", "debug", "models"), 2, "not supported for `codex debug`"),
        (("--remote-auth-token-env=X", "exec", "x"), 2, "requires `--remote`"),
    ],
)  # fmt: skip
def test_what_cannot_be_attached_to_is_said_in_one_line(place, words, code, told):
    found, out, err = place.run(*words)
    assert (found, out) == (code, "")
    assert told in err
    assert "Traceback" not in err
    assert place.model.requests == []


def test_who_listens_and_is_no_server_is_told_apart(place):
    code, _, err = place.run("exec", "--remote", f"ws://127.0.0.1:{place.model.port}", "x")
    assert (code, "no app server" in err or "refused: HTTP" in err) == (1, True), err
