"""What hooks yield: a name and a factory each. Fields are keyword-only with defaults, so that a spec can grow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .protocol.value import Value, field, value

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import click

    from .contracts.app_server import AppMethod, AppMethodSetup, AppServer
    from .contracts.checks import Check, CheckSetup
    from .contracts.config import ConfigSource
    from .contracts.context import ContextSource
    from .contracts.guard import GuardSetup, TurnGuard
    from .contracts.lifecycle import LifecycleHooks, LifecycleSetup
    from .contracts.model import ModelProvider, ProviderInfo, ProviderSetup
    from .contracts.network import NetworkProxy, NetworkProxySetup
    from .contracts.observe import Renderer, RenderSetup, TelemetrySetup, TelemetrySink
    from .contracts.policy import ExecPolicy, PolicySetup, Reviewer, ReviewerSetup
    from .contracts.sandbox import SandboxBackend, SandboxSetup
    from .contracts.store import MemoryStore, RolloutStore, StateStore, StoreSetup
    from .contracts.tool import Tool, ToolSetup, ToolSource, ToolSourceSetup
    from .invocation import Invocation


@value
class ModelProviderSpec(Value):
    """A way to talk to model servers.

    `wire_apis` are the values of `model_providers.*.wire_api` that it speaks; `builtin` gives providers
    that need no config table, by id; it is called only when such an id is asked for.
    """

    name: str
    factory: Callable[[ProviderSetup], ModelProvider]
    wire_apis: tuple[str, ...] = ()
    builtin_ids: tuple[str, ...] = ()
    builtin: Callable[[str], ProviderInfo] | None = None


@value
class ToolSpec(Value):
    """A tool. `default_enabled` false means that `[tools.NAME] enabled = true` is needed; `needs_images` that
    it is of no use to a model that cannot see; `offered` false that the model is not told of it, so that it
    only claims calls of other tools."""

    name: str
    factory: Callable[[ToolSetup], Tool]
    default_enabled: bool = True
    needs_images: bool = False
    offered: bool = True


@value
class ToolSourceSpec(Value):
    """Tools that are found while a thread runs. The factory returns None where nothing is configured for it: then it
    costs nothing, and should have imported nothing."""

    name: str
    factory: Callable[[ToolSourceSetup], ToolSource | None]


@value
class McpServerSpec(Value):
    """An MCP server that runs within this process. `factory` makes a server object of the `mcp` package, once per
    thread, and only then should import it; `[mcp_servers.NAME]` may switch it off or restrict its tools. One that is
    not `default_enabled` is started only where there is such a table."""

    name: str
    factory: Callable[[], Any]
    default_enabled: bool = True


@value
class SandboxBackendSpec(Value):
    """A way to run commands; `strength` orders the candidates, the highest first. One with `confines` false
    enforces nothing and is used only where nothing is to be enforced: danger-full-access, and commands that
    were approved to run outside the sandbox."""

    name: str
    factory: Callable[[SandboxSetup], SandboxBackend]
    platforms: frozenset[str] = frozenset({"linux", "darwin", "win32"})
    strength: int = 0
    confines: bool = True


@value
class NetworkProxySpec(Value):
    """A proxy through which confined commands reach the hosts that they may reach."""

    name: str
    factory: Callable[[NetworkProxySetup], NetworkProxy]


@value
class ReviewerSpec(Value):
    """Someone who answers approval requests; chosen by `approvals_reviewer`."""

    name: str
    factory: Callable[[ReviewerSetup], Reviewer]


@value
class CheckSpec(Value):
    """A check of `codex doctor`; lower `order` comes first."""

    name: str
    factory: Callable[[CheckSetup], Check]
    order: int = 100


@value
class ExecPolicySpec(Value):
    """A judge of intents."""

    name: str
    factory: Callable[[PolicySetup], ExecPolicy]


@value
class StoreSpec(Value):
    """A store; `kind` is rollout, state or memory. `[stores] KIND = NAME` chooses among several."""

    name: str
    kind: str
    factory: Callable[[StoreSetup], RolloutStore | StateStore | MemoryStore]


@value
class ContextSourceSpec(Value):
    """A source of context; lower `order` comes first in the prompt."""

    name: str
    factory: Callable[[], ContextSource]
    order: int = 100


@value
class SkillFolderSpec(Value):
    """A folder of skills that a plugin brings: each is a folder in it that holds a `SKILL.md`."""

    name: str
    path: Callable[[], str]


@value
class LifecycleSpec(Value):
    """The user's handlers of lifecycle events. `tables` are the configuration keys without which there are none:
    unless one is set, nothing is made."""

    name: str
    factory: Callable[[LifecycleSetup], LifecycleHooks]
    tables: tuple[str, ...] = ("hooks",)


@value
class TurnGuardSpec(Value):
    """A guard of turns. The factory returns None where nothing is configured for it: then it costs nothing, and should
    have imported nothing. One that `observes` is dropped when it fails; another one then ends the turn."""

    name: str
    factory: Callable[[GuardSetup], TurnGuard | None]
    observes: bool = False


@value
class FeatureSpec(Value):
    """A feature flag, read from `[features]`. `stage` is under development, experimental, stable, deprecated or
    removed: one that is removed is accepted and does nothing. `requires` names flags that must be on as well."""

    name: str
    stage: str = "under development"
    default: bool = False
    requires: tuple[str, ...] = ()
    help: str = ""


@value
class RendererSpec(Value):
    """A way to show events, chosen by name."""

    name: str
    factory: Callable[[RenderSetup], Renderer]


@value
class TelemetrySinkSpec(Value):
    """An observer of all events."""

    name: str
    factory: Callable[[TelemetrySetup], TelemetrySink]


@value
class CommandSpec(Value):
    """A subcommand of `codex`. `load` imports and returns it when it is called; `help` is one line.
    `argv0` lists program names that run the command when `codex` is called by them; `remote` says that it can work on a
    running server (`--remote`)."""

    name: str
    load: Callable[[], click.Command]
    help: str = ""
    argv0: tuple[str, ...] = ()
    hidden: bool = False
    remote: bool = False


@value
class ConfigSectionSpec(Value):
    """A table of config.toml that belongs to the plugin; `section` is an attrs class whose fields have
    defaults. The checked value reaches factories through their `options`."""

    name: str
    section: type[Any]
    options: Mapping[str, Any] = field(factory=dict)


@value
class ConfigSourceSpec(Value):
    """Layers of configuration, or checks of it; lower `order` is asked first."""

    name: str
    factory: Callable[[], ConfigSource]
    order: int = 100


@value
class AppServerSpec(Value):
    """An app server for frontends in this process; it ends with the context that the factory gives."""

    name: str
    factory: Callable[[Invocation], AbstractAsyncContextManager[AppServer]]


@value
class AppMethodSpec(Value):
    """A method of the app server, PREFIX/NAME with a prefix of the plugin's own; for clients with the capability
    `experimentalApi`. The factory is called when somebody first calls the method. A request that `writes` has the
    thread of its `threadId` for itself, others share it. `help` is one line."""

    name: str
    factory: Callable[[AppMethodSetup], AppMethod]
    help: str = ""
    writes: bool = False
