"""One `codex doctor`: the setup of the checks, their run, the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import (
    CheckSetup,
    CodexError,
    ConfigError,
    ConfigSources,
    ExitCode,
    Health,
    UserError,
    codex_home,
    load_config,
    split_override,
)

from .report import as_text, print_json
from .runner import run_checks

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


def run_doctor(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `CodexError` for a command line that is wrong."""
    plugins, environ = invocation.plugins, invocation.environ
    cwd = _folder(given.get("cwd") or invocation.flags.get("cwd"))
    setup = CheckSetup(
        codex_home=codex_home(environ),
        cwd=cwd,
        environ=environ,
        options=_options(invocation, given),
        plugins=plugins,
    )
    # All hooks are called here, once: the plugin manager is not made for several threads.
    plugins.reports()
    findings = run_checks(plugins.checks(), setup, given["timeout_s"])
    if given["as_json"]:
        print_json(findings, setup.codex_home)
    else:
        color = sys.stdout.isatty() and not environ.get("NO_COLOR")
        sys.stdout.write(as_text(findings, color=color, verbose=given["verbose"]))
        sys.stdout.flush()
    failed = any(found.finding.health is Health.FAILED for found in findings)
    return ExitCode.FAILED if failed else ExitCode.OK


def _options(invocation: Invocation, given: Mapping[str, Any]) -> Mapping[str, object]:
    """The configuration; empty where its files cannot be read, which the check `config` tells. Raises
    `ConfigError` where the command line is to blame."""
    home, environ = codex_home(invocation.environ), invocation.environ
    profile = given.get("profile") or invocation.flags.get("profile")
    texts = (*invocation.overrides, *given.get("overrides", ()))
    overrides = tuple(split_override(text) for text in texts)
    sources = ConfigSources(codex_home=home, overrides=overrides, profile=profile, environ=environ)
    try:
        return load_config(sources).data
    except ConfigError:
        load_config(sources.replace(ignore_user_config=True))
        try:
            load_config(ConfigSources(codex_home=home, environ=environ))
        except CodexError:
            return {}
        raise


def _folder(chosen: str | None) -> str:
    if chosen is None:
        try:
            return os.getcwd()
        except OSError as error:
            raise UserError(
                "the working directory is gone", hint="cd to a folder that exists, or name one with -C"
            ) from error
    path = os.path.abspath(os.path.expanduser(chosen))
    if not os.path.isdir(path):
        raise UserError(f"{path} is not a folder", hint="name one that exists with -C DIR")
    return path
