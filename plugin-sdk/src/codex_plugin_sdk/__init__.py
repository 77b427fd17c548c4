"""Everything a plugin imports: `from codex_plugin_sdk import hookimpl, ToolSpec, …`.

Names resolve when they are first used, so that a plugin module which only registers pays for hooks and specs
and for nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._exports import MODULES as _MODULES

if TYPE_CHECKING:
    from codex_kernel.hookspecs import (
        API_VERSION as API_VERSION,
        hookimpl as hookimpl,
    )
    from codex_kernel.specs import (
        AppMethodSpec as AppMethodSpec,
        AppServerSpec as AppServerSpec,
        CheckSpec as CheckSpec,
        CommandSpec as CommandSpec,
        ConfigSectionSpec as ConfigSectionSpec,
        ConfigSourceSpec as ConfigSourceSpec,
        ContextSourceSpec as ContextSourceSpec,
        ExecPolicySpec as ExecPolicySpec,
        FeatureSpec as FeatureSpec,
        LifecycleSpec as LifecycleSpec,
        McpServerSpec as McpServerSpec,
        ModelProviderSpec as ModelProviderSpec,
        NetworkProxySpec as NetworkProxySpec,
        RendererSpec as RendererSpec,
        ReviewerSpec as ReviewerSpec,
        SandboxBackendSpec as SandboxBackendSpec,
        SkillFolderSpec as SkillFolderSpec,
        StoreSpec as StoreSpec,
        TelemetrySinkSpec as TelemetrySinkSpec,
        ToolSourceSpec as ToolSourceSpec,
        ToolSpec as ToolSpec,
        TurnGuardSpec as TurnGuardSpec,
    )
    from codex_kernel.errors import (
        AuthenticationFailed as AuthenticationFailed,
        BudgetExceeded as BudgetExceeded,
        CodexError as CodexError,
        ConfigError as ConfigError,
        ConnectionLost as ConnectionLost,
        ContextWindowExceeded as ContextWindowExceeded,
        ExitCode as ExitCode,
        LimitReached as LimitReached,
        PluginConflict as PluginConflict,
        PluginError as PluginError,
        PluginLoadError as PluginLoadError,
        PluginMissing as PluginMissing,
        PolicyDenied as PolicyDenied,
        ProtocolError as ProtocolError,
        ProviderError as ProviderError,
        RateLimited as RateLimited,
        SandboxDenied as SandboxDenied,
        SandboxError as SandboxError,
        SandboxUnavailable as SandboxUnavailable,
        StoreError as StoreError,
        StreamClosed as StreamClosed,
        ToolFailed as ToolFailed,
        UserError as UserError,
    )
    from codex_kernel.contracts.model import (
        ModelEvent as ModelEvent,
        ModelInfo as ModelInfo,
        ModelProvider as ModelProvider,
        ModelRequest as ModelRequest,
        OutputItemDone as OutputItemDone,
        OutputItemStarted as OutputItemStarted,
        ProviderInfo as ProviderInfo,
        ProviderNotice as ProviderNotice,
        ProviderSetup as ProviderSetup,
        ReasoningTextDelta as ReasoningTextDelta,
        ResponseCompleted as ResponseCompleted,
        ResponseStarted as ResponseStarted,
        TextDelta as TextDelta,
        ToolDefinition as ToolDefinition,
        ToolInputTextDelta as ToolInputTextDelta,
    )
    from codex_kernel.contracts.tool import (
        ElicitationAnswer as ElicitationAnswer,
        FileEdit as FileEdit,
        Tool as Tool,
        ToolCall as ToolCall,
        ToolContext as ToolContext,
        ToolOutput as ToolOutput,
        ToolSetup as ToolSetup,
        ToolSource as ToolSource,
        ToolSourceSetup as ToolSourceSetup,
    )
    from codex_kernel.contracts.guard import (
        GuardSetup as GuardSetup,
        TurnFacts as TurnFacts,
        TurnGuard as TurnGuard,
    )
    from codex_kernel.contracts.agents import (
        ChildOptions as ChildOptions,
        ChildThread as ChildThread,
    )
    from codex_kernel.contracts.sandbox import (
        ExecRequest as ExecRequest,
        Probe as Probe,
        Process as Process,
        SandboxBackend as SandboxBackend,
        SandboxSetup as SandboxSetup,
    )
    from codex_kernel.contracts.network import (
        NetworkProxy as NetworkProxy,
        NetworkProxySetup as NetworkProxySetup,
        Permission as Permission,
        ProxySession as ProxySession,
    )
    from codex_kernel.contracts.app_server import (
        AppConnection as AppConnection,
        AppMethod as AppMethod,
        AppMethodSetup as AppMethodSetup,
        AppServer as AppServer,
        ThreadFacts as ThreadFacts,
    )
    from codex_kernel.contracts.checks import (
        Check as Check,
        CheckSetup as CheckSetup,
        Finding as Finding,
        Health as Health,
    )
    from codex_kernel.contracts.policy import (
        AmendingPolicy as AmendingPolicy,
        ExecPolicy as ExecPolicy,
        PolicyContext as PolicyContext,
        PolicySetup as PolicySetup,
        Review as Review,
        Reviewer as Reviewer,
        ReviewerSetup as ReviewerSetup,
    )
    from codex_kernel.contracts.store import (
        MemoryNote as MemoryNote,
        MemoryStore as MemoryStore,
        RolloutLibrary as RolloutLibrary,
        RolloutLine as RolloutLine,
        RolloutStore as RolloutStore,
        RolloutTurns as RolloutTurns,
        RolloutWriter as RolloutWriter,
        StateStore as StateStore,
        StoreSetup as StoreSetup,
        ThreadPage as ThreadPage,
        ThreadQuery as ThreadQuery,
        ThreadSummary as ThreadSummary,
    )
    from codex_kernel.contracts.observe import (
        Renderer as Renderer,
        RenderSetup as RenderSetup,
        TelemetrySetup as TelemetrySetup,
        TelemetrySink as TelemetrySink,
    )
    from codex_kernel.contracts.lifecycle import (
        LIFECYCLE_EVENTS as LIFECYCLE_EVENTS,
        LifecycleEvent as LifecycleEvent,
        LifecycleHooks as LifecycleHooks,
        LifecycleOutcome as LifecycleOutcome,
        LifecycleSetup as LifecycleSetup,
    )
    from codex_kernel.contracts.config import (
        LAYER_KINDS as LAYER_KINDS,
        ConfigLayer as ConfigLayer,
        ConfigRequest as ConfigRequest,
        ConfigSource as ConfigSource,
        Diagnostic as Diagnostic,
        SourcedConfig as SourcedConfig,
    )
    from codex_kernel.requirements import (
        Constrained as Constrained,
        Requirements as Requirements,
        parse_requirements as parse_requirements,
    )
    from codex_kernel.toml_files import (
        positions as positions,
        read_toml as read_toml,
    )
    from codex_kernel.rollout_lines import (
        item_body as item_body,
    )
    from codex_kernel.contracts.context import (
        ContextRequest as ContextRequest,
        ContextSource as ContextSource,
        Fragment as Fragment,
    )
    from codex_kernel.protocol.ids import (
        ApprovalId as ApprovalId,
        CallId as CallId,
        ItemId as ItemId,
        ThreadId as ThreadId,
        TurnId as TurnId,
        is_uuid as is_uuid,
        new_item_id as new_item_id,
        new_thread_id as new_thread_id,
        new_turn_id as new_turn_id,
        uuid7 as uuid7,
        uuid7_unix_ms as uuid7_unix_ms,
    )
    from codex_kernel.protocol.value import (
        Value as Value,
        field as field,
        value as value,
    )
    from codex_kernel.protocol.usage import (
        TokenUsage as TokenUsage,
    )
    from codex_kernel.protocol.policy import (
        GUARANTEES as GUARANTEES,
        AdditionalPermissions as AdditionalPermissions,
        ApprovalPolicy as ApprovalPolicy,
        Category as Category,
        Decision as Decision,
        EditIntent as EditIntent,
        Grant as Grant,
        GranularApproval as GranularApproval,
        Guarantee as Guarantee,
        Intent as Intent,
        NetworkIntent as NetworkIntent,
        NetworkMode as NetworkMode,
        NetworkRules as NetworkRules,
        PolicyAmendment as PolicyAmendment,
        ReviewDecision as ReviewDecision,
        RunIntent as RunIntent,
        SandboxMode as SandboxMode,
        SandboxPolicy as SandboxPolicy,
        SandboxPreference as SandboxPreference,
        ToolIntent as ToolIntent,
        Verdict as Verdict,
        strictest as strictest,
    )
    from codex_kernel.protocol.response_items import (
        ContentPart as ContentPart,
        CustomToolCall as CustomToolCall,
        CustomToolCallOutput as CustomToolCallOutput,
        FunctionCall as FunctionCall,
        FunctionCallOutput as FunctionCallOutput,
        HistoryEntry as HistoryEntry,
        Message as Message,
        Reasoning as Reasoning,
        ResponseItem as ResponseItem,
        UnknownItem as UnknownItem,
        WebSearchCall as WebSearchCall,
        decode_item as decode_item,
        encode_item as encode_item,
        item_to_dict as item_to_dict,
        text_message as text_message,
    )
    from codex_kernel.protocol.thread_items import (
        AgentMessageItem as AgentMessageItem,
        CollabAgentToolCallItem as CollabAgentToolCallItem,
        CommandExecutionItem as CommandExecutionItem,
        ContextCompactionItem as ContextCompactionItem,
        ErrorItem as ErrorItem,
        FileChange as FileChange,
        FileChangeItem as FileChangeItem,
        ImageViewItem as ImageViewItem,
        ItemStatus as ItemStatus,
        McpToolCallItem as McpToolCallItem,
        ReasoningItem as ReasoningItem,
        ThreadItem as ThreadItem,
        TodoEntry as TodoEntry,
        TodoListItem as TodoListItem,
        ToolCallItem as ToolCallItem,
        UnknownThreadItem as UnknownThreadItem,
        UserMessageItem as UserMessageItem,
        WebSearchItem as WebSearchItem,
    )
    from codex_kernel.protocol.ops import (
        ApprovalAnswer as ApprovalAnswer,
        Compact as Compact,
        ImageInput as ImageInput,
        InjectItems as InjectItems,
        Interrupt as Interrupt,
        LocalImageInput as LocalImageInput,
        Op as Op,
        Shutdown as Shutdown,
        Steer as Steer,
        TextInput as TextInput,
        TurnOverrides as TurnOverrides,
        UserInput as UserInput,
        UserTurn as UserTurn,
    )
    from codex_kernel.protocol.events import (
        AgentMessageDelta as AgentMessageDelta,
        ApprovalRequested as ApprovalRequested,
        ApprovalResolved as ApprovalResolved,
        Choice as Choice,
        ElicitationRequested as ElicitationRequested,
        ErrorInfo as ErrorInfo,
        Event as Event,
        EventMsg as EventMsg,
        HookRun as HookRun,
        ItemCompleted as ItemCompleted,
        ItemStarted as ItemStarted,
        ItemUpdated as ItemUpdated,
        McpServerStatus as McpServerStatus,
        NetworkDecided as NetworkDecided,
        Notice as Notice,
        OpRejected as OpRejected,
        OutputDelta as OutputDelta,
        Question as Question,
        QuestionsAsked as QuestionsAsked,
        ReasoningDelta as ReasoningDelta,
        SandboxSelected as SandboxSelected,
        StreamRetry as StreamRetry,
        ThreadClosed as ThreadClosed,
        ThreadStarted as ThreadStarted,
        TokenCount as TokenCount,
        ToolInputDelta as ToolInputDelta,
        TurnCompleted as TurnCompleted,
        TurnFailed as TurnFailed,
        TurnInterrupted as TurnInterrupted,
        TurnStarted as TurnStarted,
        TurnState as TurnState,
        TurnStateChanged as TurnStateChanged,
    )
    from codex_plugin_sdk.context import (
        base_context_sources as base_context_sources,
    )
    from codex_plugin_sdk.denial import (
        Denial as Denial,
        Denied as Denied,
        explain_denial as explain_denial,
    )
    from codex_plugin_sdk.late import (
        LateTool as LateTool,
    )
    from codex_plugin_sdk.process.local import (
        spawn_process as spawn_process,
    )
    from codex_plugin_sdk.process.unconfined import (
        UnconfinedBackend as UnconfinedBackend,
    )
    from codex_kernel.files import (
        remove_file as remove_file,
        replace_file as replace_file,
        resolve_confined as resolve_confined,
    )
    from codex_plugin_sdk.images import (
        ImageError as ImageError,
        load_image_data_url as load_image_data_url,
        local_image as local_image,
    )
    from codex_kernel.config import (
        Config as Config,
        ConfigSources as ConfigSources,
        codex_home as codex_home,
        load_config as load_config,
        parse_value as parse_value,
        reload_config as reload_config,
        split_override as split_override,
    )
    from codex_kernel.sandboxing import (
        Candidate as Candidate,
        SandboxChooser as SandboxChooser,
    )
    from codex_kernel.permissions import (
        permission_profile as permission_profile,
    )
    from codex_kernel.main import (
        run_codex as run_codex,
    )
    from codex_kernel.engine import (
        Engine as Engine,
        ThreadOptions as ThreadOptions,
    )
    from codex_kernel.opened import (
        OpenedThread as OpenedThread,
    )
    from codex_kernel.thread import (
        EndOfThread as EndOfThread,
        Thread as Thread,
    )
    from codex_kernel.invocation import (
        Invocation as Invocation,
    )
    from codex_kernel.plugin_list import (
        report_body as report_body,
    )
    from codex_kernel.git_info import (
        git_head as git_head,
        git_root as git_root,
    )
    from codex_kernel.version import (
        __version__ as __version__,
    )

_HOME = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(module), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
