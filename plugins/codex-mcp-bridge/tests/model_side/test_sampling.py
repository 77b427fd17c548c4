import mcp.types as t
import pytest

from codex_plugin_sdk import ApprovalPolicy, text_message
from codex_plugin_sdk.testing.model import say

pytestmark = pytest.mark.anyio


def request(*texts, **more):
    messages = [t.SamplingMessage(role="user", content=t.TextContent(text=text)) for text in texts]
    return t.CreateMessageRequestParams(messages=messages, max_tokens=more.pop("max_tokens", 100), **more)


@pytest.fixture
def ask(bench, make_tool, make_text):
    async def ask(ctx, params, **options):
        heard = []

        async def answer(name, arguments, progress):
            heard.append(await bench.box.handlers("demo").sample(params))
            return make_text("ok")

        bench.serve("demo", make_tool(), answer=answer, **options)
        await bench.call("mcp__demo__add", ctx)
        return heard[0]

    return ask


async def test_with_consent_the_threads_model_answers(bench, ask):
    bench.config["model"] = "gpt-x"
    ctx = bench.context()
    seen = []

    async def sample(items, *, instructions=""):
        seen.append((items, instructions))
        return [say("Paris")]

    ctx.sample = sample
    found = await ask(ctx, request("Capital\x1b of France?", system_prompt="Be short."))
    assert (found.content.text, found.model, found.stop_reason) == ("Paris", "gpt-x", "endTurn")
    assert ctx.asked[0].reason == "the MCP server demo wants to ask the model something"
    assert seen[0][0] == [text_message("user", "Capital\\x1b of France?")]
    assert seen[0][1].endswith("Be short.")


async def test_without_consent_the_server_hears_that_the_user_refused(bench, ask):
    found = await ask(bench.context(consent=False), request("x"))
    assert (found.code, found.message) == (-1, "User rejected sampling request: rejected by user")
    found = await ask(bench.context(approval_policy=ApprovalPolicy.NEVER), request("x"))
    assert found.code == -1


async def test_a_server_that_is_approved_for_good_is_not_asked_about(bench, ask):
    ctx = bench.context()
    ctx.sampled = [say("yes")]
    await ask(ctx, request("x"), default_tools_approval_mode="approve")
    assert ctx.asked == []


async def test_a_long_answer_is_cut_to_what_was_asked_for(bench, ask):
    ctx = bench.context()
    ctx.sampled = [say("x" * 100)]
    found = await ask(ctx, request("x", max_tokens=5))
    assert (found.content.text, found.stop_reason) == ("x" * 20, "maxTokens")


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (request(), "1 to 100 messages"),
        (request("x" * 200_001), "longer than"),
        (request("x", tools=[t.Tool(name="a", input_schema={})]), "with tools"),
        (
            t.CreateMessageRequestParams(
                messages=[t.SamplingMessage(role="user", content=t.AudioContent(data="", mime_type="audio/wav"))],
                max_tokens=1,
            ),
            "audio is not taken",
        ),
    ],
)
async def test_what_is_not_taken_is_refused_before_anybody_is_asked(bench, ask, params, why):
    ctx = bench.context()
    found = await ask(ctx, params)
    assert why in found.message
    assert ctx.asked == []


async def test_outside_of_a_call_and_beyond_the_limit_nothing_is_sampled(bench, make_tool, make_text):
    assert (await bench.box.handlers("demo").sample(request("x"))).code == -1
    codes = []

    async def nag(name, arguments, progress):
        for _ in range(21):
            codes.append(getattr(await bench.box.handlers("demo").sample(request("x")), "code", 0))
        return make_text("ok")

    bench.serve("demo", make_tool(), answer=nag)
    ctx = bench.context()
    ctx.sampled = [say("x")]
    await bench.call("mcp__demo__add", ctx)
    assert codes == [0] * 20 + [-1]
