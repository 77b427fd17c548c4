"""`[otel]` and the OTEL_* variables as one value. The table wins; variables fill in what it leaves open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import ConfigError, Value, __version__, field, value

from .switch import SIGNALS, exporter_kind

DEFAULT_ENDPOINT = "http://localhost:4318"
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


@value
class Exporter(Value):
    """Where one signal goes. `timeout_s` bounds one attempt; `binary` is protobuf, else JSON."""

    url: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    binary: bool = True
    gzip: bool = False
    timeout_s: float = 10.0
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


@value
class Settings(Value):
    """What is sent, where to, and under which names. `exporters` by signal; `parent` is (trace id, span id) in hex."""

    exporters: Mapping[str, Exporter]
    resource: Mapping[str, str]
    span_attributes: Mapping[str, str]
    log_user_prompt: bool
    parent: tuple[str, str] | None
    tracestate: str
    sampled: bool | float
    interval_s: float
    metrics_interval_s: float
    queue_size: int
    delta: bool


def read_settings(options: Mapping[str, Any], environ: Mapping[str, str], thread_id: str) -> Settings:
    """Raises `ConfigError` for what cannot be carried out, with the key's name."""
    exporters = {signal: found for signal in SIGNALS if (found := _exporter(signal, options, environ)) is not None}
    handed = _TRACEPARENT.fullmatch(environ.get("TRACEPARENT", "").strip().lower())
    parent = (handed[1], handed[2]) if handed else None
    delta = environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower() == "delta"
    return Settings(
        exporters=exporters,
        resource=_resource(options, environ, thread_id),
        span_attributes=_strings(options, "span_attributes"),
        log_user_prompt=_flag(options, "log_user_prompt"),
        parent=parent,
        tracestate=_tracestate(options, environ if parent else {}),
        sampled=_sampled(environ, bool(int(handed[3], 16) & 1) if handed else None),
        interval_s=_number(environ, "OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000,
        metrics_interval_s=_number(environ, "OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1000,
        queue_size=int(_number(environ, "OTEL_BSP_MAX_QUEUE_SIZE", 2048)),
        delta=delta,
    )


def _exporter(signal: str, options: Mapping[str, Any], environ: Mapping[str, str]) -> Exporter | None:
    key = SIGNALS[signal]
    own = options.get(key)
    inherited = own is None  # what `exporter` says holds for the others too
    key = "exporter" if inherited else key
    setting = options.get(key)
    kind = exporter_kind(setting)
    off = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower() == "none"
    if kind in ("", "none", "statsig") or off:
        return None
    if kind != "otlp-http":
        raise ConfigError(f"`otel.{key}` is {kind!r}, which cannot be used here", hint='set it to "otlp-http"')
    table = setting["otlp-http"] if isinstance(setting, Mapping) else {}
    if not isinstance(table, Mapping):
        raise ConfigError(f"`otel.{key}.otlp-http` must be a table")
    tls = _strings(table, "tls")
    return Exporter(
        url=_url(signal, table.get("endpoint"), environ, inherited),
        headers={**_header_list(_variable(environ, signal, "HEADERS")), **_strings(table, "headers")},
        binary=_binary(table.get("protocol") or _variable(environ, signal, "PROTOCOL")),
        gzip=_variable(environ, signal, "COMPRESSION").lower() == "gzip",
        timeout_s=_milliseconds(_variable(environ, signal, "TIMEOUT"), 10_000) / 1000,
        ca=tls.get("ca-certificate") or _variable(environ, signal, "CERTIFICATE") or None,
        client_cert=tls.get("client-certificate") or _variable(environ, signal, "CLIENT_CERTIFICATE") or None,
        client_key=tls.get("client-private-key") or _variable(environ, signal, "CLIENT_KEY") or None,
    )


def _url(signal: str, endpoint: Any, environ: Mapping[str, str], inherited: bool) -> str:
    """The address of a signal. In config.toml it is whole, as Codex has it, unless it has no path or was given for
    the logs; the general variable is a base, that of a signal is whole."""
    from codex_plugin_sdk.http.message import parse_url

    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    if endpoint:
        text = str(endpoint)
    else:
        text = own or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or DEFAULT_ENDPOINT
    base = inherited if endpoint else not own
    try:
        target = parse_url(text).target
    except ValueError as error:
        raise ConfigError(f"the OTLP endpoint for {signal} cannot be used: {error}") from error
    if base or target == "/":
        return f"{text.rstrip('/').removesuffix('/v1/logs')}/v1/{signal}"
    return text


def _binary(protocol: str) -> bool:
    if protocol in ("json", "http/json"):
        return False
    if protocol in ("", "binary", "http/protobuf"):
        return True
    raise ConfigError(f"the OTLP protocol {protocol!r} cannot be used here", hint='set it to "binary" or "json"')


def _resource(options: Mapping[str, Any], environ: Mapping[str, str], thread_id: str) -> dict[str, str]:
    env = str(options.get("environment") or "dev")
    found = {
        "service.name": "codex",
        "service.version": __version__,
        "service.instance.id": thread_id,
        "telemetry.sdk.name": "codex-otel",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
        "deployment.environment.name": env,
        "env": env,
        **_header_list(environ.get("OTEL_RESOURCE_ATTRIBUTES", "")),
    }
    if name := environ.get("OTEL_SERVICE_NAME", "").strip():
        found["service.name"] = name
    return found


def _sampled(environ: Mapping[str, str], parent: bool | None) -> bool | float:
    """True, False, or the share of threads whose spans are kept."""
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_always_on"
    if name.startswith("parentbased_"):
        if parent is not None:
            return parent
        name = name.removeprefix("parentbased_")
    if name == "traceidratio":
        return min(1.0, _number(environ, "OTEL_TRACES_SAMPLER_ARG", 1.0))
    return name != "always_off"


def _tracestate(options: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Members from the table, each `NAME=KEY:VALUE;…`, before those that were handed to us."""
    members = {}
    for name, fields in options.get("tracestate", {}).items():
        if isinstance(fields, Mapping):
            members[name] = ";".join(f"{key}:{text}" for key, text in fields.items())
    for member in environ.get("TRACESTATE", "").split(","):
        name, equals, text = member.strip().partition("=")
        if equals:
            members.setdefault(name, text)
    return ",".join(f"{name}={text}" for name, text in members.items())


def _variable(environ: Mapping[str, str], signal: str, name: str) -> str:
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "")
    return (own or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "")).strip()


def _header_list(text: str) -> dict[str, str]:
    found = {}
    for pair in text.split(","):
        name, equals, given = pair.partition("=")
        if equals and name.strip():
            if "%" in given:
                from urllib.parse import unquote

                given = unquote(given)
            found[name.strip()] = given.strip()
    return found


def _strings(table: Mapping[str, Any], key: str) -> dict[str, str]:
    found = table.get(key) or {}
    if not isinstance(found, Mapping) or not all(isinstance(text, str) for text in found.values()):
        raise ConfigError(f"`{key}` in [otel] must be a table of strings")
    return dict(found)


def _flag(options: Mapping[str, Any], key: str) -> bool:
    found = options.get(key, False)
    if not isinstance(found, bool):
        raise ConfigError(f"`otel.{key}` must be true or false, not {found!r}")
    return found


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    return _milliseconds(environ.get(name, "").strip(), default)


def _milliseconds(text: str, default: float) -> float:
    """A variable's number; one that cannot be read counts as not set, as OpenTelemetry wants it."""
    try:
        found = float(text)
    except ValueError:
        return default
    return found if 0 < found < 1e12 or (found == 0 and default <= 1) else default
