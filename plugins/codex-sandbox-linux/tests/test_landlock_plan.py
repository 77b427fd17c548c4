import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk import GUARANTEES, NetworkRules, SandboxMode, SandboxPolicy, SandboxUnavailable
from codex_sandbox_linux import landlock
from codex_sandbox_linux.landlock import (
    FILE_RIGHTS,
    IOCTL_DEV,
    MAKE_REG,
    NEWEST_ABI,
    READ_DIR,
    READ_FILE,
    REFER,
    TRUNCATE,
    WRITE_FILE,
    guarantees,
    plan,
    rights_for,
)

READ_ONLY = SandboxPolicy()
WRITABLE = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE)


class FakeTree:
    """Folders are dicts, files None."""

    def __init__(self, root):
        self.root = root

    def children(self, path):
        found = self.root
        for name in filter(None, path.split("/")):
            found = found.get(name) if found else None
        return None if found is None else [(name, below is not None) for name, below in found.items()]


TREE = FakeTree(
    {
        "usr": {"bin": {}},
        "dev": {"null": None, "vda": None},
        "proc": {},
        "home": {"ada": {".ssh": {"id": None}, "ws": {"a": None}, ".netrc": None, "notes": {"b": None}}, "bob": {}},
        "file": None,
    }
)


def access_to(planned, path):
    """What the rules together allow on a path, as the kernel adds them up along the way to it."""
    found = 0
    for rule in planned.rules:
        if path == rule.path or path.startswith(rule.path.rstrip("/") + "/"):
            found |= rule.access
    return found


def test_rights_grow_with_the_version():
    for older, newer in zip(range(1, NEWEST_ABI), range(2, NEWEST_ABI + 1), strict=True):
        for before, after in zip(rights_for(older), rights_for(newer), strict=True):
            assert before & after == before
    assert rights_for(1) == (0x1FFF, 0, 0)
    assert rights_for(2)[0] & REFER
    assert rights_for(3)[0] == 0x7FFF
    assert rights_for(4) == (0x7FFF, 3, 0)
    assert rights_for(5) == (0xFFFF, 3, 0)
    assert rights_for(7) == (0xFFFF, 3, 3)


@pytest.mark.parametrize("abi", range(1, NEWEST_ABI + 1))
def test_every_guarantee_is_answered_once_and_its_absence_explained(abi):
    found = guarantees(abi)
    assert sorted(g.name for g in found) == sorted(GUARANTEES)
    assert all(bool(g.why) != g.enforced for g in found)
    assert next(g for g in found if g.name == "dies-with-us").enforced == (abi >= 6)


@pytest.mark.parametrize("abi", range(1, NEWEST_ABI + 1))
def test_no_rule_allows_what_is_not_handled(abi):
    planned = plan(WRITABLE, ["/home/ada/ws"], abi, terminal=True, tree=TREE)
    assert {rule.access & ~planned.handled_fs for rule in planned.rules} == {0}
    assert all(rule.access for rule in planned.rules)


def test_everything_is_readable_but_devices_and_nothing_else_is_writable():
    planned = plan(READ_ONLY, [], NEWEST_ABI, tree=TREE)
    assert access_to(planned, "/home/ada/.ssh/id") & (READ_FILE | WRITE_FILE | MAKE_REG) == READ_FILE
    assert access_to(planned, "/file") & READ_FILE
    assert access_to(planned, "/") == READ_DIR
    assert access_to(planned, "/dev/vda") == READ_DIR
    assert access_to(planned, "/dev/null") & FILE_RIGHTS == READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV
    writable = {rule.path for rule in planned.rules if rule.access & WRITE_FILE}
    assert writable == {*landlock.DEVICES, os.path.realpath(landlock.SHARED_MEMORY)}


def test_terminals_are_given_only_where_they_are_asked_for():
    for terminal in (False, True):
        planned = plan(READ_ONLY, [], NEWEST_ABI, terminal=terminal, tree=TREE)
        assert bool(access_to(planned, "/dev/pts/0") & WRITE_FILE) is terminal


def test_writable_roots_are_writable_whole():
    planned = plan(WRITABLE, ["/home/ada/ws"], NEWEST_ABI, tree=TREE)
    assert access_to(planned, "/home/ada/ws/new") & (WRITE_FILE | MAKE_REG | REFER | READ_FILE) == (
        WRITE_FILE | MAKE_REG | REFER | READ_FILE
    )
    assert not access_to(planned, "/home/ada/notes/b") & (WRITE_FILE | MAKE_REG | REFER | TRUNCATE)


def test_a_denied_folder_is_left_out_with_its_names_and_its_neighbours_are_not():
    planned = plan(READ_ONLY.replace(denied_reads=("/home/ada/.ssh",)), [], NEWEST_ABI, tree=TREE)
    assert access_to(planned, "/home/ada/.ssh/id") == 0
    assert access_to(planned, "/home/ada/notes/b") & READ_FILE
    assert access_to(planned, "/home/bob/x") & READ_FILE
    assert planned.watched == ("/", "/home", "/home/ada")


def test_beside_a_denied_file_folders_can_still_be_listed():
    planned = plan(READ_ONLY.replace(denied_reads=("/home/ada/.netrc",)), [], NEWEST_ABI, tree=TREE)
    assert access_to(planned, "/home/ada/.netrc") == READ_DIR
    assert access_to(planned, "/home/ada") == READ_DIR


def test_a_denied_path_that_does_not_exist_yet_is_not_readable_once_it_does():
    planned = plan(READ_ONLY.replace(denied_reads=("/home/bob/secret",)), [], NEWEST_ABI, tree=TREE)
    assert access_to(planned, "/home/bob/secret/x") == 0


def test_wildcards_leave_out_what_they_match_now_and_later():
    planned = plan(READ_ONLY.replace(denied_reads=("/home/ada/*.netrc", "/home/*/id")), [], NEWEST_ABI, tree=TREE)
    assert access_to(planned, "/home/ada/.netrc") == 0
    assert access_to(planned, "/home/ada/.ssh/id") == 0
    assert access_to(planned, "/home/ada/notes/b") & READ_FILE
    assert access_to(planned, "/home/ada/notes/id") == 0
    assert access_to(planned, "/usr/bin/sh") & READ_FILE


def test_all_can_be_denied():
    planned = plan(READ_ONLY.replace(denied_reads=("/",)), [], NEWEST_ABI, tree=TREE)
    assert access_to(planned, "/home/ada/.netrc") == 0
    assert access_to(planned, "/usr/bin/sh") == 0


def test_without_the_root_folder_only_named_and_system_folders_are_readable():
    planned = plan(READ_ONLY.replace(readable_roots=("/home/bob",)), ["/home/ada/ws"], NEWEST_ABI, tree=TREE)
    assert access_to(planned, "/home/bob/x") & READ_FILE
    assert access_to(planned, "/home/ada/ws/a") & READ_FILE
    assert access_to(planned, "/usr/bin/sh") & READ_FILE
    assert access_to(planned, "/home/ada/.netrc") == 0
    assert access_to(planned, "/") == 0


@pytest.mark.parametrize(
    ("denied", "root"),
    [
        ("/home/ada/ws/.env", "/home/ada/ws"),
        ("/home/ada/ws", "/home/ada/ws"),
        ("/home/ada", "/home/ada/ws"),
        ("/home/**/.env", "/home/ada/ws"),
        ("/home/ada/ws/src/*.pem", "/home/ada/ws"),
        ("/**/.env", "/home/ada/ws"),
    ],
)
def test_denied_reads_where_commands_write_are_refused(denied, root):
    with pytest.raises(SandboxUnavailable, match="deny reads"):
        plan(WRITABLE.replace(denied_reads=(denied,)), [root], NEWEST_ABI, tree=TREE)


def test_read_only_paths_where_commands_write_are_refused_but_for_the_protected_names():
    with pytest.raises(SandboxUnavailable, match="/home/ada/ws/vendor"):
        plan(WRITABLE.replace(read_only_paths=("/home/ada/ws/vendor",)), ["/home/ada/ws"], NEWEST_ABI, tree=TREE)
    plan(WRITABLE.replace(read_only_paths=("/home/ada/ws/.git", "/usr")), ["/home/ada/ws"], NEWEST_ABI, tree=TREE)


def test_a_proxied_network_is_refused():
    with pytest.raises(SandboxUnavailable, match="prox"):
        plan(READ_ONLY.replace(network_rules=NetworkRules()), [], NEWEST_ABI, tree=TREE)


def test_network_off_handles_ports_and_network_on_does_not():
    assert plan(READ_ONLY, [], NEWEST_ABI, tree=TREE).handled_net == 3
    assert plan(READ_ONLY.replace(network_access=True), [], NEWEST_ABI, tree=TREE).handled_net == 0


def test_too_many_neighbours_are_refused():
    crowd = FakeTree({f"f{number}": None for number in range(landlock.MAX_RULES + 1)} | {"secret": None})
    with pytest.raises(SandboxUnavailable, match="rules"):
        plan(READ_ONLY.replace(denied_reads=("/secret",)), [], NEWEST_ABI, tree=crowd)


names = st.sampled_from(["a", "b", "c"])
trees = st.recursive(st.none(), lambda below: st.dictionaries(names, below, max_size=3), max_leaves=12)
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(
    tree=st.dictionaries(names, trees, max_size=3),
    denied=st.lists(paths | st.sampled_from(["/a/*", "/b/*c", "/*/a", "/c/b*"]), max_size=3),
    path=paths,
)
def test_whatever_is_denied_gets_no_right_to_its_content(tree, denied, path):
    policy = READ_ONLY.replace(denied_reads=tuple(denied))
    planned = plan(policy, [], NEWEST_ABI, tree=FakeTree(tree))
    chain, place = [], tree
    for name in path.split("/")[1:]:
        exists = place is not None and name in place
        place = place[name] if exists else place
        chain.append((exists, place))
    if any(found is None for _, found in chain[:-1]):
        return  # below a file nothing can be
    if policy.denies_read(path):
        assert not access_to(planned, path) & (READ_FILE | WRITE_FILE)
    elif all(exists for exists, _ in chain) and chain[-1][1] is None:
        assert access_to(planned, path) & READ_FILE  # and what is not denied can be read
