"""The first run, with a real server in this process."""

from __future__ import annotations

import json
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from codex_plugin_sdk import Invocation, ProtocolError
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_tui.first_run import SANDBOX_QUESTION, SANDBOX_WAYS, Needs, choose_model, choose_sandbox, needed, onboard
from codex_tui.link.errors import LinkLost
from codex_tui.local_models import find_servers, is_loopback
from codex_tui.sandbox_check import SandboxState, check_sandbox
from codex_tui.screen.picker import Picker
from codex_tui.screen.ui import pick_items

from .commands_kit import FakeUi
from .rollouts import write_session
from .screens import shown
from .session_kit import serving
from .snapshots import check

pytestmark = pytest.mark.anyio
NO_SANDBOX = '[sandbox]\nbackend = "missing"'


def user(link, *answers, environ=None):
    """Answers what is asked with what was prepared, and keeps what it was shown."""
    found = FakeUi(SimpleNamespace(link=link), Invocation(plugins=None, environ=environ or {}))
    found.answers.extend(answers)
    return found


def labels(ui, number=-1):
    return [option.label for option in ui.asked[number][1]]


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
        assert found == Needs()


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
        assert await needed(link, str(tmp_path), {}) == Needs()


async def test_what_the_user_forbids_is_no_fault_of_the_sandbox(tmp_path):
    async with server(tmp_path, '[sandbox]\npreference = "forbid"') as link:
        assert await check_sandbox(link, str(tmp_path)) == SandboxState(works=True)


async def test_an_api_key_is_kept_and_its_entry_does_not_show_it(tmp_path):
    async with server(tmp_path, 'cli_auth_credentials_store = "file"') as link:
        ui = user(link, "key", "not a key", " sk-test-123 ")
        assert await choose_model(ui)
        assert [title.split()[0] for title, _ in ui.asked] == ["How", "API", "API"]
        assert ui.secrets == [title for title, _ in ui.asked[1:]]
        assert "sk-test-123" in (tmp_path / "codex-home/auth.json").read_text()
        assert ui.said == [("info", "the API key is kept; /logout forgets it", "")]


async def test_a_local_server_that_answers_is_offered_and_taken(tmp_path):
    with model_server("llama-3.3", "qwen3-coder") as port:
        async with server(tmp_path) as link:
            ui = user(link, "ollama", "qwen3-coder", environ={"CODEX_OSS_PORT": str(port)})
            assert await choose_model(ui)
            assert "Ollama" in labels(ui, 0)
            assert labels(ui, 1) == ["llama-3.3", "qwen3-coder"]
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
        ui = user(link, None)
        assert not await choose_model(ui, why="no API key is kept")
        assert ui.notes == ["no API key is kept"]
        assert "/login" in ui.said[0][1]
        assert any("nothing answers" in way.why_not or "no models" in way.why_not for way in ui.asked[0][1])


async def test_commands_may_be_asked_for_one_by_one(tmp_path):
    async with server(tmp_path, NO_SANDBOX) as link:
        ui = user(link, "again", "each")
        state = await check_sandbox(link, str(tmp_path))
        assert await choose_sandbox(ui, state, str(tmp_path)) == "each"
        assert await check_sandbox(link, str(tmp_path)) == SandboxState(works=True)
    assert 'preference = "forbid"' in config_of(tmp_path)


async def test_unconfined_is_asked_twice(tmp_path):
    async with server(tmp_path, NO_SANDBOX) as link:
        ui = user(link, "unconfined", False, "unconfined", True)
        state = await check_sandbox(link, str(tmp_path))
        assert await choose_sandbox(ui, state, str(tmp_path)) == "unconfined"
        assert await check_sandbox(link, str(tmp_path)) == SandboxState(works=True)
    assert 'sandbox_mode = "danger-full-access"' in config_of(tmp_path)


async def test_a_refusal_of_the_server_is_shown_and_the_question_asked_again():
    class Refusing:
        is_local = False

        async def request(self, method, params=None):
            if method == "modelProvider/list":
                return {"data": [], "defaultProviderId": "openai"}
            raise ProtocolError("api keys are not permitted here")

    ui = user(Refusing(), "key", "sk-1", "skip")
    assert not await choose_model(ui)
    assert ui.notes == ["", "api keys are not permitted here"]


async def test_a_server_that_is_gone_ends_the_onboarding():
    class Gone:
        is_local = True

        async def request(self, method, params=None):
            raise LinkLost("gone")

    with pytest.raises(LinkLost):
        await onboard(user(Gone()), Needs(model="why"), "/")


async def test_steps_come_in_order_and_only_those_that_are_necessary(tmp_path):
    async with server(tmp_path) as link:
        ui = user(link, "skip", "quit")
        state = SandboxState(works=False, problem="no engine", cure="install one")
        assert not await onboard(ui, Needs(model="no key", sandbox=state), "/")
        assert ui.notes == ["no key", "no engine. Cure: install one"]
        assert await onboard(ui, Needs(), "/")
        assert len(ui.asked) == 2


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_a_long_problem_is_readable_above_the_choices(size):
    note = "no sandbox backend can enforce workspace-write here: bwrap: user namespaces are switched off. Cure: sysctl"
    async with shown(Picker(SANDBOX_QUESTION, pick_items(SANDBOX_WAYS), note=note), size) as (_, host):
        rows = host.rows()
        assert " ".join(" ".join(rows).split()).startswith(f"{SANDBOX_QUESTION} {note[:60]}")
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
