"""The real program `codex mcp`, on servers that need not be reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("codex")
SECRET = "hunter2-hunter2"
FULL = f"""# mine
model = "some"   # keep this

[mcp_servers.full]   # the full one
command = "node"
args = ["a b", "--token"]   # two words
cwd = "/srv"
env_vars = ["HOME", {{ name = "REM", source = "remote" }}]
enabled_tools = ["t1", "t2"]
disabled_tools = ["t3"]
startup_timeout_sec = 12.5
tool_timeout_sec = 30
env = {{ ZED = "{SECRET}", ALPHA = "{SECRET}" }}
default_tools_approval_mode = "prompt"

# in between
[mcp_servers.off]
command = "x"
enabled = false

[mcp_servers.web]
url = "http://127.0.0.1:9/mcp"
http_headers = {{ Authorization = "Bearer {SECRET}" }}
env_http_headers = {{ X-E = "EVAR" }}

[tui]
theme = "dark" # as it was
"""


class Codex:
    """Runs the program in a home of its own."""

    def __init__(self, root):
        self.home = root / "home"
        self.home.mkdir(mode=0o700)
        self.config = self.home / "config.toml"

    def mcp(self, *args, **env):
        base = {"PATH": os.environ["PATH"], "HOME": str(self.home), "CODEX_HOME": str(self.home), "LANG": "C.UTF-8"}
        done = subprocess.run(
            [str(PROGRAM), "mcp", *args],
            stdin=subprocess.DEVNULL,
            env={**base, **env},
            cwd=self.home,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def codex(tmp_path):
    return Codex(tmp_path)


def test_list_without_servers_says_how_to_add_one(codex):
    assert codex.mcp("list") == (0, "No MCP servers configured yet. Try `codex mcp add my-tool -- my-command`.\n", "")
    assert codex.mcp("list", "--json") == (0, "[]\n", "")


def test_list_shows_the_tables_of_codex_with_secrets_masked(codex):
    codex.config.write_text(FULL)
    code, out, err = codex.mcp("list")
    assert (code, err) == (0, "")
    env = "ALPHA=*****, ZED=*****, HOME=*****, REM=*****"
    assert [line.rstrip() for line in out.splitlines()] == [
        f"Name  Command  Args         {'Env':{len(env)}}  Cwd   Status    Auth",
        f"full  node     a b --token  {env}  /srv  enabled   Unsupported",
        f"off   x        -            {'-':{len(env)}}  -     disabled  Unsupported",
        "",
        "Name  Url                     Bearer Token Env Var  Status   Auth",
        "web   http://127.0.0.1:9/mcp  -                     enabled  Bearer token",
    ]
    assert SECRET not in out


def test_list_json_has_the_members_of_codex(codex):
    codex.config.write_text(FULL)
    code, out, _ = codex.mcp("list", "--json")
    full, off, web = json.loads(out)
    assert code == 0
    assert full == {
        "name": "full",
        "enabled": True,
        "disabled_reason": None,
        "transport": {
            "type": "stdio",
            "command": "node",
            "args": ["a b", "--token"],
            "env": {"ZED": SECRET, "ALPHA": SECRET},
            "env_vars": ["HOME", {"name": "REM", "source": "remote"}],
            "cwd": "/srv",
        },
        "startup_timeout_sec": 12.5,
        "tool_timeout_sec": 30.0,
        "auth_status": "unsupported",
    }
    assert (off["enabled"], off["transport"]["env"], off["startup_timeout_sec"]) == (False, None, None)
    assert web["auth_status"] == "bearer_token"
    assert web["transport"] == {
        "type": "streamable_http",
        "url": "http://127.0.0.1:9/mcp",
        "bearer_token_env_var": None,
        "http_headers": {"Authorization": f"Bearer {SECRET}"},
        "env_http_headers": {"X-E": "EVAR"},
        "http_headers_helper": None,
    }


def test_get_shows_one_server_with_secrets_masked(codex):
    codex.config.write_text(FULL)
    assert codex.mcp("get", "full")[1].splitlines() == [
        "full",
        "  enabled: true",
        "  enabled_tools: t1, t2",
        "  disabled_tools: t3",
        "  transport: stdio",
        "  command: node",
        "  args: a b --token",
        "  cwd: /srv",
        "  env: ALPHA=*****, ZED=*****, HOME=*****, REM=*****",
        "  startup_timeout_sec: 12.5",
        "  tool_timeout_sec: 30",
        "  default_tools_approval_mode: prompt",
        "  remove: codex mcp remove full",
    ]
    assert codex.mcp("get", "web")[1].splitlines() == [
        "web",
        "  enabled: true",
        "  transport: streamable_http",
        "  url: http://127.0.0.1:9/mcp",
        "  bearer_token_env_var: -",
        "  http_headers: Authorization=*****",
        "  env_http_headers: X-E=EVAR",
        "  http_headers_helper: -",
        "  remove: codex mcp remove web",
    ]
    assert codex.mcp("get", "off")[1] == "off (disabled)\n"


def test_get_json_has_tools_and_no_auth_status(codex):
    codex.config.write_text(FULL)
    found = json.loads(codex.mcp("get", "full", "--json")[1])
    assert list(found) == [
        "name",
        "enabled",
        "disabled_reason",
        "transport",
        "enabled_tools",
        "disabled_tools",
        "startup_timeout_sec",
        "tool_timeout_sec",
    ]
    assert (found["enabled_tools"], found["disabled_tools"]) == (["t1", "t2"], ["t3"])


def test_add_keeps_comments_and_formatting(codex):
    codex.config.write_text(FULL)
    code, out, err = codex.mcp("add", "docs", "--env", "K=v", "--env", "T=a=b", "--", "npx", "-y", "pkg", "--flag")
    assert (code, out, err) == (0, "Added global MCP server 'docs'.\n", "")
    text = codex.config.read_text()
    assert all(line in text.splitlines() for line in FULL.splitlines())
    added = json.loads(codex.mcp("get", "docs", "--json")[1])["transport"]
    assert (added["command"], added["args"]) == ("npx", ["-y", "pkg", "--flag"])
    assert added["env"] == {"K": "v", "T": "a=b"}


def test_add_into_an_empty_home_writes_one_plain_table(codex):
    assert codex.mcp("add", "docs", "--", "other")[0] == 0
    assert codex.config.read_text() == '[mcp_servers.docs]\ncommand = "other"\n'


def test_add_over_a_server_replaces_it_and_keeps_its_comments(codex):
    codex.config.write_text(FULL)
    assert codex.mcp("add", "full", "--", "python")[0] == 0
    found = json.loads(codex.mcp("get", "full", "--json")[1])
    assert found["transport"] == {
        "type": "stdio",
        "command": "python",
        "args": [],
        "env": None,
        "env_vars": [],
        "cwd": None,
    }
    assert found["enabled_tools"] is None
    text = codex.config.read_text()
    assert "[mcp_servers.full]   # the full one" in text
    assert "# in between" in text


def test_a_command_needs_no_dashes_before_it(codex):
    assert codex.mcp("add", "y", "cmd", "--env", "A=b", "-x")[0] == 0
    assert json.loads(codex.mcp("get", "y", "--json")[1])["transport"]["args"] == ["--env", "A=b", "-x"]


def test_add_with_a_url_that_nobody_answers_says_so(codex):
    code, out, _ = codex.mcp("add", "x", "--url", "http://127.0.0.1:9/mcp", "--scopes", "a, b")
    assert (code, out) == (
        0,
        "Added global MCP server 'x'.\nMCP server may or may not require login. Run `codex mcp login x` to login.\n",
    )
    assert codex.config.read_text() == ('[mcp_servers.x]\nurl = "http://127.0.0.1:9/mcp"\nscopes = ["a", "b"]\n')
    assert json.loads(codex.mcp("list", "--json")[1])[0]["auth_status"] == "unknown"


def test_add_with_a_client_of_ones_own_names_the_callback_to_register(codex):
    url = "http://127.0.0.1:9/mcp"
    code, out, _ = codex.mcp("add", "x", "--url", url, "--oauth-client-id", "me", "--oauth-client-secret", SECRET)
    callback = [line for line in out.splitlines() if line.startswith("OAuth callback URL: http://127.0.0.1/callback/")]
    assert (code, len(callback)) == (0, 1)
    assert SECRET not in out
    assert f'callback_url = "{callback[0].split(": ")[1]}"' in codex.config.read_text()


def test_remove_takes_only_that_server(codex):
    codex.config.write_text(FULL)
    assert codex.mcp("remove", "off") == (0, "Removed global MCP server 'off'.\n", "")
    text = codex.config.read_text()
    assert "[mcp_servers.off]" not in text
    assert 'model = "some"   # keep this' in text
    assert 'theme = "dark" # as it was' in text
    assert codex.mcp("remove", "off") == (0, "No MCP server named 'off' found.\n", "")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["get", "nope"], 1, "No MCP server named 'nope' found."),
        (["login", "nope"], 1, "No MCP server named 'nope' found."),
        (["logout", "nope"], 1, "No MCP server named 'nope' found."),
        (["login", "full"], 1, "OAuth login is only supported for streamable HTTP servers."),
        (["logout", "full"], 1, "OAuth logout is only supported for streamable_http transports."),
        (["add", "x"], 2, "neither --url nor a command"),
        (["add"], 2, "Missing argument 'NAME'"),
        (["add", "x", "--url", "http://h/", "--", "cmd"], 2, "exclude each other"),
        (["add", "bad name", "--", "cmd"], 1, "invalid server name 'bad name'"),
        (["add", "", "--", "cmd"], 1, "invalid server name ''"),
        (["add", "x", "--env", "FOO", "--", "cmd"], 2, "KEY=VALUE"),
        (["add", "x", "--env", "=v", "--", "cmd"], 2, "KEY=VALUE"),
        (["add", "x", "--url", "http://h/", "--env", "A=b"], 2, "--env goes with a command only"),
        (["add", "x", "--bearer-token-env-var", "T", "--", "cmd"], 2, "--bearer-token-env-var goes with --url only"),
        (["add", "x", "--url", "notaurl"], 1, "must be an http:// or https:// address"),
        (["bogus"], 2, "No such command 'bogus'"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(codex, args, code, said):
    codex.config.write_text(FULL)
    found, out, err = codex.mcp(*args)
    assert (found, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert codex.config.read_text() == FULL


def test_a_configuration_that_cannot_be_used_is_told_with_its_key(codex):
    codex.config.write_text('[mcp_servers.a]\ncommand = "x"\nurl = "http://x"\n')
    code, _, err = codex.mcp("list")
    assert code == 3
    assert "`mcp_servers.a` has both a command and a url" in err


def test_list_does_not_import_the_mcp_package(codex):
    codex.config.write_text(FULL)
    script = (
        "import sys\nfrom codex_kernel.cli import dispatch\ncode = int(dispatch(['mcp', 'list']))\n"
        "heavy = {'mcp', 'httpx2', 'pydantic', 'keyring'} & set(sys.modules)\n"
        "sys.stderr.write(f'{code} {sorted(heavy)}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "HOME": str(codex.home), "CODEX_HOME": str(codex.home)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.decode() == "0 []"


def test_test_tells_why_a_server_does_not_start(codex):
    script = "import sys; sys.stderr.write('no licence found\\n'); sys.exit(3)"
    assert codex.mcp("add", "sick", "--", sys.executable, "-c", script)[0] == 0
    code, out, _ = codex.mcp("test", "sick")
    assert code == 1
    assert "sick: failed" in out
    assert "no licence found" in out


def test_test_names_tools_of_the_configuration_that_the_server_does_not_have(codex):
    raw = Path(__file__).with_name("servers") / "raw_server.py"
    words = json.dumps([str(raw)])
    codex.config.write_text(
        f'[mcp_servers.raw]\ncommand = "{sys.executable}"\nargs = {words}\ndisabled_tools = ["crash", "hueg"]\n'
        '[mcp_servers.raw.tools.slep]\napproval_mode = "prompt"\n'
    )
    code, out, err = codex.mcp("test", "raw")
    assert code == 0, err
    assert "warning: the configuration names tools that the server does not have: hueg, slep\n" in out
    assert json.loads(codex.mcp("test", "raw", "--json")[1])["unknown_tools"] == ["hueg", "slep"]


def test_get_shows_what_else_is_set(codex):
    codex.config.write_text(
        '[mcp_servers.web]\nurl = "http://127.0.0.1:9/mcp"\nrequired = true\nsupports_parallel_tool_calls = true\n'
        f'scopes = ["read", "write"]\noauth = {{ client_id = "me", client_secret = "{SECRET}" }}\n'
        '[mcp_servers.web.tools.delete]\napproval_mode = "prompt"\n'
    )
    out = codex.mcp("get", "web")[1]
    assert out.splitlines()[-7:-1] == [
        "  required: true",
        "  supports_parallel_tool_calls: true",
        "  tools.delete.approval_mode: prompt",
        "  scopes: read, write",
        "  oauth.client_id: me",
        "  oauth.client_secret: *****",
    ]
    assert SECRET not in out


def test_prompts_shows_what_can_be_invoked_and_who_cannot_be_asked(codex):
    raw = Path(__file__).with_name("servers") / "raw_server.py"
    programs = {"able": ["-S", "-E", str(raw), "prompts"], "sick": ["-S", "-E", str(raw), "dies"]}
    codex.config.write_text(
        "".join(
            f'[mcp_servers.{name}]\ncommand = "{sys.executable}"\nargs = {json.dumps(args)}\n'
            for name, args in programs.items()
        )
    )
    code, out, err = codex.mcp("prompts")
    assert (code, out) == (1, "/mcp__able__sum_up page=…\n    Sum up\n    page: The page.\n")
    assert "the MCP server sick cannot be asked: it ended with exit code 7" in err
    code, out, err = codex.mcp("prompts", "able", "--json")
    (found,) = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["name"], found["server"], found["hint"]) == ("/mcp__able__sum_up", "able", "page=…")
    assert found["arguments"] == [{"name": "page", "description": "The page.", "required": True}]
