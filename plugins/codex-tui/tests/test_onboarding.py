"""The first run, with a real server in this process."""

from __future__ import annotations

import json
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from codex_plugin_sdk import ProtocolError
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_tui.link.errors import LinkLost
from codex_tui.local_models import find_servers, is_loopback
from codex_tui.sandbox_check import SandboxState, check_sandbox
from codex_tui.screen.onboarding import Needs, choose_model, choose_sandbox, needed, onboard
from codex_tui.screen.picker import Picker
from codex_tui.screen.text_dialog import TextDialog

from .rollouts import write_session
from .screens import shown
from .session_kit import serving
from .snapshots import check

pytestmark = pytest.mark.anyio
NO_SANDBOX = '[sandbox]\nbackend = "missing"'


class User:
    """Answers dialogues with what was prepared, and keeps what it was shown."""

    def __init__(self, *answers):
        self.answers, self.seen, self.said = list(answers), [], []

    async def ask(self, make):
        dialog = make()
        self.seen.append(dialog)
        return self.answers.pop(0)

    def say(self, level, text):
        self.said.append((level, text))

    def labels(self, number=-1):
        return [item.label for item in self.seen[number]._items]

    def reasons(self, number=-1):
        return {item.label: item.disabled_reason for item in self.seen[number]._items if item.disabled_reason}


@asynccontextmanager
async def server(root, *lines):
    """A client of a server whose configuration has these lines."""
    with ScriptedResponsesServer() as model:
        async with serving(root, model, *lines) as link:
            link.is_local = True
            yield link


@contextmanager
def model_server(*names):
    """A model server of this machine; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            data = json.dumps({"data": [{"id": name} for name in names]}).encode()
            self.send_response(200 if self.path == "/v1/models" else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found.server_address[1]
        found.shutdown()
        thread.join()


def config_of(root):
    """config.toml as it is now."""
    return (root / "codex-home/config.toml").read_text()


async def test_nothing_is_needed_where_all_is_set_up(tmp_path):
    async with server(tmp_path) as link:
        found = await needed(link, str(tmp_path), {})
        assert not found
        assert found == Needs(first_run=True)


async def test_a_variable_that_is_not_set_is_needed_only_where_the_provider_wants_it(tmp_path):
    (tmp_path / "codex-home").mkdir()
    async with server(tmp_path) as link:
        config = tmp_path / "codex-home/config.toml"
        config.write_text(config.read_text() + 'env_key = "LAB_KEY"\n')
        assert "LAB_KEY" in (await needed(link, str(tmp_path), {})).model
        assert not (await needed(link, str(tmp_path), {"LAB_KEY": "x"})).model


async def test_the_sandbox_is_tried_on_the_first_run_and_not_on_later_ones(tmp_path):
    async with server(tmp_path, NO_SANDBOX) as link:
        found = await needed(link, str(tmp_path), {})
        assert found.sandbox is not None
        assert "missing" in found.sandbox.problem
        assert found.sandbox.cure.startswith("pip install codex-sandbox-linux")
        write_session(tmp_path / "codex-home", 1, "hello")
        assert not await needed(link, str(tmp_path), {})


async def test_what_the_user_forbids_is_no_fault_of_the_sandbox(tmp_path):
    async with server(tmp_path, '[sandbox]\npreference = "forbid"') as link:
        assert await check_sandbox(link, str(tmp_path)) == SandboxState(works=True)


async def test_an_api_key_is_kept_and_its_entry_does_not_show_it(tmp_path):
    async with server(tmp_path, 'cli_auth_credentials_store = "file"') as link:
        user = User("key", "not a key", "sk-test-123")
        assert await choose_model(user.ask, link, {}, user.say)
        assert [type(dialog) for dialog in user.seen] == [Picker, TextDialog, TextDialog]
        assert "sk-test-123" in (tmp_path / "codex-home/auth.json").read_text()
        assert user.said == [("info", "the API key is kept; /logout forgets it")]


async def test_a_local_server_that_answers_is_offered_and_taken(tmp_path):
    with model_server("llama-3.3", "qwen3-coder") as port:
        async with server(tmp_path) as link:
            user = User("ollama", "qwen3-coder")
            assert await choose_model(user.ask, link, {"CODEX_OSS_PORT": str(port)}, user.say)
            assert "Ollama" in user.labels(0)
            assert user.labels(1) == ["llama-3.3", "qwen3-coder"]
    found = config_of(tmp_path)
    assert 'model_provider = "ollama"' in found
    assert 'model = "qwen3-coder"' in found


async def test_servers_that_do_not_answer_or_have_no_models_cannot_be_picked(tmp_path):
    with model_server() as port:
        entries = [
            {"id": "ollama", "name": "Ollama", "baseUrl": "http://localhost:1/v1"},
            {"id": "mine", "name": "Mine", "baseUrl": f"http://127.0.0.1:{port}/v1"},
            {"id": "far", "name": "Far", "baseUrl": "http://192.0.2.1/v1"},
        ]
        found = await find_servers(entries, {})
    assert [(server.id, server.models) for server in found] == [("ollama", None), ("mine", ())]


async def test_left_without_a_model_it_says_how_to_come_back(tmp_path):
    async with server(tmp_path) as link:
        user = User(None)
        assert not await choose_model(user.ask, link, {}, user.say, why="no API key is kept")
        assert "/login" in user.said[0][1]
        assert any("nothing answers" in reason or "no models" in reason for reason in user.reasons(0).values())


async def test_commands_may_be_asked_for_one_by_one(tmp_path):
    async with server(tmp_path, NO_SANDBOX) as link:
        user = User("again", "each")
        state = await check_sandbox(link, str(tmp_path))
        assert await choose_sandbox(user.ask, link, state, str(tmp_path), user.say) == "each"
        assert await check_sandbox(link, str(tmp_path)) == SandboxState(works=True)
    assert 'preference = "forbid"' in config_of(tmp_path)


async def test_unconfined_is_asked_twice(tmp_path):
    async with server(tmp_path, NO_SANDBOX) as link:
        user = User("unconfined", False, "unconfined", True)
        state = await check_sandbox(link, str(tmp_path))
        assert await choose_sandbox(user.ask, link, state, str(tmp_path), user.say) == "unconfined"
        assert await check_sandbox(link, str(tmp_path)) == SandboxState(works=True)
    assert 'sandbox_mode = "danger-full-access"' in config_of(tmp_path)


async def test_a_refusal_of_the_server_is_shown_and_the_question_asked_again():
    class Refusing:
        is_local = False

        async def request(self, method, params=None):
            if method == "modelProvider/list":
                return {"data": [], "defaultProviderId": "openai"}
            raise ProtocolError("api keys are not permitted here")

    user = User("key", "sk-1", "skip")
    assert not await choose_model(user.ask, Refusing(), {}, user.say)
    assert user.seen[2]._note == "api keys are not permitted here"


async def test_a_server_that_is_gone_ends_the_onboarding():
    class Gone:
        is_local = True

        async def request(self, method, params=None):
            raise LinkLost("gone")

    user = User()
    with pytest.raises(LinkLost):
        await onboard(user.ask, Gone(), Needs(model="why"), cwd="/", environ={}, say=user.say)


async def test_steps_come_in_order_and_only_those_that_are_necessary(tmp_path):
    order = []
    async with server(tmp_path) as link:
        user = User("skip", "quit")

        async def ask(make):
            answer = await user.ask(make)
            order.append(answer)
            return answer

        async def trust():
            order.append("trust")

        state = SandboxState(works=False, problem="no engine", cure="install one")
        needs = Needs(model="no key", trust=True, sandbox=state)
        found = await onboard(ask, link, needs, cwd="/", environ={}, say=user.say, ask_trust=trust)
        assert order == ["skip", "trust", "quit"]
        assert (found.model_ready, found.quit) == (False, True)
        assert user.seen[1]._note == "no engine. Cure: install one"
        nothing = await onboard(ask, link, Needs(), cwd="/", environ={}, say=user.say, ask_trust=trust)
        assert (nothing.model_ready, nothing.quit) == (True, False)


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_a_long_problem_is_readable_above_the_choices(size):
    from codex_tui.screen.onboarding import _SANDBOX

    note = "no sandbox backend can enforce workspace-write here: bwrap: user namespaces are switched off. Cure: sysctl"
    async with shown(Picker("Commands cannot be confined here", _SANDBOX, note=note), size) as (_, host):
        rows = host.rows()
        assert " ".join(" ".join(rows).split()).startswith("Commands cannot be confined here " + note[:60])
        assert any("> 1. Go on as it is" in row for row in rows)
        assert any("5. Leave" in row for row in rows)
        check(f"onboarding-sandbox-{size[0]}x{size[1]}", rows)


@pytest.mark.parametrize(
    ("refused", "state"),
    [
        (None, SandboxState(works=True)),
        (
            ProtocolError("no sandbox works", hint="get one"),
            SandboxState(works=False, problem="no sandbox works", cure="get one"),
        ),
        (ProtocolError("no such folder"), SandboxState(works=True)),
        (ProtocolError('sandbox: preference = "forbid"'), SandboxState(works=True)),
    ],
)
async def test_a_server_that_does_not_tell_of_its_sandbox_is_tried_out(refused, state):
    asked = []

    class Codex:
        async def request(self, method, params=None):
            asked.append(method)
            if method == "sandbox/status":
                raise ProtocolError("Invalid request: unknown variant `sandbox/status`")
            if refused is not None:
                raise refused

    assert await check_sandbox(Codex(), "/w") == state
    assert asked == ["sandbox/status", "command/exec"]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.8.8.8/v1", True),
        ("http://[::1]:8/v1", True),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example/v1", False),
        ("", False),
    ],
)
def test_only_addresses_of_this_machine_are_asked(url, found):
    assert is_loopback(url) is found
