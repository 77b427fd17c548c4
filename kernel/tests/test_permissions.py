"""Permission profiles: `[permissions.NAME]` read as sandbox policies."""

import pytest

from codex_kernel.config import ConfigSources, load_config
from codex_kernel.errors import ConfigError
from codex_kernel.permissions import permission_profile
from codex_kernel.protocol.policy import NetworkMode, SandboxMode, SandboxPolicy
from codex_kernel.settings import read_settings


def config(tmp_path, text, **flags):
    (tmp_path / "config.toml").write_text(text)
    return load_config(ConfigSources(codex_home=str(tmp_path), flags=flags))


def profile(tmp_path, text, name="p"):
    return permission_profile(config(tmp_path, text), name)


def test_a_profile_grants_what_it_lists_and_nothing_else(tmp_path):
    text = """
        [permissions.p.filesystem]
        ":minimal" = "read"
        "/data" = "read"
        "/out" = "write"
        ":tmpdir" = "write"
        "/data/keys" = "deny"
        [permissions.p.filesystem.":workspace_roots"]
        "." = "write"
        "docs" = "read"
        "**/*.env" = "deny"
    """
    policy = profile(tmp_path, text).anchored("/ws")
    assert policy.mode is SandboxMode.WORKSPACE_WRITE
    assert policy.roots("/ws", "/tmpdir") == ("/ws", "/out", "/tmpdir")
    assert policy.readable_roots == ("/data", "/ws/docs")
    assert "/ws/docs" in policy.read_only_paths
    assert policy.denied_reads == ("/data/keys", "/ws/**/*.env")
    assert policy.denies_read("/ws/a/b/x.env")
    assert policy.network is NetworkMode.OFF


def test_a_profile_may_extend_another_and_a_built_in_one(tmp_path):
    text = """
        [permissions.base]
        extends = ":workspace"
        [permissions.p]
        extends = "base"
        [permissions.p.filesystem]
        "/out" = "write"
    """
    policy = profile(tmp_path, text)
    assert policy == SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE, writable_roots=("/out",))


def test_network_domains_make_the_network_proxied(tmp_path):
    text = """
        [permissions.p.network]
        enabled = true
        mode = "limited"
        [permissions.p.network.domains]
        "**.example.com" = "allow"
        "bad.example.com" = "deny"
    """
    rules = profile(tmp_path, text).network_rules
    assert (rules.allowed, rules.denied, rules.limited) == (("**.example.com",), ("bad.example.com",), True)
    assert profile(tmp_path, text.replace("true", "false")).network is NetworkMode.OFF


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no permission profile 'p'"),
        ('[permissions.p]\nextends = "q"', "no permission profile 'q'"),
        ('[permissions.p]\nextends = "p"', "circle"),
        ('[permissions.p.filesystem]\n"/x" = "append"', "must be one of read, write, deny"),
        ('[permissions.p.filesystem]\n":moon" = "read"', "names no place"),
        ('[permissions.p.network.domains]\n"x" = "maybe"', "must be allow or deny"),
        ('[permissions.p.network]\nmode = "half"', "must be limited or full"),
        ('[permissions.p]\nfilesystem = "all"', "must be a table"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        profile(tmp_path, text)


def test_the_default_profile_holds_unless_the_command_line_names_a_mode(tmp_path):
    text = 'default_permissions = ":workspace"\nsandbox_mode = "read-only"'
    assert read_settings(config(tmp_path, text)).sandbox_policy.mode is SandboxMode.WORKSPACE_WRITE
    over = config(tmp_path, text, sandbox_mode="danger-full-access")
    assert read_settings(over).sandbox_policy.mode is SandboxMode.DANGER_FULL_ACCESS


def test_denied_reads_of_the_configuration_hold_on_top_of_a_profile(tmp_path):
    text = 'default_permissions = ":workspace"\n[sandbox]\ndenied_reads = ["/secret/*"]'
    assert read_settings(config(tmp_path, text)).sandbox_policy.denied_reads == ("/secret/*",)
