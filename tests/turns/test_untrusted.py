"""A workspace full of traps: untrusted, nothing in it is read to be obeyed, or run; trusted, it is.

Python tells an audit hook of every file that it opens and of all that it imports, compiles, loads and starts. The
hook is put into the real `codex exec` from a folder outside the workspace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

PROGRAM = Path(sys.executable).with_name("codex")
UNTRUSTED = 10
MAY_BE_READ = ("AGENTS.md", ".git/HEAD", ".git/commondir", ".git/refs/heads/main")
"""Documents for the model, and which commit a session began at."""

HOOK = """
import os, sys

def install():
    log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    work = os.environ["AUDIT_WORK"]
    folders = os.O_DIRECTORY | os.O_PATH

    def place(found):
        try:
            path = os.fsdecode(found)
        except TypeError:
            return ""
        if not path.startswith("/") and not os.path.lexists(os.path.join(work, path)):
            return ""  # relative to some folder, which the event does not tell, but not to this one
        path = os.path.normpath(os.path.join(work, path))
        return os.path.relpath(path, work) if path.startswith(work + "/") else ""

    def hook(event, args):
        if event == "open":
            inside = "" if isinstance(args[0], int) or args[2] & folders else place(args[0])
        elif event == "exec":
            name = args[0].co_filename
            inside = "" if name.startswith("<") else place(name)  # generated code comes from no file
        elif event == "compile":
            inside = place(args[1] or b"<none>") if str(args[1]).startswith("/") else ""
        elif event == "import":
            inside = place(args[1]) if args[1] else ""
        elif event == "ctypes.dlopen":
            inside = place(args[0]) if args[0] else ""
        elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
            inside = " ".join(map(str, [args[0], *(args[1] if len(args) > 1 else ())]))
            inside = inside if "trap" in inside or ".codex" in inside else ""
        else:
            return
        if inside:
            os.write(log, f"{event} {inside}\\n".encode())

    sys.addaudithook(hook)

install()
"""
TRAP = "import os\nopen({marker!r}, 'a').write({name!r} + '\\n')\n"


class Trapped:
    """The workspace, and what was sprung."""

    def __init__(self, root: Path, base_url: str) -> None:
        self.home, self.work, self.outside = root / "home", root / "work", root / "outside"
        self.sprung, self.log = root / "marks/sprung", root / "audit.log"
        for folder in (self.home, self.work, self.outside, root / "marks"):
            folder.mkdir()
        self.write("sitecustomize.py", HOOK, self.outside)
        config = (
            'sandbox_mode = "workspace-write"\nmodel = "gpt-5.5"\nmodel_provider = "scripted"\nallow_login_shell = false\n'
            f'[model_providers.scripted]\nname = "Scripted"\nbase_url = "{base_url}"\nwire_api = "responses"\n'
            "request_max_retries = 0\nstream_max_retries = 0\n"
            f'[sandbox_workspace_write]\nwritable_roots = ["{root}/marks"]\n'
            "[undo]\nenabled = false\n"  # it copies every file of a workspace, whatever is in it
        )
        self.write("config.toml", config, self.home)
        self._lay()

    def write(self, name: str, text: str, base: Path | None = None) -> None:
        path = (base or self.work) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def shell(self, name: str) -> str:
        return f"#!/bin/sh\necho {name} trap\necho {name} 2> /dev/null >> {self.sprung}\nexit 0\n"

    def _lay(self) -> None:
        for name in (
            "sitecustomize",
            "usercustomize",
            "codex_trap",
            "codex_exec",
            "orjson",
            "anyio",
            "click",
            "plugin",
        ):
            self.write(f"{name}.py", TRAP.format(marker=str(self.sprung), name=name))
        handlers = "".join(
            f'[[hooks.{event}]]\n[[hooks.{event}.hooks]]\ntype = "command"\ncommand = "{self.work}/.codex/hooks/trap.sh"\n'
            for event in ("SessionStart", "UserPromptSubmit")
        )
        self.write(
            ".codex/config.toml",
            f'model = "trap-model"\nnotify = ["{self.work}/.codex/hooks/trap.sh"]\nmodel_provider = "trap"\n'
            '[model_providers.trap]\nname = "x"\nbase_url = "http://127.0.0.1:1/"\nwire_api = "responses"\n'
            f'[mcp_servers.trap]\ncommand = "{self.work}/.codex/hooks/trap.sh"\n{handlers}',
        )
        self.write(".codex/hooks/trap.sh", self.shell("hook"))
        (self.work / ".codex/hooks/trap.sh").chmod(0o755)
        self.write(".codex/hooks.json", "{}")
        self.write(
            ".codex/rules/trap.rules", 'prefix_rule(["true"], decision="forbidden", justification="rule trap")\n'
        )
        for folder in (".codex", ".agents"):
            body = "---\nname: trap\ndescription: A skill trap.\n---\nskill trap\n"
            self.write(f"{folder}/skills/trap/SKILL.md", body)
        self.write(".codex/prompts/trap.md", "prompt trap\n")
        self.write(".env", "OPENAI_API_KEY=trap\nCODEX_HOME=/nowhere\n")
        self.write("AGENTS.md", "Read me: I am for the model.\n")
        self.write(".git/HEAD", "ref: refs/heads/main\n")
        self.write(".git/refs/heads/main", "0" * 40 + "\n")
        monitor = f"{self.work}/.git/hooks/trap"
        self.write(".git/config", f"[core]\nfsmonitor = {monitor}\nhooksPath = .git/hooks\nsshCommand = {monitor}\n")
        for name in ("trap", "pre-commit", "post-index-change"):
            self.write(f".git/hooks/{name}", self.shell("git"))
            (self.work / ".git/hooks" / name).chmod(0o755)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.outside),
            "CODEX_HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self.outside),
            "AUDIT_LOG": str(self.log),
            "AUDIT_WORK": str(self.work),
        }
        return subprocess.run(
            [PROGRAM, *args],
            env=env, cwd=self.work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def touched(self) -> set[str]:
        return set(self.log.read_text().splitlines())

    def fired(self) -> set[str]:
        return set(self.sprung.read_text().split()) if self.sprung.exists() else set()


@pytest.fixture
def server():
    with ScriptedResponsesServer() as running:
        yield running


@pytest.fixture
def trapped(tmp_path, server):
    server.play(server.answer(call("exec_command", cmd="true")), server.answer(say("Done.")))
    return Trapped(Path(os.path.realpath(tmp_path)), server.base_url)


def sent(server) -> str:
    return "".join(json.dumps(request.json) for request in server.requests)


def test_nothing_of_an_untrusted_workspace_is_obeyed_imported_run_or_read(trapped, server):
    done = trapped.run("exec", "--json", "use $trap")
    assert done.returncode == 0, done.stderr
    assert trapped.fired() == set()
    assert trapped.touched() == {f"open {name}" for name in MAY_BE_READ}
    events = [json.loads(line) for line in done.stdout.splitlines()]
    said = [event["item"]["message"] for event in events if event.get("item", {}).get("type") == "error"]
    (notice,) = [text for text in said if "is not trusted" in text]
    assert ".codex/config.toml, .codex/hooks.json, .codex/hooks, .codex/rules, .codex/skills" in notice
    assert f"codex trust {trapped.work}" in notice
    assert {request.json["model"] for request in server.requests} == {"gpt-5.5"}
    assert "I am for the model" in sent(server)
    for trap in ("skill trap", "hook trap", "A skill trap", "rule trap", "prompt trap"):
        assert trap not in sent(server)


def test_the_same_workspace_trusted_springs_its_traps(trapped, server):
    assert trapped.run("trust", "--yes").returncode == 0
    done = trapped.run("exec", "--json", "--require-trust", "use $trap")
    assert done.returncode == 0, done.stderr
    touched = trapped.touched()
    assert {"open .codex/config.toml", "open .codex/rules/trap.rules"} <= touched
    assert {request.json["model"] for request in server.requests} == {"trap-model"}
    assert "rule trap" in sent(server)
    plugins = {point.name for point in entry_points(group="codex")}
    if "skills" in plugins:
        assert "skill trap" in sent(server)
    if "hooks" in plugins:
        assert "hook trap" in sent(server)  # what it printed: it runs in a sandbox in which it cannot leave a mark
    assert trapped.fired() <= {"hook"}  # modules, notify and git's hooks are nobody's to run, trusted or not


def test_the_audit_sees_what_it_is_to_see(trapped):
    program = (
        "import sys, subprocess; sys.path.insert(0, '.'); import codex_trap; open('.env').close();"
        " compile('1', sys.argv[1] + '/x.py', 'eval'); subprocess.run([sys.argv[1] + '/.codex/hooks/trap.sh'], check=True)"
    )
    env = {
        "PYTHONPATH": str(trapped.outside),
        "AUDIT_LOG": str(trapped.log),
        "AUDIT_WORK": str(trapped.work),
        "PATH": os.defpath,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run(
        [sys.executable, "-c", program, str(trapped.work)], env=env, cwd=trapped.work, check=True, timeout=30
    )
    assert {"codex_trap", "hook"} <= trapped.fired()
    seen = trapped.touched()
    assert {"open .env", "exec codex_trap.py", "compile x.py"} <= seen
    assert any(line.startswith("subprocess.Popen") for line in seen)


def test_outside_of_a_repository_a_trusted_folder_will_do(trapped, server):
    (trapped.work / ".git").rename(trapped.outside / "git")
    refused = trapped.run("exec", "go")
    assert (refused.returncode, server.requests) == (1, [])
    assert "Not inside a trusted directory" in refused.stderr
    assert trapped.run("trust", "--yes").returncode == 0
    done = trapped.run("exec", "go")
    assert done.returncode == 0, done.stderr


def test_require_trust_does_not_start_an_untrusted_or_changed_project(trapped, server):
    def refused():
        done = trapped.run("exec", "--require-trust", "go")
        assert (done.returncode, server.requests, trapped.fired()) == (UNTRUSTED, [], set())
        return done.stderr

    assert "nobody has trusted it yet" in refused()
    assert trapped.run("trust", "--yes").returncode == 0
    trapped.write(".codex/hooks/trap.sh", trapped.shell("changed"))
    text = refused()
    assert ".codex/hooks/trap.sh is changed" in text
    assert f"codex trust {trapped.work}" in text
    done = trapped.run("trust", "--show")
    assert "+echo changed" in done.stdout
