"""The loader against a real server on loopback: a good one, a slow one, a lying one, none."""

import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from codex_plugin_sdk import ConfigError
from codex_plugin_sdk.testing.scripted_http import Delay, Reply, ScriptedServer, Stall

DAY = 86_400


def refused(org):
    with pytest.raises(ConfigError) as caught:
        org.load()
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_a_bundle_is_fetched_kept_and_used_without_the_server_while_it_is_fresh(org, server):
    raw = org.bundle()
    server.play(*org.replies(raw))
    org.use(server, refresh_s=100)
    loaded = org.load()
    assert (loaded.bundle.version, loaded.bundle.config["model"], loaded.notices) == (1, "managed-model", ())
    org.later(99)
    assert org.load().bundle == loaded.bundle
    assert [request.path for request in server.requests] == ["/bundle.toml", "/bundle.toml.sig"]
    (copy,) = org.copies
    assert json.loads(copy.read_bytes())["bundle"] == raw.decode()
    assert {path.stat().st_mode & 0o777 for path in copy.parent.iterdir()} == {0o600}


def test_after_its_time_the_copy_is_confirmed_by_its_tag(org, server, reply):
    server.play(*org.replies(org.bundle(), etag='"abc"'), reply(b"", status=304))
    org.use(server, refresh_s=100)
    org.load()
    org.later(101)
    assert org.load().notices == ()
    assert server.requests[2].headers["if-none-match"] == '"abc"'
    org.later(99)
    org.load()
    assert len(server.requests) == 3


def test_a_newer_bundle_replaces_the_copy(org, server):
    server.play(*org.replies(org.bundle(1)), *org.replies(org.bundle(2), etag='"2"'))
    org.use(server, refresh_s=0)
    assert [org.load().bundle.version, org.load().bundle.version] == [1, 2]
    assert json.loads(org.copies[0].read_bytes())["etag"] == '"2"'


BAD = {
    "down": (lambda org, reply: None, "cannot be reached: connection refused"),
    "503": (lambda org, reply: [reply(b"", status=503, reason="Busy")], "answers 503 Busy"),
    "not found": (lambda org, reply: [reply(b"", status=404)], "answers 404"),
    "no signature": (
        lambda org, reply: [reply(org.bundle()), reply(b"", status=404)],
        "/bundle.toml.sig: the server answers 404",
    ),
    "lies": (lambda org, reply: org.replies(org.bundle(), org.signature(b"other")), "its signature does not fit"),
    "garbage signature": (lambda org, reply: org.replies(org.bundle(), b"?"), "its signature is not one"),
    "cut off": (lambda org, reply: [reply(org.bundle(), cut_after=30)], "it was cut off"),
    "cut off while chunked": (
        lambda org, reply: [Reply(headers=(), steps=(org.bundle(),), cut_after=30)],
        "it was cut off",
    ),
    "cut off unnoticed": (
        lambda org, reply: [
            Reply(headers=(), steps=(org.bundle()[:60],), framing="close"),
            reply(org.signature(org.bundle())),
        ],
        "its signature does not fit",
    ),
    "too big": (lambda org, reply: [reply(b"#" * (4 << 20) + b"#")], "it is larger than 4 MiB"),
    "too big without an end": (
        lambda org, reply: [Reply(headers=(), steps=(b"#" * (1 << 20),) * 9)],
        "it is larger than 4 MiB",
    ),
    "huge signature": (
        lambda org, reply: [reply(org.bundle()), reply(b"A" * 5000)],
        "bundle.toml.sig: it is larger than 4 KiB",
    ),
    "web page": (
        lambda org, reply: [reply(b"log in", kind="text/html; charset=utf-8")],
        "a web page instead",
    ),
    "web page in disguise": (lambda org, reply: [reply(b"\n<!DOCTYPE html>")], "a web page instead"),
    "signed garbage": (lambda org, reply: org.replies(b"\x00\x01"), "is not TOML"),
    "signed latin-1": (lambda org, reply: org.replies(b"a = 1\n# \xe9"), ":2: is not UTF-8"),
    "no HTTP": (
        lambda org, reply: [Reply(steps=(b"SSH-2.0-OpenSSH_9.9\r\n\r\n",), raw=True)],
        "does not speak HTTP",
    ),
    "no answer": (
        lambda org, reply: [Reply(steps=(b"",), raw=True)],
        "closed the connection without an answer",
    ),
    "compressed": (
        lambda org, reply: [Reply(headers=(("content-encoding", "gzip"),), steps=(b"x",))],
        "compresses it",
    ),
    "304 for nothing": (lambda org, reply: [reply(b"", status=304)], "answers 304"),
    "expired": (
        lambda org, reply: org.replies(org.bundle(more="expires_at = 2027-01-14T00:00:00Z")),
        "it expired at 2027-01-14T00:00:00+00:00",
    ),
    "from the future": (lambda org, reply: org.replies(org.bundle(issued="2028-01-01T00:00:00Z")), "in the future"),
    "misspelt requirement": (
        lambda org, reply: org.replies(org.bundle(3) + b"alowed_plugins = []\n"),
        "bundle.toml:13:1: unknown requirement `alowed_plugins`",
    ),
    "redirected away": (
        lambda org, reply: [Reply(status=302, headers=(("location", "http://127.0.0.2/x"),), framing="length")],
        "redirects to another host (127.0.0.2)",
    ),
    "redirected to another port": (
        lambda org, reply: [Reply(status=302, headers=(("location", "http://127.0.0.1:1/x"),), framing="length")],
        "redirects to another host",
    ),
    "redirected in a ring": (
        lambda org, reply: [Reply(status=302, headers=(("location", "/x"),), framing="length")] * 5,
        "redirects more than 3 times",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_without_a_good_copy_nothing_starts_and_the_cause_is_named(org, server, reply, url_of, case):
    make, words = BAD[case]
    replies = make(org, reply)
    org.use(server)
    if replies is None:
        server.stop()
    else:
        server.play(*replies)
    said = refused(org)
    assert said.startswith(f"{url_of(server)}: the managed configuration cannot be used: ")
    assert words in said
    assert "there is no earlier copy" in said
    assert org.copies == []


@pytest.mark.parametrize("case", [case for case in BAD if case != "304 for nothing"])
def test_with_a_good_copy_it_holds_on_and_the_cause_is_named(org, server, reply, case):
    make, words = BAD[case]
    server.play(*org.replies(org.bundle(3), etag=""))
    org.use(server, refresh_s=100)
    org.load()
    before = org.copies[0].read_bytes()
    org.later(7200)
    replies = make(org, reply)
    if replies is None:
        server.stop()
    else:
        server.play(*replies)
    loaded = org.load()
    assert loaded.bundle.version == 3
    (notice,) = loaded.notices
    assert words in notice
    assert "version 3, confirmed 2 hours ago, holds on" in notice
    assert org.copies[0].read_bytes() == before


def drip(count):
    return tuple(step for _ in range(count) for step in (b"#", Delay(seconds=0.05)))


SLOW = {
    "body": lambda: Reply(headers=(), steps=drip(200)),
    "head": lambda: Reply(steps=(b"HTTP/1.1 200 OK\r\nx: ", *drip(200)), raw=True),
    "nothing": lambda: Reply(steps=(Stall(),), raw=True),
}


@pytest.mark.parametrize("case", SLOW)
def test_a_slow_server_is_cut_off_in_time(org, server, case):
    server.play(SLOW[case]())
    org.use(server, timeout_s=0.3)
    import httpx  # noqa: F401 - imports are not part of the time

    from codex_plugin_sdk.http.tls import ssl_context

    ssl_context(org.environ)
    started = time.monotonic()
    said = refused(org)
    assert time.monotonic() - started < 8  # it would go on for ten
    assert "within 0.3 s" in said
    server.wait_until(lambda s: s.open_connections == 0)
    assert not [thread for thread in threading.enumerate() if thread.name == "codex-managed-fetch"]


def test_a_slow_signature_counts_into_the_same_time(org, server, reply):
    server.play(reply(org.bundle()), Reply(headers=(), steps=drip(200)))
    org.use(server, timeout_s=0.3)
    assert "within 0.3 s" in refused(org)


def test_a_server_that_is_down_is_not_asked_by_every_start(org, server):
    server.play(*org.replies(org.bundle()), Reply(status=500, framing="length"), *org.replies(org.bundle(2)))
    org.use(server, refresh_s=100)
    org.load()
    org.later(101)
    assert "answers 500" in org.load().notices[0]
    org.later(59)
    assert "answers 500" in org.load().notices[0]
    assert len(server.requests) == 3
    org.later(2)
    loaded = org.load()
    assert (loaded.bundle.version, loaded.notices) == (2, ())


def test_an_older_bundle_is_a_step_back_and_refused(org, server):
    server.play(
        *org.replies(org.bundle(5, issued="2027-01-10T00:00:00Z")),
        *org.replies(org.bundle(4, issued="2027-01-11T00:00:00Z")),
    )
    org.use(server, refresh_s=0)
    org.load()
    loaded = org.load()
    assert loaded.bundle.version == 5
    assert "a step back: version 4, and version 5 was in use before" in loaded.notices[0]
    org.later(61)
    server.play(*org.replies(org.bundle(6, issued="2027-01-09T00:00:00Z")))
    assert "a step back: issued at 2027-01-09" in org.load().notices[0]


def test_an_expired_copy_does_not_stand_in_but_still_knows_what_is_older(org, server):
    server.play(
        *org.replies(org.bundle(5, more="expires_at = 2027-01-16T00:00:00Z")),
        Reply(status=500, framing="length"),
        *org.replies(org.bundle(4)),
        *org.replies(org.bundle(6)),
    )
    org.use(server)
    org.load()
    org.later(2 * DAY)
    said = refused(org)
    assert "answers 500" in said
    assert "the earlier copy cannot stand in: it expired at 2027-01-16" in said
    assert "a step back" in refused(org)
    assert org.load().bundle.version == 6


def test_a_server_that_confirms_what_has_expired_is_not_believed(org, server, reply):
    server.play(*org.replies(org.bundle(more="expires_at = 2027-01-16T00:00:00Z")), reply(b"", status=304))
    org.use(server)
    org.load()
    org.later(2 * DAY)
    assert "cannot be used: it expired at 2027-01-16" in refused(org)
    assert server.requests[2].headers["if-none-match"] == '"1"'


def test_a_copy_older_than_max_age_does_not_stand_in(org, server):
    server.play(*org.replies(org.bundle()))
    org.use(server, refresh_s=10, max_age_s=5 * DAY)
    org.load()
    server.stop()
    org.later(5 * DAY)
    assert org.load().problem
    org.later(1)
    assert "older than 432000 s (bundle.max_age_s)" in refused(org)


def test_an_administrator_may_want_no_copy_to_stand_in(org, server):
    server.play(*org.replies(org.bundle()))
    org.use(server, refresh_s=10, on_failure="refuse")
    org.load()
    org.later(5)
    org.load()
    server.stop()
    org.later(6)
    assert 'on_failure = "refuse"' in refused(org)


def test_a_copy_that_somebody_changed_is_not_believed(org, server):
    server.play(*org.replies(org.bundle()), *org.replies(org.bundle()))
    org.use(server)
    org.load()
    (copy,) = org.copies
    good = copy.read_bytes()
    copy.write_bytes(good.replace(b"managed-model", b"another-model"))
    loaded = org.load()
    assert loaded.bundle.config["model"] == "managed-model"
    assert "its signature does not fit" in loaded.notices[0]
    assert copy.read_bytes() == good
    assert org.load().notices == ()
    copy.write_bytes(good.replace(b"managed-model", b"another-model"))
    server.stop()
    assert "its signature does not fit" in refused(org)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"bundle": 1}', b"\xff", b"[" * 100_000])
def test_a_copy_that_is_damaged_is_mended(org, server, content):
    server.play(*org.replies(org.bundle()), *org.replies(org.bundle()))
    org.use(server)
    org.load()
    (copy,) = org.copies
    good = copy.read_bytes()
    copy.write_bytes(content)
    for contact in copy.parent.glob("*.contact.json"):
        contact.write_bytes(content)
    assert len(org.load().notices) == 1
    assert copy.read_bytes() == good


def test_a_clock_that_was_set_back_asks_again(org, server, reply):
    server.play(*org.replies(org.bundle()), reply(b"", status=304))
    org.use(server)
    org.load()
    org.later(-3600)
    org.load()
    assert len(server.requests) == 3


def test_another_source_or_key_starts_anew(org, server):
    server.play(*org.replies(org.bundle(9)), *org.replies(org.bundle(1)))
    org.use(server)
    org.load()
    org.configure(url=f"http://127.0.0.1:{server.port}/new.toml?x=1", public_key=org.public_key)
    assert org.load().bundle.version == 1
    assert [request.path for request in server.requests[2:]] == ["/new.toml?x=1", "/new.toml.sig?x=1"]


def test_redirects_on_the_same_host_are_followed(org, server, reply):
    raw = org.bundle()
    away = Reply(status=307, headers=(("location", "/v2/bundle.toml"),), framing="length")
    server.play(away, *org.replies(raw))
    org.use(server)
    assert org.load().bundle.version == 1
    assert [request.path for request in server.requests] == ["/bundle.toml", "/v2/bundle.toml", "/bundle.toml.sig"]


def test_a_home_that_cannot_be_written_costs_the_copy_only(org, server):
    (org.home / "kernel").write_text("in the way")
    server.play(*org.replies(org.bundle()))
    org.use(server)
    loaded = org.load()
    assert loaded.bundle.version == 1
    assert "cannot be kept" in loaded.notices[0]


def test_many_starts_at_once_leave_one_good_copy(org, server):
    raw = org.bundle()
    signature = org.signature(raw)

    def answer(request):
        body = signature if request.path.endswith(".sig") else raw
        return Reply(headers=(), steps=(body,), framing="length")

    server.play(*[answer] * 32)
    org.use(server, timeout_s=10)
    loaded = []
    threads = [threading.Thread(target=lambda: loaded.append(org.load())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.bundle.version for entry in loaded] == [1] * 8
    server.stop()
    assert org.load().notices == ()


def test_a_slower_start_does_not_put_an_older_bundle_over_a_newer_copy(org, server):
    from codex_managed.bundle import parse_bundle
    from codex_managed.store import Copy, CopyStore, Signed

    org.use(server)
    store = CopyStore(str(org.home), org.loader._settings)
    for version in (2, 1):
        raw = org.bundle(version)
        signed = Signed(raw=raw, signature=org.signature(raw))
        store.keep(Copy(signed=signed, bundle=parse_bundle(raw, "b")), org.now_s)
    assert store.load().bundle.version == 2


# -- TLS ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(plain + made.public_bytes(serialization.Encoding.PEM))
    return path


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_bundle_comes_over_https_from_a_server_that_is_trusted(org, certificate):
    org.environ["SSL_CERT_FILE"] = str(certificate)
    with ScriptedServer(org.replies(org.bundle()), tls=tls(certificate)) as server:
        org.use(server)
        assert org.load().bundle.version == 1


def test_a_certificate_that_is_not_trusted_is_named(org, certificate):
    with ScriptedServer(org.replies(org.bundle()), tls=tls(certificate)) as server:
        org.use(server)
        assert "certificate cannot be trusted" in refused(org)


def test_a_server_that_is_slow_to_shake_hands_is_cut_off_in_time(org):
    import httpx  # noqa: F401

    with socket.create_server(("127.0.0.1", 0)) as silent:
        org.configure(url=f"https://127.0.0.1:{silent.getsockname()[1]}/b", public_key=org.public_key, timeout_s=0.3)
        assert "within 0.3 s" in refused(org)


def test_a_name_server_that_never_answers_does_not_hold_a_start_up(org, server, monkeypatch):
    asked, release = threading.Event(), threading.Event()

    def stuck(*args, **kwargs):
        asked.set()
        release.wait(30)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    org.configure(url="https://config.example/b", public_key=org.public_key, timeout_s=0.2)
    said = refused(org)
    assert asked.is_set()
    assert "within 0.2 s" in said
    release.set()
    for thread in threading.enumerate():
        if thread.name == "codex-managed-fetch":
            thread.join(5)
            assert not thread.is_alive()
