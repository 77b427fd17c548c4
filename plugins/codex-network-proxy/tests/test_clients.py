"""Real programs find the proxy by their environment and reach real servers through it."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading

import anyio
import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
def web(tmp_path):
    (tmp_path / "page").write_text("hello from the origin")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield tmp_path, server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


async def program(proxy, *command, check=True):
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **proxy.session.environ(proxy.port)}
    with anyio.fail_after(20):
        return await anyio.run_process(command, env=environ, check=check, stderr=subprocess.PIPE)


URLLIB = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"
HTTPX = "import sys, httpx; print(httpx.get(sys.argv[1]).text)"


@pytest.mark.parametrize("code", [URLLIB, HTTPX], ids=["urllib", "httpx"])
async def test_python_programs_use_the_proxy(serve, web, code):
    _, port = web
    async with serve() as proxy:
        done = await program(proxy, sys.executable, "-c", code, f"http://page.test:{port}/page")
    assert done.stdout == b"hello from the origin\n"
    assert proxy.asked == [("page.test", port, "http")]


@pytest.mark.requires_tool("curl")
@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        ((), "http"),
        (("--proxytunnel",), "https"),
        (("--noproxy", "", "-x", "socks5h"), "socks5_tcp"),
        (("-X", "POST", "-d", "x=1"), "http"),
        (("--http1.0",), "http"),
    ],
)
async def test_curl_uses_the_proxy(serve, web, options, protocol):
    _, port = web
    async with serve() as proxy:
        spelled = [f"socks5h://127.0.0.1:{proxy.port}" if word == "socks5h" else word for word in options]
        done = await program(proxy, "curl", "-sS", "-q", *spelled, f"http://page.test:{port}/page")
    assert (b"hello from the origin" in done.stdout) == ("POST" not in options)
    assert proxy.asked == [("page.test", port, protocol)]


@pytest.mark.requires_tool("curl")
async def test_curl_shows_why_a_host_is_refused(serve):
    async with serve() as proxy:
        proxy.answers["no.test"] = "no.test is not to be reached"
        plain = await program(proxy, "curl", "-sS", "-q", "http://no.test/")
        tunnel = await program(proxy, "curl", "-sS", "-q", "https://no.test/", check=False)
    assert plain.stdout == b"no.test is not to be reached\n"
    assert tunnel.returncode == 56
    assert b"403" in tunnel.stderr


@pytest.mark.requires_tool("curl")
async def test_own_loopback_servers_are_not_proxied(serve, web):
    _, port = web
    async with serve() as proxy:
        done = await program(proxy, "curl", "-sS", "-q", f"http://127.0.0.1:{port}/page")
    assert done.stdout == b"hello from the origin"
    assert proxy.asked == []


@pytest.mark.requires_tool("git", "curl")
async def test_git_clones_through_the_proxy(serve, web, tmp_path):
    folder, port = web
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    work = folder / "work"
    for command in (["init", "-q", str(work)], ["-C", str(work), "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(folder / "bare.git")], check=True)
    subprocess.run(["git", "-C", str(folder / "bare.git"), "update-server-info"], check=True)
    async with serve() as proxy:
        await program(proxy, "git", "clone", "-q", f"http://git.test:{port}/bare.git", str(folder / "copy"))
    assert (folder / "copy" / ".git").is_dir()
    assert {host for host, _, _ in proxy.asked} == {"git.test"}


async def test_environment_has_both_cases_and_no_socks_url(serve):
    async with serve() as proxy:
        environ = proxy.session.environ(4321)
    assert environ["HTTPS_PROXY"] == environ["https_proxy"] == environ["ALL_PROXY"] == "http://127.0.0.1:4321"
    assert environ["NO_PROXY"] == environ["no_proxy"] == "localhost,127.0.0.1,::1"
    assert not any("socks" in text for text in environ.values())
    assert all(isinstance(text, str) for text in environ.values())
