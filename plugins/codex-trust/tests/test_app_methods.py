"""`trust/show` and `trust/set`, as an app server calls them."""

from __future__ import annotations

import pytest

from codex_plugin_sdk import CodexError, Invocation, ProtocolError
from codex_plugin_sdk.testing.harness import manager
from codex_trust.plugin import codex_app_methods

pytestmark = pytest.mark.anyio


class Setup:
    """What of the setup of a method is needed."""

    def __init__(self, world) -> None:
        environ = {"CODEX_HOME": str(world.home), "HOME": str(world.user)}
        self.codex_home = str(world.home)
        self.invocation = Invocation(plugins=type(manager()).from_environment(environ), environ=environ)


@pytest.fixture
def call(world):
    """Calls a method by its name."""
    setup = Setup(world)
    methods = {spec.name: spec.factory(setup) for spec in codex_app_methods()}

    async def called(name, **params):
        return await methods[name]({"cwd": str(world.project), **params})

    yield called
    setup.invocation.plugins.close()


async def test_a_project_is_shown_trusted_as_shown_and_taken_back(world, call):
    world.write(".codex/config.toml", 'model = "m"\nnotify = ["x"]\nwhen = 2026-01-01\n')
    shown = await call("trust/show")
    assert (shown["root"], shown["state"], shown["trustLevel"]) == (str(world.project), "first-use", None)
    assert [row["key"] for row in shown["settings"]] == ["model"]
    assert {row["key"] for row in shown["leftOut"]} >= {"notify"}
    assert not world.read().trusted
    done = await call("trust/set", trusted=True, seen=shown["seen"])
    assert done == {"root": str(world.project), "trustLevel": "trusted"}
    assert world.read().trusted
    again = await call("trust/show")
    assert (again["state"], again["trustLevel"]) == ("trusted", "trusted")
    await call("trust/set", trusted=False)
    assert not world.read().trusted


async def test_what_has_changed_since_it_was_shown_is_not_agreed_to(world, call):
    world.write(".codex/config.toml", 'model = "m"\n')
    shown = await call("trust/show")
    world.write(".codex/hooks.json", "{}")
    with pytest.raises(CodexError, match="have changed since they were shown"):
        await call("trust/set", trusted=True, seen=shown["seen"])
    assert not world.read().trusted


async def test_what_changed_since_it_was_agreed_to_is_shown_as_a_difference(world, call):
    world.write(".codex/config.toml", 'model = "m"\n')
    await call("trust/set", trusted=True, seen=(await call("trust/show"))["seen"])
    world.write(".codex/config.toml", 'model = "other"\n')
    shown = await call("trust/show")
    assert shown["state"] == "changed"
    assert '+model = "other"\n' in "".join(shown["differences"])


async def test_a_file_that_cannot_be_understood_is_shown_and_not_agreed_to(world, call):
    world.write(".codex/config.toml", "model = \n")
    shown = await call("trust/show")
    assert "config.toml" in shown["broken"]
    with pytest.raises(CodexError, match="cannot be understood"):
        await call("trust/set", trusted=True, seen=shown["seen"])


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("trust/show", {"cwd": "here"}, "absolute path"),
        ("trust/show", {"cwd": "/no/such/folder"}, "absolute path"),
        ("trust/set", {"trusted": "yes"}, "true or false"),
        ("trust/set", {"trusted": True}, "what trust/show gave"),
    ],
)
async def test_params_that_do_not_fit_are_refused(call, name, params, message):
    with pytest.raises(ProtocolError, match=message):
        await call(name, **params)


async def test_a_project_that_leads_out_of_itself_cannot_be_trusted(world, call):
    world.write(".codex/a")
    (world.project / ".codex" / "out").symlink_to("/etc/passwd")
    with pytest.raises(CodexError, match="leads out of the project"):
        await call("trust/show")
