"""A whole thread in a test: real kernel, scripted model, any plugins, in-memory or real stores."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import anyio

from codex_kernel.plugins import PluginManager
from codex_plugin_sdk import (
    ConfigSources,
    Engine,
    Event,
    SandboxBackendSpec,
    Thread,
    ThreadOptions,
    Tool,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    UnconfinedBackend,
    UserTurn,
    base_context_sources,
    hookimpl,
    load_config,
)
from codex_plugin_sdk import (
    TextInput as _TextInput,
)

from .model import ScriptedModel

E = TypeVar("E")


def plugin(**hooks: Iterable[Any]) -> SimpleNamespace:
    """A plugin object from hook names and the specs they yield: `plugin(codex_tools=[ToolSpec(…)])`."""
    return SimpleNamespace(**{name: _hook(tuple(specs)) for name, specs in hooks.items()})


def _hook(specs: tuple[Any, ...]) -> Any:
    @hookimpl
    def implementation() -> tuple[Any, ...]:
        return specs

    return implementation


def manager(*plugins: object) -> PluginManager:
    """A plugin manager over these objects and the usual context sources; nothing installed is loaded."""
    base = plugin(codex_context_sources=base_context_sources())
    return PluginManager((), builtins={"context-base": base, **{f"test-{i}": p for i, p in enumerate(plugins)}})


class Harness:
    """An open thread with the means to drive it."""

    def __init__(self, thread: Thread, engine: Engine, model: ScriptedModel) -> None:
        self.thread = thread
        self.engine = engine
        self.model = model
        self.events: list[Event] = []

    async def turn(self, text: str = "go", **kwargs: Any) -> list[Event]:
        """Submit a user turn and collect its events up to its end."""
        await self.thread.submit(UserTurn(input=(_TextInput(text=text),), **kwargs))
        return await self.until(lambda m: isinstance(m, TurnCompleted | TurnFailed | TurnInterrupted))

    async def until(self, wanted: Callable[[Any], bool]) -> list[Event]:
        """Collect events up to and including the first whose message is wanted."""
        found: list[Event] = []
        while True:
            event = await self.thread.next_event()
            self.events.append(event)
            found.append(event)
            if wanted(event.msg):
                return found

    def of(self, kind: type[E]) -> list[E]:
        """All messages of a kind seen so far."""
        return [event.msg for event in self.events if isinstance(event.msg, kind)]

    def outputs(self) -> list[Any]:
        """The outputs of all calls in the history, in order."""
        return [e.item.output for e in self.thread.history.entries() if hasattr(e.item, "output")]


class QuietSource:
    """A tool source without tools, to be filled in: implements the `ToolSource` contract."""

    async def run(self) -> None:
        """Live as long as the thread."""
        await anyio.sleep_forever()

    async def ready(self) -> None:
        """There is nothing to wait for."""

    def tools(self) -> Sequence[Tool]:
        """None."""
        return ()

    async def inquire(self, method: str, params: Mapping[str, Any]) -> Any:
        """Nothing is known."""
        return None


@asynccontextmanager
async def open_thread(
    model: ScriptedModel,
    *plugins: object,
    home: str,
    cwd: str | None = None,
    config: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    extra: Sequence[object] = (),
    **options: Any,
) -> AsyncIterator[Harness]:
    """Open a thread over a scripted model. Without a store plugin it is ephemeral; `config` holds dotted
    keys, `options` those of `ThreadOptions`."""
    unconfined = SandboxBackendSpec(name="none", factory=lambda _: UnconfinedBackend(), confines=False)
    own = plugin(codex_model_providers=[model.spec()], codex_sandbox_backends=[unconfined])
    plugins = (*plugins, *extra, own)
    flags = {"model_provider": "scripted", "model": "test-model", **(config or {})}
    loaded = load_config(ConfigSources(codex_home=home, flags=flags))
    plugged = manager(*plugins)
    environ = environ if environ is not None else dict(os.environ)
    engine = Engine(config=loaded, plugins=plugged, environ=environ)
    stores = any(hasattr(p, "codex_stores") for p in plugins)
    options.setdefault("ephemeral", not stores)
    try:
        async with engine.open_thread(ThreadOptions(cwd=cwd or home, **options)) as thread:
            yield Harness(thread, engine, model)
    finally:
        plugged.close()
