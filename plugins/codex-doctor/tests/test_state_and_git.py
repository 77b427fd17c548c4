"""The checks `state`, `git`, `terminal` and `installation`, on real files, databases and repositories."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from codex_doctor.checks.databases import examine
from codex_doctor.checks.git import GitCheck, find_git
from codex_doctor.checks.installation import InstallationCheck
from codex_doctor.checks.state import StateCheck
from codex_doctor.checks.terminal import colours, problems
from codex_plugin_sdk import CheckSetup, Health

pytestmark = pytest.mark.anyio
as_root = hasattr(os, "getuid") and os.getuid() == 0


def setup(home, cwd="/", environ=None, plugins=None):
    return CheckSetup(codex_home=str(home), cwd=str(cwd), environ=environ or {}, options={}, plugins=plugins)


def by_name(findings):
    return {finding.name: finding for finding in findings}


def database(path, rows=10, wal=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    if wal:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (x TEXT)")
    connection.executemany("INSERT INTO t VALUES (?)", [("word " * 100,)] * rows)
    connection.commit()
    return connection


# -- state -----------------------------------------------------------------------------------------


async def test_a_new_home_has_nothing_wrong(tmp_path):
    findings = await StateCheck(setup(tmp_path / "none")).run()
    assert {finding.health for finding in findings} == {Health.OK}
    assert not (tmp_path / "none").exists()


async def test_sound_databases_are_counted_and_left_as_they_are(tmp_path):
    database(tmp_path / "kernel" / "state.sqlite", wal=True).close()
    database(tmp_path / "kernel" / "deep" / "memory.db").close()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    found = by_name(await StateCheck(setup(tmp_path)).run())
    assert found["state databases"].message == "2 databases are sound"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


async def test_a_database_at_work_is_read_with_its_log(tmp_path):
    path = tmp_path / "kernel" / "state.sqlite"
    connection = database(path, wal=True)
    try:
        assert (tmp_path / "kernel" / "state.sqlite-wal").stat().st_size > 0
        assert examine(str(path), time.monotonic() + 5).words == "ok"
    finally:
        connection.close()


async def test_a_damaged_database_fails_with_its_cure(tmp_path):
    path = tmp_path / "kernel" / "state.sqlite"
    database(path, rows=500).close()
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 8192)
    (tmp_path / "kernel" / "none.db").write_bytes(b"this is no database " * 300)
    found = [f for f in await StateCheck(setup(tmp_path)).run() if f.name == "state database"]
    assert [f.health for f in found] == [Health.FAILED, Health.FAILED]
    assert all("is damaged" in f.message and "move it" in f.cure for f in found)


async def test_a_locked_database_is_a_warning(tmp_path):
    path = tmp_path / "kernel" / "state.sqlite"
    connection = database(path, wal=True)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("INSERT INTO t VALUES ('more')")
    try:
        (found,) = [f for f in await StateCheck(setup(tmp_path)).run() if f.name == "state database"]
    finally:
        connection.rollback()
        connection.close()
    assert found.health is Health.WARNING
    assert "locked by another process" in found.message


async def test_the_time_of_a_database_is_bounded(tmp_path):
    path = tmp_path / "state.sqlite"
    database(path, rows=2000).close()

    class Clock:
        times = iter([0.0])

        def monotonic(self):
            return next(self.times, 9.0)

    from codex_doctor.checks import databases

    real, databases.time = databases.time, Clock()
    try:
        verdict = examine(str(path), 1.0)
    finally:
        databases.time = real
    assert (verdict.sound, verdict.whole) == (True, False)


async def test_sessions_are_counted_up_to_a_bound(tmp_path, monkeypatch):
    day = tmp_path / "sessions" / "2026" / "01" / "02"
    day.mkdir(parents=True)
    for number in range(20):
        (day / f"rollout-{number}.jsonl").touch()
    assert "20 recorded" in by_name(await StateCheck(setup(tmp_path)).run())["state sessions"].message
    monkeypatch.setattr("codex_doctor.checks.state.MOST_FILES", 10)
    assert "at least 7 recorded" in by_name(await StateCheck(setup(tmp_path)).run())["state sessions"].message


async def test_a_file_in_place_of_the_sessions_fails(tmp_path):
    (tmp_path / "sessions").write_text("")
    assert by_name(await StateCheck(setup(tmp_path)).run())["state sessions"].health is Health.FAILED


@pytest.mark.skipif(as_root, reason="root may read everything")
async def test_sessions_that_cannot_be_listed_fail(tmp_path):
    (tmp_path / "sessions").mkdir(mode=0)
    assert by_name(await StateCheck(setup(tmp_path)).run())["state sessions"].health is Health.FAILED


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")
async def test_a_lock_that_is_held_for_long_names_its_holder(tmp_path):
    path = tmp_path / "auth.json.lock"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "free.lock").touch()
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = by_name(await StateCheck(setup(tmp_path), held_s=0.01).run())
    assert found["state lock"].health is Health.WARNING
    assert f"process {os.getpid()}" in found["state lock"].message
    assert found["state lock"].cure.endswith(f"kill {os.getpid()}")
    assert found["state locks"].message.startswith("1 lock files")
    assert "state lock" not in by_name(await StateCheck(setup(tmp_path), held_s=0.01).run())


async def test_what_a_killed_write_left_is_told_once_it_is_old(tmp_path):
    draft = tmp_path / ".codex-0123456789abcdef.tmp"
    draft.touch()
    assert "state leftover" not in by_name(await StateCheck(setup(tmp_path)).run())
    os.utime(draft, (0, 0))
    assert by_name(await StateCheck(setup(tmp_path)).run())["state leftover"].cure == f"rm {draft}"


# -- git -------------------------------------------------------------------------------------------


def git(folder, *words):
    author = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **author}
    subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *words], cwd=folder, env=environ, check=True, capture_output=True
    )


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


async def examine_git(cwd, **environ):
    environ = {"PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CEILING_DIRECTORIES": str(cwd.parent), **environ}
    return by_name(await GitCheck(setup(cwd, cwd, environ)).run())


async def test_a_repository_is_shown_with_its_branch_and_what_goes_on(repository):
    found = await examine_git(repository)
    assert found["git"].health is Health.OK
    assert found["git repository"].message == f"{repository}, on main"
    (repository / ".git" / "MERGE_HEAD").write_text("0" * 40)
    assert "in the middle of a merge" in (await examine_git(repository))["git repository"].message


async def test_a_repository_without_a_commit_is_fine(tmp_path):
    git(tmp_path, "init", "-q")
    assert "without a commit yet" in (await examine_git(tmp_path))["git repository"].message


async def test_a_folder_in_no_repository_is_fine(tmp_path, monkeypatch):
    monkeypatch.setattr("codex_doctor.checks.git.git_root", lambda cwd: None)  # whatever lies above the folder
    finding = (await examine_git(tmp_path))["git repository"]
    assert (finding.health, "in no repository" in finding.message) == (Health.OK, True)


async def test_a_repository_of_another_user_has_its_cure(repository):
    finding = (await examine_git(repository, GIT_TEST_ASSUME_DIFFERENT_OWNER="1"))["git repository"]
    assert finding.health is Health.WARNING
    assert finding.cure.endswith(f"git config --global --add safe.directory {repository}")


async def test_an_empty_git_folder_is_told(tmp_path):
    (tmp_path / ".git").mkdir()
    finding = (await examine_git(tmp_path))["git repository"]
    assert (finding.health, "no repository in it" in finding.message) == (Health.WARNING, True)


async def test_a_commit_that_is_missing_is_told(repository):
    (repository / ".git" / "refs" / "heads" / "main").write_text("1" * 40 + "\n")
    finding = (await examine_git(repository))["git repository"]
    assert finding.health is Health.WARNING
    assert "cannot be read" in finding.message


async def test_an_index_lock_that_is_old_is_told(repository):
    lock = repository / ".git" / "index.lock"
    lock.touch()
    assert "git lock" not in await examine_git(repository)
    os.utime(lock, (0, 0))
    assert (await examine_git(repository))["git lock"].cure.endswith(f"rm {lock}")


async def test_nothing_that_a_repository_configures_is_run(repository):
    ran = repository / "ran"
    git(repository, "config", "core.fsmonitor", f"touch {ran}")
    git(repository, "config", "core.pager", f"touch {ran}")
    git(repository, "config", "alias.rev-parse", f"!touch {ran}")
    await examine_git(repository)
    assert not ran.exists()


async def test_git_is_never_one_that_a_repository_brings(repository, tmp_path):
    for folder in (repository / "bin", tmp_path / "bin"):
        folder.mkdir()
        (folder / "git").write_text("#!/bin/sh\n")
        (folder / "git").chmod(0o755)
    path = os.pathsep.join(["", ".", str(repository / "bin"), str(tmp_path / "bin")])
    assert find_git(path, str(repository)) == str(tmp_path / "bin" / "git")


async def test_no_git_is_a_warning(tmp_path):
    found = await examine_git(tmp_path, PATH=str(tmp_path))
    assert list(found) == ["git"]
    assert found["git"].health is Health.WARNING


@pytest.mark.parametrize(
    ("script", "word"),
    [("exit 3", "does not work"), ("echo git version 1.8.0", "is old"), ("exec /no/such", "does not work")],
)
async def test_a_git_that_is_broken_or_old_is_told(repository, tmp_path, script, word):
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    found = await examine_git(repository, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert found["git"].health is Health.WARNING
    assert word in found["git"].message


# -- terminal --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "size", "names"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, (100, 40), []),
        ({"TERM": "dumb", "LANG": "C.UTF-8"}, (100, 40), ["terminal type"]),
        ({"LANG": "C.utf8"}, None, ["terminal type"]),
        ({"TERM": "screen", "TMUX": "/x", "LANG": "C.UTF-8"}, None, ["terminal tmux"]),
        ({"TERM": "tmux-256color", "TMUX": "/x", "LANG": "C.UTF-8"}, None, []),
        ({"TERM": "xterm", "LC_ALL": "POSIX", "LANG": "C.UTF-8"}, None, ["terminal locale"]),
        ({"TERM": "xterm", "LANG": "de_DE@euro", "SSH_CONNECTION": "x"}, None, ["terminal locale"]),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, (20, 40), ["terminal size"]),
    ],
)
async def test_what_spoils_a_terminal_is_told(environ, size, names):
    found = list(problems(environ, size))
    assert [finding.name for finding in found] == names
    assert all(finding.health is Health.WARNING and finding.cure for finding in found)


async def test_colours_are_those_that_the_environment_says():
    shown = [
        colours({"TERM": "xterm-256color", "NO_COLOR": "1"}),
        colours({"TERM": "xterm-256color"}),
        colours({"TERM": "xterm", "COLORTERM": "truecolor"}),
        colours({"TERM": "xterm"}),
        colours({}),
    ]
    assert shown == ["none (NO_COLOR)", "256", "16 million", "16", "none (TERM)"]


# -- installation ----------------------------------------------------------------------------------


class Plugins:
    def __init__(self, *dists):
        self._dists = dists

    def reports(self):
        return tuple(SimpleNamespace(dist=dist) for dist in self._dists)


async def test_another_program_of_the_name_on_path_is_told(tmp_path):
    other = tmp_path / "codex"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    ours = os.path.dirname(sys.executable)

    async def examine_path(path):
        check = InstallationCheck(setup(tmp_path, environ={"PATH": path}, plugins=Plugins()))
        return by_name(await check.run())

    shadowed = (await examine_path(f"{tmp_path}{os.pathsep}{ours}"))["installation path"]
    assert shadowed.health is Health.WARNING
    assert str(other) in shadowed.message
    assert f"put {ours} before {tmp_path}" in shadowed.cure
    assert "installation path" not in await examine_path(f"{ours}{os.pathsep}{tmp_path}")
    assert "installation path" not in await examine_path(str(tmp_path / "empty"))


async def test_a_link_to_this_program_is_this_program(tmp_path):
    (tmp_path / "codex").symlink_to(os.path.join(os.path.dirname(sys.executable), "codex"))
    check = InstallationCheck(setup(tmp_path, environ={"PATH": str(tmp_path)}, plugins=Plugins()))
    assert "installation path" not in by_name(await check.run())


async def test_a_distribution_of_another_version_is_told(tmp_path, monkeypatch):
    folder = tmp_path / "codex_doctor-9.9.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: codex-doctor\nVersion: 9.9.9\n")
    (folder / "direct_url.json").write_text("not JSON")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = by_name(await InstallationCheck(setup(tmp_path, plugins=Plugins("codex-doctor", "not-there"))).run())
    assert found["installation versions"].health is Health.WARNING
    assert "codex-doctor 9.9.9 beside codex-kernel" in found["installation versions"].message


def started_with(**environ):
    program = (
        "import anyio, sys; from codex_doctor.checks.installation import InstallationCheck as C;"
        "from codex_plugin_sdk import CheckSetup;"
        "class_ = type('P', (), {'reports': lambda self: ()});"
        "s = CheckSetup(codex_home='/', cwd='/', environ={}, options={}, plugins=class_());"
        "print([f.cure for f in anyio.run(C(s).run) if f.name == 'installation bytecode'])"
    )
    environ = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    ).stdout


async def test_modules_without_bytecode_are_told_with_the_cure(tmp_path):
    cure = started_with(PYTHONDONTWRITEBYTECODE="1", PYTHONPYCACHEPREFIX=str(tmp_path))
    assert "PYTHONDONTWRITEBYTECODE" in cure
    assert "compileall" in cure
    assert started_with() == "[]\n"
