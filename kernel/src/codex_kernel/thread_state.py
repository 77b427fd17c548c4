"""What a thread holds between turns."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from .approval import Gate
from .context import ContextBook
from .contracts.model import ModelInfo, ModelProvider, ProviderInfo
from .contracts.network import NetworkProxy, ProxySession
from .contracts.sandbox import Process
from .contracts.tool import Tool
from .lifecycle import Lifecycle
from .protocol.ops import TurnOverrides
from .protocol.policy import ApprovalPolicy
from .protocol.thread_items import TodoListItem
from .protocol.usage import TokenUsage
from .recorder import Recorder
from .requirements import Requirements
from .sandboxing import SandboxChooser
from .settings import Settings
from .tool_sources import ToolSources
from .turn_state import TurnMachine

COMPACT_SHARE = 0.9


class ThreadState:
    """The mutable state of one thread; only its own tasks touch it."""

    def __init__(
        self,
        *,
        settings: Settings,
        requirements: Requirements,
        provider: ModelProvider,
        provider_info: ProviderInfo,
        tools: Mapping[str, Tool],
        unoffered: frozenset[str],
        sources: ToolSources,
        recorder: Recorder,
        gate: Gate,
        sandbox: SandboxChooser,
        make_proxy: Callable[[], NetworkProxy],
        context: ContextBook,
        lifecycle: Lifecycle,
        cwd: str,
        codex_home: str,
        environ: Mapping[str, str],
        config: Mapping[str, Any],
        instructions: str,
        want_deltas: bool,
        originator: str,
        answers_questions: bool,
    ) -> None:
        self.settings = settings
        self.requirements = requirements
        self.sticky: dict[str, Any] = {}
        self.refresh: Callable[[], Sequence[str]] = tuple
        self.provider = provider
        self.provider_info = provider_info
        self.own_tools = self.tools = tools
        self._own_definitions = self.definitions = tuple(
            tool.definition for name, tool in tools.items() if name not in unoffered
        )
        self.sources = sources
        self.recorder = recorder
        self.gate = gate
        self.sandbox = sandbox
        self._make_proxy = make_proxy
        self._proxy: NetworkProxy | None = None
        self.context = context
        self.lifecycle = lifecycle
        self.guards = gate.guards
        self.cwd = cwd
        self.codex_home = codex_home
        self.environ = environ
        self.config = config
        self.instructions = instructions
        self.want_deltas = want_deltas
        self.originator = originator
        self.answers_questions = answers_questions
        self.machine = TurnMachine()
        self.total = TokenUsage()
        self.last_total_tokens = 0
        self.plan: TodoListItem | None = None
        self.told_once: set[str] = set()
        self.start_task: Callable[[Callable[[], Coroutine[Any, Any, Any]]], object] | None = None
        self._processes: list[Process] = []
        self._sessions: list[ProxySession] = []

    async def take_tools(self) -> None:
        """Ask the tool sources what is to be offered now. Raises the `CodexError` of one that must be there."""
        await self.sources.ready()
        self.offer()

    def offer(self) -> None:
        """Offer what there is."""
        self.tools, self.definitions = self.sources.offered(self.own_tools, self._own_definitions)

    def bring(self, tools: Mapping[str, Tool]) -> None:
        """Offer more tools of the thread's own. Before the first turn."""
        self.own_tools = self.tools = {**self.own_tools, **tools}
        self._own_definitions = self.definitions = (
            *self._own_definitions,
            *(tool.definition for tool in tools.values()),
        )

    def own(self, process: Process) -> None:
        """Remember a process that a tool started: it ends with the thread at the latest."""
        self._processes = [known for known in self._processes if known.returncode is None]
        self._processes.append(process)

    def proxy(self) -> NetworkProxy:
        """The thread's network proxy. Raises `SandboxUnavailable` with the cure where there is none."""
        if self._proxy is None:
            self._proxy = self._make_proxy()
        return self._proxy

    async def aclose_proxy(self) -> None:
        """Release the proxy if one was made."""
        if self._proxy is not None:
            await self._proxy.aclose()

    def serve(self, session: ProxySession) -> None:
        """Let a command's proxy work until it is closed, with the thread at the latest."""
        assert self.start_task is not None
        self._sessions.append(session)

        async def serve() -> None:
            try:
                await session.run()
            finally:
                self._sessions.remove(session)

        self.start_task(serve)

    def close_sessions(self) -> None:
        """End what proxies serve."""
        for session in list(self._sessions):
            session.close()

    async def end_processes(self) -> None:
        """End what tools left running."""
        for process in self._processes:
            if process.returncode is None:
                await process.kill_tree()

    @property
    def model_info(self) -> ModelInfo:
        """What is known of the current model, the configuration's own figures first."""
        info = self.provider.model_info(self.settings.model)
        if self.settings.context_window is not None:
            info = info.replace(context_window=self.settings.context_window)
        return info

    @property
    def compact_limit(self) -> int | None:
        """Tokens in the window from which the history is shortened; None where the window is unknown."""
        if self.settings.auto_compact_token_limit is not None:
            return self.settings.auto_compact_token_limit
        info = self.model_info
        if info.auto_compact_token_limit is not None:
            return info.auto_compact_token_limit
        return None if info.context_window is None else int(info.context_window * COMPACT_SHARE)

    def apply(self, overrides: TurnOverrides) -> None:
        """Take over what a turn changes for itself and all later ones. Raises `ConfigError` for what requirements
        do not permit."""
        changes: dict[str, Any] = {
            name: found
            for name, found in (
                ("model", overrides.model),
                ("effort", overrides.effort),
                ("summary", overrides.summary),
                ("service_tier", overrides.service_tier),
                ("approval_policy", overrides.approval_policy and ApprovalPolicy(overrides.approval_policy)),
                ("sandbox_policy", overrides.sandbox_policy),
            )
            if found is not None
        }
        if overrides.approval_policy:
            changes["granular"] = None
        if changes:
            wanted = self.settings.replace(**changes)
            self.requirements.check_turn(wanted)
            self.settings = wanted
            self.sticky |= changes
        if overrides.cwd is not None:
            self.cwd = overrides.cwd

    def tool_names(self) -> Sequence[str]:
        """The names of all tools."""
        return list(self.tools)
