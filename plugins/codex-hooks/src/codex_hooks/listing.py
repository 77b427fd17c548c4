"""What `codex hooks list` prints."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk.hooks.handlers import Configured, Handler, read_configured

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation


def run_list(invocation: Invocation, given: Mapping[str, Any]) -> None:
    """Print the hooks. Raises `ConfigError`."""
    cwd = os.path.abspath(given["cwd"] or invocation.flags.get("cwd") or os.getcwd())
    config = invocation.load_config(cwd=cwd, overrides=given["overrides"], profile=given["profile"])
    configured = read_configured(config.data, config.origin)
    if given["as_json"]:
        found = {
            "version": 1,
            "hooks": [handler.as_dict() for handler in configured.handlers],
            "notify": list(configured.notify),
            "notices": list(configured.notices),
        }
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for line in as_text(configured, config.origin("notify")):
        click.echo(line)
    for notice in configured.notices:
        click.echo(f"warning: {notice}", err=True)


def as_text(configured: Configured, notify_place: str) -> Iterator[str]:
    """The listing for people."""
    event = ""
    for handler in configured.handlers:
        if handler.event != event:
            event = handler.event
            yield event
        yield from _handler_lines(handler)
    if configured.notify:
        yield "notify"
        yield f"  {' '.join(configured.notify)}"
        yield f"    {notify_place}"
    elif not configured.handlers:
        yield "No hooks are set. An example: codex hooks --help, and the README of codex-hooks."


def _handler_lines(handler: Handler) -> Iterator[str]:
    title = f"{handler.name}: {handler.command}" if handler.name else handler.command
    yield f"  {title}"
    if handler.description:
        yield f"    {handler.description}"
    when = f"matches {handler.matcher.text}" if handler.matcher.text not in ("", "*") else "matches all"
    failure = "block" if handler.blocks else "allow"
    yield f"    {when}; {handler.sandbox.value}; at most {handler.timeout_s} s; on_failure {failure}"
    yield f"    {handler.place}"
