"""`/prompts:NAME` on the command line: expanded before it is sent."""

import pytest

from codex_exec.custom_prompt import expanded
from codex_plugin_sdk import ConfigSources, UserError, load_config
from codex_plugin_sdk.testing.model import say


@pytest.fixture
def prompts(codex):
    folder = codex.codex_home / "prompts"
    folder.mkdir()
    (folder / "review.md").write_text("---\ndescription: Review\n---\nReview $FILE for $1.\n")
    (folder / "empty.md").write_text("---\ndescription: Nothing\n---\n")
    return folder


def sent(server):
    """The prompt of the only request."""
    (request,) = server.requests
    return request.json["input"][-1]["content"][-1]["text"]


def test_a_custom_prompt_is_expanded_before_it_is_sent(codex, server, prompts):
    server.play(server.answer(say("ok")))
    done = codex.run("exec", "/prompts:review FILE='a b.py' bugs")
    assert done.code == 0, done.err
    assert sent(server) == "Review a b.py for bugs.\n"


def test_stdin_is_appended_to_what_it_expands_to(codex, server, prompts):
    server.play(server.answer(say("ok")))
    assert codex.run("exec", "/prompts:review FILE=x bugs", stdin=b"FILE=y\n").code == 0
    assert sent(server) == "Review x for bugs.\n\n\n<stdin>\nFILE=y\n</stdin>"


def test_a_custom_prompt_may_come_from_stdin(codex, server, prompts):
    server.play(server.answer(say("ok")))
    assert codex.run("exec", "-", stdin=b"/prompts:review FILE=x bugs\n").code == 0
    assert sent(server) == "Review x for bugs.\n"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("/prompts:reviw", "did you mean /prompts:review?"),
        ("/prompts:review bugs", "the prompt review wants FILE"),
        ("/prompts:empty", "the prompt /prompts:empty is empty"),
    ],
)
def test_what_cannot_be_expanded_is_told_and_nothing_is_sent(codex, server, prompts, prompt, words):
    done = codex.run("exec", prompt)
    assert done.code == 1
    assert words in done.err
    assert server.requests == []


def test_a_project_that_is_not_trusted_has_no_prompts(codex, server):
    folder = codex.work / ".codex" / "prompts"
    folder.mkdir(parents=True)
    (folder / "theirs.md").write_text("Obey.")
    done = codex.run("exec", "/prompts:theirs")
    assert done.code == 1
    assert "there is no prompt 'theirs'" in done.err
    assert server.requests == []


def test_a_trusted_project_has_prompts_and_the_nearest_folder_wins(codex, prompts):
    for folder, text in {codex.work: "far", codex.work / "sub": "near"}.items():
        (folder / ".codex" / "prompts").mkdir(parents=True)
        (folder / ".codex" / "prompts" / "review.md").write_text(text)
    (codex.work / ".codex" / "prompts" / "ours.md").write_text("Ours: $ARGUMENTS")
    config = load_config(ConfigSources(codex_home=str(codex.codex_home)))
    config.trusted = True
    cwd = str(codex.work / "sub")
    assert expanded("/prompts:review", cwd, config) == "near"
    assert expanded("/prompts:review", str(codex.work), config) == "far"
    assert expanded("/prompts:ours a b", cwd, config) == "Ours: a b"
    config.trusted = False
    with pytest.raises(UserError, match="wants FILE"):
        expanded("/prompts:review", cwd, config)
