"""The real program `codex sandbox` with homes of its own, and the engines that are installed here."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("codex")
LIMIT_S = 30


@functools.cache
def engines() -> tuple[dict[str, str], dict[str, bytes]]:
    """Engine -> why it cannot be used here, empty for one that can; and the files that remember their proofs."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [str(PROGRAM), "sandbox", "status", "--json"],
            env={"PATH": os.environ.get("PATH", os.defpath), "CODEX_HOME": home, "HOME": home},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
        state = Path(home, "kernel", "sandbox")
        proofs = {path.name: path.read_bytes() for path in state.glob("*.json")}
    return {entry["name"]: entry["reason"] for entry in json.loads(done.stdout)["engines"]}, proofs


class Sandbox:
    """`codex sandbox` in a folder of its own, with one engine."""

    def __init__(self, root: Path, engine: str) -> None:
        self.engine = engine
        self.home, self.work = root / "home", root / "work"
        self.home.mkdir(mode=0o700)
        self.work.mkdir()
        state = self.home / "kernel" / "sandbox"
        state.mkdir(parents=True, mode=0o700)
        for name, content in engines()[1].items():
            (state / name).write_bytes(content)
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(root),
            "CODEX_HOME": str(self.home),
            "LANG": "C.UTF-8",
            "NAME_OF_TEST": "kept",
        }

    def argv(self, *words, options=(), program=PROGRAM):
        first = [str(program)] if "codex-linux-sandbox" in str(program) else [str(program), "sandbox"]
        engine = ["-c", f"sandbox.backend={self.engine}"] if self.engine else []
        return [*first, *engine, *options, "--", *words]

    @contextlib.contextmanager
    def start(self, *words, options=(), program=PROGRAM, **more):
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        more.setdefault("cwd", self.work)
        argv, env = self.argv(*words, options=options, program=program), {**self.env, **more.pop("env", {})}
        with subprocess.Popen(argv, env=env, **more) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def run(self, *words, stdin=None, **more):
        if stdin is not None:
            more["stdin"] = subprocess.PIPE
        with self.start(*words, **more) as process:
            out, err = process.communicate(stdin, timeout=LIMIT_S)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def said(self, done):
        """Stderr without the notice that an engine is weaker, which is not the command's."""
        lines = done.stderr.splitlines(keepends=True)
        return b"".join(line for line in lines if not line.startswith(b"warning: commands are confined by"))


@pytest.fixture(params=["bwrap", "landlock"])
def sandbox(request, tmp_path):
    """Once per engine that can be used here."""
    found, _ = engines()
    reason = found.get(request.param, "it is not installed")
    if reason:
        pytest.skip(f"the engine {request.param} cannot be used here: {reason}")
    return Sandbox(tmp_path, request.param)


@pytest.fixture
def any_sandbox(tmp_path):
    """With whatever engine is chosen; for what does not depend on it."""
    found, _ = engines()
    if all(found.values()):
        pytest.skip(f"no sandbox engine can be used here: {found or 'none is installed'}")
    return Sandbox(tmp_path, "")
