"""Opens what a replay runs in: the recording, the configuration as it was, and a thread that asks no model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import (
    ConfigLayer,
    Engine,
    StoreError,
    ThreadOptions,
    UserError,
    parse_value,
    split_override,
)

from .blobs import Blobs, trace_folder
from .normal import Paths
from .recording import Recording
from .rollout import lines_of, read_rollout
from .stand_ins import RecordedTool, Results, StandIn, recorded_definitions
from .trace_reading import read_trace, trace_path

if TYPE_CHECKING:
    from codex_plugin_sdk import Config, Invocation, OpenedThread, RolloutStore

    from .workspace import Workspace

_LEFT_OUT = ("budget", "undo", "otel", "analytics", "notify", "memories", "approvals_reviewer")
"""Tables of what would count, keep or tell a replay as if it were a session."""
_ENVIRON = ("LANG", "LC_ALL", "TERM", "TZ")
_HARMLESS = frozenset(
    {
        "model",
        "model_provider",
        "model_reasoning_effort",
        "model_reasoning_summary",
        "model_verbosity",
        "model_context_window",
        "model_auto_compact_token_limit",
        "features",
        "tool_output_token_limit",
        "compact_prompt",
        "project_doc_max_bytes",
        "web_search",
    }
)
"""Keys that are taken from a capsule: they change what the model is told, and not what commands may do."""
NARROWED = "the further folders that were writable are not so in the replay"
CONFINED, UNCONFINED = "workspace-write", "danger-full-access"


def open_recording(invocation: Invocation, wanted: str) -> Recording:
    """The recording of an id, a name, a file. Raises `UserError`, `StoreError`."""
    config = invocation.load_config(cwd=None)
    path = os.path.abspath(os.path.expanduser(wanted))
    if wanted.endswith(".jsonl") and os.path.isfile(path):
        recording = _from_file(path)
    else:
        store = Engine(config=config, plugins=invocation.plugins, environ=invocation.environ).rollout_store()
        recording = _from_store(store, wanted)
    found = trace_path(config.codex_home, recording.thread_id)
    if found is not None:
        add_trace(recording, found, Blobs(trace_folder(config.codex_home)))
    return recording


def add_trace(recording: Recording, path: str, blobs: Blobs) -> None:
    """Lay a trace beside a recording. Raises `StoreError` for one that cannot be read."""
    try:
        trace = read_trace(path, blobs)
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"the trace {path} cannot be read: {why}", path=path, operation="read the trace") from error
    if trace is not None:
        recording.use(trace)


def _from_file(path: str) -> Recording:
    try:
        with open(path, "rb") as file:
            return read_rollout(path, lines_of(file))
    except OSError as error:
        why = error.strerror or str(error)
        raise StoreError(f"{path} cannot be read: {why}", path=path, operation="read the rollout") from error


def _from_store(store: RolloutStore, wanted: str) -> Recording:
    found = store.find(wanted) if wanted else None
    if found is None:
        raise UserError(f"no session found matching {wanted!r}", hint="codex sessions list --all shows what there is")
    return read_rollout(found.path, store.read(found.thread_id))


# -- the thread -----------------------------------------------------------------------------------------


def replay_config(
    invocation: Invocation,
    recording: Recording,
    overrides: Sequence[str],
    sandbox: str | None,
    *,
    foreign: bool = False,
) -> tuple[Config, list[str]]:
    """The configuration of the recording where a trace has it, else the present one; and what is said about it.
    Requirements of the administrator hold as they are now. Of a `foreign` one, from somebody else's capsule, only keys
    are taken that widen nothing. Raises `ConfigError`, `UserError`."""
    notes: list[str] = []
    config = invocation.load_config(cwd=recording.cwd if os.path.isdir(recording.cwd) else None, overrides=overrides)
    traced = recording.trace is not None and bool(recording.trace.config)
    told = recording.trace.config if recording.trace is not None and traced else config.data
    left_out = {*_LEFT_OUT, *_hook_tables(invocation, {**config.data, **told}, notes)}
    table = {key: found for key, found in told.items() if key not in left_out and (not foreign or key in _HARMLESS)}
    _confine(table, notes)
    fixed = [layer for layer in config.layers if layer.kind == "requirements"]
    config.layers = [ConfigLayer(kind="user", source="the recording", table=table)]
    config.add(*fixed)
    for text in (*invocation.overrides, *overrides):
        key, raw = split_override(text)
        config.merge_key(key, parse_value(raw), f"-c {key}")
    for key, found in _settings(recording, config, sandbox, notes).items():
        config.merge_key(key, found, "the replay")
    if foreign:
        config.merge_key("sandbox_workspace_write.network_access", False, "the replay")
    for name in left_out:
        config.data.pop(name, None)
    config.notices.clear()
    return config, notes


def _confine(table: dict[str, Any], notes: list[str]) -> None:
    """Let the replay write nowhere but in its scratch workspace and where temporary files lie."""
    for key in ("default_permissions", "permissions", "sandbox_mode"):
        table.pop(key, None)
    roots = table.get("sandbox_workspace_write")
    if isinstance(roots, Mapping) and roots.get("writable_roots"):
        table["sandbox_workspace_write"] = {key: found for key, found in roots.items() if key != "writable_roots"}
        notes.append(NARROWED)


def _hook_tables(invocation: Invocation, data: Mapping[str, Any], notes: list[str]) -> list[str]:
    tables = [t for offer in invocation.plugins.lifecycle().values() for t in offer.spec.tables if t in data]
    if tables:
        notes.append("hooks are not run: what they added is left out of the comparison")
    return tables


def _settings(recording: Recording, config: Config, sandbox: str | None, notes: list[str]) -> dict[str, Any]:
    """What the first turn of the recording says, over the configuration."""
    turn = next((turn for turn in recording.turns if not turn.inherited), recording.turns[0])
    found: dict[str, Any] = {"trace.enabled": False}
    model, effort = turn.context.get("model"), turn.context.get("effort")
    found |= {"model": model} if isinstance(model, str) else {}
    found |= {"model_reasoning_effort": effort} if isinstance(effort, str) and recording.trace is None else {}
    asks = turn.context.get("approval_policy")
    found |= {"approval_policy": asks} if isinstance(asks, str) else {}
    found |= _sandbox(recording, turn.context.get("sandbox_policy"), sandbox, notes)
    provider = recording.meta.get("model_provider")
    if isinstance(provider, str) and provider:
        found["model_provider"] = provider
        if provider not in config.table("model_providers"):
            found |= _provider(provider)
    return found


def recorded_mode(recording: Recording) -> str:
    """The sandbox mode of the first turn that is the recording's own."""
    turn = next((turn for turn in recording.turns if not turn.inherited), recording.turns[0])
    table = turn.context.get("sandbox_policy")
    return str(table.get("type") or CONFINED) if isinstance(table, Mapping) else CONFINED


def _provider(name: str) -> dict[str, Any]:
    """A table for a provider that is known elsewhere. Nothing is ever sent to it."""
    if name in ("openai", "ollama", "lmstudio") or not name.replace("-", "").replace("_", "").isalnum():
        return {}
    return {f"model_providers.{name}": {"name": name, "base_url": "http://127.0.0.1:9/v1", "wire_api": "responses"}}


def _sandbox(recording: Recording, recorded: object, wanted: str | None, notes: list[str]) -> dict[str, Any]:
    """The sandbox of the replay: as recorded, but confined unless asked otherwise."""
    table = recorded if isinstance(recorded, Mapping) else {}
    mode = recorded_mode(recording)
    if wanted is None and mode not in ("read-only", CONFINED):
        notes.append(f"the commands ran unconfined ({mode}) and run confined now (--sandbox {UNCONFINED} to run alike)")
        mode = CONFINED
    found: dict[str, Any] = {"sandbox_mode": wanted or mode}
    names = ("network_access", "exclude_tmpdir_env_var", "exclude_slash_tmp")
    found |= {f"sandbox_workspace_write.{name}": table[name] for name in names if isinstance(table.get(name), bool)}
    return found


def environ_of(
    recording: Recording, environ: Mapping[str, str], *, foreign: bool = False
) -> tuple[dict[str, str], list[str]]:
    """The environment, with the variables that the trace tells and that change what commands print; and the names of
    those that could not be had as they were. A `foreign` trace chooses neither shell nor folders."""
    found = dict(environ)
    platform = recording.trace.facts.get("platform") if recording.trace is not None else None
    told = platform.get("environ") if isinstance(platform, dict) else None
    if not isinstance(told, dict):
        return found, []
    for name in _ENVIRON:
        found.pop(name, None)
    found |= {name: str(told[name]) for name in _ENVIRON if name in told}
    if foreign:
        return found, [name for name in ("SHELL", "PATH") if str(told.get(name) or "") != found.get(name, "")]
    if os.access(str(told.get("SHELL") or ""), os.X_OK):
        found["SHELL"] = str(told["SHELL"])
    elif "SHELL" not in told:
        found.pop("SHELL", None)
    place = str(told.get("TMPDIR") or "")
    if os.path.isdir(place):
        found["TMPDIR"] = place
    elif not place:
        found.pop("TMPDIR", None)
    return found, [name for name in ("SHELL", "TMPDIR", "PATH") if str(told.get(name) or "") != found.get(name, "")]


def open_thread(
    engine: Engine, recording: Recording, workspace: Workspace, results: Results, *, keep: bool, live_mcp: bool
) -> tuple[OpenedThread, list[str]]:
    """A thread in the scratch workspace whose tools are stood in for; recorded with `keep`. Raises what stands in the
    way of a first turn."""
    source = recording.meta.get("source")
    options = ThreadOptions(
        cwd=workspace.cwd,
        ephemeral=not keep,
        source=source if isinstance(source, str) and not keep else "exec",
        originator=str(recording.meta.get("originator") or "codex_exec"),
        meta={"forked_from_id": recording.thread_id} if keep else {},
    )
    opened = engine.prepare(options)
    state = opened.state
    state.refresh = list  # what is replayed is what was recorded: the configuration is not read anew
    if not live_mcp:
        state.sources.forget()
    real = {name: StandIn(tool, results) for name, tool in state.own_tools.items()}
    state.own_tools = state.tools = real
    missing = {n: d for n, d in recorded_definitions(recording).items() if n not in real}
    if missing and not live_mcp:
        state.bring({name: RecordedTool(definition, results) for name, definition in missing.items()})
    text = recording.meta.get("base_instructions")
    if isinstance(text, Mapping) and isinstance(text.get("text"), str) and recording.trace is not None:
        state.instructions = text["text"]
    return opened, sorted(missing)


def paths_of(workspace: Workspace) -> Paths:
    """The recorded folder and its scratch copy."""
    return Paths(workspace.recorded_root, workspace.root)
