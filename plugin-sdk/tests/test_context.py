"""What the model is told: AGENTS.md files, the environment, permissions."""

import os

import pytest

from codex_kernel.context import ContextBook
from codex_kernel.contracts.context import ContextRequest, Fragment
from codex_kernel.protocol.policy import ApprovalPolicy, SandboxMode, SandboxPolicy
from codex_plugin_sdk.context.agents_md import AgentsMdSource, project_root
from codex_plugin_sdk.context.sources import EnvironmentSource, PermissionsSource


@pytest.fixture
def project(tmp_path):
    home, root = tmp_path / "home", tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    (root / "a" / "b").mkdir(parents=True)
    home.mkdir()
    return home, root


def request(home, cwd, **config):
    return ContextRequest(
        cwd=str(cwd),
        codex_home=str(home),
        approval_policy=ApprovalPolicy.ON_REQUEST,
        sandbox_policy=SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE),
        model="m",
        environ={"SHELL": "/bin/zsh", "TZ": "Europe/Paris"},
        config=config,
    )


def test_files_are_read_from_the_home_and_from_the_root_down(project):
    home, root = project
    (home / "AGENTS.md").write_text("global")
    (root / "AGENTS.md").write_text("root")
    (root / "a" / "b" / "AGENTS.md").write_text("deep")
    found = AgentsMdSource().fragments(request(home, root / "a" / "b"))
    assert found[0].text == f"# AGENTS.md instructions for {home}\n\n<INSTRUCTIONS>\nglobal\n</INSTRUCTIONS>"
    assert [f.kind for f in found] == [
        str(home / "AGENTS.md"), str(root / "AGENTS.md"), str(root / "a" / "b" / "AGENTS.md"),
    ]  # fmt: skip


def test_an_override_beats_its_neighbour_and_fallback_names_come_last(project):
    home, root = project
    (root / "AGENTS.md").write_text("plain")
    (root / "AGENTS.override.md").write_text("override")
    (root / "a" / "RULES.md").parent.mkdir(exist_ok=True)
    (root / "a" / "RULES.md").write_text("fallback")
    found = AgentsMdSource().fragments(request(home, root / "a", project_doc_fallback_filenames=["RULES.md"]))
    assert ["override" in found[0].text, "fallback" in found[1].text] == [True, True]


def test_what_is_too_long_is_cut_with_a_notice_and_the_rest_is_named(project):
    home, root = project
    (root / "AGENTS.md").write_text("é" * 100)
    (root / "a" / "AGENTS.md").write_text("never read")
    found = AgentsMdSource().fragments(request(home, root / "a", project_doc_max_bytes=51))
    assert "é" * 25 in found[0].text
    assert "é" * 26 not in found[0].text
    assert "cut after 51 bytes" in found[0].notice
    assert "left out" in found[1].notice
    assert "never read" not in found[1].text


def test_empty_files_say_nothing(project):
    home, root = project
    (root / "AGENTS.md").write_text("  \n")
    assert AgentsMdSource().fragments(request(home, root)) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_told(project):
    home, root = project
    (root / "AGENTS.md").write_text("x")
    (root / "AGENTS.md").chmod(0)
    (fragment,) = AgentsMdSource().fragments(request(home, root))
    assert "could not be read" in fragment.notice


def test_without_a_marker_only_cwd_counts(tmp_path):
    (tmp_path / "x" / "y").mkdir(parents=True)
    assert project_root(str(tmp_path / "x" / "y"), (".no-such-marker",)) == str(tmp_path / "x" / "y")
    (tmp_path / ".mark").write_text("")
    assert project_root(str(tmp_path / "x" / "y"), (".mark",)) == str(tmp_path)


def test_the_environment_is_told_in_tags_and_escaped(project):
    home, root = project
    odd = root / "a<b>&c"
    odd.mkdir()
    (fragment,) = EnvironmentSource().fragments(request(home, odd))
    assert "a&lt;b&gt;&amp;c</cwd>" in fragment.text
    assert "<shell>zsh</shell>" in fragment.text
    assert "<timezone>Europe/Paris</timezone>" in fragment.text
    assert EnvironmentSource().fragments(request(home, odd, include_environment_context=False)) == ()


def test_permissions_name_roots_and_network(project):
    home, root = project
    (fragment,) = PermissionsSource().fragments(request(home, root))
    assert f"Writable roots: {root}" in fragment.text
    assert "Network: not reachable." in fragment.text
    assert fragment.role == "developer"


class Source:
    def __init__(self, *texts):
        self.texts = list(texts)

    def fragments(self, request):
        text = self.texts.pop(0)
        if text is None:
            raise RuntimeError("no luck")
        return [Fragment(kind="k", text=text, notice=f"about {text}")]


def test_only_news_is_told_and_a_source_that_fails_is_left_out(project):
    home, root = project
    book = ContextBook([("s", Source("a", "a", "b", None, "b"))])
    said = []
    for _ in range(5):
        messages, notices = book.news(request(home, root))
        said.append(([m.text for m in messages], [n[:14] for n in notices]))
    assert said == [(["a"], ["about a"]), ([], []), (["b"], ["about b"]), ([], ["context source"]), ([], [])]


def test_what_a_resumed_history_holds_is_not_told_again_until_it_is_forgotten(project):
    home, root = project
    book = ContextBook([("s", Source("a", "a"))], told=["a"])
    assert book.news(request(home, root))[0] == []
    book.forget()
    assert [m.text for m in book.news(request(home, root))[0]] == ["a"]
