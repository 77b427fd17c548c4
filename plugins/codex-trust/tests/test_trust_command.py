"""`codex trust` as a person and a script see it, by the real program."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading

import pytest

from codex_plugin_sdk import ExitCode

from .conftest import PROGRAM

CONFIG = ".codex/config.toml"


def full(world):
    """A project with something of each kind."""
    world.write(
        CONFIG,
        'model = "m"\nnotify = ["x"]\n[[hooks.Stop]]\nmatcher = "a"\n[[hooks.Stop.hooks]]\ntype = "command"\n'
        'command = "sh tools/stop.sh"\n[mcp_servers.files]\ncommand = "serve"\nargs = ["--all"]\n'
        '[mcp_servers.web]\nurl = "http://localhost:1"\n',
    )
    world.write("tools/stop.sh", "echo stop\n")
    for name in (".codex/rules/a.rules", ".codex/prompts/p.md", ".agents/skills/s/SKILL.md", ".codex/notes"):
        world.write(name, "one\n")


def test_it_shows_by_source_what_would_be_obeyed(world):
    full(world)
    done = world.codex("trust", "--show")
    assert done.returncode == 0, done.stderr
    for line in (
        f"{world.project}: not agreed to yet (trust_level: not set)",
        "  model = 'm'",
        "  notify: a project may not set it",
        "  Stop (a) runs sh tools/stop.sh",
        "  files runs serve --all",
        "  web at http://localhost:1",
        "  + config   .codex/config.toml",
        "  + rules    .codex/rules/a.rules",
        "  + prompt   .codex/prompts/p.md",
        "  + skill    .agents/skills/s/SKILL.md",
        "  + other    .codex/notes",
        "  + named    tools/stop.sh",
    ):
        assert line in done.stdout.splitlines()
    assert not world.store.exists()


def test_json_holds_the_same(world):
    full(world)
    found = json.loads(world.codex("trust", "--show", "--json").stdout)
    assert (found["root"], found["state"], found["trustLevel"]) == (str(world.project), "first-use", None)
    assert found["hooks"] == [{"source": CONFIG, "event": "Stop", "matcher": "a", "command": "sh tools/stop.sh"}]
    assert [server["name"] for server in found["mcpServers"]] == ["files", "web"]
    assert {row["kind"] for row in found["files"]} == {"config", "rules", "prompt", "skill", "other", "named"}
    agreed = json.loads(world.codex("trust", "--yes", "--json").stdout)
    assert (agreed["state"], agreed["trustLevel"]) == ("trusted", "trusted")
    assert world.read().trusted
    assert world.codex("trust", "--json").returncode == ExitCode.USAGE


def test_a_difference_is_shown_by_file(world):
    full(world)
    assert world.codex("trust", "--yes").returncode == 0
    world.write("tools/stop.sh", "echo stop\ncurl evil\n")
    world.write(".codex/rules/b.rules", "new\n")
    (world.project / ".codex/prompts/p.md").unlink()
    (world.project / ".codex/notes").write_bytes(b"\xff\x00")
    done = world.codex("trust", "--show")
    assert "changed since it was agreed to (trust_level: trusted)" in done.stdout
    for text in ("--- a/tools/stop.sh\n", "+curl evil\n", "+++ b/.codex/rules/b.rules\n", "-one\n"):
        assert text in done.stdout
    assert ".codex/notes is changed; its content cannot be compared" in done.stdout
    assert "  - prompt   .codex/prompts/p.md" in done.stdout
    assert not world.read().trusted
    assert world.codex("trust", "--yes").returncode == 0
    assert world.read().trusted
    assert "as it is" in world.codex("trust").stdout  # nothing to ask about


def test_nothing_is_agreed_to_without_a_person_or_yes(world):
    full(world)
    done = world.codex("trust")
    assert done.returncode == ExitCode.USAGE
    assert "--yes agrees to what was shown" in done.stderr
    assert not world.read().trusted


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_a_person_is_asked_on_a_terminal(world, answer, code):
    full(world)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "trust"], env=world.env(), cwd=world.project, stdin=follower, stdout=follower, stderr=follower
    )
    os.close(follower)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(leader, 4096)
    os.write(leader, answer.encode() + b"\n")
    reader = threading.Thread(target=_drain, args=(leader,))
    reader.start()
    assert process.wait(30) == code
    reader.join(30)
    os.close(leader)
    assert b"Stop (a) runs sh tools/stop.sh" in shown
    assert world.read().trusted is (code == 0)


def _drain(descriptor):
    try:
        while os.read(descriptor, 4096):
            pass
    except OSError:  # the other end is closed
        return


def test_config_keeps_its_comments_and_every_entry_that_says_no_is_put_right(world):
    full(world)
    link = world.root / "link"
    link.symlink_to(world.project)
    world.user_config(f'# mine\nmodel = "x" # keep\n\n[projects."{link}"]\ntrust_level = "untrusted"\n')
    assert world.codex("trust", "--yes", str(world.project)).returncode == 0
    text = (world.home / "config.toml").read_text()
    assert text.startswith('# mine\nmodel = "x" # keep\n')
    assert world.read().trusted
    assert world.codex("trust", "--revoke").returncode == 0
    assert 'trust_level = "trusted"' not in (world.home / "config.toml").read_text()
    assert not world.read().trusted
    assert list(world.store.parent.glob("trust/*.*")) == []


def test_the_list_tells_all_projects(world):
    full(world)
    assert world.codex("trust", "--yes").returncode == 0
    world.trust(world.root / "other")
    done = world.codex("trust", "list")
    assert f"trusted     {world.project}  (20" in done.stdout
    assert f"trusted     {world.root / 'other'}  (nothing agreed to yet)" in done.stdout
    rows = json.loads(world.codex("trust", "list", "--json").stdout)["projects"]
    assert [(row["trustLevel"], row["how"]) for row in rows] == [("trusted", None), ("trusted", "asked")]


def test_a_terminal_obeys_nothing_that_a_project_says(world):
    world.write(CONFIG, 'model = "\\u001b]0;evil\\u0007"\n')
    world.write(".codex/rules/\x1b[2Ja\nb.rules", "\x1b[31mred\x1b[0m\n")
    assert world.codex("trust", "--yes").returncode == 0
    world.write(".codex/rules/\x1b[2Ja\nb.rules", "\x1b[32mgreen\u202e\n")
    done = world.codex("trust", "--show")
    assert "green" in done.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)
    assert "\nb.rules" not in done.stdout.replace("b.rules\n", "")


def test_what_cannot_be_trusted_says_why(world):
    world.write(CONFIG, "model =\n")
    done = world.codex("trust", "--yes")
    assert (done.returncode, "cannot be understood" in done.stderr) == (ExitCode.CONFIG, True)
    os.mkfifo(world.project / ".codex/pipe")
    done = world.codex("trust", "--show")
    assert (done.returncode, "pipe is neither a file nor a folder" in done.stderr) == (ExitCode.CONFIG, True)
    assert world.codex("trust", "nowhere").returncode == ExitCode.USAGE


def test_two_at_once_lose_nothing(world):
    folders = [world.root / f"p{i}" for i in range(4)]
    for folder in folders:
        world.write(".git/HEAD", base=folder)
        world.write(CONFIG, f'model = "{folder.name}"\n', base=folder)
    world.trust(*folders)
    running = [subprocess.Popen([PROGRAM, "trust", "--yes"], env=world.env(), cwd=folder) for folder in folders]
    assert [process.wait(30) for process in running] == [0] * 4
    assert sorted(json.loads(world.store.read_text())["roots"]) == [str(folder) for folder in folders]
    assert all(world.read(folder).trusted for folder in folders)
