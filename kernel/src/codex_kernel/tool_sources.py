"""Tools that are found while a thread runs, beside those that it has from its start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from .contracts.model import ToolDefinition
from .contracts.tool import Tool, ToolSource
from .errors import CodexError
from .log import logger
from .protocol.events import Notice

if TYPE_CHECKING:
    import anyio

    from .protocol.events import EventMsg


class ToolSources:
    """The tool sources of one thread; false where it has none."""

    def __init__(self, made: Sequence[tuple[str, ToolSource]], tell: Callable[[EventMsg], None]) -> None:
        self._sources = dict(made)
        self._tell = tell
        self._scope: anyio.CancelScope | None = None

    def __bool__(self) -> bool:
        return bool(self._sources)

    def __getitem__(self, name: str) -> ToolSource:
        return self._sources[name]

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    @property
    def immediate(self) -> bool:
        """Whether all tools are known from the start."""
        return all(getattr(source, "immediate", False) for source in self._sources.values())

    async def run(self) -> None:
        """Let the sources work until `stop`."""
        import anyio

        with anyio.CancelScope() as self._scope:
            async with anyio.create_task_group() as tasks:
                for name in list(self._sources):
                    tasks.start_soon(self._run_one, name)

    async def _run_one(self, name: str) -> None:
        try:
            await self._sources[name].run()
        except Exception as error:  # noqa: BLE001 - the thread goes on without its tools, and it is said
            self._drop(name, error)

    def forget(self) -> None:
        """Do without them. Before they run."""
        self._sources.clear()

    def stop(self) -> None:
        """End them."""
        if self._scope is not None:
            self._scope.cancel()

    async def ready(self) -> None:
        """Wait until all may be asked. Raises the `CodexError` of one without which the turn must not go on."""
        import anyio

        problems: list[CodexError] = []

        async def wait(name: str) -> None:
            try:
                await self._sources[name].ready()
            except CodexError as error:
                problems.append(error)
            except Exception as error:  # noqa: BLE001 - as above
                self._drop(name, error)

        async with anyio.create_task_group() as tasks:
            for name in list(self._sources):
                tasks.start_soon(partial(wait, name))
        if problems:
            raise problems[0]

    def _drop(self, name: str, error: Exception) -> None:
        if self._sources.pop(name, None) is not None:
            text = f"the tools of {name} are gone: {type(error).__name__}: {error}"
            logger().error(text, exc_info=error)
            self._tell(Notice(level="warning", message=text))

    def offered(
        self, fixed: Mapping[str, Tool], definitions: Sequence[ToolDefinition]
    ) -> tuple[dict[str, Tool], tuple[ToolDefinition, ...]]:
        """All tools and what is offered of them: the fixed ones, then those of the sources; a name counts once."""
        tools, offered = dict(fixed), list(definitions)
        for name in list(self._sources):
            for definition, tool in self._found(name):
                if definition.name not in tools:
                    tools[definition.name] = tool
                    offered.append(definition)
        return tools, tuple(offered)

    def _found(self, name: str) -> list[tuple[ToolDefinition, Tool]]:
        try:
            return [(tool.definition, tool) for tool in self._sources[name].tools()]
        except Exception as error:  # noqa: BLE001 - as above
            self._drop(name, error)
            return []
