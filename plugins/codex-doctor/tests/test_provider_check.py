"""The check `provider`, against real servers on loopback."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from codex_doctor.checks.answers import Asked, of_failure
from codex_doctor.checks.provider import ProviderCheck, base_url
from codex_doctor.examined import Examined
from codex_plugin_sdk import ConfigError, ConfigSources, Health, ModelProviderSpec, ProviderInfo, load_config
from codex_plugin_sdk.http.errors import ConnectFailed
from codex_plugin_sdk.testing.harness import manager, plugin
from codex_plugin_sdk.testing.scripted_http import Reply, ScriptedServer, Stall, json_reply
from codex_plugin_sdk.testing.servers import garbage

pytestmark = pytest.mark.anyio


class Quiet:
    def __init__(self, setup):
        self.setup = setup

    async def aclose(self):
        return None


def builtin(id):
    return ProviderInfo(id=id, name="OpenAI", base_url="http://127.0.0.1:9/v1", requires_openai_auth=True)


def examined(home, base_url, environ=None, factory=Quiet, options=None, **table):
    spec = ModelProviderSpec(
        name="quiet", factory=factory, wire_apis=("responses",), builtin_ids=("openai",), builtin=builtin
    )
    mine = {"name": "Mine", "base_url": base_url, **table}
    flags = {"model_provider": "mine", "model_providers.mine": mine, **(options or {})}
    config = load_config(ConfigSources(codex_home=str(home), system_dir=str(home), flags=flags))
    plugins = manager(plugin(codex_model_providers=[spec]))
    return Examined(
        codex_home=str(home), cwd=str(home), environ=environ or {}, options=config.data, plugins=plugins, config=config
    )


async def check(home, url, limit_s=4.0, **given):
    setup = examined(home, url, **given)
    try:
        (finding,) = await ProviderCheck(setup, limit_s).run()
    finally:
        setup.plugins.close()
    return finding


@pytest.mark.parametrize(
    ("status", "table", "health", "word"),
    [
        (200, {}, Health.OK, "answered 200"),
        (401, {"env_key": "K"}, Health.FAILED, "refuses the key"),
        (401, {}, Health.FAILED, "none is configured"),
        (401, {"env_key": "MISSING"}, Health.OK, "can be reached"),
        (403, {}, Health.WARNING, "not permitted"),
        (404, {}, Health.WARNING, "lists no models"),
        (407, {}, Health.FAILED, "proxy"),
        (418, {}, Health.WARNING, "not an answer that was expected"),
        (429, {}, Health.WARNING, "quota"),
        (503, {}, Health.FAILED, "fault of the server"),
    ],
)
async def test_each_status_has_its_meaning_and_its_cure(tmp_path, status, table, health, word):
    with ScriptedServer([json_reply(status, "x")]) as server:
        finding = await check(tmp_path, server.base_url, environ={"K": "key-of-mine"}, **table)
    assert finding.health is health
    assert word in finding.message
    assert (finding.cure == "") is (health is Health.OK)
    assert finding.details["status"] == status
    assert finding.details["key_sent"] is (table == {"env_key": "K"})
    assert [request.method for request in server.requests] == ["GET"]


async def test_a_redirect_is_told_and_not_followed(tmp_path):
    reply = json_reply(302, "", {"location": "http://127.0.0.1:1/other?key=hidden"})
    with ScriptedServer([reply]) as server:
        finding = await check(tmp_path, server.base_url)
    assert finding.health is Health.FAILED
    assert "http://127.0.0.1:1/other," in finding.message
    assert "hidden" not in finding.message


async def test_headers_and_query_are_those_of_a_turn(tmp_path):
    with ScriptedServer([json_reply(200, "x")]) as server:
        finding = await check(
            tmp_path, server.base_url + "?a=1", http_headers={"X-Own": "yes"}, query_params={"b": "2 3"}
        )
    (request,) = server.requests
    assert request.path == "/v1/models?a=1&b=2+3"
    assert request.headers["x-own"] == "yes"
    assert "authorization" not in request.headers
    assert finding.details["url"] == server.base_url + "/models"


async def test_a_refused_connection_is_told(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        finding = await check(tmp_path, f"http://127.0.0.1:{free.getsockname()[1]}/v1")
    assert finding.health is Health.FAILED
    assert finding.details["cause"] == "connection refused"
    assert "is the server running" in finding.cure


async def test_a_name_that_no_name_server_can_know_is_told(tmp_path):
    finding = await check(tmp_path, f"http://{'x' * 64}.invalid/v1")
    assert (finding.health, finding.details["cause"]) == (Health.FAILED, "DNS: its name cannot be resolved")


async def test_a_failed_look_up_is_told_apart_from_a_refusal():
    error = ConnectFailed("https://x.invalid: name or service not known")
    error.__cause__ = OSError("all attempts failed")
    error.__cause__.__cause__ = ExceptionGroup("tries", [socket.gaierror(-2, "name or service not known")])
    finding = of_failure(Asked(provider="mine", url="https://x.invalid/v1", proxied=True), error)
    assert "DNS" in finding.message
    assert "HTTPS_PROXY" in finding.cure


async def test_silence_ends_within_the_limit(tmp_path):
    stall = Stall()
    reply = Reply(raw=True, steps=(stall,))
    with ScriptedServer([reply]) as server:
        began = time.monotonic()
        finding = await check(tmp_path, server.base_url, limit_s=0.3)
        taken_s = time.monotonic() - began
        stall.release()
    assert (finding.health, finding.details["cause"]) == (Health.FAILED, "time-out")
    assert taken_s < 20  # the server would be silent for ever


async def test_a_provider_that_is_not_ready_is_not_waited_for(tmp_path):
    release = threading.Event()

    def slow(setup):
        release.wait(30)
        return Quiet(setup)

    finding = await check(tmp_path, "http://127.0.0.1:9/v1", limit_s=0.2, factory=slow)
    release.set()
    assert finding.health is Health.FAILED
    assert "not ready" in finding.message


async def test_a_provider_that_cannot_be_made_tells_why(tmp_path):
    def refuses(setup):
        raise ConfigError("no script", hint="name one")

    finding = await check(tmp_path, "http://127.0.0.1:9/v1", factory=refuses)
    assert (finding.health, finding.message, finding.cure) == (Health.FAILED, "mine: no script", "name one")


async def test_what_is_not_http_is_told(tmp_path):
    with ScriptedServer([garbage()]) as server:
        finding = await check(tmp_path, server.base_url)
    assert (finding.health, finding.details["cause"]) == (Health.FAILED, "it does not speak HTTP/1.1")


async def test_https_to_a_server_that_speaks_http_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer_plainly, args=(listener,))
        thread.start()
        finding = await check(tmp_path, f"https://127.0.0.1:{listener.getsockname()[1]}/v1")
        thread.join()
    assert finding.health is Health.FAILED
    assert finding.details["cause"] == "TLS: the handshake failed"
    assert "https" in finding.cure


def _answer_plainly(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


async def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of the test server and is not installed")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with ScriptedServer(tls=context) as server:
        finding = await check(tmp_path, server.base_url)
    assert (finding.health, finding.details["cause"]) == (Health.FAILED, "TLS: its certificate is not trusted")
    assert "CODEX_CA_CERTIFICATE" in finding.cure


async def test_offline_sends_nothing(tmp_path):
    with ScriptedServer([json_reply(200, "x")]) as server:
        setup = examined(tmp_path, server.base_url).replace(offline=True)
        (finding,) = await ProviderCheck(setup).run()
        setup.plugins.close()
        assert server.connections == 0
    assert (finding.health, finding.details["skipped"]) == (Health.OK, "--offline")


@pytest.mark.parametrize(
    ("id", "wire_api", "options", "environ", "expected"),
    [
        ("openai", "responses", {}, {}, ("https://given/v1", "its address")),
        ("openai", "responses", {}, {"OPENAI_BASE_URL": "http://e"}, ("http://e", "OPENAI_BASE_URL")),
        (
            "openai",
            "responses",
            {"openai_base_url": "http://c"},
            {"OPENAI_BASE_URL": "http://e"},
            ("http://c", "openai_base_url"),
        ),
        ("own", "responses", {}, {"OPENAI_BASE_URL": "http://e"}, ("https://given/v1", "base_url of provider own")),
        ("ollama", "chat", {}, {"CODEX_OSS_PORT": "7"}, ("http://localhost:7/v1", "CODEX_OSS_PORT")),
        (
            "ollama",
            "chat",
            {},
            {"CODEX_OSS_PORT": "7", "CODEX_OSS_BASE_URL": "http://o"},
            ("http://o", "CODEX_OSS_BASE_URL"),
        ),
    ],
)
async def test_the_address_is_that_of_the_provider(id, wire_api, options, environ, expected):
    spec = ModelProviderSpec(name="x", factory=Quiet, wire_apis=(wire_api,), builtin_ids=("openai", "ollama"))
    info = ProviderInfo(id=id, base_url="https://given/v1", wire_api=wire_api)
    assert base_url(info, spec, options, environ) == expected
