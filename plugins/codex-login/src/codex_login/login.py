"""Storing and removing the key. What is told goes to stderr, and never holds the key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import AuthenticationFailed, ExitCode, UserError
from codex_plugin_sdk.credentials import (
    KEY_VARIABLES,
    METHOD_SETTING,
    METHODS,
    STORE_SETTING,
    STORES,
    checked_key,
    delete_credential,
    require_api_key_login,
    save_credential,
)

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation

MAX_KEY_BYTES = 16 * 1024
_PIPE_IT = "pipe the key: printenv OPENAI_API_KEY | codex login --with-api-key"
_ABSENT = {
    "device_auth": "signing in with a device code is not available in this build",
    "with_access_token": "signing in with an access token is not available in this build",
}


def run_login(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `codex login`; returns the exit code. Raises `UserError` and `ConfigError`."""
    _refuse_absent(given)
    config = configuration(invocation, given)
    store = store_of(config)
    if store == "ephemeral":
        raise UserError(
            f'`{STORE_SETTING}` is "ephemeral": a key would be forgotten when this command ends.',
            hint="set OPENAI_API_KEY in the environment, or choose file, keyring or auto",
            exit_code=ExitCode.FAILED,
        )
    with for_the_person():
        require_api_key_login(config.data)
        key = _key_of_stdin() if given["with_api_key"] and not _is_terminal() else _key_of_person()
        saved = save_credential(config.codex_home, checked_key(key, "the input"), store)
    tell(saved.notices)
    say(f"API key saved in {saved.credential.where}. It is checked when a request is sent.")
    _tell_of_environment(invocation.environ, "counts before the stored key")
    return ExitCode.OK


def run_logout(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `codex logout`; returns the exit code. Raises `UserError` and `ConfigError`."""
    config = configuration(invocation, given)
    with for_the_person():
        removed = delete_credential(config.codex_home, store_of(config))
    tell(removed.notices)
    say(f"Successfully logged out (removed: {', '.join(removed.places)})" if removed.places else "Not logged in")
    _tell_of_environment(invocation.environ, "is still set, and counts")
    return ExitCode.OK


def configuration(invocation: Invocation, given: Mapping[str, Any]) -> Config:
    """The configuration without a project's: none may say where keys are kept."""
    return invocation.load_config(
        cwd=None,
        overrides=given["overrides"],
        profile=given["profile"],
        enable=given["enable"],
        disable=given["disable"],
    )


def store_of(config: Config) -> str:
    """Where credentials are kept. Raises `ConfigError` with the place of a bad value, also of the login method."""
    if config.get(METHOD_SETTING, str) is not None:
        config.choice(METHOD_SETTING, METHODS, METHODS[0])
    return config.choice(STORE_SETTING, STORES, STORES[0])


def say(text: str) -> None:
    """One line to the person."""
    sys.stderr.write(text + "\n")


def tell(warnings: Iterable[str]) -> None:
    """What the person should know besides."""
    for warning in warnings:
        say(f"warning: {warning}")


@contextmanager
def for_the_person() -> Iterator[None]:
    """A login that fails is the person's to mend, and ends with 1 as in Codex."""
    try:
        yield
    except AuthenticationFailed as error:
        raise UserError(error.message, hint=error.hint, exit_code=ExitCode.FAILED) from error


def _refuse_absent(given: Mapping[str, Any]) -> None:
    if given["api_key"] is not None:
        raise UserError(
            "--api-key is not taken any more: other users of the machine can see what is on a command line.",
            hint=_PIPE_IT,
            exit_code=ExitCode.FAILED,
        )
    for name, reason in _ABSENT.items():
        if given[name]:
            raise UserError(f"--{name.replace('_', '-')}: {reason}.", hint=_PIPE_IT, exit_code=ExitCode.FAILED)


def _is_terminal() -> bool:
    try:
        return os.isatty(0)
    except OSError:
        return False


def _key_of_stdin() -> str:
    """The key in stdin: one line, with or without its end. Raises `AuthenticationFailed`."""
    try:
        raw = sys.stdin.buffer.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise AuthenticationFailed(f"stdin cannot be read: {error.strerror}.", hint=_PIPE_IT) from error
    if len(raw) > MAX_KEY_BYTES:
        raise AuthenticationFailed(f"stdin holds more than {MAX_KEY_BYTES >> 10} KiB, which no key does.")
    line = raw.removesuffix(b"\n").removesuffix(b"\r")
    if not line.strip():
        raise AuthenticationFailed("stdin holds no key.", hint=_PIPE_IT)
    if b"\n" in line or b"\r" in line:
        raise AuthenticationFailed("stdin holds several lines; a key is one.")
    try:
        return line.decode("ascii").strip(" \t")
    except UnicodeDecodeError:
        raise AuthenticationFailed("stdin holds characters that no key has.") from None  # it would quote them


def _key_of_person() -> str:
    """The key, typed without echo. Raises `AuthenticationFailed` where nobody can type it."""
    if not _is_terminal():
        raise AuthenticationFailed("stdin is no terminal, so that the key cannot be asked for.", hint=_PIPE_IT)
    import getpass
    import warnings

    say("Signing in with a browser is not available in this build; an API key is.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would go on, and show what is typed
        try:
            key = getpass.getpass("API key (it is not shown): ")
        except getpass.GetPassWarning as error:
            raise AuthenticationFailed("this terminal cannot hide what is typed.", hint=_PIPE_IT) from error
        except EOFError:
            key = ""
    if not key.strip():
        raise AuthenticationFailed("no key was given.", hint=_PIPE_IT)
    return key.strip()


def _tell_of_environment(environ: Mapping[str, str], what: str) -> None:
    for name in KEY_VARIABLES:
        if environ.get(name, "").strip():
            say(f"note: the environment variable {name} {what}")
