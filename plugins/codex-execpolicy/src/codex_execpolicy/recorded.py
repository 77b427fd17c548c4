"""The commands of recorded sessions, read out of rollout files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from codex_plugin_sdk import ApprovalPolicy, ExitCode, SandboxMode, SandboxPolicy, UserError, Value, field, value

_ESCALATED = "require_escalated"
_PATCHES = ("apply_patch", "applypatch")


@value
class Command(Value):
    """A command that a model asked for, and what held when it did."""

    argv: tuple[str, ...]
    cwd: str
    escalated: bool = False
    approval: ApprovalPolicy = ApprovalPolicy.ON_REQUEST
    sandbox: SandboxPolicy = field(factory=SandboxPolicy)


class Recording:
    """Reads rollouts one line at a time and counts what cannot be read."""

    def __init__(self) -> None:
        self.sessions = 0
        self.broken_lines = 0

    def commands(self, paths: Sequence[str]) -> Iterator[Command]:
        """The commands of all files, in their order. Raises `UserError` for a file that cannot be opened."""
        for path in paths:
            self.sessions += 1
            yield from _Session(self, path).commands()


class _Session:
    def __init__(self, recording: Recording, path: str) -> None:
        self._recording, self._path = recording, path
        self._cwd = "/"
        self._approval = ApprovalPolicy.ON_REQUEST
        self._sandbox = SandboxPolicy()

    def commands(self) -> Iterator[Command]:
        try:
            with open(self._path, "rb") as file:
                for raw in file:
                    command = self._line(raw)
                    if command is not None:
                        yield command
        except OSError as error:
            raise UserError(f"{self._path} cannot be read: {error.strerror}", exit_code=ExitCode.STORE) from error

    def _line(self, raw: bytes) -> Command | None:
        if raw.isspace():
            return None
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError:
            line = None
        kind = line.get("type") if isinstance(line, dict) else None
        if not isinstance(kind, str):
            self._recording.broken_lines += 1
            return None
        payload = line.get("payload", line)  # the oldest files hold the items themselves
        if not isinstance(payload, dict):
            self._recording.broken_lines += 1
            return None
        if kind in ("session_meta", "turn_context"):
            self._circumstances(payload)
            return None
        if kind == "response_item":
            kind = payload.get("type", "")
        try:
            return self._call(kind, payload)
        except (KeyError, TypeError, ValueError):
            self._recording.broken_lines += 1
            return None

    def _circumstances(self, payload: Mapping[str, Any]) -> None:
        cwd = payload.get("cwd")
        if isinstance(cwd, str) and cwd.startswith("/"):
            self._cwd = cwd
        approval = payload.get("approval_policy")
        if isinstance(approval, str) and approval in set(ApprovalPolicy):
            self._approval = ApprovalPolicy(approval)
        elif isinstance(approval, Mapping):
            self._approval = ApprovalPolicy.GRANULAR
        sandbox = payload.get("sandbox_policy")
        if isinstance(sandbox, Mapping):
            self._sandbox = _sandbox(sandbox)

    def _call(self, kind: str, item: Mapping[str, Any]) -> Command | None:
        if kind == "local_shell_call":
            action = item["action"]
            return self._command(_words(action["command"]), action.get("working_directory"), action)
        if kind != "function_call" or item.get("name") not in ("exec_command", "shell", "shell_command", "local_shell"):
            return None
        given = orjson.loads(item["arguments"])
        argv: tuple[str, ...]
        if "cmd" in given:
            script = _text(given["cmd"])
            shell = given.get("shell")
            argv = (shell if isinstance(shell, str) and shell else "bash", "-lc", script)
        elif isinstance(given["command"], str):
            argv = ("bash", "-lc", given["command"])
        else:
            argv = _words(given["command"])
        return self._command(argv, given.get("workdir"), given)

    def _command(self, argv: tuple[str, ...], workdir: object, given: Mapping[str, Any]) -> Command | None:
        if _is_patch(argv):
            return None
        cwd = os.path.normpath(os.path.join(self._cwd, workdir)) if isinstance(workdir, str) else self._cwd
        escalated = given.get("sandbox_permissions") == _ESCALATED or given.get("with_escalated_permissions") is True
        return Command(argv=argv, cwd=cwd, escalated=escalated, approval=self._approval, sandbox=self._sandbox)


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError("not a string")
    return given


def _words(given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or not given:
        raise TypeError("not a list of words")
    return tuple(_text(word) for word in given)


def _is_patch(argv: tuple[str, ...]) -> bool:
    script = argv[2].lstrip() if len(argv) == 3 and argv[1] in ("-lc", "-c") else ""
    return argv[0] in _PATCHES or script.startswith(_PATCHES)


def _sandbox(given: Mapping[str, Any]) -> SandboxPolicy:
    mode = given.get("type", given.get("mode"))
    if mode not in set(SandboxMode):
        return SandboxPolicy()
    roots = given.get("writable_roots", ())
    return SandboxPolicy(
        mode=SandboxMode(mode),
        writable_roots=tuple(root for root in roots if isinstance(root, str)) if isinstance(roots, list) else (),
        network_access=given.get("network_access") is True,
        exclude_tmpdir_env_var=given.get("exclude_tmpdir_env_var") is True,
        exclude_slash_tmp=given.get("exclude_slash_tmp") is True,
    )


def rollout_paths(codex_home: str, named: Sequence[str]) -> list[str]:
    """The files that are meant: each name is a file, a folder of `.jsonl` files, or the beginning of a thread id;
    without any name all sessions of the home, archived ones too. Raises `UserError` for what is not there."""
    if not named:
        folders = [os.path.join(codex_home, name) for name in ("sessions", "archived_sessions")]
        return [path for folder in folders for path in _below(folder)]
    found: list[str] = []
    for name in named:
        path = os.path.expanduser(name)
        if os.path.isdir(path):
            paths = _below(path)
        elif os.path.lexists(path):
            paths = [path]
        else:
            paths = _of_thread(codex_home, name)
        if not paths:
            raise UserError(
                f"there is no session {name!r}",
                hint="name a rollout file, a folder of them, or a thread id",
                exit_code=ExitCode.USAGE,
            )
        found += paths
    return list(dict.fromkeys(found))


def _below(folder: str) -> list[str]:
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.join(place, name) for name in sorted(names) if name.endswith(".jsonl")]
    return found


def _of_thread(codex_home: str, id: str) -> list[str]:
    if not id or "/" in id:
        return []
    begin = len("rollout-YYYY-MM-DDTHH-MM-SS-")
    return [path for path in rollout_paths(codex_home, ()) if os.path.basename(path)[begin:].startswith(id)]
