"""An organisation: its key, its bundles, its server, and the machine that obeys it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codex_managed.loading import Loader
from codex_managed.settings import read_settings
from codex_managed.signing import encode, load_key, new_key
from codex_managed.source import ManagedSource
from codex_plugin_sdk import ConfigRequest
from codex_plugin_sdk.testing.scripted_http import Reply, ScriptedServer

NOW = 1_800_000_000.0  # 2027-01-15
BODY = """\
# the organisation
version = {version}
issued_at = {issued}
{more}
[config]
model = "managed-model"

[config.features]
multi_agent = true

[requirements]
allowed_sandbox_modes = ["read-only"]
"""


class Organisation:
    """A key and what is signed with it; a machine in `folder` whose clock stands at `now_s`."""

    def __init__(self, folder):
        self.folder = folder
        self.etc, self.home = folder / "etc", folder / "home"
        for made in (self.etc, self.home):
            made.mkdir(mode=0o755)
        pem, self.public_key = new_key()
        self.key = load_key(pem, "memory")
        self.now_s = NOW
        self.environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home)}

    def bundle(self, version=1, issued="2027-01-01T00:00:00Z", more="", body=BODY):
        return body.format(version=version, issued=issued, more=more).encode()

    def signature(self, raw):
        return encode(self.key.sign(raw)).encode() + b"\n"

    def configure(self, **settings):
        lines = [f"{key} = {_toml(value)}" for key, value in settings.items()]
        path = self.etc / "managed.toml"
        path.write_text("[bundle]\n" + "\n".join(lines) + "\n")
        path.chmod(0o644)
        return path

    def use(self, server, **settings):
        self.configure(url=url(server), public_key=self.public_key, **settings)

    def publish(self, raw, signature=None):
        """As files; the settings name them."""
        file = self.folder / "bundle.toml"
        file.write_bytes(raw)
        (self.folder / "bundle.toml.sig").write_bytes(self.signature(raw) if signature is None else signature)
        self.configure(file=str(file), public_key=self.public_key)
        return file

    def replies(self, raw, signature=None, etag='"1"'):
        """What a good server sends for a bundle and its signature."""
        signed = self.signature(raw) if signature is None else signature
        return (served(raw, etag=etag), served(signed))

    @property
    def loader(self):
        settings = read_settings(str(self.etc / "managed.toml"))
        return Loader(settings, str(self.home), self.environ, lambda: self.now_s)

    def load(self):
        return self.loader.load()

    def read(self):
        """What the kernel gets at a start."""
        source = ManagedSource(lambda: self.now_s)
        return source.read(
            ConfigRequest(codex_home=str(self.home), cwd="/", system_dir=str(self.etc), environ=self.environ, base={})
        )

    def later(self, seconds):
        self.now_s += seconds

    @property
    def copies(self):
        folder = self.home / "kernel" / "managed"
        return sorted(path for path in folder.glob("*.json") if ".contact." not in path.name)

    def codex(self, *args, before=(), **options):
        program = Path(sys.executable).with_name("codex")
        return subprocess.run(
            [*before, str(program), *args],
            env={**self.environ, "CODEX_HOME": str(self.home), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )


def url(server):
    return server.base_url.replace("/v1", "/bundle.toml")


def served(body, *, status=200, etag=None, kind="application/toml", **options):
    headers = [("content-type", kind)]
    if etag is not None:
        headers.append(("etag", etag))
    return Reply(status=status, headers=tuple(headers), steps=(body,), framing="length", **options)


def _toml(value):
    if isinstance(value, str):
        return f'"{value}"'
    return str(value)


@pytest.fixture
def org(tmp_path):
    return Organisation(tmp_path)


@pytest.fixture
def server():
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def reply():
    """Makes one answer of a server."""
    return served


@pytest.fixture
def url_of():
    return url
