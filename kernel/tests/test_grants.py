"""Permissions for the commands to come, and questions to the user: what the gate makes of the answers."""

import anyio
import pytest

from codex_kernel.approval import Gate
from codex_kernel.contracts.policy import PolicyContext
from codex_kernel.errors import PolicyDenied
from codex_kernel.protocol.events import ApprovalResolved, Question, QuestionsAsked
from codex_kernel.protocol.ops import ApprovalAnswer
from codex_kernel.protocol.policy import (
    AdditionalPermissions,
    ApprovalPolicy,
    Grant,
    ReviewDecision,
    SandboxMode,
    SandboxPolicy,
    ToolIntent,
)

READ_ONLY = SandboxPolicy(mode=SandboxMode.READ_ONLY)


class Told:
    """The part of a recorder that the gate uses."""

    def __init__(self):
        self.events = []

    async def emit(self, *events):
        self.emit_nowait(*events)

    def emit_nowait(self, *events):
        self.events += events


class Nobody:
    """Stands for the turn while it waits."""

    async def __aenter__(self):
        return None

    async def __aexit__(self, *_):
        return None


def intent(*roots, network=False):
    wanted = AdditionalPermissions(writable_roots=roots, network_access=network)
    return ToolIntent(tool="request_permissions", permissions=wanted)


async def require(gate, wanted, answer=None, policy=ApprovalPolicy.ON_REQUEST, sandbox=READ_ONLY):
    """The grant that comes of asking, with the user's answer where there is one."""
    context = PolicyContext(approval_policy=policy, sandbox_policy=sandbox, cwd="/project")
    found = None

    async def ask():
        nonlocal found
        found = (await gate.require(wanted, context, (), "c1", Nobody)).grant

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            if answer is not None:
                while not gate.open_requests():
                    await anyio.lowlevel.checkpoint()
                (request,) = gate.open_requests()
                assert gate.answer(ApprovalAnswer(approval_id=request.approval_id, **answer))
    return found


@pytest.mark.anyio
async def test_a_grant_for_the_turn_ends_with_it_and_one_for_the_session_does_not():
    gate = Gate((), Told())
    for_turn = await require(gate, intent("/a"), {"decision": ReviewDecision.APPROVED})
    for_session = await require(gate, intent("/b"), {"decision": ReviewDecision.APPROVED_FOR_SESSION})
    assert (for_turn.session, for_session.session) == (False, True)
    assert gate.extended(READ_ONLY).writable_roots == ("/a", "/b")
    gate.end_turn()
    assert gate.extended(READ_ONLY).writable_roots == ("/b",)


@pytest.mark.anyio
async def test_no_more_is_granted_than_was_asked_for():
    gate = Gate((), Told())
    wide = AdditionalPermissions(writable_roots=("/a/inner", "/ab", "/"), readable_roots=("/a",), network_access=True)
    found = await require(gate, intent("/a"), {"decision": ReviewDecision.APPROVED, "granted": wide})
    only = AdditionalPermissions(writable_roots=("/a/inner",), readable_roots=("/a",))
    assert found == Grant(permissions=only)
    assert not gate.extended(READ_ONLY).network_access


@pytest.mark.anyio
async def test_a_link_does_not_lead_a_grant_out_of_what_was_asked_for(tmp_path):
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "link").symlink_to("/etc")
    asked = AdditionalPermissions(writable_roots=(str(tmp_path / "asked"),))
    sly = AdditionalPermissions(writable_roots=(str(tmp_path / "asked" / "link"), str(tmp_path / "asked" / ".." / "x")))
    assert not sly.within(asked)


@pytest.mark.anyio
async def test_what_is_refused_widens_nothing():
    gate = Gate((), Told())
    with pytest.raises(ExceptionGroup) as caught:
        await require(gate, intent("/a"), {"decision": ReviewDecision.DENIED})
    assert caught.group_contains(PolicyDenied, match="rejected by user")
    with pytest.raises(ExceptionGroup) as caught:
        await require(gate, intent("/a"), policy=ApprovalPolicy.NEVER)
    assert caught.group_contains(PolicyDenied, match="Nobody can be asked")
    assert gate.extended(READ_ONLY) == READ_ONLY


@pytest.mark.anyio
async def test_where_nothing_is_confined_nobody_is_asked():
    sandbox = SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)
    found = await require(Gate((), Told()), intent("/a"), sandbox=sandbox)
    assert found == Grant(permissions=AdditionalPermissions(writable_roots=("/a",)))


@pytest.mark.anyio
async def test_a_question_waits_for_its_answer_and_ends_with_the_turn():
    told = Told()
    gate = Gate((), told)
    question = Question(id="q", header="H", question="Which?")
    reasons = []

    async def ask():
        try:
            await gate.ask([question], "c1")
        except PolicyDenied as error:
            reasons.append(str(error))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert gate.open_requests() == []  # those are approvals
            gate.end_turn()
    assert reasons == ["nobody answered: decide by yourself and say how"]
    asked, resolved = told.events
    assert isinstance(asked, QuestionsAsked)
    assert isinstance(resolved, ApprovalResolved)
    assert (resolved.approval_id, resolved.reviewer) == (asked.approval_id, "turn")
