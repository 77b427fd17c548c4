import anyio
import mcp.types as t
import pytest

from codex_mcp_bridge.forms import BadForm, checked_address, checked_form
from codex_mcp_bridge.running import CallClock
from codex_plugin_sdk import ApprovalPolicy, ElicitationAnswer, PolicyDenied, SandboxMode, SandboxPolicy

FREE = {
    "approval_policy": ApprovalPolicy.NEVER,
    "sandbox_policy": SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS),
}
NAME = {"type": "object", "title": "Form", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def form(schema=None, message="Who?"):
    return t.ElicitRequestFormParams(message=message, requested_schema=schema or {"type": "object", "properties": {}})


async def elicited(bench, make_tool, make_text, ctx, params):
    """What the server hears when it asks in the middle of a call."""
    heard = []

    async def answer(name, arguments, progress):
        heard.append(await bench.box.handlers("demo").elicit(params))
        return make_text("ok")

    bench.serve("demo", make_tool(), answer=answer)
    await bench.call("mcp__demo__add", ctx)
    return heard[0]


@pytest.fixture
def ask(bench, make_tool, make_text):
    async def ask(ctx, params):
        return await elicited(bench, make_tool, make_text, ctx, params)

    return ask


@pytest.mark.anyio
async def test_a_server_that_is_not_in_a_call_is_declined(bench):
    assert (await bench.box.handlers("demo").elicit(form())).action == "decline"


@pytest.mark.anyio
async def test_where_nobody_is_or_nobody_may_be_asked_it_is_declined(bench, ask):
    never = bench.context(approval_policy=ApprovalPolicy.NEVER)
    assert (await ask(never, form())).action == "decline"
    bench.answers_questions = False
    bench._box = None
    nobody = bench.context()
    assert (await ask(nobody, form())).action == "decline"
    assert never.elicitations == nobody.elicitations == []


@pytest.mark.anyio
async def test_with_everything_free_a_mere_consent_is_given_and_a_form_is_not_filled_in(bench, ask):
    ctx = bench.context(**FREE)
    assert (await ask(ctx, form())).action == "accept"
    assert (await ask(bench.context(**FREE), form(NAME))).action == "decline"
    assert ctx.elicitations == []


@pytest.mark.anyio
async def test_a_policy_that_forbids_declines(bench, ask):
    ctx = bench.context()
    let_through = ctx.authorize

    async def authorize(intent):
        if "elicitation" in intent.tool:
            raise PolicyDenied("forbidden by rules")
        await let_through(intent)

    ctx.authorize = authorize
    assert (await ask(ctx, form(NAME))).action == "decline"
    assert ctx.elicitations == []


@pytest.mark.anyio
async def test_a_reviewer_consents_for_the_user_only_where_nothing_is_to_be_filled_in(bench, ask):
    bench.config["approvals_reviewer"] = "auto_review"
    ctx = bench.context()
    assert (await ask(ctx, form())).action == "accept"
    assert ctx.asked[0].reason == "the MCP server demo asks the user: Who?"
    assert ctx.elicitations == []
    ctx.elicited["demo"] = ElicitationAnswer(action="accept", content={"name": "Ada"})
    assert (await ask(ctx, form(NAME))).content == {"name": "Ada"}
    assert (await ask(bench.context(consent=True), form(NAME))).action == "decline"


@pytest.mark.anyio
async def test_the_user_answers_a_form_that_is_shown_escaped(bench, ask):
    ctx = bench.context()
    ctx.elicited["demo"] = ElicitationAnswer(action="accept", content={"name": "Ada"})
    found = await ask(ctx, form(NAME, "Who?\x1b[2J"))
    assert (found.action, found.content) == ("accept", {"name": "Ada"})
    assert ctx.elicitations == [("demo", "Who?\\x1b[2J")]


@pytest.mark.anyio
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_the_users_refusal_is_passed_on(bench, ask, action):
    ctx = bench.context()
    ctx.elicited["demo"] = ElicitationAnswer(action=action)
    assert (await ask(ctx, form(NAME))).action == action


@pytest.mark.anyio
async def test_an_answer_that_does_not_fit_is_asked_for_again_and_then_given_up(bench, ask):
    ctx = bench.context()
    ctx.elicited["demo"] = ElicitationAnswer(action="accept", content={"name": 5})
    assert (await ask(ctx, form(NAME))).action == "cancel"
    assert len(ctx.elicitations) == 3
    assert "did not fit: name: 5 is not of type 'string'" in ctx.elicitations[1][1]


@pytest.mark.anyio
async def test_an_address_is_shown_in_full(bench, ask):
    ctx = bench.context()
    ctx.elicited["demo"] = ElicitationAnswer(action="accept")
    params = t.ElicitRequestURLParams(message="Log in", url="https://example.com/x?y=1", elicitation_id="1")
    found = await ask(ctx, params)
    assert (found.action, found.content) == ("accept", None)
    assert ctx.elicitations[0][1] == "Log in\n\nIt wants you to open https://example.com/x?y=1"


@pytest.mark.anyio
async def test_a_bad_form_or_address_is_declined_and_told(bench, ask):
    ctx = bench.context()
    bad = t.ElicitRequestURLParams(message="x", url="file:///etc/passwd", elicitation_id="1")
    assert (await ask(ctx, bad)).action == "decline"
    assert "neither http nor https" in bench.told[-1].message
    assert (await ask(ctx, form({"type": "object", "properties": {"a": {"type": "object"}}}))).action == "decline"
    assert "no plain value" in bench.told[-1].message


@pytest.mark.anyio
async def test_the_questions_of_one_call_are_counted(bench, make_tool, make_text):
    heard = []

    async def nag(name, arguments, progress):
        for _ in range(25):
            heard.append((await bench.box.handlers("demo").elicit(form())).action)
        return make_text("ok")

    bench.serve("demo", make_tool(), answer=nag)
    ctx = bench.context()
    ctx.elicited["demo"] = ElicitationAnswer(action="accept")
    await bench.call("mcp__demo__add", ctx)
    assert heard == ["accept"] * 20 + ["decline"] * 5


@pytest.mark.anyio
async def test_a_question_ends_with_its_call(bench, make_tool, make_text):
    asked, heard, done = anyio.Event(), [], anyio.Event()
    ctx = bench.context()

    async def never(*args, **more):
        asked.set()
        await anyio.sleep_forever()

    ctx.elicit = never
    async with anyio.create_task_group() as session:

        async def ask():
            heard.append((await bench.box.handlers("demo").elicit(form())).action)
            done.set()

        async def answer(name, arguments, progress):
            session.start_soon(ask)
            await asked.wait()
            return make_text("ok")

        bench.serve("demo", make_tool(), answer=answer)
        with anyio.fail_after(5):
            await bench.call("mcp__demo__add", ctx)
            await done.wait()
    assert heard == ["cancel"]


def test_the_clock_of_a_call_stands_still_while_somebody_is_asked():
    now = 0.0
    clock = CallClock(10, lambda: now)
    now = 4.0
    assert clock.remaining() == 6
    with clock.paused():
        now = 50.0
        assert clock.remaining() is None
        with clock.paused():
            now = 100.0
        assert clock.remaining() is None
    assert clock.remaining() == 6
    now = 107.0
    assert clock.remaining() == 0


@pytest.mark.parametrize(
    "field",
    [
        {"type": "object"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "string", "enum": []},
        {"type": "string", "enum": ["a\u202e"]},
        {"type": "string", "enum": [1]},
        {"type": "string", "oneOf": ["a"]},
        "string",
        {},
    ],
)
def test_fields_that_are_no_plain_values_are_refused(field):
    with pytest.raises(BadForm):
        checked_form({"type": "object", "properties": {"a": field}})


def test_a_form_keeps_what_is_known_of_it():
    fields = {
        "name": {"type": "string", "title": "Name", "minLength": 1, "format": "email", "pattern": "x"},
        "colour": {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green\x07"]},
        "size": {"type": "string", "oneOf": [{"const": "s", "title": "Small"}]},
        "tags": {"type": "array", "items": {"anyOf": [{"const": "a"}]}, "maxItems": 2},
        "ok": {"type": "boolean", "default": True},
    }
    assert checked_form({"type": "object", "title": "T", "properties": fields, "required": ["name"]}) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "title": "Name", "minLength": 1, "format": "email"},
            "colour": {"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green\\x07"]},
            "size": {"type": "string", "oneOf": [{"const": "s", "title": "Small"}]},
            "tags": {
                "type": "array",
                "items": {"type": "string", "anyOf": [{"const": "a", "title": "a"}]},
                "maxItems": 2,
            },
            "ok": {"type": "boolean", "default": True},
        },
        "required": ["name"],
    }


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://",
        "https://bank.com@evil.com/",
        "https://a b",
        "https://ä.de",
        "http://a:x/",
        "https:\\\\a",
    ],
)
def test_addresses_that_mislead_are_refused(url):
    with pytest.raises(BadForm):
        checked_address(url)


@pytest.mark.parametrize("default", ["a\x1b[2J", "x" * 2_000, ["\u202ea"], [1], 10**30, float("inf"), {"a": 1}])
def test_a_default_that_cannot_be_shown_as_it_is_is_left_out(default):
    form = checked_form({"properties": {"a": {"type": "string", "default": default, "maximum": 10**30}}})
    assert form["properties"] == {"a": {"type": "string"}}
