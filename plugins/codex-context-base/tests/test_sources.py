"""The sources come through the hook, in the order in which the model reads them."""

import pytest

from codex_context_base import plugin as base
from codex_plugin_sdk.testing.harness import open_thread
from codex_plugin_sdk.testing.model import ScriptedModel, say


def test_the_sources_are_those_that_every_session_has():
    names = [spec.name for spec in sorted(base.codex_context_sources(), key=lambda spec: spec.order)]
    assert names == ["permissions", "developer-instructions", "agents-md", "environment"]


@pytest.mark.anyio
async def test_the_model_reads_the_projects_agents_md_and_where_it_works(tmp_path):
    (tmp_path / "AGENTS.md").write_text("Use tabs.")
    model = ScriptedModel([say("ok")])
    config = {"developer_instructions": "Be brief."}
    async with open_thread(model, home=str(tmp_path), config=config) as h:
        await h.turn()
    sent = b"".join(entry.encoded for entry in model.requests[0].input).decode()
    assert sent.index("<permissions>") < sent.index("Be brief.") < sent.index("Use tabs.") < sent.index("<cwd>")
