"""Values by namespace and key, and how the plugin registers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from codex_plugin_sdk import StateStore, StoreSetup
from codex_plugin_sdk.state import Jobs, RolloutIndex
from codex_state_sqlite import plugin
from codex_state_sqlite.store import SqliteState


def opened(home) -> SqliteState:
    (spec,) = plugin.codex_stores()
    assert (spec.name, spec.kind) == ("sqlite", "state")
    return spec.factory(StoreSetup(codex_home=str(home)))


def test_store_is_all_three_things(home):
    found: StateStore = opened(home)
    assert isinstance(found, Jobs)
    assert isinstance(found, RolloutIndex)
    assert not (home / "kernel").exists()  # nothing is opened before it is used


def test_values_are_what_was_put_also_for_another_process(home, state):
    assert state.get("a", "k") is None
    state.put("a", "k", b"\0\xff one")
    state.put("b", "k", b"")
    state.put("a", "k", b"two")
    state.put("a", "j", b"three")
    code = (
        "import sys; from codex_state_sqlite.store import SqliteState; s = SqliteState(sys.argv[1]);"
        "print(s.get('a', 'k'), s.get('b', 'k'), s.keys('a'), s.keys('c')); s.delete('a', 'j'); s.delete('a', 'j')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=True)
    assert done.stdout == "b'two' b'' ['j', 'k'] []\n"
    assert state.keys("a") == ["k"]


def test_files_are_for_this_user_alone(home, state, path):
    old = os.umask(0)
    try:
        state.put("a", "k", b"v")
    finally:
        os.umask(old)
    kernel = path.parent
    assert kernel.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in kernel.iterdir()} == dict.fromkeys(
        ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "state.sqlite-setup.lock"), 0o600
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_store_may_be_used_on_both_sides_of_a_fork(state):
    state.put("a", "k", b"v")
    child = os.fork()
    if child == 0:
        os._exit(0 if state.get("a", "k") == b"v" and state.put("a", "child", b"c") is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert state.keys("a") == ["child", "k"]


def test_registering_imports_none_of_the_work():
    code = (
        "import sys; from codex_state_sqlite import plugin; list(plugin.codex_stores());"
        "list(plugin.codex_turn_guards());"
        "print([m for m in sys.modules if m.startswith('codex_state_sqlite.') or m == 'sqlite3'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['codex_state_sqlite.plugin']"
