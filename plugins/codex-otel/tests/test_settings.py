"""What `[otel]` and the variables mean."""

import re
from pathlib import Path

import pytest

from codex_otel import watch
from codex_otel.metrics import INSTRUMENTS, MAX_SERIES, Metrics
from codex_otel.plugin import codex_telemetry_sinks
from codex_otel.records import Attributes
from codex_otel.settings import read_settings
from codex_otel.switch import Off, is_on
from codex_plugin_sdk import ConfigError, TelemetrySetup
from codex_plugin_sdk.redact import Redactor
from codex_plugin_sdk.testing.event_samples import events, every_message

THREAD = "01990000-0000-7000-8000-000000000001"


def read(options, **environ):
    return read_settings(options, environ, THREAD)


@pytest.mark.parametrize(
    ("options", "environ", "on"),
    [
        ({}, {}, False),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({"exporter": "none", "metrics_exporter": "statsig"}, {}, False),
        ({"log_user_prompt": True}, {}, False),
        ({"trace_exporter": "otlp-http"}, {}, True),
        ({"exporter": {"otlp-http": {"endpoint": "http://x"}}}, {}, True),
        ({"exporter": "otlp-http"}, {"OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_only_the_table_switches_it_on(options, environ, on):
    assert is_on(options, environ) is on
    (spec,) = codex_telemetry_sinks()
    sink = spec.factory(TelemetrySetup(thread_id=THREAD, codex_home="/x", environ=environ, options=options))
    assert isinstance(sink, Off) is not on
    if not on:
        for event in events(every_message()):
            sink.emit(event)
    sink.close()


@pytest.mark.parametrize(
    ("endpoint", "urls"),
    [
        ("http://c:4318", ["http://c:4318/v1/traces", "http://c:4318/v1/metrics", "http://c:4318/v1/logs"]),
        ("http://c/v1/logs", ["http://c/v1/traces", "http://c/v1/metrics", "http://c/v1/logs"]),
        ("http://c/a/b", ["http://c/a/b/v1/traces", "http://c/a/b/v1/metrics", "http://c/a/b"]),
    ],
)
def test_the_exporter_of_the_logs_holds_for_the_others(endpoint, urls):
    found = read({"exporter": {"otlp-http": {"endpoint": endpoint}}}).exporters
    assert [found[signal].url for signal in ("traces", "metrics", "logs")] == urls


def test_a_signal_of_its_own_has_its_own_address():
    table = {"otlp-http": {"endpoint": "http://c/api/otel/v1/traces", "protocol": "json", "headers": {"a": "b"}}}
    found = read({"trace_exporter": table}).exporters
    assert list(found) == ["traces"]
    assert (found["traces"].url, found["traces"].binary) == ("http://c/api/otel/v1/traces", False)
    assert found["traces"].headers == {"a": "b"}


def test_variables_fill_in_what_the_table_leaves_open():
    found = read(
        {"exporter": "otlp-http"},
        OTEL_EXPORTER_OTLP_ENDPOINT="http://c/base/",
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="http://l/x",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/json",
        OTEL_EXPORTER_OTLP_TIMEOUT="1500",
        OTEL_BSP_SCHEDULE_DELAY="nonsense",
    )
    assert [found.exporters[s].url for s in ("traces", "logs")] == ["http://c/base/v1/traces", "http://l/x"]
    assert [found.exporters[s].binary for s in ("traces", "logs")] == [False, True]
    assert (found.exporters["logs"].timeout_s, found.interval_s) == (1.5, 5.0)
    assert read({"exporter": "otlp-http"}).exporters["logs"].url == "http://localhost:4318/v1/logs"


@pytest.mark.parametrize(
    ("text", "parent"),
    [
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-01", ("a" * 32, "b" * 16)),
        ("01-" + "a" * 32 + "-" + "b" * 16 + "-01-more", ("a" * 32, "b" * 16)),
        ("ff-" + "a" * 32 + "-" + "b" * 16 + "-01", None),
        ("00-" + "0" * 32 + "-" + "b" * 16 + "-01", None),
        ("00-" + "a" * 32 + "-" + "0" * 16 + "-01", None),
        ("nonsense", None),
    ],
)
def test_only_a_sound_traceparent_counts(text, parent):
    assert read({"exporter": "otlp-http"}, TRACEPARENT=text).parent == parent


@pytest.mark.parametrize(
    ("environ", "sampled"),
    [
        ({}, True),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, False),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, 0.25),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0.0),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, False),
    ],
)
def test_the_sampler_is_the_environments(environ, sampled):
    assert read({"exporter": "otlp-http"}, **environ).sampled == sampled


def test_members_of_the_trace_state_are_put_before_those_handed_over():
    found = read(
        {"exporter": "otlp-http", "tracestate": {"us": {"a": "1", "b": "2"}}},
        TRACEPARENT="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        TRACESTATE="us=old,them=x",
    )
    assert found.tracestate == "us=a:1;b:2,them=x"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"exporter": "otlp-grpc"}, "otel.exporter.*otlp-grpc"),
        ({"trace_exporter": {"otlp-grpc": {"endpoint": "x"}}}, "otel.trace_exporter.*otlp-grpc"),
        ({"exporter": {"otlp-http": {"endpoint": "file:///x"}}}, "endpoint for traces"),
        ({"exporter": {"otlp-http": {"endpoint": "http://x", "protocol": "xml"}}}, "xml"),
        ({"exporter": "otlp-http", "log_user_prompt": "yes"}, "log_user_prompt"),
        ({"exporter": {"otlp-http": {"headers": {"a": 1}}}}, "headers"),
        ({"exporter": {"otlp-http": {"tls": "x.pem"}}}, "tls"),
    ],
)
def test_what_cannot_be_carried_out_is_named(options, words):
    with pytest.raises(ConfigError, match=words):
        read(options)


def test_names_of_a_model_cannot_make_endless_series():
    metrics = Metrics(0, delta=False)
    for number in range(MAX_SERIES * 3):
        metrics.add("codex.tool.calls", 1, {"gen_ai.tool.name": f"tool_{number}"})
    (found,) = metrics.take(1, Attributes(Redactor()))
    points = found["sum"]["dataPoints"]
    assert len(points) == MAX_SERIES + 1
    assert points[-1]["asInt"] == str(MAX_SERIES * 2)
    assert sum(int(point["asInt"]) for point in points) == MAX_SERIES * 3


def test_names_are_those_of_the_conventions():
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

    known = {v for k, v in vars(gen_ai_attributes).items() if k.startswith("GEN_AI_")}
    known |= {v for k, v in vars(gen_ai_metrics).items() if k.startswith("GEN_AI_") and isinstance(v, str)}
    used = set(re.findall(r'"(gen_ai\.[a-z_.]+)"', Path(watch.__file__).read_text()))
    assert len(used) > 15
    assert used - known == set()
    assert {name for name in INSTRUMENTS if name.startswith("gen_ai.")} <= known


def test_the_documentation_has_every_name():
    text = (Path(__file__).parents[3] / "docs/telemetry.md").read_text()
    source = Path(watch.__file__).read_text()
    logs = set(re.findall(r'_log\(\s*at_ms, "(codex\.[a-z_]+)"', source))
    assert len(logs) == 11
    assert [name for name in [*logs, *INSTRUMENTS] if f"| `{name}` |" not in text] == []
