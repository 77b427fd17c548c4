"""The plugin manager: loads entry points one by one, isolates what fails, and is the typed façade over hooks."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, cast

import pluggy

from . import specs
from .bounded import BoundedCaller, HookTimeout
from .discovery import Candidate, bundled_distributions, discover
from .errors import PluginConflict, PluginLoadError, PluginMissing
from .hookspecs import API_VERSION, FAIL_CLOSED_KINDS, HOOK_KINDS, HOOK_TIMEOUT_S, PROJECT, CodexHookspecs
from .protocol.value import Value, value
from .registry import Registered, resolve

REQUIREMENTS = "/etc/codex/requirements.toml"
BLOCK_VARIABLE = "CODEX_NO_PLUGINS"

_KIND_OF_PREFIX = {
    "sandbox": "sandbox",
    "network": "network",
    "policy": "policy",
    "execpolicy": "policy",
    "hooks": "lifecycle",
    "guard": "guard",
    "config": "config source",
    "trust": "config source",
    "managed": "config source",
    "store": "store",
    "rollout": "store",
    "state": "store",
    "memory": "store",
}
_CURE = "upgrade or remove it (pip install -U {dist} / pip uninstall {dist}), or start with --no-plugin {name}"


@value
class PluginReport(Value):
    """How a plugin fares. `status` is ok, blocked, failed, timeout, incompatible, invalid or conflict;
    `reason` and `cure` say why and what to do when it is not ok."""

    name: str
    dist: str
    version: str
    status: str = "ok"
    kinds: tuple[str, ...] = ()
    reason: str = ""
    cure: str = ""
    import_ms: float = 0.0


class PluginManager:
    """Plugins of one process. Nothing is imported before something of a plugin is first asked for."""

    def __init__(
        self,
        candidates: Iterable[Candidate],
        *,
        blocked: Iterable[str] = (),
        bundled: frozenset[str] | None = None,
        bundled_only: bool = False,
        allowed: frozenset[str] | None = None,
        builtins: Mapping[str, object] | None = None,
        timeout_s: float = HOOK_TIMEOUT_S,
    ) -> None:
        self._bundled = bundled or frozenset()
        self._candidates = sorted(candidates, key=lambda c: (c.dist not in self._bundled, c.dist, c.name))
        self._blocked = frozenset(blocked)
        self._bundled_only = bundled_only
        self._allowed = allowed
        self._builtins = builtins or {}
        self._timeout_s = timeout_s
        self._reports: dict[str, PluginReport] = {}
        self._offers: dict[str, dict[str, Registered[Any]]] = {}
        self._relay: pluggy.PluginManager | None = None
        self._caller = BoundedCaller()
        # who asks while another thread loads waits: half of the plugins would be taken for all of them
        self._loading = threading.RLock()

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, no_plugin: Iterable[str] = (), no_plugins: bool = False
    ) -> PluginManager:
        """The installed plugins, less those that flags and the variable `CODEX_NO_PLUGINS` block."""
        allowed = None
        if os.path.lexists(REQUIREMENTS):  # late: few machines have one
            from .requirements import allowed_plugins

            allowed = allowed_plugins(os.path.dirname(REQUIREMENTS))
        listed = (name.strip() for name in environ.get(BLOCK_VARIABLE, "").split(","))
        return cls(
            discover(),
            blocked=[*no_plugin, *filter(None, listed)],
            bundled=bundled_distributions(),
            bundled_only=no_plugins,
            allowed=allowed,
        )

    # -- loading ---------------------------------------------------------------------------------

    def _load(self) -> pluggy.PluginManager:
        with self._loading:
            if self._relay is None:
                relay = pluggy.PluginManager(PROJECT)
                relay.add_hookspecs(CodexHookspecs)
                for name, module in self._builtins.items():
                    relay.register(module, name)
                for candidate in self._candidates:
                    self._load_one(relay, candidate)
                self._relay = relay
            return self._relay

    def _load_one(self, relay: pluggy.PluginManager, candidate: Candidate) -> None:
        name = self._unique_name(candidate)
        report = PluginReport(name=name, dist=candidate.dist, version=candidate.version)
        reason = self._why_blocked(candidate)
        if reason:
            self._reports[name] = report.replace(status="blocked", reason=reason)
            return
        started = time.perf_counter()
        try:
            module = self._caller.call(lambda: _import(candidate.module), self._timeout_s)
        except HookTimeout as error:
            self._fail(report, "timeout", f"importing it {error}")
            return
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._fail(report, "failed", f"importing it raised {_describe(error)}")
            return
        report = report.replace(import_ms=round((time.perf_counter() - started) * 1000, 2))
        self._register(relay, report, module)

    def _register(self, relay: pluggy.PluginManager, report: PluginReport, module: ModuleType) -> None:
        wanted = getattr(module, "codex_api_version", None)
        if wanted is not None and not _compatible(wanted):
            ours = ".".join(map(str, API_VERSION))
            self._fail(report, "incompatible", f"it asks for plugin API {wanted}, this is {ours}")
            return
        hooks = _hooks_of(module)
        try:
            relay.register(hooks, report.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            # pluggy has added it before it finds the fault
            if relay.get_plugin(report.name) is not None:
                relay.unregister(name=report.name)
            self._fail(report, "invalid", f"its hooks do not fit: {_describe(error)}")
            return
        callers = relay.get_hookcallers(hooks) or []
        unknown = sorted(c.name for c in callers if not c.has_spec())
        if unknown:
            relay.unregister(name=report.name)
            self._fail(report, "invalid", f"unknown hook {', '.join(unknown)}")
            return
        kinds = tuple(sorted({HOOK_KINDS[c.name] for c in callers}))
        self._reports[report.name] = report.replace(kinds=kinds)

    def _unique_name(self, candidate: Candidate) -> str:
        return candidate.name if candidate.name not in self._reports else f"{candidate.name}@{candidate.dist}"

    def _why_blocked(self, candidate: Candidate) -> str:
        if candidate.name in self._blocked or candidate.dist in self._blocked:
            return f"blocked by --no-plugin or {BLOCK_VARIABLE}"
        if self._allowed is not None and candidate.dist not in self._bundled | self._allowed:
            return f"not among allowed_plugins of {REQUIREMENTS}"
        if self._bundled_only and candidate.dist not in self._bundled:
            return "not bundled, and --no-plugins was given"
        if any(r.name == candidate.name and r.status == "ok" for r in self._reports.values()):
            return f"another plugin is already called {candidate.name!r}"
        return ""

    def _fail(self, report: PluginReport, status: str, reason: str) -> None:
        kinds = report.kinds or _guess_kinds(report)
        cure = _CURE.format(dist=report.dist, name=report.name)
        self._reports[report.name] = report.replace(status=status, reason=reason, cure=cure, kinds=kinds)

    # -- calling ---------------------------------------------------------------------------------

    def offers(self, hook: str) -> Mapping[str, Registered[Any]]:
        """All specs of a hook by name; the first call runs the hook, each plugin on its own."""
        with self._loading:
            if hook not in self._offers:
                self._offers[hook] = self._ask_all(hook)
            return self._offers[hook]

    def _ask_all(self, hook: str) -> dict[str, Registered[Any]]:
        relay = self._load()
        found: list[Registered[Any]] = []
        impls = getattr(relay.hook, hook).get_hookimpls()
        for impl in sorted(impls, key=lambda i: self._position(i.plugin_name)):
            found.extend(self._collect(hook, impl.plugin_name, impl.function))
        accepted, clashes = resolve(found)
        for clash in clashes:
            report = self._reports[clash.loser_plugin]
            kind = HOOK_KINDS[hook]
            self._fail(report, "conflict", f"{kind} {clash.name!r} is already offered by {clash.winner}")
            if kind in FAIL_CLOSED_KINDS:
                raise PluginConflict(
                    f"{kind} {clash.name!r} is offered by both {clash.winner} and {clash.loser}",
                    plugin=clash.loser_plugin,
                    dist=report.dist,
                    version=report.version,
                    hint=f"block one of them, for instance with --no-plugin {clash.loser_plugin}",
                )
        return accepted

    def _position(self, plugin: str) -> int:
        names = [*self._builtins, *self._reports]
        return names.index(plugin)

    def _collect(self, hook: str, plugin: str, function: Callable[[], Iterable[Any]]) -> list[Registered[Any]]:
        kinds = (HOOK_KINDS[hook],)
        report = self._reports.get(plugin) or PluginReport(name=plugin, dist="codex-kernel", version="", kinds=kinds)
        expected = _spec_of(hook)
        try:
            yielded = self._caller.call(lambda: list(function()), self._timeout_s)
        except HookTimeout as error:
            self._fail(report, "timeout", f"{hook} {error}")
            return []
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._fail(report, "failed", f"{hook} raised {_describe(error)}")
            return []
        strangers = [spec for spec in yielded if not isinstance(spec, expected)]
        if strangers:
            self._fail(report, "invalid", f"{hook} yields {expected.__name__}, not {type(strangers[0]).__name__}")
            return []
        return [Registered(spec=s, plugin=plugin, dist=report.dist, version=report.version) for s in yielded]

    def require_sound(self, *kinds: str) -> None:
        """Raise `PluginLoadError` if a plugin of one of these kinds failed: a guard that is missing because
        it broke must stop the work, not be left out."""
        for hook, kind in HOOK_KINDS.items():
            if kind in kinds:
                self.offers(hook)
        for report in self._reports.values():
            if report.status not in ("ok", "blocked") and set(report.kinds) & set(kinds):
                raise PluginLoadError(
                    f"plugin {report.name} ({report.dist} {report.version}) cannot be used: {report.reason}",
                    plugin=report.name,
                    dist=report.dist,
                    version=report.version,
                    hint=report.cure,
                )

    def reports(self, *, call_hooks: bool = True) -> tuple[PluginReport, ...]:
        """How every plugin fares; with `call_hooks` all hooks are run first, so that nothing stays unseen."""
        self._load()
        if call_hooks:
            for hook in HOOK_KINDS:
                try:
                    self.offers(hook)
                except PluginConflict:
                    continue  # the report of the loser says it
        return tuple(self._reports.values())

    # -- the façade --------------------------------------------------------------------------------

    def providers(self) -> Mapping[str, Registered[specs.ModelProviderSpec]]:
        """Model providers by name."""
        return cast(Mapping[str, Registered[specs.ModelProviderSpec]], self.offers("codex_model_providers"))

    def tools(self) -> Mapping[str, Registered[specs.ToolSpec]]:
        """Tools by name."""
        return cast(Mapping[str, Registered[specs.ToolSpec]], self.offers("codex_tools"))

    def tool_sources(self) -> Mapping[str, Registered[specs.ToolSourceSpec]]:
        """Tool sources by name."""
        return cast(Mapping[str, Registered[specs.ToolSourceSpec]], self.offers("codex_tool_sources"))

    def mcp_servers(self, configured: Collection[str]) -> Mapping[str, Registered[specs.McpServerSpec]]:
        """MCP servers within this process, by name: those that are on by default, or `configured` by a table."""
        found: Mapping[str, Registered[specs.McpServerSpec]] = self.offers("codex_mcp_servers")
        return {name: offer for name, offer in found.items() if offer.spec.default_enabled or name in configured}

    def sandboxes(self) -> list[Registered[specs.SandboxBackendSpec]]:
        """Sandbox backends for this platform, the strongest first."""
        found: Mapping[str, Registered[specs.SandboxBackendSpec]] = self.offers("codex_sandbox_backends")
        fitting = [offer for offer in found.values() if sys.platform in offer.spec.platforms]
        return sorted(fitting, key=lambda offer: -offer.spec.strength)

    def network_proxies(self) -> Mapping[str, Registered[specs.NetworkProxySpec]]:
        """Network proxies by name."""
        return cast(Mapping[str, Registered[specs.NetworkProxySpec]], self.offers("codex_network_proxies"))

    def reviewer(self, name: str) -> specs.ReviewerSpec:
        """The reviewer of this name; raises `PluginMissing`."""
        return cast(specs.ReviewerSpec, self._named("codex_reviewers", name, "reviewer", f"codex-reviewer-{name}"))

    def checks(self) -> list[Registered[specs.CheckSpec]]:
        """Checks in the order of the report."""
        found: Mapping[str, Registered[specs.CheckSpec]] = self.offers("codex_checks")
        return sorted(found.values(), key=lambda offer: (offer.spec.order, offer.spec.name))

    def policies(self) -> Mapping[str, Registered[specs.ExecPolicySpec]]:
        """Exec policies by name."""
        return cast(Mapping[str, Registered[specs.ExecPolicySpec]], self.offers("codex_exec_policies"))

    def context_sources(self) -> list[Registered[specs.ContextSourceSpec]]:
        """Context sources in the order of the prompt."""
        found: Mapping[str, Registered[specs.ContextSourceSpec]] = self.offers("codex_context_sources")
        return sorted(found.values(), key=lambda offer: (offer.spec.order, offer.spec.name))

    def skill_folders(self) -> Mapping[str, Registered[specs.SkillFolderSpec]]:
        """Folders of skills by name."""
        return cast(Mapping[str, Registered[specs.SkillFolderSpec]], self.offers("codex_skill_folders"))

    def lifecycle(self) -> Mapping[str, Registered[specs.LifecycleSpec]]:
        """Lifecycle handlers by name."""
        return cast(Mapping[str, Registered[specs.LifecycleSpec]], self.offers("codex_lifecycle_hooks"))

    def turn_guards(self) -> Mapping[str, Registered[specs.TurnGuardSpec]]:
        """Turn guards by name."""
        return cast(Mapping[str, Registered[specs.TurnGuardSpec]], self.offers("codex_turn_guards"))

    def features(self) -> Mapping[str, Registered[specs.FeatureSpec]]:
        """Feature flags by name."""
        return cast(Mapping[str, Registered[specs.FeatureSpec]], self.offers("codex_features"))

    def renderer(self, name: str) -> specs.RendererSpec:
        """The renderer of this name; raises `PluginMissing`."""
        return cast(specs.RendererSpec, self._named("codex_renderers", name, "renderer", "codex-exec"))

    def telemetry_sinks(self) -> Mapping[str, Registered[specs.TelemetrySinkSpec]]:
        """Telemetry sinks by name."""
        return cast(Mapping[str, Registered[specs.TelemetrySinkSpec]], self.offers("codex_telemetry_sinks"))

    def commands(self) -> Mapping[str, Registered[specs.CommandSpec]]:
        """Subcommands by name."""
        return cast(Mapping[str, Registered[specs.CommandSpec]], self.offers("codex_commands"))

    def config_sections(self) -> Mapping[str, Registered[specs.ConfigSectionSpec]]:
        """Config sections by table name."""
        return cast(Mapping[str, Registered[specs.ConfigSectionSpec]], self.offers("codex_config_sections"))

    def config_sources(self) -> list[Registered[specs.ConfigSourceSpec]]:
        """Configuration sources in order. Raises `PluginLoadError` if one is broken."""
        found: Mapping[str, Registered[specs.ConfigSourceSpec]] = self.offers("codex_config_sources")
        self.require_sound("config source")
        return sorted(found.values(), key=lambda offer: (offer.spec.order, offer.spec.name))

    def app_server(self, name: str = "app-server") -> specs.AppServerSpec:
        """The app server of this name; raises `PluginMissing`."""
        return cast(specs.AppServerSpec, self._named("codex_app_servers", name, "app server", "codex-app-server"))

    def app_methods(self) -> Mapping[str, Registered[specs.AppMethodSpec]]:
        """Methods of app servers by name."""
        return cast(Mapping[str, Registered[specs.AppMethodSpec]], self.offers("codex_app_methods"))

    def store(self, kind: str, chosen: str | None = None) -> specs.StoreSpec | None:
        """The store of this kind: the chosen one, else the only one, else None.

        Raises `PluginMissing` when the chosen one is not there, `PluginConflict` when there are several
        and none is chosen.
        """
        stores: Mapping[str, Registered[specs.StoreSpec]] = self.offers("codex_stores")
        self.require_sound("store")
        fitting = {name: offer for name, offer in stores.items() if offer.spec.kind == kind}
        if chosen is not None:
            if chosen not in fitting:
                raise PluginMissing(
                    f"no {kind} store named {chosen!r} is installed", hint=f"installed: {', '.join(fitting) or 'none'}"
                )
            return fitting[chosen].spec
        if len(fitting) > 1:
            raise PluginConflict(
                f"several {kind} stores are installed: {', '.join(o.origin for o in fitting.values())}",
                hint=f'choose one in config.toml: [stores] {kind} = "{next(iter(fitting))}"',
            )
        return next(iter(fitting.values())).spec if fitting else None

    def _named(self, hook: str, name: str, what: str, dist: str) -> object:
        found = self.offers(hook).get(name)
        if found is None:
            raise PluginMissing(f"no {what} named {name!r} is installed", hint=f"pip install {dist}")
        return found.spec

    def close(self) -> None:
        """End the thread that calls hooks."""
        self._caller.close()


def _spec_of(hook: str) -> type[Any]:
    """What the hook yields, as its signature says: `Iterable[SPEC]`."""
    returned: str = getattr(CodexHookspecs, hook).__annotations__["return"]
    return cast("type[Any]", getattr(specs, returned.removeprefix("Iterable[").removesuffix("]")))


def _import(target: str) -> ModuleType:
    module, _, attribute = target.partition(":")
    found: Any = import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return cast(ModuleType, found)


class _Hooks(SimpleNamespace):
    def __dir__(self) -> list[str]:
        return [*vars(self)]  # not what each object has: that is most of what would be inspected


def _hooks_of(plugin: object) -> object:
    """What pluggy has to look at: it inspects every attribute closely, and of a module only marked functions count."""
    if not isinstance(plugin, ModuleType):
        return plugin
    marked = {
        name: found
        for name, found in vars(plugin).items()
        if isinstance(found, FunctionType) and hasattr(found, f"{PROJECT}_impl")
    }
    return _Hooks(**marked)


def _compatible(wanted: object) -> bool:
    parts = str(wanted).split(".")
    try:
        major, minor = int(parts[0]), int(parts[1]) if len(parts) > 1 else 0
    except ValueError:
        return False
    return major == API_VERSION[0] and minor <= API_VERSION[1]


def _guess_kinds(report: PluginReport) -> tuple[str, ...]:
    """The kind of a plugin that could not be asked, from its names (`sandbox-linux`, `codex-execpolicy`)."""
    words = {report.name.split("-")[0], report.dist.removeprefix("codex-").split("-")[0]}
    return tuple(sorted({_KIND_OF_PREFIX[word] for word in words if word in _KIND_OF_PREFIX}))


def _describe(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
