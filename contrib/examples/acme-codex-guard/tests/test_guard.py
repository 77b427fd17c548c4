"""The guard tightens what it is told to, and is silent about the rest."""

from __future__ import annotations

import pytest

from acme_codex_guard import plugin
from codex_plugin_sdk import (
    ApprovalPolicy,
    Decision,
    EditIntent,
    Intent,
    PolicyContext,
    PolicySetup,
    RunIntent,
    SandboxPolicy,
)

OPTIONS = {"guard": {"prompt": ["deploy"], "forbidden": ["push --force"]}, "model": "some-model"}
CONTEXT = PolicyContext(approval_policy=ApprovalPolicy.NEVER, sandbox_policy=SandboxPolicy(), cwd="/src")


def run(command: str) -> RunIntent:
    return RunIntent(argv=("bash", "-c", command), cwd="/src", display=command)


def decide(intent: Intent, options: dict[str, object]) -> Decision | None:
    (spec,) = plugin.codex_exec_policies()
    verdict = spec.factory(PolicySetup(codex_home="/home", cwd="/src", options=options)).evaluate(intent, CONTEXT)
    return verdict and verdict.decision


@pytest.mark.parametrize(
    ("command", "decision"),
    [
        ("git status", None),
        ("make deploy", Decision.PROMPT),
        ("git push --force", Decision.FORBIDDEN),
        ("make deploy && git push --force", Decision.FORBIDDEN),
    ],
)
def test_strictest_text_that_a_command_holds_decides(command: str, decision: Decision | None) -> None:
    assert decide(run(command), OPTIONS) == decision


def test_guard_without_a_table_is_silent() -> None:
    assert decide(run("make deploy"), {}) is None


def test_edits_are_none_of_its_business() -> None:
    assert decide(EditIntent(paths=("/src/deploy",), cwd="/src"), OPTIONS) is None


def test_section_has_defaults_for_every_field() -> None:
    (spec,) = plugin.codex_config_sections()
    assert spec.section() == spec.section(prompt=(), forbidden=())
