"""The extension points, on one page.

Every hook collects: each plugin yields as many specs as it likes, and nothing that it yields hides what
another yields. Every hook is synchronous, takes no argument, does no I/O and is called at most once per
process, when something of its kind is first needed, each plugin on its own and for at most
`HOOK_TIMEOUT_S` seconds. What a hook raises isolates its plugin: it is reported by `codex plugin list` and
its specs are left out; for the kinds sandbox, network, policy, guard and store the kernel then refuses to run turns,
because a missing guard is not a weaker guard but none.

A plugin is a module named by an entry point of the group `codex`:

    [project.entry-points.codex]
    tool-clock = "acme_clock.plugin"

It holds functions marked with `@hookimpl` and imports nothing heavy; factories import what does the work.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from .specs import (
    AppMethodSpec,
    AppServerSpec,
    CheckSpec,
    CommandSpec,
    ConfigSectionSpec,
    ConfigSourceSpec,
    ContextSourceSpec,
    ExecPolicySpec,
    FeatureSpec,
    LifecycleSpec,
    McpServerSpec,
    ModelProviderSpec,
    NetworkProxySpec,
    RendererSpec,
    ReviewerSpec,
    SandboxBackendSpec,
    SkillFolderSpec,
    StoreSpec,
    TelemetrySinkSpec,
    ToolSourceSpec,
    ToolSpec,
    TurnGuardSpec,
)

PROJECT = "codex"
API_VERSION = (1, 0)
"""MAJOR.MINOR of the hooks. A plugin module may say `codex_api_version = "1.0"`: the same MAJOR and a MINOR
that is not newer are accepted."""

HOOK_TIMEOUT_S = 5.0

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class CodexHookspecs:
    """All hooks. The façade `PluginManager` calls them; nobody else does."""

    @hookspec
    def codex_model_providers(self) -> Iterable[ModelProviderSpec]:  # type: ignore[empty-body]
        """Offer ways to talk to model servers.

        When called: before the first turn of a process.
        Who selects: the user, by `model_provider` in config.toml; its table's `wire_api` picks the spec that
        lists it, a built-in id the spec that declares it. Two specs with one name, id or wire API clash.
        May raise: the factory, a `UserError` (a missing key, say) or `ProviderError`; the turn fails with it.

        Example::

            @hookimpl
            def codex_model_providers():
                yield ModelProviderSpec(name="acme", wire_apis=("acme",), factory=_open)

            def _open(setup):
                from .client import AcmeProvider
                return AcmeProvider(setup)
        """

    @hookspec
    def codex_tools(self) -> Iterable[ToolSpec]:  # type: ignore[empty-body]
        """Offer tools to the model.

        When called: before the first turn of a process; the factory once per thread.
        Who selects: all are offered, unless `[tools.NAME] enabled = false`; names are unique.
        May raise: a factory's error leaves the tool out, with a notice to the user.

        Example::

            @hookimpl
            def codex_tools():
                yield ToolSpec(name="clock", factory=_open)

            def _open(setup):
                from .clock import ClockTool
                return ClockTool()
        """

    @hookspec
    def codex_tool_sources(self) -> Iterable[ToolSourceSpec]:  # type: ignore[empty-body]
        """Offer tools that are found while a thread runs, as those of MCP servers.

        When called: before the first turn of a process; the factory once per thread, then `run` on its event loop.
        Who selects: all that have something configured; of two tools of one name the first counts.
        May raise: a factory's error leaves the source out, with a notice to the user; `UserError` stops the thread.

        Example::

            @hookimpl
            def codex_tool_sources():
                yield ToolSourceSpec(name="mcp", factory=_open)

            def _open(setup):
                if not setup.tools.config.get("mcp_servers"):
                    return None
                from .bridge import McpBridge
                return McpBridge(setup)
        """

    @hookspec
    def codex_mcp_servers(self) -> Iterable[McpServerSpec]:  # type: ignore[empty-body]
        """Offer MCP servers that run within this process.

        When called: before the first turn of a process; the factory when a thread starts its servers.
        Who selects: all that are `default_enabled` or have a table `[mcp_servers.NAME]` are started, unless that says
        `enabled = false`; a configured server of the same name
        takes the place of one that is offered.
        May raise: a factory's error leaves the server out, with a notice to the user.

        Example::

            @hookimpl
            def codex_mcp_servers():
                yield McpServerSpec(name="clock", factory=_open)

            def _open():
                from .server import clock_server
                return clock_server()
        """

    @hookspec
    def codex_sandbox_backends(self) -> Iterable[SandboxBackendSpec]:  # type: ignore[empty-body]
        """Offer ways to confine commands.

        When called: before the first command of a process.
        Who selects: `[sandbox] backend = NAME` in config, else the strongest whose probe says available and
        that then proves itself: a forbidden write, read and connection must fail in it and a permitted write
        must work. `[sandbox] preference = "require"` leaves out degraded ones. A spec with `confines=False`
        serves danger-full-access and what was approved to run outside; it never takes the place of others.
        May raise: anything fails closed: no command runs, and the model and the user are told the cure.

        Example::

            @hookimpl
            def codex_sandbox_backends():
                yield SandboxBackendSpec(name="jail", platforms=frozenset({"linux"}), strength=50, factory=_open)

            def _open(setup):
                from .backend import JailBackend
                return JailBackend(setup)
        """

    @hookspec
    def codex_exec_policies(self) -> Iterable[ExecPolicySpec]:  # type: ignore[empty-body]
        """Offer judges of what tools are about to do.

        When called: before the first turn of a process; the factory once per thread.
        Who selects: nobody, all are asked; the strictest answer holds and silence falls to the approval policy.
        May raise: a factory's error stops the thread; an error of `evaluate` counts as forbidden.

        Example::

            @hookimpl
            def codex_exec_policies():
                yield ExecPolicySpec(name="no-deploy", factory=_open)

            class NoDeploy:
                def evaluate(self, intent, context):
                    if isinstance(intent, RunIntent) and "deploy" in intent.display:
                        return Verdict(decision=Decision.FORBIDDEN, reason="deploys are done by CI")
                    return None

            def _open(setup):
                return NoDeploy()
        """

    @hookspec
    def codex_network_proxies(self) -> Iterable[NetworkProxySpec]:  # type: ignore[empty-body]
        """Offer a proxy for confined commands.

        When called: before the first command whose policy has network rules.
        Who selects: `[network] proxy = NAME` in config, else the only one; several and no choice is an error.
        May raise: anything fails closed: the command does not run.

        Example::

            @hookimpl
            def codex_network_proxies():
                yield NetworkProxySpec(name="loopback", factory=_open)

            def _open(setup):
                from .proxy import LoopbackProxy
                return LoopbackProxy(setup)
        """

    @hookspec
    def codex_reviewers(self) -> Iterable[ReviewerSpec]:  # type: ignore[empty-body]
        """Offer someone who answers approval requests in the user's place.

        When called: when the first question of a thread is to be asked and a reviewer is configured.
        Who selects: `approvals_reviewer = NAME` in config; `user`, the default, is the person at the frontend.
        May raise: an error of `review` leaves the question to the user, with a warning.

        Example::

            @hookimpl
            def codex_reviewers():
                yield ReviewerSpec(name="office-hours", factory=_open)

            class OfficeHours:
                async def review(self, request, context):
                    if datetime.now().hour >= 18:
                        return Review(decision=ReviewDecision.DENIED, reason="nobody is in the office")
                    return None

            def _open(setup):
                return OfficeHours()
        """

    @hookspec
    def codex_checks(self) -> Iterable[CheckSpec]:  # type: ignore[empty-body]
        """Offer checks of the installation.

        When called: by `codex doctor`.
        Who selects: nobody, all are run, lower `order` first.
        May raise: an error is shown as a failed finding.

        Example::

            @hookimpl
            def codex_checks():
                yield CheckSpec(name="disk", factory=_open)

            class DiskCheck:
                async def run(self):
                    return (Finding(name="disk", health=Health.OK, message="there is room"),)

            def _open(setup):
                return DiskCheck()
        """

    @hookspec
    def codex_stores(self) -> Iterable[StoreSpec]:  # type: ignore[empty-body]
        """Offer stores of the kinds rollout, state and memory.

        When called: when a thread is opened, listed or resumed.
        Who selects: `[stores] KIND = NAME`, else the only one; two of one kind without a choice are an error.
        May raise: `StoreError`; a rollout store that cannot be opened stops the thread.

        Example::

            @hookimpl
            def codex_stores():
                yield StoreSpec(name="bucket", kind="rollout", factory=_open)

            def _open(setup):
                from .bucket import BucketRolloutStore
                return BucketRolloutStore(setup.options["url"])
        """

    @hookspec
    def codex_context_sources(self) -> Iterable[ContextSourceSpec]:  # type: ignore[empty-body]
        """Offer sources of context that the model is told at the start of a turn.

        When called: before the first turn of a process.
        Who selects: all, by `order`; names are unique.
        May raise: an error of `fragments` becomes a notice and the turn goes on without the source.

        Example::

            @hookimpl
            def codex_context_sources():
                yield ContextSourceSpec(name="oncall", order=300, factory=lambda: OnCall())

            class OnCall:
                def fragments(self, request):
                    return [Fragment(kind="oncall", role="developer", text="Today's on-call: Ada.")]
        """

    @hookspec
    def codex_skill_folders(self) -> Iterable[SkillFolderSpec]:  # type: ignore[empty-body]
        """Offer folders of skills.

        When called: before the first turn of a process, and by `codex skills`.
        Who selects: the user and the model, skill by skill; `[[skills.config]]` switches single ones off.
        May raise: what `path` raises leaves the folder out, with a notice to the user.

        Example::

            @hookimpl
            def codex_skill_folders():
                yield SkillFolderSpec(name="acme", path=_folder)

            def _folder():
                import os
                return os.path.join(os.path.dirname(__file__), "skills")
        """

    @hookspec
    def codex_lifecycle_hooks(self) -> Iterable[LifecycleSpec]:  # type: ignore[empty-body]
        """Offer to run the user's handlers of lifecycle events.

        When called: before the first turn of a process; the factory once per thread, if one of the spec's
        `tables` is set in the configuration.
        Who selects: nobody, all are told; the strictest answer holds.
        May raise: the factory, a `ConfigError`; the thread then does not start. What `handle` raises blocks.

        Example::

            @hookimpl
            def codex_lifecycle_hooks():
                yield LifecycleSpec(name="acme", tables=("acme_hooks",), factory=_open)

            def _open(setup):
                from .handlers import AcmeHooks
                return AcmeHooks(setup)
        """

    @hookspec
    def codex_turn_guards(self) -> Iterable[TurnGuardSpec]:  # type: ignore[empty-body]
        """Offer to stand where a turn is about to do something: a budget, a journal, a trace.

        When called: when a thread is opened; the factory once per thread, and it may have nothing to do (None).
        Who selects: nobody, all are asked, those of bundled plugins first.
        May raise: anything, which ends the turn; a guard that only `observes` is dropped and told instead.

        Example::

            @hookimpl
            def codex_turn_guards():
                yield TurnGuardSpec(name="no-sundays", factory=_open)

            def _open(setup):
                from .calendar import NoSundays
                return NoSundays()
        """

    @hookspec
    def codex_features(self) -> Iterable[FeatureSpec]:  # type: ignore[empty-body]
        """Offer feature flags.

        When called: when configuration is checked, and by `codex features`.
        Who selects: the user, by `[features] NAME = true`, `--enable` and `--disable`.
        May raise: nothing is expected to.

        Example::

            @hookimpl
            def codex_features():
                yield FeatureSpec(name="acme_dreams", stage="experimental", help="Dream between turns")
        """

    @hookspec
    def codex_renderers(self) -> Iterable[RendererSpec]:  # type: ignore[empty-body]
        """Offer ways to show a thread's events.

        When called: when a frontend asks for a renderer.
        Who selects: the frontend, by name (`text` and `jsonl` for `codex exec`).
        May raise: an error of `handle` drops the renderer after one log line, never the turn.

        Example::

            @hookimpl
            def codex_renderers():
                yield RendererSpec(name="dots", factory=lambda setup: Dots(setup.stderr))

            class Dots:
                def __init__(self, out): self.out = out
                def handle(self, event): self.out.write(".")
                def close(self): self.out.write("\\n")
        """

    @hookspec
    def codex_telemetry_sinks(self) -> Iterable[TelemetrySinkSpec]:  # type: ignore[empty-body]
        """Offer observers of every event.

        When called: when a thread is opened.
        Who selects: nobody, all receive all events but deltas, through a bounded queue of their own.
        May raise: an error drops the sink after one log line, never the turn.

        Example::

            @hookimpl
            def codex_telemetry_sinks():
                yield TelemetrySinkSpec(name="count", factory=lambda setup: Counter())

            class Counter:
                events = 0
                def emit(self, event): self.events += 1
                def close(self): pass
        """

    @hookspec
    def codex_commands(self) -> Iterable[CommandSpec]:  # type: ignore[empty-body]
        """Offer subcommands of `codex`.

        When called: when the command line names a subcommand, or a program name that is not `codex`.
        Who selects: the person who types it; names and `argv0` are unique.
        May raise: `CodexError` ends the program with its message, hint and exit code.

        Example::

            @hookimpl
            def codex_commands():
                yield CommandSpec(name="hello", help="Greet", load=_load)

            def _load():
                import click
                return click.Command("hello", callback=lambda: click.echo("hello"))
        """

    @hookspec
    def codex_config_sections(self) -> Iterable[ConfigSectionSpec]:  # type: ignore[empty-body]
        """Offer tables of config.toml that belong to the plugin.

        When called: when configuration is checked, or the section is asked for.
        Who selects: the table's name; names are unique.
        May raise: a value that does not fit is a `ConfigError` with file and line.

        Example::

            @attrs.frozen
            class ClockSection:
                utc: bool = False

            @hookimpl
            def codex_config_sections():
                yield ConfigSectionSpec(name="clock", section=ClockSection)
        """

    @hookspec
    def codex_config_sources(self) -> Iterable[ConfigSourceSpec]:  # type: ignore[empty-body]
        """Offer layers of configuration beside the files that the kernel reads, or checks of all of it.

        When called: when configuration is loaded.
        Who selects: nobody, all are asked.
        May raise: a `ConfigError`, with which nothing starts. A source that breaks keeps everything from starting.

        Example::

            @hookimpl
            def codex_config_sources():
                yield ConfigSourceSpec(name="acme", factory=_open)

            def _open():
                from .layers import AcmeSource
                return AcmeSource()
        """

    @hookspec
    def codex_app_servers(self) -> Iterable[AppServerSpec]:  # type: ignore[empty-body]
        """Offer an app server for frontends that run in this process.

        When called: when such a frontend starts, as the terminal UI does.
        Who selects: the frontend, by name (`app-server`).
        May raise: the factory, a `CodexError`; the frontend then does not start.

        Example::

            @hookimpl
            def codex_app_servers():
                yield AppServerSpec(name="acme", factory=_open)

            def _open(invocation):
                from .server import open_server  # an async context manager
                return open_server(invocation)
        """

    @hookspec
    def codex_app_methods(self) -> Iterable[AppMethodSpec]:  # type: ignore[empty-body]
        """Offer methods of the app server, for frontends and other clients.

        When called: when a client calls a method that the server does not have itself; the factory with the first call.
        Who selects: the client; names are unique, and those of the server itself are taken.
        May raise: what the factory or the method raises answers the request; the server goes on.

        Example::

            @hookimpl
            def codex_app_methods():
                yield AppMethodSpec(name="acme/greet", help="Greet a thread", factory=_greet)

            def _greet(setup):
                async def greet(params):
                    thread = await setup.thread(params["threadId"])
                    return {"text": f"hello, {thread.cwd}"}
                return greet
        """


HOOK_KINDS: dict[str, str] = {
    "codex_model_providers": "provider",
    "codex_tools": "tool",
    "codex_tool_sources": "tool source",
    "codex_mcp_servers": "mcp server",
    "codex_sandbox_backends": "sandbox",
    "codex_exec_policies": "policy",
    "codex_network_proxies": "network",
    "codex_reviewers": "reviewer",
    "codex_checks": "check",
    "codex_stores": "store",
    "codex_context_sources": "context",
    "codex_skill_folders": "skills",
    "codex_lifecycle_hooks": "lifecycle",
    "codex_turn_guards": "guard",
    "codex_features": "feature",
    "codex_renderers": "renderer",
    "codex_telemetry_sinks": "telemetry",
    "codex_commands": "command",
    "codex_config_sections": "config",
    "codex_config_sources": "config source",
    "codex_app_servers": "app server",
    "codex_app_methods": "app method",
}
"""Hook name -> kind, as `codex plugin list` shows it."""

FAIL_CLOSED_KINDS = frozenset({"sandbox", "network", "policy", "lifecycle", "guard", "store", "config source"})
