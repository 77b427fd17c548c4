"""`codex login status`: which key counts, where it is, and what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import AuthenticationFailed, ExitCode, Value, value
from codex_plugin_sdk.credentials import (
    Credential,
    auth_file,
    exposed_mode,
    has_chatgpt_tokens,
    load_credential,
    require_api_key_login,
)

from .login import configuration, say, store_of, tell

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

SCHEMA_VERSION = 1


@value
class LoginState(Value):
    """What was found. `problem` and `cure` say why a key that may be there does not count."""

    store: str
    credential: Credential | None = None
    problem: str = ""
    cure: str = ""
    warnings: tuple[str, ...] = ()


def login_state(codex_home: str, store: str, options: Mapping[str, Any], environ: Mapping[str, str]) -> LoginState:
    """Look at every place; changes nothing and raises nothing of what is wrong there."""
    state = LoginState(store=store, warnings=_warnings(codex_home, store))
    try:
        found = load_credential(codex_home, store, environ)
        if found is not None:
            require_api_key_login(options)
        if found is None and store in ("file", "auto") and has_chatgpt_tokens(codex_home):
            return state.replace(
                problem=f"{auth_file(codex_home)} holds a ChatGPT sign-in, which this build cannot use.",
                cure="store an API key: codex login --with-api-key",
            )
    except AuthenticationFailed as error:
        return state.replace(problem=error.message, cure=error.hint)
    return state.replace(credential=found)


def run_status(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `ConfigError`."""
    config = configuration(invocation, given)
    state = login_state(config.codex_home, store_of(config), config.data, invocation.environ)
    if given["as_json"]:
        _print_json(state)
    else:
        _print_text(state)
    return ExitCode.OK if state.credential is not None else ExitCode.FAILED


def _print_text(state: LoginState) -> None:
    found = state.credential
    say("Not logged in" if found is None else f"API key configured - {found.masked} ({found.where})")
    if state.problem:
        say(f"error: {state.problem}" + (f"\n  hint: {state.cure}" if state.cure else ""))
    tell(state.warnings)


def _print_json(state: LoginState) -> None:
    import json

    found = state.credential
    whole = {
        "schema_version": SCHEMA_VERSION,
        "logged_in": found is not None,
        "method": "api_key" if found else None,
        "source": found.source if found else None,
        "place": found.place if found else None,
        "key": found.masked if found else None,
        "store": state.store,
        "problem": state.problem or None,
        "cure": state.cure or None,
        "warnings": list(state.warnings),
    }
    sys.stdout.write(json.dumps(whole) + "\n")
    sys.stdout.flush()


def _warnings(codex_home: str, store: str) -> tuple[str, ...]:
    mode = exposed_mode(codex_home)
    if mode is None or store == "ephemeral":
        return ()
    path = auth_file(codex_home)
    return (f"{path} is open to others (mode {mode:04o}); chmod 600 {path}",)
