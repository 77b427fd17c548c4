"""Why a confined command failed, told from what it printed."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_plugin_sdk import Denial, NetworkRules, SandboxMode, SandboxPolicy, explain_denial

WRITE = SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, exclude_slash_tmp=True)


def told(text, policy=WRITE, cwd="/ws"):
    found = explain_denial(text, policy, cwd)
    return found and (found.kind.value, found.subject)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("touch: cannot touch '/etc/x': Read-only file system", ("write", "/etc/x")),
        ("sh: 1: cannot create /etc/x: Read-only file system", ("write", "/etc/x")),
        ("bash: line 1: /etc/x: Read-only file system", ("write", "/etc/x")),
        (str(OSError(errno.EROFS, os.strerror(errno.EROFS), "/etc/x")), ("write", "/etc/x")),
        ("Error: EROFS: read-only file system, open '/etc/x'", ("write", "/etc/x")),
        ("fatal: Unable to create '/ws/.git/index.lock': Read-only file system", ("write", "/ws/.git/index.lock")),
        ("curl: (6) Could not resolve host: example.com", ("network", "example.com")),
        ("Error: getaddrinfo EAI_AGAIN registry.example.com", ("network", "registry.example.com")),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", ("network", "")),
        ("unshare: unshare failed: Operation not permitted", ("operation", "")),
        ("cat: notes.txt: No such file or directory", None),
        ("assertion failed: expected Permission denied", None),
        ("", None),
    ],
)
def test_a_refusal_is_told_from_the_words_of_common_tools(text, expected):
    assert told(text) == expected


def test_what_the_policy_permits_is_not_blamed_on_the_sandbox(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("")
    assert told(f"sh: {mine}: Permission denied", cwd=str(tmp_path)) is None


def test_a_denied_read_is_named(tmp_path):
    secret = tmp_path / "secret.env"
    secret.write_text("")
    policy = WRITE.replace(denied_reads=(f"{tmp_path}/*.env",))
    assert told("cat: secret.env: Permission denied", policy, str(tmp_path)) == ("read", str(secret))


def test_the_cure_names_the_rule_that_would_allow_it():
    written = explain_denial("touch: cannot touch '/data/x': Read-only file system", WRITE, "/ws")
    assert isinstance(written, Denial)
    assert "writable_roots" in written.cure
    assert "/data" in written.cure
    guarded = explain_denial("error: /ws/.git/config: Read-only file system", WRITE, "/ws")
    assert ".git of a writable root stays as it is" in guarded.in_words()
    proxied = WRITE.replace(network_rules=NetworkRules())
    assert "HTTPS_PROXY" in explain_denial("Could not resolve host: x.org", proxied, "/ws").in_words()


def test_without_a_sandbox_there_is_nothing_to_explain():
    free = SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)
    assert told("touch: cannot touch '/etc/x': Read-only file system", free) is None
    assert told("Could not resolve host: x.org", WRITE.replace(network_access=True)) is None


@given(st.text(max_size=300))
def test_any_output_is_survived(text):
    explain_denial(text + ": Permission denied " + text, WRITE, "/ws")
