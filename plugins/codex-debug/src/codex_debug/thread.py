"""A thread that is prepared as for a turn, and never speaks to anyone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Config, Engine, ThreadOptions, UserError
from codex_plugin_sdk.command_line import session_flags, working_folder

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation, ModelEvent, ModelProvider, ModelRequest, OpenedThread


class MutedProvider:
    """A provider without its way to the server: the kernel builds a request for it, and that is all."""

    def __init__(self, provider: ModelProvider) -> None:
        self.wrapped = provider
        self.model_info = provider.model_info
        self.aclose = provider.aclose

    def stream(self, request: ModelRequest) -> AsyncIterator[tuple[ModelEvent, ...]]:
        """Raises `UserError`: nothing is sent."""
        raise UserError(f"debug sends nothing to {request.model}")


def prepare(invocation: Invocation, given: Mapping[str, Any], cwd: str) -> tuple[OpenedThread, list[str]]:
    """The thread, ephemeral and muted, and the lifecycle plugins that were left out. The caller closes it.
    Raises what stands in the way of a first request: `UserError`, `PluginError`."""
    config = _config(invocation, given, cwd)
    left_out = _without_hooks(config, invocation)
    engine = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ)
    opened = engine.prepare(ThreadOptions(cwd=cwd, ephemeral=True))
    opened.state.provider = MutedProvider(opened.state.provider)
    opened.state.sources.forget()  # no server is started; their tools are no part of the input
    return opened, left_out


def _without_hooks(config: Config, invocation: Invocation) -> list[str]:
    """Take the tables of lifecycle plugins away, so that the thread starts no programs; who had one."""
    left_out = []
    for name, offer in invocation.plugins.lifecycle().items():
        tables = [table for table in offer.spec.tables if table in config.data]
        if tables:
            left_out.append(name)
        for table in tables:
            del config.data[table]
    return left_out


def _config(invocation: Invocation, given: Mapping[str, Any], cwd: str) -> Config:
    config = invocation.load_config(
        cwd=cwd,
        overrides=given["overrides"],
        profile=given["profile"],
        enable=given["enable"],
        disable=given["disable"],
    )
    for key, found in session_flags(invocation.flags, config, cwd).items():
        config.merge_key(key, found, "the command line")
    return config


def folder(invocation: Invocation, given: Mapping[str, Any]) -> str:
    """The working folder, absolute: of `-C`, else the present one. Raises `UserError` when that is gone."""
    return working_folder(given["cwd"] or invocation.flags.get("cwd"), must_exist=False)
