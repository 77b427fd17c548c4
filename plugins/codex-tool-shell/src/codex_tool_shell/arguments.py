"""What the model sends, checked. Unknown members are ignored and null counts as absent: models send both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from codex_plugin_sdk import AdditionalPermissions, ToolFailed, Value, value

T = TypeVar("T")

SANDBOX_PERMISSIONS = ("use_default", "require_escalated")
WITH_ADDITIONAL = "with_additional_permissions"


@value
class ExecArguments(Value):
    """Arguments of `exec_command`; None where the model left the choice to us."""

    cmd: str
    workdir: str | None = None
    shell: str | None = None
    login: bool | None = None
    tty: bool = False
    yield_time_ms: int | None = None
    max_output_tokens: int | None = None
    escalated: bool = False
    justification: str = ""
    prefix_rule: tuple[str, ...] = ()
    additional: AdditionalPermissions | None = None


@value
class WriteArguments(Value):
    """Arguments of `write_stdin`."""

    session_id: int
    chars: str = ""
    yield_time_ms: int | None = None
    max_output_tokens: int | None = None


def parse_exec(raw: Mapping[str, Any]) -> ExecArguments:
    """Arguments of `exec_command`. Raises `ToolFailed` for a wrong type or value."""
    permissions = _text(raw, "sandbox_permissions") or SANDBOX_PERMISSIONS[0]
    known = (*SANDBOX_PERMISSIONS, WITH_ADDITIONAL)
    if permissions not in known:
        raise _bad("sandbox_permissions", f"one of {', '.join(known)}", permissions)
    return ExecArguments(
        cmd=_required(raw, "cmd", _text(raw, "cmd")),
        workdir=_text(raw, "workdir") or None,
        shell=_text(raw, "shell") or None,
        login=_flag(raw, "login"),
        tty=_flag(raw, "tty") or False,
        yield_time_ms=_count(raw, "yield_time_ms"),
        max_output_tokens=_count(raw, "max_output_tokens"),
        escalated=permissions == "require_escalated",
        justification=_text(raw, "justification") or "",
        prefix_rule=_texts(raw, "prefix_rule"),
        additional=_additional(raw) if permissions == WITH_ADDITIONAL else None,
    )


def _additional(raw: Mapping[str, Any]) -> AdditionalPermissions:
    """`additional_permissions = {network: {enabled}, file_system: {read: [...], write: [...]}}`."""
    name = "additional_permissions"
    found = _member(raw, name)
    network, files = _member(found, "network"), _member(found, "file_system")
    writable, readable = _texts(files, "write"), _texts(files, "read")
    for path in (*writable, *readable):
        if not path.startswith("/"):
            raise _bad(name, "given with absolute paths", path)
    extra = AdditionalPermissions(
        writable_roots=writable, readable_roots=readable, network_access=_flag(network, "enabled") or False
    )
    if not extra:
        raise _bad(name, "an object that names network or file_system permissions", raw.get(name))
    return extra


def _member(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise _bad(name, "an object", found)
    return found


def parse_write(raw: Mapping[str, Any]) -> WriteArguments:
    """Arguments of `write_stdin`. Raises `ToolFailed` for a wrong type or value."""
    return WriteArguments(
        session_id=_required(raw, "session_id", _integer(raw, "session_id")),
        chars=_text(raw, "chars") or "",
        yield_time_ms=_count(raw, "yield_time_ms"),
        max_output_tokens=_count(raw, "max_output_tokens"),
    )


def _bad(name: str, wanted: str, got: object) -> ToolFailed:
    shown = json.dumps(got, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}…"
    return ToolFailed(f"failed to parse function arguments: `{name}` must be {wanted}, not {shown}")


def _required(raw: Mapping[str, Any], name: str, parsed: T | None) -> T:
    if parsed is not None:
        return parsed
    if name in raw:
        raise _bad(name, "given", None)
    raise ToolFailed(f"failed to parse function arguments: missing field `{name}`")


def _text(raw: Mapping[str, Any], name: str) -> str | None:
    found = raw.get(name)
    if found is None or (isinstance(found, str) and "\0" not in found):
        return found
    raise _bad(name, "a string without NUL characters" if isinstance(found, str) else "a string", found)


def _texts(raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = raw.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise _bad(name, "an array of strings", found)
    return tuple(found)


def _flag(raw: Mapping[str, Any], name: str) -> bool | None:
    found = raw.get(name)
    if found is None or isinstance(found, bool):
        return found
    raise _bad(name, "true or false", found)


def _integer(raw: Mapping[str, Any], name: str) -> int | None:
    """The schema says "number", so that 1000.0 is an integer as well."""
    found = raw.get(name)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    if found is None or (isinstance(found, int) and not isinstance(found, bool)):
        return found
    raise _bad(name, "an integer", found)


def _count(raw: Mapping[str, Any], name: str) -> int | None:
    found = _integer(raw, name)
    if found is not None and found < 0:
        raise _bad(name, "0 or more", found)
    return found
