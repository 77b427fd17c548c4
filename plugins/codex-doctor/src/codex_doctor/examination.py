"""One `codex doctor`: the setup of the checks, their run, the report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode, Health, codex_home
from codex_plugin_sdk.command_line import working_folder

from .examined import Examined
from .loading import in_time, load
from .report import as_summary, as_text, print_json
from .runner import run_checks
from .secrecy import redactor

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

LOAD_TIMEOUT_S = 10.0


def run_doctor(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out the command; returns the exit code. Raises `CodexError` for a command line that is wrong."""
    plugins, environ = invocation.plugins, invocation.environ
    cwd = working_folder(given.get("cwd") or invocation.flags.get("cwd"))
    # All hooks are called here, once: the plugin manager is not made for several threads.
    plugins.reports()
    timeout_s = min(given["timeout_s"], LOAD_TIMEOUT_S)
    loaded = in_time(lambda: load(invocation, given, cwd), timeout_s, {})
    setup = Examined(
        codex_home=codex_home(environ),
        cwd=cwd,
        environ=environ,
        options=loaded.options,
        plugins=plugins,
        config=loaded.config,
        problem=loaded.problem,
        offline=given["offline"],
    )
    redact = redactor(environ, loaded.options)
    found = run_checks(plugins.checks(), setup, given["timeout_s"])
    findings = [entry.replace(finding=redact(entry.finding)) for entry in found]
    if given["as_json"]:
        print_json(findings, setup.codex_home)
    else:
        color = sys.stdout.isatty() and not environ.get("NO_COLOR")
        shown = as_summary if given["summary"] else as_text
        sys.stdout.write(shown(findings, color=color, verbose=given["verbose"]))
        sys.stdout.flush()
    failed = any(entry.finding.health is Health.FAILED for entry in findings)
    return ExitCode.FAILED if failed else ExitCode.OK
