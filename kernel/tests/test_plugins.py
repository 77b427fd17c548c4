"""Isolation: whatever one plugin does, the others work and the report says what happened."""

import threading
from types import SimpleNamespace

import pytest

from codex_kernel.discovery import Candidate
from codex_kernel.errors import PluginConflict, PluginLoadError, PluginMissing
from codex_kernel.hookspecs import HOOK_KINDS, hookimpl
from codex_kernel.plugins import PluginManager
from codex_kernel.specs import ExecPolicySpec, StoreSpec, ToolSpec

GOOD = """
from codex_plugin_sdk import hookimpl, ToolSpec

@hookimpl
def codex_tools():
    yield ToolSpec(name="{name}", factory=lambda setup: None)
"""

GATES = "gates_of_the_test"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write plugin modules and give their candidates."""
    monkeypatch.syspath_prepend(str(tmp_path))
    count = iter(range(100))

    def _install(name, source, dist=None):
        module = f"planted_{next(count)}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(source)
        return Candidate(name=name, module=module, dist=dist or f"acme-{name}", version="1.0")

    return _install


def _status(manager):
    return {report.name: report.status for report in manager.reports()}


def test_good_plugins_are_offered_by_name_with_their_origin(install):
    manager = PluginManager([install("clock", GOOD.format(name="clock"))])
    assert list(manager.tools()) == ["clock"]
    assert manager.tools()["clock"].origin == "clock (acme-clock 1.0)"
    (report,) = manager.reports()
    assert (report.status, report.kinds, report.reason) == ("ok", ("tool",), "")
    assert report.import_ms > 0


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("raise RuntimeError('boom')", "failed", "importing it raised RuntimeError: boom"),
        ("import no_such_module_at_all", "failed", "ModuleNotFoundError"),
        ("raise SystemExit(4)", "failed", "SystemExit"),
        ("def broken(:", "failed", "SyntaxError"),
        ("codex_api_version = '2.0'", "incompatible", "asks for plugin API 2.0"),
        ("codex_api_version = '1.99'", "incompatible", "asks for plugin API 1.99"),
        ("codex_api_version = 'soon'", "incompatible", "asks for plugin API soon"),
        (
            "from codex_plugin_sdk import hookimpl\n@hookimpl\ndef codex_toolz():\n    return []",
            "invalid",
            "unknown hook codex_toolz",
        ),
        (
            "from codex_plugin_sdk import hookimpl\n@hookimpl\ndef codex_tools(surprise):\n    return []",
            "invalid",
            "do not fit",
        ),
        (
            "from codex_plugin_sdk import hookimpl\n@hookimpl\ndef codex_tools():\n    raise ValueError('in the hook')",
            "failed",
            "codex_tools raised ValueError: in the hook",
        ),
        (
            GOOD.format(name="early") + "    raise ValueError('while iterated')",
            "failed",
            "codex_tools raised ValueError: while iterated",
        ),
        (
            "from codex_plugin_sdk import hookimpl\n@hookimpl\ndef codex_tools():\n    return ['text']",
            "invalid",
            "yields ToolSpec, not str",
        ),
        (
            "from codex_plugin_sdk import hookimpl\n@hookimpl\ndef codex_tools():\n    return 5",
            "failed",
            "TypeError",
        ),
    ],
)
def test_a_bad_plugin_is_isolated_and_reported(install, source, status, words):
    manager = PluginManager([install("bad", source, "acme-bad"), install("good", GOOD.format(name="good"), "zz-good")])
    assert list(manager.tools()) == ["good"]
    bad = next(r for r in manager.reports() if r.name == "bad")
    assert bad.status == status
    assert words in bad.reason
    assert "pip uninstall acme-bad" in bad.cure
    assert _status(manager)["good"] == "ok"


@pytest.mark.parametrize(
    "source",
    [
        "import threading\nthreading.Event().wait(60)",
        (
            "import threading\nfrom codex_plugin_sdk import hookimpl\n"
            "@hookimpl\ndef codex_tools():\n    threading.Event().wait(60)\n    return []"
        ),
    ],
    ids=["at import", "in a hook"],
)
def test_a_plugin_that_hangs_is_given_up(install, source):
    manager = PluginManager(
        [install("slow", source, "acme-a"), install("good", GOOD.format(name="good"), "zz-good")], timeout_s=0.2
    )
    assert list(manager.tools()) == ["good"]
    slow = next(r for r in manager.reports() if r.name == "slow")
    assert slow.status == "timeout"
    assert "0.2 s" in slow.reason


def test_two_plugins_with_one_tool_name_are_told_apart(install):
    first = install("one", GOOD.format(name="clock"), "acme-one")
    second = install("two", GOOD.format(name="clock"), "acme-two")
    manager = PluginManager([second, first])
    assert manager.tools()["clock"].dist == "acme-one"
    loser = next(r for r in manager.reports() if r.name == "two")
    assert loser.status == "conflict"
    assert "already offered by one (acme-one 1.0)" in loser.reason


def test_a_bundled_plugin_keeps_its_name_against_a_stranger(install):
    stranger = install("aaa", GOOD.format(name="clock"), "aaa-stranger")
    bundled = install("zzz", GOOD.format(name="clock"), "zzz-bundled")
    manager = PluginManager([stranger, bundled], bundled=frozenset({"zzz-bundled"}))
    assert manager.tools()["clock"].dist == "zzz-bundled"


def test_two_entry_points_of_one_name_do_not_hide_each_other(install):
    first = install("clock", GOOD.format(name="a"), "acme-one")
    second = install("clock", GOOD.format(name="b"), "acme-two")
    manager = PluginManager([first, second])
    assert list(manager.tools()) == ["a"]
    assert _status(manager) == {"clock": "ok", "clock@acme-two": "blocked"}


def test_blocked_plugins_are_not_imported(install):
    bad = install("bad", "raise RuntimeError('imported')", "acme-bad")
    assert _status(PluginManager([bad], blocked=["bad"])) == {"bad": "blocked"}
    assert _status(PluginManager([bad], blocked=["acme-bad"])) == {"bad": "blocked"}


def test_the_block_list_variable_and_flags_are_read(monkeypatch):
    monkeypatch.setattr(
        "codex_kernel.plugins.discover", lambda: (Candidate(name="x", module="m", dist="d", version="1"),)
    )
    manager = PluginManager.from_environment({"CODEX_NO_PLUGINS": " x , y"}, no_plugin=["z"])
    assert _status(manager) == {"x": "blocked"}


def test_bundled_only_leaves_strangers_out(install):
    stranger = install("s", GOOD.format(name="s"), "stranger")
    bundled = install("b", GOOD.format(name="b"), "bundled")
    manager = PluginManager([stranger, bundled], bundled=frozenset({"bundled"}), bundled_only=True)
    assert list(manager.tools()) == ["b"]
    assert _status(manager) == {"b": "ok", "s": "blocked"}


@pytest.mark.parametrize(
    ("name", "dist", "kind"),
    [
        ("sandbox-linux", "acme", "sandbox"),
        ("anything", "codex-sandbox-linux", "sandbox"),
        ("anything", "codex-execpolicy", "policy"),
        ("rollout-jsonl", "acme", "store"),
    ],
)
def test_a_guard_that_cannot_be_imported_stops_the_work(install, name, dist, kind):
    manager = PluginManager([install(name, "raise RuntimeError('boom')", dist)])
    with pytest.raises(PluginLoadError) as caught:
        manager.require_sound(kind)
    assert caught.value.plugin == name
    assert "boom" in str(caught.value)
    assert "--no-plugin" in caught.value.hint


def test_a_guard_that_was_blocked_on_purpose_does_not_stop_the_work(install):
    manager = PluginManager([install("sandbox-x", "raise RuntimeError")], blocked=["sandbox-x"])
    manager.require_sound("sandbox")


def test_a_policy_plugin_whose_hook_raises_stops_the_work(install):
    source = "from codex_plugin_sdk import hookimpl\n@hookimpl\ndef codex_exec_policies():\n    raise OSError('x')"
    manager = PluginManager([install("rules", source)])
    with pytest.raises(PluginLoadError, match="rules"):
        manager.require_sound("policy")


def test_a_broken_telemetry_plugin_stops_nothing(install):
    manager = PluginManager([install("otel", "raise RuntimeError('boom')", "codex-otel")])
    manager.require_sound("sandbox", "policy", "store")


def test_two_policies_of_one_name_fail_closed():
    def offering():
        @hookimpl
        def codex_exec_policies():
            return [ExecPolicySpec(name="rules", factory=lambda setup: None)]

        return SimpleNamespace(codex_exec_policies=codex_exec_policies)

    manager = PluginManager([], builtins={"a": offering()})
    relay = manager._load()
    relay.register(offering(), "b")
    manager._reports["b"] = manager._reports.get("b") or _report("b")
    with pytest.raises(PluginConflict, match="offered by both"):
        manager.policies()


def _report(name):
    from codex_kernel.plugins import PluginReport

    return PluginReport(name=name, dist=f"acme-{name}", version="1.0")


def _stores(*names):
    @hookimpl
    def codex_stores():
        return [StoreSpec(name=name, kind="rollout", factory=lambda setup: None) for name in names]

    return PluginManager([], builtins={"stores": SimpleNamespace(codex_stores=codex_stores)})


def test_the_only_store_is_taken_and_several_need_a_choice():
    assert _stores("one").store("rollout").name == "one"
    assert _stores().store("rollout") is None
    assert _stores("one").store("state") is None
    assert _stores("one", "two").store("rollout", "two").name == "two"
    with pytest.raises(PluginConflict, match="several rollout stores"):
        _stores("one", "two").store("rollout")
    with pytest.raises(PluginMissing, match="three"):
        _stores("one").store("rollout", "three")


def test_a_missing_renderer_names_its_cure():
    with pytest.raises(PluginMissing) as caught:
        PluginManager([]).renderer("text")
    assert caught.value.hint == "pip install codex-exec"


def test_hooks_run_once_and_never_on_the_main_thread():
    calls = []

    @hookimpl
    def codex_tools():
        calls.append(threading.current_thread())
        return [ToolSpec(name="t", factory=lambda setup: None)]

    manager = PluginManager([], builtins={"p": SimpleNamespace(codex_tools=codex_tools)})
    manager.tools()
    manager.tools()
    assert len(calls) == 1
    assert calls[0] is not threading.main_thread()


def test_who_asks_while_another_thread_loads_sees_all_plugins(install):
    slow = f"import threading\nthreading.{GATES}[0].set()\nthreading.{GATES}[1].wait(20)\n"
    begun, go_on = threading.Event(), threading.Event()
    setattr(threading, GATES, (begun, go_on))
    seen = []
    try:
        manager = PluginManager([install("a", slow + GOOD.format(name="a")), install("b", GOOD.format(name="b"))])
        first = threading.Thread(target=manager.tools)
        first.start()
        assert begun.wait(20)
        second = threading.Thread(target=lambda: seen.append(sorted(manager.tools())))
        second.start()
        second.join(0.05)  # time to look at what is loaded so far, as it once did
        go_on.set()
        first.join(20)
        second.join(20)
    finally:
        delattr(threading, GATES)
    assert seen == [["a", "b"]]


def test_every_hook_has_a_kind_and_documents_itself():
    from codex_kernel.hookspecs import CodexHookspecs

    hooks = {name for name in vars(CodexHookspecs) if name.startswith("codex_")}
    assert hooks == set(HOOK_KINDS)
    for name in hooks:
        text = getattr(CodexHookspecs, name).__doc__
        for heading in ("When called:", "Who selects:", "May raise:", "Example::"):
            assert heading in text, f"{name} lacks {heading}"
