"""Bug capsules: one archive with all that a replay elsewhere needs, and without secrets.

    README.md  capsule.json  rollout.jsonl  config.json  trace/ID.jsonl  trace/blobs/ab/….z

The texts of files before patches changed them are among the bodies of the trace. Of an archive from elsewhere only
these members are read: nothing of it gets out of the folder that it is unpacked in.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import Engine, StoreError, UserError, __version__
from codex_plugin_sdk.redact import Redactor

from .blobs import FOLDER, SUFFIX, Blobs, trace_folder
from .facts import platform_facts, secrets_in, without_secrets
from .opening import add_trace, open_recording
from .plain import encoded
from .recording import Recording
from .rollout import lines_of, read_rollout
from .trace_reading import trace_path

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation

SCHEMA = 1
MAX_MEMBER_BYTES = 512 * 1024 * 1024
_MEMBER = re.compile(r"(rollout\.jsonl|config\.json|capsule\.json|trace/[0-9a-f-]{36}\.jsonl|trace/blobs/\w{2}/\w+\.z)")
_SHORTEST_SECRET = 6


def write_capsule(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; 0. Raises `UserError` for a session that is not there or a file that is, `StoreError`."""
    recording = open_recording(invocation, given["session"])
    output = given["output"] or f"bug-{recording.thread_id[:13]}.tar.gz"
    if os.path.lexists(output) and not given["force"]:
        raise UserError(f"{output} is there already", hint="choose another name with -o, or replace it with --force")
    config = invocation.load_config(cwd=recording.cwd if os.path.isdir(recording.cwd) else None)
    members = dict(_members(invocation, recording, config))
    try:
        _write(output, members)
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"cannot write {output}: {why}", path=output, operation="write the capsule") from error
    size = os.path.getsize(output)
    click.echo(f"{output}  {len(members)} files, {size:,} bytes")
    click.echo(f"look it through before you send it, then replay it anywhere: codex replay {output}", err=True)
    return 0


def _members(invocation: Invocation, recording: Recording, config: Config) -> Iterator[tuple[str, bytes]]:
    clean = Cleaner(invocation, config)
    yield "README.md", _readme(recording).encode()
    yield "capsule.json", clean.json(_facts(invocation, recording))
    yield "config.json", clean.json(without_secrets(config.data))
    yield "rollout.jsonl", _rollout(invocation, recording, clean)
    path = trace_path(config.codex_home, recording.thread_id)
    if path is not None and recording.trace is not None:
        data = _read(path)
        yield f"trace/{recording.thread_id}.jsonl", clean.lines(data)
        blobs = Blobs(trace_folder(config.codex_home))
        for name in sorted(set(re.findall(rb'"([0-9a-f]{32})"', data))):
            body = blobs.get(name.decode())
            if body is not None:
                text = name.decode()
                yield f"trace/{FOLDER}/{text[:2]}/{text[2:]}{SUFFIX}", zlib.compress(clean.data(body), 6)


class Cleaner:
    """Takes out what looks like a secret, what the environment calls one, and what configuration and logins hold."""

    def __init__(self, invocation: Invocation, config: Config) -> None:
        words = {*secrets_in(config.data), *_login_secrets(config.codex_home)}
        self._words = sorted((w for w in words if len(w) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._redactor = Redactor(invocation.environ)

    def data(self, data: bytes) -> bytes:
        """Encoded JSON without secrets."""
        for word in self._words:
            plain = orjson.dumps(word)[1:-1]
            for form in (orjson.dumps(plain.decode())[1:-1], plain):
                data = data.replace(form, b"[REDACTED:config]")
        return self._redactor.redact_bytes(data)

    def lines(self, data: bytes) -> bytes:
        """Lines of JSON; one that is torn is left out."""
        whole, _, torn = data.rpartition(b"\n")
        del torn
        return b"\n".join(self.data(line) for line in whole.split(b"\n")) + b"\n"

    def json(self, found: Any) -> bytes:
        """Plain data as JSON for a person."""
        return self.data(orjson.dumps(orjson.loads(encoded(found)), option=orjson.OPT_INDENT_2)) + b"\n"


def _login_secrets(codex_home: str) -> Iterator[str]:
    """All texts of the file that logins are kept in."""
    try:
        found = orjson.loads(_read(os.path.join(codex_home, "auth.json")))
    except (StoreError, orjson.JSONDecodeError):
        return
    waiting = [found]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and len(one) >= 16:  # shorter ones are words such as `chatgpt`
            yield one


def _rollout(invocation: Invocation, recording: Recording, clean: Cleaner) -> bytes:
    """All lines, also those that it goes on from in other files."""
    if recording.path and not os.path.isabs(recording.path):
        return clean.lines(_read(recording.path))
    config = invocation.load_config(cwd=None)
    store = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ).rollout_store()
    found = store.find(recording.thread_id)
    if found is None or os.path.abspath(found.path) != os.path.abspath(recording.path):
        return clean.lines(_read(recording.path))
    parts = []
    for line in store.read(recording.thread_id):
        head = orjson.dumps({"timestamp": line.timestamp, "type": line.type})[:-1]
        parts.append(head + b',"payload":' + clean.data(line.payload.replace(b"\n", b" ")) + b"}\n")
    return b"".join(parts)


def _facts(invocation: Invocation, recording: Recording) -> dict[str, Any]:
    reports = invocation.plugins.reports(call_hooks=False)
    return {
        "schema": SCHEMA,
        "thread_id": recording.thread_id,
        "cwd": recording.cwd,
        "version": __version__,
        "plugins": {report.name: report.version for report in reports},
        "platform": platform_facts(invocation.environ),
        "recorded": dict(recording.trace.facts) if recording.trace is not None else None,
        "git": recording.meta.get("git"),
    }


def _readme(recording: Recording) -> str:
    traced = "with its trace" if recording.trace is not None else "without a trace: none was written"
    return (
        f"# Bug capsule of session {recording.thread_id}\n\n"
        f"A recorded session of codex, {traced}. Replay it in a scratch folder:\n\n"
        "    codex replay CAPSULE.tar.gz [--workspace DIR]\n\n"
        "- `rollout.jsonl`: what was said and done\n"
        "- `trace/`: requests, decisions, times, and the files that patches changed, as they were before\n"
        "- `config.json`: the effective configuration without its secrets\n"
        "- `capsule.json`: versions of plugins, facts of the platform\n\n"
        "Secrets that are known or look like secrets were taken out. That is a net and no proof: look it through.\n"
    )


def _write(output: str, members: Mapping[str, bytes]) -> None:
    fresh = f"{output}.{os.getpid()}"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file, tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o600
                archive.addfile(entry, io.BytesIO(data))
        os.replace(fresh, output)
    except BaseException:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"{path} cannot be read: {why}", path=path, operation="read") from error


# -- opening one ----------------------------------------------------------------------------------------


@contextmanager
def unpacked(path: str) -> Iterator[tuple[Recording, str, str]]:
    """A capsule's recording, a folder for its files (which the trace holds), and an empty home. Raises `UserError` for
    what is no capsule."""
    folder = tempfile.mkdtemp(prefix="codex-capsule-")
    try:
        _extract(path, folder)
        rollout = os.path.join(folder, "rollout.jsonl")
        if not os.path.isfile(rollout):
            raise UserError(f"{path} is no capsule: it holds no rollout", hint="codex bug-capsule ID makes one")
        with open(rollout, "rb") as file:
            recording = read_rollout(path, lines_of(file))
        trace = os.path.join(folder, "trace")
        for name in sorted(os.listdir(trace)) if os.path.isdir(trace) else ():
            if name.endswith(".jsonl"):
                add_trace(recording, os.path.join(trace, name), Blobs(trace))
        files, home = os.path.join(folder, "files"), os.path.join(folder, "home")
        os.mkdir(files)
        os.mkdir(home)
        yield recording, files, home
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extract(path: str, folder: str) -> None:
    """Write the members that a capsule has, and no others."""
    try:
        with tarfile.open(path, mode="r:gz") as archive:
            for entry in archive:
                if not entry.isfile() or not _MEMBER.fullmatch(entry.name):
                    continue
                opened = archive.extractfile(entry)
                if opened is None or entry.size > MAX_MEMBER_BYTES:
                    raise UserError(f"{path} is damaged: {entry.name} cannot be read")
                place = os.path.join(folder, entry.name)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                with open(place, "wb") as file:
                    shutil.copyfileobj(opened, file)
    except (OSError, tarfile.TarError, zlib.error, EOFError) as error:
        raise UserError(f"{path} cannot be read as a capsule: {error}") from error
