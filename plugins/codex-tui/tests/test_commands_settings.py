"""Commands that choose model, effort, approvals and sandbox: the next turn has what was chosen."""

import tomllib

import pytest

from codex_plugin_sdk import ProtocolError
from codex_plugin_sdk.testing.model import call, say
from codex_plugin_sdk.testing.servers import ScriptedResponsesServer

from .commands_kit import opened, option

pytestmark = pytest.mark.anyio


def config(place):
    return tomllib.loads((place.home / "config.toml").read_text())


async def test_the_next_turn_is_answered_by_the_model_that_was_named(place):
    await place.run("/model gpt-5.6-sol high")
    assert (place.session.status.model, place.session.status.effort) == ("gpt-5.6-sol", "high")
    assert place.session.overrides == {"model": "gpt-5.6-sol", "effort": "high"}
    await place.turn("hello", say("hi"))
    assert place.sent()["model"] == "gpt-5.6-sol"
    assert place.sent()["reasoning"]["effort"] == "high"
    assert config(place)["model"] == "gpt-5.5"
    await place.run("/new")
    assert place.session.status.model == "gpt-5.6-sol"
    await place.turn("hello", say("hi"))
    assert place.sent()["model"] == "gpt-5.6-sol"


async def test_model_and_effort_are_picked_and_kept(place):
    place.ui.answers.extend([option("gpt-5.6-sol"), option("low"), option("From now on")])
    await place.run("/model")
    (current,) = [one.label for one in place.ui.asked[0][1] if one.current]
    assert current == "gpt-5.5"
    assert [title for title, _ in place.ui.asked] == ["Model", "How much gpt-5.6-sol thinks", "For how long?"]
    assert (config(place)["model"], config(place)["model_reasoning_effort"]) == ("gpt-5.6-sol", "low")
    place.ui.answers.extend([option("high"), option("Here only")])
    await place.run("/effort")
    assert [one.label for one in place.ui.asked[-2][1] if one.current] == ["low"]
    assert config(place)["model_reasoning_effort"] == "low"
    await place.turn("hello", say("hi"))
    assert place.sent()["reasoning"]["effort"] == "high"
    await place.run("/effort medium keep")
    assert config(place)["model_reasoning_effort"] == "medium"


async def test_a_model_or_effort_that_is_not_known_is_refused_with_the_choices(place):
    place.ui.answers.append(False)
    await place.run("/model gpt-6")
    assert "gpt-5.5" in place.ui.asked[-1][1]
    assert place.session.overrides == {}
    place.ui.answers.append(True)
    await place.run("/model strange-one")
    assert place.session.status.model == "strange-one"
    await place.run("/model gpt-5.5")
    assert "low, medium, high" in await place.fails("/effort enormous")
    assert "low, medium, high" in await place.fails("/model gpt-5.6-sol enormous")
    assert "too many" in await place.fails("/model gpt-5.6-sol low and more")
    place.ui.interactive = False
    assert "gpt-5.6-sol" in await place.fails("/model gpt-6")
    assert "gpt-5.6-sol" in await place.fails("/model")
    assert "low, medium, high" in await place.fails("/effort")


async def test_a_preset_sets_approvals_and_sandbox_of_the_next_turn(place):
    place.ui.answers.append(option("Read only"))
    await place.run("/approvals")
    assert [one.label for one in place.ui.asked[0][1]] == ["Read only", "Auto", "Full access"]
    assert (place.session.status.approval, place.session.status.sandbox) == ("on-request", "readOnly")
    await place.turn("hello", say("hi"))
    now = await place.ask("thread/resume", threadId=place.session.thread_id, excludeTurns=True)
    assert (now["approvalPolicy"], now["sandbox"]["type"]) == ("on-request", "readOnly")
    await place.run("/permissions auto")
    await place.run("/approvals never")
    place.script([call("exec_command", "c1", cmd="echo made > file")], [say("done", "m2")])
    await place.turn("write")
    assert (place.work / "file").read_text() == "made\n"
    assert "read-only, auto, full-access, untrusted" in await place.fails("/approvals sometimes")
    assert "too many" in await place.fails("/approvals never never")


async def test_full_access_says_what_it_means_and_needs_a_yes(place):
    place.ui.answers.extend([option("Full access"), False])
    await place.run("/approvals")
    assert place.ui.asked[-1][0] == "Give full access?"
    assert "without a sandbox and without asking" in place.ui.asked[-1][1]
    assert place.session.overrides == {}
    place.ui.answers.append(True)
    await place.run("/sandbox danger-full-access")
    assert place.session.overrides == {"sandboxPolicy": {"type": "dangerFullAccess"}}
    place.ui.interactive = False
    assert "`yes`" in await place.fails("/approvals full-access")
    await place.run("/approvals full-access yes")
    assert place.session.status.approval == "never"
    assert "say which (now never, danger-full-access)" in await place.fails("/approvals")


async def test_the_sandbox_is_shown_with_its_roots_and_chosen(place):
    await place.run("/sandbox workspace-write network")
    place.ui.answers.append(option("read-only"))
    await place.run("/sandbox")
    rows = place.ui.rows()
    assert (rows["sandbox"], rows["network"]) == ("workspace-write", "yes")
    assert rows["writable"].startswith(str(place.work))
    assert [one.label for one in place.ui.asked[-1][1] if one.current] == ["workspace-write"]
    assert place.session.overrides == {"sandboxPolicy": {"type": "readOnly"}}
    assert "read-only, workspace-write, danger-full-access" in await place.fails("/sandbox anything")
    assert "cannot stand there" in await place.fails("/sandbox danger-full-access network")


async def test_what_confines_commands_is_told_as_the_server_says_it(place):
    known = place.session.link.request
    asked, sound = [], {"works": True, "confined": True, "preference": "auto", "problem": "", "cure": ""}
    full = {**sound, "engine": "bwrap", "version": "bubblewrap 1", "degraded": False, "why": ""}
    weak = {
        **full,
        "engine": "landlock",
        "version": "",
        "degraded": True,
        "why": "devices: no way",
        "cure": "get bwrap",
    }
    gone = {**full, "engine": None, "works": False, "problem": "no engine", "cure": "get one"}

    async def rows(answer):
        async def request(method, params=None):
            if method != "sandbox/status":
                return await known(method, params)
            asked.append(params)
            if isinstance(answer, ProtocolError):
                raise answer
            return answer

        place.session.link.request = request
        place.ui.answers.append(None)
        await place.run("/sandbox")
        return [row for row in place.ui.cards[-1][1] if row[0] in ("confined by", "not enforced", "cure")]

    assert await rows(full) == [("confined by", "bubblewrap 1")]
    assert asked == [{"threadId": place.session.thread_id, "mode": "read-only"}]
    assert place.session.status.engine == "bwrap"
    weaker = [("confined by", "landlock"), ("not enforced", "devices: no way"), ("cure", "get bwrap")]
    assert await rows(weak) == weaker
    refused = [("confined by", "nothing, so that commands are refused: no engine"), ("cure", "get one")]
    assert await rows(gone) == refused
    assert "asked for" in (await rows({**gone, "preference": "forbid"}))[0][1]
    assert await rows({**full, "engine": "none", "confined": False}) == [("confined by", "nothing")]
    assert await rows(ProtocolError("unknown variant")) == [("confined by", "the server does not tell")]
    broken = await rows(ProtocolError("a plugin is broken", hint="mend it"))
    assert broken == [("confined by", "it cannot be found out: a plugin is broken (mend it)")]


async def test_what_an_administrator_does_not_permit_cannot_be_chosen_and_says_why(tmp_path, plugins):
    settings = {"approvalPolicy": "on-request", "sandbox": "read-only"}
    with ScriptedResponsesServer() as model:
        async with opened(tmp_path, model, plugins, **settings) as place:
            known = place.session.link.request
            allowed = {"allowedApprovalPolicies": ["on-request"], "allowedSandboxModes": ["read-only"]}

            async def constrained(method, params=None):
                if method == "configRequirements/read":
                    return {"requirements": allowed}
                return await known(method, params)

            place.session.link.request = constrained
            place.ui.answers.append(None)
            await place.run("/approvals")
            reasons = {one.label: one.why_not for one in place.ui.asked[-1][1]}
            assert reasons["Read only"] == ""
            assert "permit the sandbox modes read-only only" in reasons["Auto"]
            assert "permit the approval policies on-request only" in reasons["Full access"]
            assert "is not permitted" in await place.fails("/approvals never")
            assert "is not permitted" in await place.fails("/sandbox workspace-write")
            assert place.session.overrides == {}
