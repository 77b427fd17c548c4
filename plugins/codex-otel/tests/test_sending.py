"""Against a receiver in a process of its own that decodes with the official message types."""

import threading
from time import monotonic

import pytest

from codex_otel import outbox
from codex_otel.sink import TelemetryLost
from codex_plugin_sdk import (
    ApprovalId,
    ApprovalRequested,
    ApprovalResolved,
    CommandExecutionItem,
    ErrorInfo,
    ItemCompleted,
    ItemStarted,
    ItemStatus,
    ReviewDecision,
    RunIntent,
    StreamRetry,
    TextInput,
    TokenCount,
    TokenUsage,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
    TurnState,
    TurnStateChanged,
    UserMessageItem,
)
from codex_plugin_sdk.testing.event_samples import events, every_message, thread_started

THREAD = "01990000-0000-7000-8000-000000000001"
PROMPT = "the secret plan of the person"
USAGE = TokenUsage(input_tokens=100, cached_input_tokens=40, output_tokens=20, reasoning_output_tokens=5)
COMMAND = CommandExecutionItem(
    id="call_1",
    command=("rm", "-rf", "/a/private/path"),
    cwd="/a/private/path",
    status=ItemStatus.FAILED,
    aggregated_output="private output",
    exit_code=3,
    duration_ms=5,
)


def turn():
    """A turn with a retried request, an approved command and two answers."""
    counted = TokenCount(last=USAGE, total=USAGE)
    streaming, tools = TurnState.STREAMING, TurnState.RUNNING_TOOLS
    asked = ApprovalRequested(
        approval_id=ApprovalId("a"), call_id="call_1", intent=RunIntent(argv=("rm",), cwd="/"), reason="private"
    )
    return [
        thread_started(),
        TurnStarted(model="sample-model"),
        ItemCompleted(item=UserMessageItem(id="u", content=(TextInput(text=PROMPT),))),
        TurnStateChanged(previous=TurnState.BUILDING_CONTEXT, state=streaming),
        StreamRetry(attempt=1, max_attempts=5, delay_s=0, cause="private cause"),
        counted,
        TurnStateChanged(previous=streaming, state=tools),
        ItemStarted(item=COMMAND.replace(status=ItemStatus.IN_PROGRESS)),
        asked,
        ApprovalResolved(approval_id=ApprovalId("a"), decision=ReviewDecision.APPROVED),
        ItemCompleted(item=COMMAND),
        TurnStateChanged(previous=tools, state=TurnState.BUILDING_CONTEXT),
        TurnStateChanged(previous=TurnState.BUILDING_CONTEXT, state=streaming),
        counted,
        TurnCompleted(usage=USAGE, duration_ms=1500),
    ]


def feed(sink, messages):
    for event in events(messages):
        sink.emit(event)


@pytest.mark.parametrize("protocol", ["binary", "json"])
def test_a_turn_arrives_as_spans_within_each_other(receiver, open_sink, protocol):
    server = receiver()
    sink = open_sink(server.to(protocol))
    feed(sink, turn())
    sink.close()
    spans = server.spans()
    assert sorted(span["name"] for span in spans) == [
        "chat sample-model", "chat sample-model", "chat sample-model", "codex.thread", "execute_tool exec_command",
        "invoke_agent codex",
    ]  # fmt: skip
    by_name = {span["name"]: span for span in spans}
    thread, agent = by_name["codex.thread"], by_name["invoke_agent codex"]
    assert "parentSpanId" not in thread
    assert agent["parentSpanId"] == thread["spanId"]
    inner = [span for span in spans if span not in (thread, agent)]
    assert {span["parentSpanId"] for span in inner} == {agent["spanId"]}
    assert {span["traceId"] for span in spans} == {thread["traceId"]}
    failed, first, _ = [span for span in spans if span["name"].startswith("chat")]
    assert failed["status"] == {"code": "STATUS_CODE_ERROR"}
    assert first["kind"] == "SPAN_KIND_CLIENT"
    assert server.values(first) == {
        "gen_ai.conversation.id": THREAD,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "sample",
        "gen_ai.request.model": "sample-model",
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 5,
    }
    tool = server.values(by_name["execute_tool exec_command"])
    assert (tool["gen_ai.tool.call.id"], tool["process.exit.code"], tool["error.type"]) == ("call_1", 3, "failed")


def test_json_and_protobuf_say_the_same(receiver, open_sink):
    found = []
    for protocol in ("binary", "json"):
        server = receiver()
        sink = open_sink(server.to(protocol))
        feed(sink, turn())
        sink.close()
        spans = [{k: v for k, v in s.items() if "Id" not in k and "UnixNano" not in k} for s in server.spans()]
        logs = [{k: v for k, v in r.items() if "Id" not in k} for r in server.logs()]
        thread = [span for span in spans if span["name"] != "codex.thread"]
        found.append((thread, logs, sorted(server.metrics())))
    assert found[0] == found[1]


def test_metrics_count_tokens_durations_tools_and_errors(receiver, open_sink):
    server = receiver()
    sink = open_sink(server.to())
    feed(
        sink,
        [*turn(), TurnStarted(model="sample-model"), TurnFailed(error=ErrorInfo(message="x", kind="StreamClosed"))],
    )
    sink.close()
    metrics = server.metrics()
    tokens = metrics["gen_ai.client.token.usage"]
    points = {server.values(p)["gen_ai.token.type"]: p for p in tokens["histogram"]["dataPoints"]}
    assert (tokens["unit"], points["input"]["sum"], points["output"]["sum"]) == ("{token}", 200.0, 40.0)
    assert tokens["histogram"]["aggregationTemporality"] == "AGGREGATION_TEMPORALITY_CUMULATIVE"
    assert sum(map(int, points["input"]["bucketCounts"])) == 2
    (calls,) = metrics["codex.tool.calls"]["sum"]["dataPoints"]
    assert calls["asInt"] == "1"
    assert server.values(calls) == {"gen_ai.tool.name": "exec_command", "codex.tool.status": "failed"}
    errors = {server.values(p)["error.type"]: p["asInt"] for p in metrics["codex.errors"]["sum"]["dataPoints"]}
    assert errors == {"_OTHER": "1", "StreamClosed": "1"}
    turns = {
        server.values(p)["codex.turn.status"]: p["sum"]
        for p in metrics["codex.turn.duration"]["histogram"]["dataPoints"]
    }
    assert turns == {"completed": 1.5, "failed": 0.0}
    assert sum(int(p["count"]) for p in metrics["gen_ai.client.operation.duration"]["histogram"]["dataPoints"]) == 3


def test_logs_are_named_as_codex_names_them_and_tied_to_spans(receiver, open_sink):
    server = receiver()
    sink = open_sink(server.to())
    feed(sink, turn())
    sink.close()
    logs = server.logs()
    assert [record["eventName"] for record in logs] == [
        "codex.conversation_starts", "codex.user_prompt", "codex.api_request", "codex.sse_event", "codex.api_request",
        "codex.tool_decision", "codex.tool_result", "codex.sse_event", "codex.api_request", "codex.turn_ended",
    ]  # fmt: skip
    tool = next(span for span in server.spans() if span["name"].startswith("execute_tool"))
    assert {record["spanId"] for record in logs if "tool_" in record["eventName"]} == {tool["spanId"]}
    decided = server.values(next(record for record in logs if record["eventName"] == "codex.tool_decision"))
    assert (decided["decision"], decided["call_id"], decided["source"]) == ("approved", "call_1", "user")


def test_nothing_that_was_written_leaves(receiver, open_sink):
    server = receiver()
    sink = open_sink(server.to())
    feed(sink, turn())
    feed(sink, every_message())
    sink.close()
    said = repr(server.requests())
    assert "codex.user_prompt" in said
    assert [
        word for word in (PROMPT, "private", "Fix it", "/workspace", "cat a.txt", "boom", "Looking") if word in said
    ] == []


def test_the_prompt_is_sent_where_it_is_asked_for_and_without_secrets(receiver, open_sink):
    server = receiver()
    key = "s3cr3t-value-of-a-variable"
    sink = open_sink(server.to(log_user_prompt=True, span_attributes={"team": f"t {key}"}), MY_API_KEY=key)
    feed(
        sink,
        [thread_started(), ItemCompleted(item=UserMessageItem(id="u", content=(TextInput(text=f"{PROMPT} {key}"),)))],
    )
    sink.close()
    assert key not in repr(server.requests())
    (prompt,) = [server.values(r)["prompt"] for r in server.logs() if r["eventName"] == "codex.user_prompt"]
    assert prompt == f"{PROMPT} [REDACTED:env:MY_API_KEY]"
    assert server.values(server.spans()[0])["team"] == "t [REDACTED:env:MY_API_KEY]"


def test_a_trace_that_was_handed_over_is_gone_on_with(receiver, open_sink):
    server = receiver()
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    sink = open_sink(server.to(), TRACEPARENT=f"00-{trace}-{parent}-01", TRACESTATE="rojo=1")
    feed(sink, turn())
    sink.close()
    assert {span["traceId"] for span in server.spans()} == {trace}
    thread = next(span for span in server.spans() if span["name"] == "codex.thread")
    assert (thread["parentSpanId"], thread["traceState"]) == (parent, "rojo=1")


def test_a_trace_that_is_not_sampled_has_logs_and_metrics_only(receiver, open_sink):
    server = receiver()
    sink = open_sink(server.to(), TRACEPARENT="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
    feed(sink, turn())
    sink.close()
    assert server.spans() == []
    assert len(server.logs()) == 10


def test_headers_resource_and_compression_come_from_table_and_environment(receiver, open_sink):
    server = receiver()
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-team=a%20b",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_RESOURCE_ATTRIBUTES": "host.name=box,service.name=other",
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_METRICS_EXPORTER": "none",
    }
    sink = open_sink({"exporter": "otlp-http", "environment": "staging"}, **environ)
    feed(sink, turn())
    sink.close()
    assert {request["path"] for request in server.requests()} == {"/v1/traces", "/v1/logs"}
    assert {request["headers"]["x-team"] for request in server.requests()} == {"a b"}
    assert {request["headers"]["content-encoding"] for request in server.requests()} == {"gzip"}
    assert len({request["peer"] for request in server.requests()}) == 1  # one connection
    found = server.resource()
    assert (found["service.name"], found["host.name"], found["env"]) == ("mine", "box", "staging")
    assert found["service.instance.id"] == THREAD


def test_what_was_refused_for_now_is_sent_again(receiver, open_sink, monkeypatch):
    monkeypatch.setattr(outbox, "RETRY_S", 0.01)
    server = receiver("flaky")
    sink = open_sink(server.to(metrics_exporter="none"), OTEL_BSP_SCHEDULE_DELAY="20")
    feed(sink, turn())
    while server.one()["status"] != 200:  # a batch has been taken at the second attempt
        pass
    sink.close()
    server.requests()


def test_a_receiver_that_refuses_for_good_is_told_of_once_and_at_the_end(receiver, open_sink):
    server = receiver("refuse")
    sink = open_sink(server.to())
    feed(sink, turn())
    with pytest.raises(TelemetryLost, match=r"\d+ telemetry records were not delivered .*status 400"):
        sink.close()


def test_nobody_listening_ends_at_once(open_sink):
    sink = open_sink({"exporter": {"otlp-http": {"endpoint": "http://127.0.0.1:9"}}})
    feed(sink, turn())
    began = monotonic()
    with pytest.raises(TelemetryLost, match="refused"):
        sink.close()
    assert monotonic() - began < 10  # there is nothing to wait for


@pytest.mark.parametrize("mode", ["hang", "drip"])
def test_a_receiver_that_hangs_for_ever_delays_the_end_but_a_moment(receiver, open_sink, mode):
    server = receiver(mode)
    sink = open_sink(server.to(), OTEL_BSP_SCHEDULE_DELAY="10")
    feed(sink, turn())
    server.one()  # it has a request, and keeps it
    began = monotonic()
    feed(sink, turn() * 20)
    assert monotonic() - began < 5  # the thread's events go on: the receiver keeps its request for ever
    with pytest.raises(TelemetryLost):
        sink.close()
    assert monotonic() - began < 10
    (worker,) = [thread for thread in threading.enumerate() if thread.name == "codex-otel"] or [None]
    if worker is not None:
        worker.join(5)
        assert not worker.is_alive()


def test_a_full_queue_drops_and_counts(receiver, open_sink):
    server = receiver("hang")
    sink = open_sink(server.to(), OTEL_BSP_MAX_QUEUE_SIZE="4", OTEL_BSP_SCHEDULE_DELAY="60000")
    feed(sink, turn() * 3)
    assert sink._parts[1].dropped > 0
    with pytest.raises(TelemetryLost, match=r"^\d+ telemetry records"):
        sink.close()


def test_delta_points_are_not_sent_twice(receiver, open_sink):
    server = receiver()
    environ = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta", "OTEL_METRIC_EXPORT_INTERVAL": "1"}
    sink = open_sink(server.to(trace_exporter="none", exporter="none") | {
        "exporter": "none", "metrics_exporter": {"otlp-http": {"endpoint": server.url}},
    }, OTEL_BSP_SCHEDULE_DELAY="5", **environ)  # fmt: skip
    feed(sink, turn())
    first = server.one()
    sink.close()
    names = [
        metric["name"]
        for request in [first, *server.requests()]
        for resource in request["body"]["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        if metric["name"] == "codex.tool.calls"
    ]
    assert names == ["codex.tool.calls"]
