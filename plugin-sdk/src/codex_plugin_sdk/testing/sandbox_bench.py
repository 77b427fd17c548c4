"""The place in which a case of the sandbox kit is tried: folders, a home, victims, and a backend to run commands."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib import resources
from typing import Any

import anyio
import orjson

from codex_plugin_sdk import ExecRequest, Process, SandboxBackend, SandboxMode, SandboxPolicy, Value, value

from .sandbox_cases import Verdicts
from .sandbox_probe import BEGINS

PATIENCE_S = 30.0
"""How long one command may take."""

_LOADER = """
import sys, types
for name in ("codex_plugin_sdk", "codex_plugin_sdk.testing"):
    sys.modules[name] = types.ModuleType(name)
for name, text in zip(("sandbox_probe", "attacks"), sys.argv[2:]):
    module = sys.modules["codex_plugin_sdk.testing." + name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["codex_plugin_sdk.testing.sandbox_probe"].main()
"""


@value
class Ended(Value):
    """A command that has run to its end, with everything that it started."""

    code: int
    output: bytes

    @property
    def text(self) -> str:
        """The output."""
        return self.output.decode(errors="surrogateescape")


@value
class Outcome(Value):
    """What an attack says of itself: `done`, `refused`, `hung` or `crashed`."""

    fate: str
    detail: str = ""


@cache
def interpreter() -> str:
    """A Python that this user may run inside a sandbox; empty if there is none."""
    known = [sys.executable, *(shutil.which(name, path="/usr/bin:/usr/local/bin:/bin") or "" for name in ("python3",))]
    return next((path for path in known if path and os.access(os.path.realpath(path), os.R_OK | os.X_OK)), "")


@cache
def _source(name: str) -> str:
    return (resources.files("codex_plugin_sdk.testing") / f"{name}.py").read_text("utf-8")


def load_sources() -> None:
    """Read the probes now, for a process that may not be able to read them later."""
    for name in ("files", "reads", "processes", "network", "kernel", "holders"):
        _source(f"sandbox_probe_{name}")
    _source("sandbox_probe")


class Bench:
    """One scenario's place. `folder` holds everything, `workspace` is the commands' folder, `outside` is not theirs."""

    def __init__(self, backend: SandboxBackend, mode: SandboxMode, folder: str, traits: Mapping[str, Any]) -> None:
        self.backend = backend
        self.mode = mode
        self.folder = folder
        self.traits = traits
        self.mark = f"codex-kit-{os.urandom(6).hex()}"
        self.secret = f"secret{os.urandom(8).hex()}"
        self.workspace = self.made("workspace")
        self.outside = self.made("outside")
        self.home = self.made("home")

    @property
    def writes(self) -> bool:
        """Whether the workspace may be written."""
        return self.mode is SandboxMode.WORKSPACE_WRITE

    # -- folders and files -----------------------------------------------------------------------------

    def made(self, *names: str) -> str:
        """A folder, made if it is not there."""
        path = os.path.join(self.folder, *names)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, content: str, *names: str, mode: int = 0o644) -> str:
        """A file with its folders."""
        path = os.path.join(self.folder, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def victims(self, ids: Iterable[str], *names: str) -> dict[str, str]:
        """A folder for each id, with a file, a secret, a folder and an attribute of its own."""
        found = {}
        for id in ids:
            folder = self.made(*names, id)
            for name, content in (("file", "as it was"), ("secret", self.secret), ("deep/key.pem", self.secret)):
                self.write(content, folder, name)
            os.makedirs(os.path.join(folder, "empty"))
            found[id] = folder
        return found

    # -- commands --------------------------------------------------------------------------------------

    def policy(self, **changes: Any) -> SandboxPolicy:
        """The mode with nothing writable but the workspace."""
        kept: dict[str, Any] = {"exclude_slash_tmp": True, "exclude_tmpdir_env_var": True, **changes}
        return SandboxPolicy(mode=self.mode, **kept)

    def request(self, *argv: str, env: Mapping[str, str] | None = None, **options: Any) -> ExecRequest:
        """A command with a plain environment, in the workspace."""
        environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": self.home, "LANG": "C.UTF-8", **(env or {})}
        return ExecRequest(**{"argv": argv, "cwd": self.workspace, "env": environ, **options})

    @asynccontextmanager
    async def running(self, request: ExecRequest, policy: SandboxPolicy | None = None) -> AsyncIterator[Process]:
        """A command that is ended at the end, with a limit of time."""
        with anyio.fail_after(PATIENCE_S):
            process = await self.backend.spawn(request, self.policy() if policy is None else policy)
            try:
                yield process
            finally:
                await process.kill_tree()

    async def ended(self, request: ExecRequest, policy: SandboxPolicy | None = None) -> Ended:
        """Run a command to its end."""
        async with self.running(request, policy) as process:
            output = await read_all(process)
            return Ended(code=await process.wait(), output=output)

    async def run(self, *argv: str, policy: SandboxPolicy | None = None, **options: Any) -> Ended:
        """Run a command to its end."""
        return await self.ended(self.request(*argv, **options), policy)

    async def sh(self, script: str, *words: str, policy: SandboxPolicy | None = None, **options: Any) -> Ended:
        """Run a shell script; `words` are its $1 and so on."""
        return await self.run("/bin/sh", "-c", script, "sh", *words, policy=policy, **options)

    def python(self, script: str, *words: str) -> tuple[str, ...]:
        """The command that runs a Python script inside."""
        return (interpreter(), "-I", "-S", "-c", script, *words)

    # -- attacks ---------------------------------------------------------------------------------------

    def probe(self, module: str, attacks: Mapping[str, str], **given: Any) -> tuple[str, ...]:
        """The command that runs attacks of a probe module: which function is tried for which case."""
        words = {"attacks": [*attacks.items()], "workspace": self.workspace, "mark": self.mark, **given}
        sources = (_source("sandbox_probe"), _source(f"sandbox_probe_{module}"))
        return self.python(_LOADER, orjson.dumps(words).decode(), *sources)

    async def attack(
        self,
        module: str,
        attacks: Mapping[str, str],
        *,
        policy: SandboxPolicy | None = None,
        options: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> dict[str, Outcome]:
        """Run attacks in one command; `given` is what they are told, `options` are those of the request."""
        if not attacks:
            return {}
        ended = await self.run(*self.probe(module, attacks, **given), policy=policy, **(options or {}))
        return self.outcomes(attacks, ended)

    def outcomes(self, attacks: Iterable[str], ended: Ended) -> dict[str, Outcome]:
        """What a command of attacks told."""
        told: dict[str, Outcome] = {}
        for line in ended.text.split("\n"):
            _, marked, rest = line.partition(BEGINS)
            if marked:
                name, fate, detail = orjson.loads(rest)
                told[name] = Outcome(fate=fate, detail=detail)
        missing = f"it did not run: status {ended.code}, {ended.text[-300:]!r}"
        return {name: told.get(name, Outcome(fate="crashed", detail=missing)) for name in attacks}

    def judge(self, say: Verdicts, outcomes: Mapping[str, Outcome], **faults: Mapping[str, str]) -> None:
        """Say of each attack whether it failed as it should. `faults` are what was seen outside, by case."""
        for id, outcome in outcomes.items():
            seen = [f"{what}: {found[id]}" for what, found in faults.items() if found.get(id)]
            say(id, self.fault(outcome), *seen)

    def fault(self, outcome: Outcome) -> str:
        """What is wrong with an outcome, for an attack that must be refused."""
        if self.secret in outcome.detail:
            return f"it got the secret: {outcome.detail[:200]}"
        if outcome.fate == "refused":
            return ""
        return f"the attack {'worked' if outcome.fate == 'done' else outcome.fate}: {outcome.detail[:300]}"


async def read_all(process: Process) -> bytes:
    """All output of a process."""
    parts = []
    while part := await process.read():
        parts.append(part)
    return b"".join(parts)


def made_folder() -> str:
    """A folder of its own, by its real path."""
    return os.path.realpath(tempfile.mkdtemp(prefix="codex-kit-"))


@asynccontextmanager
async def open_bench(backend: SandboxBackend, mode: SandboxMode, traits: Mapping[str, Any]) -> AsyncIterator[Bench]:
    """A fresh place, removed at the end."""
    folder = made_folder()
    try:
        yield Bench(backend, mode, folder, traits)
    finally:
        remove(folder)


def remove(folder: str) -> None:
    """Remove a folder whatever the modes of what is in it."""

    def again(function: Any, path: str, _: object) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
        function(path) if function is not os.scandir else shutil.rmtree(path)

    shutil.rmtree(folder, onerror=again)


# -- what is seen outside --------------------------------------------------------------------------------


def snapshot(folder: str) -> dict[str, tuple[object, ...]]:
    """All that can be changed about a folder and what is in it, by path."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            path = os.path.join(place, name)
            found[os.path.normpath(path)] = _state(path)
    return found


def _state(path: str) -> tuple[object, ...]:
    status = os.lstat(path)
    content: object = None
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = file.read()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    kept = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, size, status.st_mtime_ns, status.st_ctime_ns)
    return (*kept, content)


def difference(before: Mapping[str, tuple[object, ...]], after: Mapping[str, tuple[object, ...]]) -> str:
    """What has changed between two snapshots, in words; empty if nothing."""
    words = [f"{path} is new" for path in after if path not in before]
    words += [f"{path} is gone" for path in before if path not in after]
    words += [f"{path} has changed" for path in before if path in after and after[path] != before[path]]
    return ", ".join(words[:4])


def snapshots(folders: Mapping[str, str]) -> dict[str, dict[str, tuple[object, ...]]]:
    """Of each case's folder."""
    return {id: snapshot(folder) for id, folder in folders.items()}


def differences(before: Mapping[str, Mapping[str, tuple[object, ...]]], folders: Mapping[str, str]) -> dict[str, str]:
    """What has changed in each case's folder; cases of which nothing has are left out."""
    found = {id: difference(before[id], snapshot(folder)) for id, folder in folders.items()}
    return {id: words for id, words in found.items() if words}


def expect(condition: object, words: str) -> str:
    """A fault unless the condition holds."""
    return "" if condition else words


def equal(found: object, wanted: object) -> str:
    """A fault unless both are equal."""
    return "" if found == wanted else f"expected {_short(wanted)}, got {_short(found)}"


def _short(thing: object) -> str:
    text = repr(thing)
    return text if len(text) < 300 else f"{text[:140]}...{text[-140:]}"


def missing_words(found: Sequence[str], wanted: Sequence[str]) -> str:
    """A fault that names what is missing."""
    missing = [word for word in wanted if word not in found]
    return f"missing: {', '.join(missing)}" if missing else ""
