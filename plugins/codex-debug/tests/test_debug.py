"""`codex debug`: what it prints is what a session sends, and nothing is sent or recorded."""

from __future__ import annotations

import base64
import json

import pytest

from codex_debug.models import print_models
from codex_debug.prompt_input import print_prompt_input
from codex_plugin_sdk import Invocation, LifecycleSpec, ModelInfo
from codex_plugin_sdk.testing.harness import manager, plugin
from codex_plugin_sdk.testing.model import ScriptedModel, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

GIVEN = {
    "cwd": None,
    "overrides": ("model_provider=scripted", "model=test-model"),
    "profile": None,
    "enable": (),
    "disable": (),
}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "AGENTS.md").write_text("Speak plainly.\n")
    (folder / "pixel.png").write_bytes(PIXEL)
    return folder


@pytest.fixture
def invocation(environ):
    """An invocation over plugins of our own."""
    made = []

    def make(*plugins):
        made.append(manager(*plugins))
        return Invocation(plugins=made[-1], environ=environ)

    yield make
    for plugins in made:
        plugins.close()


def without_ids(items):
    return [{key: found for key, found in item.items() if key != "id"} for item in items]


def texts(items):
    return [part["text"] for item in items for part in item["content"] if "text" in part]


def printed(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_prints_what_the_first_request_of_exec_holds(codex, home, work):
    with ScriptedResponsesServer() as server:
        server.play(server.answer(say("done")))
        lines = [
            'model_provider = "local"',
            'sandbox_mode = "workspace-write"',
            "[model_providers.local]",
            'name = "local"',
            f'base_url = "{server.base_url}"',
        ]
        (home / "config.toml").write_text("\n".join(lines) + "\n")
        exec_args = ("exec", "--skip-git-repo-check", "--ephemeral", "-i", "pixel.png", "say done")
        assert codex(*exec_args, cwd=work).returncode == 0
        (sent,) = [request.json["input"] for request in server.requests]
        args = ("-a", "never", "debug", "prompt-input", "--instructions", "-i", "pixel.png", "say done")
        items = printed(codex(*args, cwd=work))
        assert len(server.requests) == 1
    assert without_ids(items) == without_ids(sent)
    assert "Speak plainly." in "".join(texts(items))


def test_without_a_key_and_without_a_prompt_the_context_alone_is_printed(codex, home, work):
    items = printed(codex("debug", "prompt-input", "-C", str(work)))
    assert [item["role"] for item in items] == ["developer", "user"]
    assert {item["type"] for item in items} == {"message"}
    assert any(f"<cwd>{work}</cwd>" in text for text in texts(items))
    asked = printed(codex("debug", "prompt-input", "-C", str(work), "fix it"))
    assert without_ids(asked[:-1]) == without_ids(items)
    assert without_ids(asked[-1:]) == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "fix it"}]}
    ]
    assert list(home.iterdir()) == []


def test_json_is_indented_or_on_one_line(invocation, capsysbinary, work):
    made = invocation(plugin(codex_model_providers=[ScriptedModel().spec()]))
    outputs = []
    for one_line in (False, True):
        options = {"prompt": "x", "images": (), "instructions": False, "as_json": one_line}
        assert print_prompt_input(made, {**GIVEN, **options, "cwd": str(work)}) == 0
        outputs.append(capsysbinary.readouterr().out)
    many, one = outputs
    assert many.count(b"\n") > 10
    assert one.count(b"\n") == 1
    assert without_ids(json.loads(one)) == without_ids(json.loads(many))


def test_root_options_and_overrides_change_what_is_told(codex, work):
    args = ("-s", "danger-full-access", "debug", "prompt-input", "-c", 'developer_instructions="Be brief."')
    told = "".join(texts(printed(codex(*args, cwd=work))))
    assert "danger-full-access" in told
    assert "read-only" not in told


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("debug", "prompt-input", "-C", "/no/such/folder"), 1, b"not a folder"),
        (("debug", "prompt-input", "-i", "nothing.png", "x"), 1, b"nothing.png"),
        (("debug", "models", "-c", "model_provider=nobody"), 3, b"nobody"),
        (("debug", "no-such"), 2, b"no-such"),
    ],
)
def test_what_is_wrong_is_one_message_and_an_exit_code(codex, work, args, code, message):
    done = codex(*args, cwd=work)
    assert (done.returncode, done.stdout) == (code, b"")
    assert message in done.stderr


def test_hooks_are_programs_and_not_run(invocation, capsysbinary, work):
    def start(_):
        raise AssertionError("handlers must not even be made")

    hooks = LifecycleSpec(name="handlers", factory=start, tables=("hooks",))
    model = ScriptedModel()
    made = invocation(plugin(codex_lifecycle_hooks=[hooks], codex_model_providers=[model.spec()]))
    options = {"prompt": "hello", "images": (), "instructions": False, "as_json": True}
    overrides = (*GIVEN["overrides"], "hooks.Stop=[]")
    assert print_prompt_input(made, {**GIVEN, **options, "overrides": overrides, "cwd": str(work)}) == 0
    out, err = capsysbinary.readouterr()
    assert texts(json.loads(out))[-1] == "hello"
    assert b"the hooks of handlers are not run" in err
    assert model.requests == []
    assert model.closed


def test_a_provider_that_would_send_at_once_is_kept_from_it(invocation, capsysbinary, work):
    class Eager(ScriptedModel):
        def head_start(self, request):
            raise AssertionError("nothing may be sent")

    made = invocation(plugin(codex_model_providers=[Eager().spec()]))
    options = {"prompt": "hello", "images": (), "instructions": False, "as_json": True}
    assert print_prompt_input(made, {**GIVEN, **options, "cwd": str(work)}) == 0
    assert texts(json.loads(capsysbinary.readouterr().out))[-1] == "hello"


def test_notices_of_the_opening_are_told_on_stderr(codex, work):
    (work / "AGENTS.md").write_text("long\n" * 100)
    done = codex("debug", "prompt-input", "-c", "project_doc_max_bytes=50", cwd=work)
    assert done.returncode == 0
    assert b"warning: " in done.stderr
    assert b"AGENTS.md" in done.stderr


def test_models_are_those_that_the_provider_lists_and_the_configured_one(invocation, capsysbinary, work):
    class Catalogue(ScriptedModel):
        def model_names(self):
            return ["big", "small"]

        def model_info(self, model):
            if model != "big":
                return ModelInfo(supports_images=False, supports_freeform_tools=False)
            return ModelInfo(context_window=1000, auto_compact_token_limit=900, default_effort="low", known=True)

    made = invocation(plugin(codex_model_providers=[Catalogue().spec()]))
    assert print_models(made, {**GIVEN, "cwd": str(work)}) == 0
    out, err = capsysbinary.readouterr()
    models = json.loads(out)["models"]
    assert [(entry["slug"], entry["priority"]) for entry in models] == [("big", 1), ("small", 2), ("test-model", 3)]
    assert err == b""
    assert models[0] == {
        "slug": "big",
        "display_name": "big",
        "visibility": "list",
        "supported_in_api": True,
        "priority": 1,
        "context_window": 1000,
        "auto_compact_token_limit": 900,
        "default_reasoning_level": "low",
        "support_verbosity": False,
        "default_verbosity": None,
        "input_modalities": ["text", "image"],
        "apply_patch_tool_type": "freeform",
    }
    assert (models[1]["context_window"], models[1]["input_modalities"]) == (None, ["text"])
    assert models[1]["apply_patch_tool_type"] == "function"


def test_models_work_without_a_key_and_write_nothing(codex, home):
    done = codex("debug", "models", "--bundled", "-c", "model=gpt-5.5")
    (entry,) = [entry for entry in printed(done)["models"] if entry["slug"] == "gpt-5.5"]
    assert entry["context_window"] == 272_000
    assert done.stdout.count(b"\n") == 1
    assert list(home.iterdir()) == []
