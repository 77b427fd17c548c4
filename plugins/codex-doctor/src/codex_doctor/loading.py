"""The configuration for the checks: as a session would have it, and as much of it as there is where that fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import (
    CodexError,
    Config,
    ConfigError,
    ConfigSources,
    Value,
    codex_home,
    load_config,
    split_override,
    value,
)
from codex_plugin_sdk.command_line import session_flags

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

_NOWHERE = os.path.join(os.devnull, "none")  # below a file: nothing can be there


@value
class Loaded(Value):
    """What came of it: the configuration or the problem, and the merged table as far as there is one."""

    config: Config | None = None
    problem: CodexError | None = None
    options: Mapping[str, Any]


def load(invocation: Invocation, given: Mapping[str, Any], cwd: str) -> Loaded:
    """All layers for a folder, options of the command line over them. What is wrong with files is in the result;
    raises `ConfigError` only where the command line is to blame."""
    overrides: Sequence[str] = given.get("overrides", ())
    profile = given.get("profile") or invocation.flags.get("profile")
    pairs = tuple(split_override(text) for text in (*invocation.overrides, *overrides))
    alone = ConfigSources(codex_home=_NOWHERE, system_dir=_NOWHERE, overrides=pairs, profile=profile)
    from_command_line = load_config(alone)
    try:
        config = invocation.load_config(cwd=cwd, overrides=overrides, profile=profile)
        for key, found in session_flags(invocation.flags, config, cwd).items():
            config.merge_key(key, found, "the command line")
    except CodexError as problem:
        home, environ = codex_home(invocation.environ), invocation.environ
        files = alone.replace(codex_home=home, environ=environ)
        return Loaded(problem=problem, options=_readable(files, from_command_line))
    return Loaded(config=config, options=config.data)


def _readable(files: ConfigSources, from_command_line: Config) -> Mapping[str, Any]:
    """What the user's own files say if they can be read, else what the command line says."""
    try:
        return load_config(files).data
    except ConfigError:
        return from_command_line.data


def in_time(work: Callable[[], Loaded], timeout_s: float, options: Mapping[str, Any]) -> Loaded:
    """What `work` gives or raises; a problem with `options` if it takes longer: a dead disk or a server that a
    source asks must not keep the other checks from being made."""
    import threading

    outcome: list[Loaded | BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            outcome.append(error)

    thread = threading.Thread(target=run, name="configuration", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not outcome:
        hint = "is a disk or a server gone that it is read from? --no-plugin NAME leaves a source of it out"
        problem = CodexError(f"the configuration could not be read within {timeout_s:g} s", hint=hint)
        return Loaded(problem=problem, options=options)
    (found,) = outcome
    if isinstance(found, BaseException):
        raise found
    return found
