"""The engine: puts configuration and plugins together into threads."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from .approval import Gate
from .children import Children
from .config import Config, reload_config
from .context import ContextBook
from .contracts.context import ContextSource
from .contracts.guard import GuardSetup
from .contracts.lifecycle import LifecycleSetup
from .contracts.model import ModelInfo, ProviderInfo, ProviderSetup
from .contracts.network import NetworkProxy, NetworkProxySetup
from .contracts.observe import TelemetrySetup
from .contracts.policy import ExecPolicy, PolicySetup
from .contracts.sandbox import ExecRequest, Process, SandboxSetup
from .contracts.store import RolloutLine, RolloutStore, RolloutWriter, StoreSetup
from .contracts.tool import Tool, ToolSetup, ToolSource, ToolSourceSetup
from .errors import CodexError, ConfigError, PluginMissing, SandboxUnavailable, UserError
from .event_queue import EventQueue
from .guards import Guards
from .history import History
from .instructions import BASE_INSTRUCTIONS
from .lifecycle import Lifecycle
from .opened import OpenedThread, begin_recording
from .plugins import PluginManager
from .protocol.events import EventMsg
from .protocol.ids import ThreadId, new_thread_id, uuid7_unix_ms
from .protocol.policy import SandboxPolicy
from .protocol.value import Value, field, value
from .recorder import Recorder
from .sandboxing import SandboxChooser
from .settings import Settings, read_settings
from .specs import ModelProviderSpec
from .thread_state import ThreadState
from .tool_sources import ToolSources
from .version import __version__

if TYPE_CHECKING:
    from .resume import Recorded
    from .thread import Thread

_CURES = {
    "responses": "pip install codex-provider-openai",
    "chat": "pip install codex-provider-chat",
    "replay": "pip install codex-provider-replay",
}
_BUILTIN_CURES = {"openai": _CURES["responses"], "ollama": _CURES["chat"], "lmstudio": _CURES["chat"]}


@value
class ThreadOptions(Value):
    """How to open a thread.

    `resume` continues a recorded thread; `fork` starts a new one from a recorded history, before its
    n-th compaction if `fork_before_compaction` says so, and before a turn if `fork_before_turn` does.
    `source` is recorded (`exec`, `cli`, …), and `meta` beside it in the head of a new rollout. `answers_questions`
    says that somebody listens for `QuestionsAsked`. `parent_id`, `root_id` and `depth` place a sub-agent's thread in
    its tree; without `children` nothing is opened below the thread.
    """

    cwd: str
    resume: str | None = None
    fork: str | None = None
    fork_before_compaction: int | None = None
    fork_before_turn: str | None = None
    ephemeral: bool = False
    source: str = "exec"
    originator: str = "codex_exec"
    want_deltas: bool = False
    answers_questions: bool = False
    meta: Mapping[str, Any] = field(factory=dict)
    parent_id: str | None = None
    root_id: str | None = None
    depth: int = 0
    children: bool = True
    queue_capacity: int = 1024


class Engine:
    """Opens threads. One per process or per configuration; several threads may be open at once."""

    def __init__(self, *, config: Config, plugins: PluginManager, environ: Mapping[str, str]) -> None:
        self.config = config
        self.plugins = plugins
        self.environ = environ
        self.settings: Settings = read_settings(config)
        self._check_sections()
        self._store: RolloutStore | None = None

    def rollout_store(self) -> RolloutStore:
        """The store of rollouts. Raises `PluginMissing` with the cure, `StoreError`."""
        if self._store is None:
            spec = self.plugins.store("rollout", self.settings.rollout_store)
            if spec is None:
                raise PluginMissing("no rollout store is installed", hint="pip install codex-rollout-jsonl")
            setup = StoreSetup(
                codex_home=self.config.codex_home, environ=self.environ, options=self.config.table("rollout")
            )
            self._store = cast("RolloutStore", spec.factory(setup))
        return self._store

    def open_thread(self, options: ThreadOptions) -> AbstractAsyncContextManager[Thread]:
        """A running `Thread`; leaving the context shuts it down, ends its tools and closes its rollout.

        Raises what stands in the way before anything was sent: `UserError`, `PluginError`, `StoreError`.
        """
        return self.prepare(options).running()

    def prepare(self, options: ThreadOptions) -> OpenedThread:
        """Everything a thread needs before an event loop runs: plugins, provider, tools, rollout, history."""
        self.plugins.require_sound("policy", "lifecycle", "guard")
        settings = self.settings
        cwd = _existing_folder(options.cwd)
        thread_id, recorded, forked = self._recorded(options)
        spec, info = select_provider(self.config, self.plugins, settings)
        provider = spec.factory(
            ProviderSetup(
                info=info,
                environ=self.environ,
                thread_id=thread_id,
                originator=options.originator,
                version=__version__,
                options={**self.config.data, "codex_home": self.config.codex_home},
            )
        )
        writer = None if options.ephemeral or not settings.persist else self._writer(thread_id, options)
        queue = EventQueue(options.queue_capacity)
        history = History(recorded.entries if recorded else ())
        hub = self._telemetry(thread_id)
        recorder = Recorder(thread_id, writer, queue, history, (hub.emit,) if hub else ())
        notices = list(self.config.notices)
        policies = self._policies(cwd)
        sandbox = self.sandbox(recorder.emit_nowait)
        gate = Gate(policies, recorder, settings.may_allow)
        gate.lifecycle = self._lifecycle(recorder, sandbox, cwd, options)
        gate.guards = self._guards(recorder, cwd, options)
        children = Children(self, options)
        state = ThreadState(
            settings=settings,
            requirements=self.config.requirements,
            provider=provider,
            provider_info=info,
            tools=self._tools(thread_id, notices, sees=provider.model_info(settings.model).supports_images),
            unoffered=frozenset(name for name, offer in self.plugins.tools().items() if not offer.spec.offered),
            sources=self._tool_sources(
                recorder,
                sandbox,
                options.replace(cwd=cwd),
                model=provider.model_info(settings.model),
                notices=notices,
                children=children,
            ),
            recorder=recorder,
            gate=gate,
            sandbox=sandbox,
            lifecycle=gate.lifecycle,
            make_proxy=self.network_proxy,
            context=ContextBook(
                self._sources(notices),
                history.texts() if recorded else (),
                {"trusted": self.config.trusted, "skill_folders": self._skill_folders(notices)},
            ),
            cwd=cwd,
            codex_home=self.config.codex_home,
            environ=self.environ,
            config=self.config.data,
            instructions=settings.instructions or BASE_INSTRUCTIONS,
            want_deltas=options.want_deltas,
            originator=options.originator,
            answers_questions=options.answers_questions,
        )
        children.parent = state
        if settings.approvals_reviewer is not None:
            from .reviewing import LateReviewer

            reviewer = LateReviewer(self.plugins.reviewer(settings.approvals_reviewer), state)
            state.gate.reviewer = (reviewer.name, reviewer.made)
        state.refresh = lambda: self._refresh(state)
        opened = OpenedThread(state, queue, writer, hub.close if hub else None)
        try:
            begin_recording(opened, options, recorded, notices, forked if writer is not None else ())
        except BaseException:
            if writer is not None:
                writer.close()
            raise
        return opened

    def _refresh(self, state: ThreadState) -> list[str]:
        """Take over what has changed in the configuration's files since the last turn; what to tell the user. A
        broken file leaves everything as it is."""
        if not self.config.changed():
            return []
        try:
            fresh = reload_config(self.config, self.plugins)
            settings = read_settings(fresh).replace(**state.sticky)
            fresh.requirements.check_turn(settings)
        except CodexError as error:
            return [f"the configuration was changed and cannot be used; what held before holds on: {error}"]
        state.context.facts = {**state.context.facts, "trusted": fresh.trusted}
        news = [text for text in fresh.notices if text not in self.config.notices]
        names = [key for key in {*fresh.data, *self.config.data} if fresh.data.get(key) != self.config.data.get(key)]
        self.config, self.settings = fresh, read_settings(fresh)
        keep = {"provider_id": state.settings.provider_id, "provider": state.settings.provider}
        state.settings, state.config = settings.replace(**keep), fresh.data
        state.requirements = fresh.requirements
        changed = [f"the configuration was read anew: {', '.join(sorted(names))} changed"] if names else []
        return [*changed, *news]

    def _check_sections(self) -> None:
        """Check the tables of plugins that are set. Raises `ConfigError` with file and line."""
        for name, offer in self.plugins.config_sections().items():
            if self.config.table(name):
                self.config.section(name, offer.spec.section)

    # -- parts -----------------------------------------------------------------------------------------

    def _recorded(self, options: ThreadOptions) -> tuple[ThreadId, Recorded | None, Iterable[RolloutLine]]:
        """The thread's id, what it goes on from, and the lines that a fork takes over (not yet read)."""
        source = options.resume or options.fork
        if source is None:
            return new_thread_id(), None, ()
        store = self.rollout_store()
        found = store.find(source)
        if found is None:
            raise UserError(
                f"no rollout found for thread id {source}", hint="codex exec resume --last takes the newest"
            )
        from .resume import read_recorded

        recorded = read_recorded(_lines(store, found.thread_id, options))
        if options.resume:
            return ThreadId(found.thread_id), recorded, ()
        return new_thread_id(), recorded, _lines(store, found.thread_id, options)

    def _writer(self, thread_id: ThreadId, options: ThreadOptions) -> RolloutWriter:
        store = self.rollout_store()
        if options.resume is not None:
            return store.append_to(thread_id)
        return store.create(thread_id, uuid7_unix_ms(thread_id))

    def _tools(self, thread_id: ThreadId, notices: list[str], *, sees: bool) -> dict[str, Tool]:
        setup = self._tool_setup(thread_id)
        tools: dict[str, Tool] = {}
        for name, offer in self.plugins.tools().items():
            wanted = offer.spec.default_enabled or name in self.settings.enabled_tools
            blind = offer.spec.needs_images and not sees
            if not wanted or blind or name in self.settings.disabled_tools:
                continue
            try:
                tools[name] = offer.spec.factory(setup)
            except UserError:
                raise  # a setting that does not fit is for the user to put right
            except Exception as error:  # noqa: BLE001 - a tool that cannot be made is left out, and said
                notices.append(f"tool {name} of {offer.origin} is left out: {type(error).__name__}: {error}")
        return tools

    def _tool_setup(self, thread_id: ThreadId) -> ToolSetup:
        return ToolSetup(
            thread_id=thread_id,
            codex_home=self.config.codex_home,
            spill_dir=os.path.join(self.config.codex_home, "kernel", "spill", thread_id),
            environ=self.environ,
            config=self.config.data,
        )

    def _tool_sources(
        self,
        recorder: Recorder,
        sandbox: SandboxChooser,
        options: ThreadOptions,
        *,
        model: ModelInfo,
        notices: list[str],
        children: Children,
    ) -> ToolSources:
        made = []
        for name, offer in self.plugins.tool_sources().items():
            setup = self._source_setup(recorder.thread_id, recorder.emit_nowait, sandbox, options)
            window = self.settings.context_window or model.context_window
            setup = setup.replace(
                sees_images=model.supports_images,
                context_window=window,
                open_child=children.open if options.children else None,
                depth=options.depth,
                remember=recorder.remember,
            )
            try:
                source = offer.spec.factory(setup)
            except UserError:
                raise
            except Exception as error:  # noqa: BLE001 - as with a tool
                notices.append(f"the tools of {name} ({offer.origin}) are left out: {type(error).__name__}: {error}")
            else:
                made += [(name, source)] if source is not None else []
        return ToolSources(made, recorder.emit_nowait)

    def _source_setup(
        self, thread_id: ThreadId, tell: Callable[[EventMsg], None], sandbox: SandboxChooser, options: ThreadOptions
    ) -> ToolSourceSetup:
        async def spawn(request: ExecRequest) -> Process:
            policy = self.settings.sandbox_policy.anchored(options.cwd)
            return await (await sandbox.backend(policy)).spawn(request, policy)

        servers = self.plugins.mcp_servers(self.config.table("mcp_servers"))
        return ToolSourceSetup(
            tools=self._tool_setup(thread_id),
            cwd=options.cwd,
            tell=tell,
            spawn=spawn,
            servers={known: found.spec.factory for known, found in servers.items()},
            sandbox_policy=self.settings.sandbox_policy,
            answers_questions=options.answers_questions,
            trusted=self.config.trusted,
            originator=options.originator,
        )

    @asynccontextmanager
    async def tool_source(
        self, name: str, options: ThreadOptions, tell: Callable[[EventMsg], None]
    ) -> AsyncIterator[ToolSource | None]:
        """A tool source without a thread, for `inquire`; it works until the context is left. None where none is
        installed, or nothing is configured for it. Raises what its factory and its `run` raise."""
        import anyio

        offer = self.plugins.tool_sources().get(name)
        sandbox = self.sandbox(tell)
        setup = self._source_setup(new_thread_id(), tell, sandbox, options)
        source = None if offer is None else offer.spec.factory(setup)
        try:
            async with anyio.create_task_group() as tasks:
                if source is not None:
                    tasks.start_soon(source.run)
                yield source
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await sandbox.aclose()

    def _policies(self, cwd: str) -> list[tuple[str, ExecPolicy]]:
        config = self.config
        setup = PolicySetup(
            codex_home=config.codex_home, cwd=cwd, options=config.data, environ=self.environ, trusted=config.trusted
        )
        return [(name, offer.spec.factory(setup)) for name, offer in self.plugins.policies().items()]

    def _sources(self, notices: list[str]) -> list[tuple[str, ContextSource]]:
        made = []
        for offer in self.plugins.context_sources():
            try:
                made.append((offer.spec.name, offer.spec.factory()))
            except Exception as error:  # noqa: BLE001 - a source is an observer: the thread goes on without it
                name, why = offer.spec.name, f"{type(error).__name__}: {error}"
                notices.append(f"context source {name} of {offer.origin} is left out: {why}")
        return made

    def _lifecycle(self, recorder: Recorder, sandbox: SandboxChooser, cwd: str, options: ThreadOptions) -> Lifecycle:
        async def spawn(request: ExecRequest, policy: SandboxPolicy) -> Process:
            return await (await sandbox.backend(policy)).spawn(request, policy)

        config, settings = self.config, self.settings
        hooks = []
        for name, offer in self.plugins.lifecycle().items():
            if any(table in config.data for table in offer.spec.tables):
                setup = LifecycleSetup(
                    thread_id=recorder.thread_id,
                    codex_home=config.codex_home,
                    cwd=cwd,
                    model=settings.model,
                    approval_policy=settings.approval_policy.value,
                    environ=self.environ,
                    config=config.data,
                    origin=config.origin,
                    spawn=spawn,
                    sandbox_policy=settings.sandbox_policy,
                    rollout_path=recorder.path,
                    trusted=config.trusted,
                    originator=options.originator,
                    tell=recorder.emit_nowait,
                )
                hooks.append((name, offer.spec.factory(setup)))
        return Lifecycle(hooks, recorder, resumed=options.resume is not None)

    def _guards(self, recorder: Recorder, cwd: str, options: ThreadOptions) -> Guards:
        made = []
        for name, offer in self.plugins.turn_guards().items():
            setup = GuardSetup(
                thread_id=recorder.thread_id,
                root_id=options.root_id or recorder.thread_id,
                parent_id=options.parent_id,
                codex_home=self.config.codex_home,
                cwd=cwd,
                environ=self.environ,
                tell=recorder.emit_nowait,
                plugins=lambda: {report.name: report.version for report in self.plugins.reports(call_hooks=False)},
                config=self.config.data,
                rollout_path=recorder.path,
                source=options.source,
                resumed=options.resume is not None,
            )
            guard = offer.spec.factory(setup)
            made += [(name, offer.spec.observes, guard)] if guard is not None else []
        return Guards(made, recorder.emit_nowait)

    def _skill_folders(self, notices: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, offer in self.plugins.skill_folders().items():
            try:
                found[name] = offer.spec.path()
            except Exception as error:  # noqa: BLE001 - skills are advice: the thread goes on without them
                notices.append(f"skills of {offer.origin} are left out: {type(error).__name__}: {error}")
        return found

    def sandbox(self, tell: Callable[[EventMsg], None] | None = None) -> SandboxChooser:
        """A chooser of sandbox backends by the settings; the caller closes it."""
        settings = self.settings
        return SandboxChooser(
            self.plugins, self._sandbox_setup(), settings.sandbox_backend, settings.sandbox_preference, tell
        )

    def network_proxy(self) -> NetworkProxy:
        """The proxy of confined commands; the caller closes it. Raises `SandboxUnavailable` with the cure."""
        self.plugins.require_sound("network")
        offers, wanted = self.plugins.network_proxies(), self.settings.network_proxy
        name = wanted or next(iter(offers), "")
        if name not in offers or (wanted is None and len(offers) > 1):
            known = ", ".join(offers) or "none"
            raise SandboxUnavailable(
                f"the network is to be proxied, and no proxy is chosen (installed: {known})",
                hint="pip install codex-network-proxy, or choose one: [network] proxy = NAME",
            )
        setup = NetworkProxySetup(
            codex_home=self.config.codex_home, environ=self.environ, options=self.config.table("network")
        )
        return offers[name].spec.factory(setup)

    def _sandbox_setup(self) -> SandboxSetup:
        home = self.config.codex_home
        state_dir = os.path.join(home, "kernel", "sandbox")
        return SandboxSetup(
            codex_home=home, state_dir=state_dir, environ=self.environ, options=self.config.table("sandbox")
        )

    def _telemetry(self, thread_id: ThreadId) -> Any:
        offers = self.plugins.telemetry_sinks()
        if not offers:
            return None
        from .log import logger
        from .telemetry import TelemetryHub

        sinks = []
        for name, offer in offers.items():
            setup = TelemetrySetup(
                thread_id=thread_id,
                codex_home=self.config.codex_home,
                environ=self.environ,
                options=self.config.table(name),
            )
            try:
                sinks.append((name, offer.spec.factory(setup)))
            except Exception as error:  # noqa: BLE001 - observers can never hurt a turn
                logger().warning("telemetry sink left out", sink=name, exc_info=error)
        return TelemetryHub(sinks) if sinks else None


def select_provider(
    config: Config, plugins: PluginManager, settings: Settings
) -> tuple[ModelProviderSpec, ProviderInfo]:
    """The spec and the table for `model_provider`. Raises `UserError` for an unknown provider,
    `PluginMissing` with the cure where no plugin speaks its wire API."""
    id, info = settings.provider_id, settings.provider
    offers = [offer.spec for offer in plugins.providers().values()]
    if info is None:
        for spec in offers:
            if id in spec.builtin_ids and spec.builtin is not None:
                return spec, spec.builtin(id)
        if id in _BUILTIN_CURES:
            raise PluginMissing(f"nothing that is installed provides {id!r}", hint=_BUILTIN_CURES[id])
        known = sorted({*config.table("model_providers"), *(name for spec in offers for name in spec.builtin_ids)})
        raise ConfigError(
            f"Model provider `{id}` not found",
            where=config.origin("model_provider"),
            hint=f"known: {', '.join(known) or 'none'}; add [model_providers.{id}] to config.toml",
        )
    for spec in offers:
        if info.wire_api in spec.wire_apis:
            return spec, info
    raise PluginMissing(
        f"no installed plugin speaks wire_api {info.wire_api!r} of model provider `{id}`",
        hint=_CURES.get(info.wire_api, "check wire_api, or install a provider plugin for it"),
    )


def _lines(store: RolloutStore, thread_id: str, options: ThreadOptions) -> Iterator[RolloutLine]:
    """What a thread begins with: a rollout, or the part of it that a fork takes over."""
    from .resume import cut, told_lines  # late: most processes begin something new

    lines = told_lines(store, thread_id) if options.resume else store.read(thread_id)
    return cut(lines, before_compaction=options.fork_before_compaction, before_turn=options.fork_before_turn)


def _existing_folder(path: str) -> str:
    resolved = os.path.abspath(path)
    if not os.path.isdir(resolved):
        raise UserError(f"{resolved} is not a folder", hint="choose an existing working directory with -C DIR")
    return resolved


def explain(error: CodexError) -> str:
    """An error with its hint as two lines for a terminal."""
    return f"error: {error.message}" + (f"\n  hint: {error.hint}" if error.hint else "")
