"""`pip install codex-sandbox-linux` is what makes commands run confined; without it nothing runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from codex_plugin_sdk import ExitCode
from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

if sys.platform != "linux":
    pytest.skip("the sandbox of Linux", allow_module_level=True)

WITHOUT = (
    *("codex-kernel", "codex-plugin-sdk", "codex-exec", "codex-sandbox", "codex-sandbox-none", "codex-tool-shell"),
    *("codex-rollout-jsonl", "codex-provider-openai", "codex-context-base", "codex-execpolicy"),
)
ENGINE = "codex-sandbox-linux"


def commands(venv: Any) -> list[dict[str, Any]]:
    """One turn in which the model makes a file; the items of commands that ended."""
    with ScriptedResponsesServer() as server:
        server.play(server.answer(call("exec_command", "c1", cmd="touch made")), server.answer(say("done")))
        config = venv.home / "codex" / "config.toml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(
            'model = "gpt-5.5"\nmodel_provider = "s"\n[model_providers.s]\nname = "S"\n'
            f'base_url = "{server.base_url}"\nwire_api = "responses"\n'
        )
        done = venv.run("codex", "exec", "--json", "-s", "workspace-write", "--skip-git-repo-check", "go")
        outputs = [
            item["output"] for item in server.requests[-1].json["input"] if item["type"] == "function_call_output"
        ]
    assert done.returncode == 0, done.stdout + done.stderr
    return outputs


def test_removing_the_engine_makes_commands_refused_with_the_cure(wheels, clean_venv: Callable[..., Any]) -> None:
    venv = clean_venv(*(wheels[name] for name in (*WITHOUT, ENGINE)))
    status = venv.run("codex", "sandbox", "status", "--json")
    assert status.returncode == ExitCode.OK, status.stdout + status.stderr
    assert json.loads(status.stdout)["chosen"] in ("bwrap", "landlock")
    assert "exited with code 0" in commands(venv)[0]
    made = venv.home / "made"
    assert made.exists()
    made.unlink()

    venv.uninstall(ENGINE)
    assert f"pip install {ENGINE}" in commands(venv)[0]
    assert not made.exists()
    refused = venv.run("codex", "sandbox", "-s", "workspace-write", "--", "touch", "made")
    assert refused.returncode == ExitCode.SANDBOX
    assert f"pip install {ENGINE}" in refused.stderr
    assert not made.exists()
