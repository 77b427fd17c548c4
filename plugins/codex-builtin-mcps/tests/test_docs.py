"""The server `docs`, with the official client and in a session."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from codex_builtin_mcps.library import Library
from codex_builtin_mcps.plugin import codex_mcp_servers

TEXT = """# acme

Talks to Acme.

## Configure

Set `[acme] colour` to red.

```toml
# not a heading
colour = "red"
```

## Limits

None.
"""


class Made(Distribution):
    """A distribution that exists in memory."""

    def __init__(self, name: str, text: str = "", entry_points: str = "") -> None:
        self._files = {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nSummary: About {name}\n\n{text}",
            "entry_points.txt": entry_points,
        }

    def read_text(self, filename):
        return self._files.get(filename)

    def locate_file(self, path):
        raise NotImplementedError


ACME = Made("codex-acme", TEXT, "[codex]\nacme = acme.plugin\n")
OTHER = Made("requests", "# Requests\n\ncolour")


@pytest.fixture
async def client(anyio_backend):
    from mcp.client.client import Client

    from codex_builtin_mcps.docs import docs_server

    async with Client(docs_server(Library([OTHER, ACME]))) as found:
        yield found


def text_of(result) -> str:
    return result.content[0].text


def test_the_server_is_off_until_a_table_names_it():
    assert [(spec.name, spec.default_enabled) for spec in codex_mcp_servers()] == [("docs", False)]


def test_pages_are_those_of_the_program_and_its_plugins():
    assert list(Library([OTHER, ACME]).pages) == ["codex-acme"]
    assert {"codex-kernel", "codex-builtin-mcps"} <= set(Library().pages)
    assert "[mcp_servers.docs]" in Library().pages["codex-builtin-mcps"].text


def test_headings_in_code_are_no_headings():
    (page,) = Library([ACME]).pages.values()
    assert [section.title for section in page.sections()] == [
        "codex-acme > acme",
        "codex-acme > acme > Configure",
        "codex-acme > acme > Limits",
    ]


@pytest.mark.anyio
async def test_a_search_shows_the_place_and_its_headings(client):
    found = await client.call_tool("search_docs", {"query": "colour red"})
    assert text_of(found).startswith("## codex-acme > acme > Configure\nSet `[acme] colour` to red.")
    assert "Limits" not in text_of(found)
    nothing = await client.call_tool("search_docs", {"query": "walrus"})
    assert text_of(nothing) == "Nothing is documented on 'walrus'. Parts: codex-acme"


@pytest.mark.anyio
async def test_a_part_is_read_whole_or_by_section(client):
    assert text_of(await client.call_tool("read_docs")) == "codex-acme 1.0: About codex-acme"
    assert text_of(await client.call_tool("read_docs", {"name": "codex-acme"})).strip() == TEXT.strip()
    section = await client.call_tool("read_docs", {"name": "codex-acme", "section": "limits"})
    assert text_of(section) == "## codex-acme > acme > Limits\nNone."


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "given", "why"),
    [
        ("search_docs", {}, "`query` must be a few words"),
        ("search_docs", {"query": "a", "limit": 1000}, "`limit` must be"),
        ("search_docs", {"query": "a", "limit": True}, "`limit` must be"),
        ("read_docs", {"name": "requests"}, "there is no documentation of 'requests'"),
        ("read_docs", {"name": "codex-acme", "section": "walrus"}, "it has: codex-acme > acme"),
        ("read_docs", {"name": "codex-acme", "section": 7}, "`section` must be"),
        ("nope", {}, "there is no tool 'nope'"),
    ],
)
async def test_what_cannot_be_done_is_said(client, tool, given, why):
    found = await client.call_tool(tool, given)
    assert found.is_error
    assert why in text_of(found)


@pytest.mark.anyio
async def test_pages_are_resources(client):
    from mcp.shared.exceptions import MCPError

    listed = await client.list_resources()
    assert [(str(each.uri), each.description) for each in listed.resources] == [
        ("docs://codex-acme", "About codex-acme")
    ]
    read = await client.read_resource("docs://codex-acme")
    assert read.contents[0].text.strip() == TEXT.strip()
    for uri in ("docs://requests", "file:///etc/passwd"):
        with pytest.raises(MCPError, match="there is no resource"):
            await client.read_resource(uri)


def test_a_huge_answer_is_cut_and_says_so():
    import asyncio

    from mcp.client.client import Client

    from codex_builtin_mcps.docs import MAX_CHARS, docs_server

    async def main():
        async with Client(docs_server(Library([Made("codex-kernel", "x" * 100_000)]))) as client:
            return text_of(await client.call_tool("read_docs", {"name": "codex-kernel"}))

    found = asyncio.run(main())
    assert len(found) < MAX_CHARS + 100
    assert found.endswith("characters are left out; ask for a section")


def test_a_plugin_that_is_off_imports_nothing():
    code = "import sys, codex_builtin_mcps.plugin as p; list(p.codex_mcp_servers()); print('mcp' in sys.modules, 'importlib.metadata' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split()[0] == "False"


def test_a_session_uses_it(tmp_path):
    from codex_plugin_sdk import FunctionCall
    from codex_plugin_sdk.testing.model import say
    from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

    pytest.importorskip("codex_mcp_bridge.bridge", reason="nothing here uses MCP servers")
    home = tmp_path / "codex-home"
    home.mkdir()
    with ScriptedResponsesServer() as model:
        call = FunctionCall(name="mcp__docs__search_docs", call_id="c1", arguments='{"query": "mcp_servers.docs"}')
        model.play(model.answer(call), model.answer(say("found")))
        (home / "config.toml").write_text(
            f'model = "test"\nmodel_provider = "scripted"\n[model_providers.scripted]\nname = "s"\n'
            f'base_url = "{model.base_url}"\nwire_api = "responses"\nrequest_max_retries = 0\n'
            "[mcp_servers.docs]\nenabled = true\nrequired = true\n"
        )
        program = Path(sys.executable).with_name("codex")
        found = subprocess.run(
            [program, "exec", "--skip-git-repo-check", "look it up"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "CODEX_HOME": str(home),
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        outputs = [
            item["output"] for item in model.requests[-1].json["input"] if item["type"] == "function_call_output"
        ]
    assert "## codex-builtin-mcps > codex-builtin-mcps" in str(outputs), model.requests[0].json["tools"]
