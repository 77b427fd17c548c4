"""The kernel's own settings, read from the merged configuration into one frozen value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

from .config import Config, joined
from .contracts.model import ProviderInfo
from .errors import ConfigError
from .protocol.policy import ApprovalPolicy, Category, GranularApproval, SandboxMode, SandboxPolicy, SandboxPreference
from .protocol.value import Value, field, value

R = TypeVar("R")

DEFAULT_MODEL = "gpt-5.5"
DEFAULT_PROVIDER = "openai"
_REVIEWERS = {"auto_review": "auto", "guardian_subagent": "auto"}


@value
class Settings(Value):
    """What a thread runs with. Token figures are counts, `turn_timeout_s` wall time of a turn."""

    model: str
    provider_id: str
    provider: ProviderInfo | None
    effort: str | None = None
    summary: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    approval_policy: ApprovalPolicy = ApprovalPolicy.ON_REQUEST
    sandbox_policy: SandboxPolicy = field(factory=SandboxPolicy)
    granular: GranularApproval | None = None
    approvals_reviewer: str | None = None
    may_allow: frozenset[str] = frozenset({"rules"})
    sandbox_backend: str | None = None
    sandbox_preference: SandboxPreference = SandboxPreference.AUTO
    network_proxy: str | None = None
    instructions: str | None = None
    developer_instructions: str | None = None
    compact_prompt: str | None = None
    context_window: int | None = None
    auto_compact_token_limit: int | None = None
    max_turns: int | None = None
    turn_timeout_s: float | None = None
    rollout_store: str | None = None
    persist: bool = True
    disabled_tools: frozenset[str] = frozenset()
    enabled_tools: frozenset[str] = frozenset()
    include_environment_context: bool = True
    include_permissions_instructions: bool = True


def read_settings(config: Config) -> Settings:
    """Settings from configuration, as far as requirements permit them; what they do not is among the notices.
    Raises one `ConfigError` that lists everything that is wrong."""
    problems: list[ConfigError] = []

    def read(reader: Callable[[], R], fallback: R) -> R:
        try:
            return reader()
        except ConfigError as error:
            problems.append(error)
            return fallback

    provider_id = read(lambda: config.get("model_provider", str), None) or DEFAULT_PROVIDER
    none_str: str | None = None
    none_int: int | None = None
    settings = Settings(
        model=read(lambda: config.get("model", str), None) or DEFAULT_MODEL,
        provider_id=provider_id,
        provider=read(lambda: provider_table(config, provider_id), None),
        effort=read(lambda: config.get("model_reasoning_effort", str), none_str),
        summary=read(lambda: _summary(config), none_str),
        verbosity=read(lambda: config.get("model_verbosity", str), none_str),
        service_tier=read(lambda: config.get("service_tier", str), none_str),
        approval_policy=read(lambda: _approval_policy(config), ApprovalPolicy.ON_REQUEST),
        sandbox_policy=read(lambda: _sandbox_policy(config), SandboxPolicy()),
        granular=read(lambda: _granular(config), None),
        approvals_reviewer=read(lambda: _reviewer(config), none_str),
        may_allow=read(lambda: _may_allow(config), frozenset()),
        sandbox_backend=read(lambda: config.get("sandbox.backend", str), none_str),
        sandbox_preference=read(lambda: _preference(config), SandboxPreference.REQUIRE),
        network_proxy=read(lambda: config.get("network.proxy", str), none_str),
        instructions=read(lambda: _instructions(config), none_str),
        developer_instructions=read(lambda: config.get("developer_instructions", str), none_str),
        compact_prompt=read(lambda: config.get("compact_prompt", str), none_str),
        context_window=read(lambda: _positive(config, "model_context_window"), none_int),
        auto_compact_token_limit=read(lambda: _positive(config, "model_auto_compact_token_limit"), none_int),
        max_turns=read(lambda: _positive(config, "max_turns"), none_int),
        turn_timeout_s=read(lambda: _positive(config, "turn_timeout_sec"), none_int),
        rollout_store=read(lambda: config.get("stores.rollout", str), none_str),
        persist=read(lambda: config.choice("history.persistence", ("save-all", "none"), "save-all"), "") != "none",
        disabled_tools=read(lambda: _tools(config, wanted=False), frozenset()),
        enabled_tools=read(lambda: _tools(config, wanted=True), frozenset()),
        include_environment_context=read(lambda: config.get("include_environment_context", bool, True), True),
        include_permissions_instructions=read(lambda: config.get("include_permissions_instructions", bool, True), True),
    )
    if problems:
        raise joined(problems)
    settings, said = config.requirements.fit(settings)
    config.notices += [text for text in said if text not in config.notices]
    return settings


def provider_table(config: Config, provider_id: str) -> ProviderInfo | None:
    """The `[model_providers.ID]` table, or None when there is none. Raises `ConfigError`."""
    key = f"model_providers.{provider_id}"
    if provider_id not in config.table("model_providers"):
        return None
    table = config.table(key)
    known = {*ProviderInfo.field_names()} - {"id", "options"}
    info = ProviderInfo(
        id=provider_id,
        name=config.get(f"{key}.name", str, provider_id),
        base_url=config.get(f"{key}.base_url", str),
        wire_api=config.get(f"{key}.wire_api", str, "responses"),
        env_key=config.get(f"{key}.env_key", str),
        env_key_instructions=config.get(f"{key}.env_key_instructions", str),
        experimental_bearer_token=config.get(f"{key}.experimental_bearer_token", str),
        requires_openai_auth=config.get(f"{key}.requires_openai_auth", bool, False),
        query_params=config.string_table(f"{key}.query_params"),
        http_headers=config.string_table(f"{key}.http_headers"),
        env_http_headers=config.string_table(f"{key}.env_http_headers"),
        request_max_retries=_count(config, f"{key}.request_max_retries", 4),
        stream_max_retries=_count(config, f"{key}.stream_max_retries", 5),
        stream_idle_timeout_ms=_count(config, f"{key}.stream_idle_timeout_ms", 300_000),
        options={name: found for name, found in table.items() if name not in known},
    )
    if info.base_url is not None and not info.base_url.startswith(("http://", "https://")):
        raise ConfigError(
            f"`{key}.base_url` is {info.base_url!r}, which is not an http:// or https:// address",
            where=config.origin(f"{key}.base_url"),
        )
    return info


def sandbox_mode(config: Config) -> SandboxMode:
    """`sandbox_mode`, by default read-only. Raises `ConfigError`."""
    return SandboxMode(config.choice("sandbox_mode", [mode.value for mode in SandboxMode], SandboxMode.READ_ONLY))


def _sandbox_policy(config: Config) -> SandboxPolicy:
    denied = tuple(os.path.expanduser(glob) for glob in config.strings("sandbox.denied_reads"))
    policy = _profile(config) or _by_mode(config)
    key = "sandbox_workspace_write.writable_roots"
    if config.get("default_permissions", str) and config.origin(key) == "the command line":  # --add-dir
        policy = policy.replace(writable_roots=tuple(dict.fromkeys((*policy.writable_roots, *config.strings(key)))))
    return policy.replace(denied_reads=(*policy.denied_reads, *denied)) if denied else policy


def _profile(config: Config) -> SandboxPolicy | None:
    """The policy of `default_permissions`; a `sandbox_mode` of the command line outweighs it."""
    name = config.get("default_permissions", str)
    over = {"the command line": 2, "-c": 1}
    mode, profile = (
        next((rank for word, rank in over.items() if config.origin(key).startswith(word)), 0)
        for key in ("sandbox_mode", "default_permissions")
    )
    if name is None or mode > profile:
        return None
    from .permissions import permission_profile

    return permission_profile(config, name)


def _by_mode(config: Config) -> SandboxPolicy:
    mode, key = sandbox_mode(config), "sandbox_workspace_write"
    if mode is not SandboxMode.WORKSPACE_WRITE:
        return SandboxPolicy(mode=mode)
    return SandboxPolicy(
        mode=mode,
        writable_roots=tuple(os.path.abspath(os.path.expanduser(r)) for r in config.strings(f"{key}.writable_roots")),
        network_access=config.get(f"{key}.network_access", bool, False),
        exclude_tmpdir_env_var=config.get(f"{key}.exclude_tmpdir_env_var", bool, False),
        exclude_slash_tmp=config.get(f"{key}.exclude_slash_tmp", bool, False),
    )


def _preference(config: Config) -> SandboxPreference:
    return SandboxPreference(config.choice("sandbox.preference", list(SandboxPreference), SandboxPreference.AUTO))


def _approval_policy(config: Config) -> ApprovalPolicy:
    if isinstance(config.data.get("approval_policy"), Mapping):
        return ApprovalPolicy.GRANULAR
    names = [policy.value for policy in ApprovalPolicy if policy is not ApprovalPolicy.GRANULAR]
    return ApprovalPolicy(config.choice("approval_policy", names, ApprovalPolicy.ON_REQUEST))


def _granular(config: Config) -> GranularApproval | None:
    if not isinstance(config.data.get("approval_policy"), Mapping):
        return None
    key = "approval_policy.granular"
    table, known = config.table(key), {category.value for category in Category}
    strangers = [*(set(config.table("approval_policy")) - {"granular"}), *(set(table) - known)]
    if strangers or not table:
        raise ConfigError(
            f"`{key}` does not know {', '.join(strangers)}" if strangers else f"`{key}` is empty",
            where=config.origin("approval_policy"),
            hint=f"known: {', '.join(sorted(known))}, each true or false",
        )
    return GranularApproval(**{name: config.checked(f"{key}.{name}", found, bool) for name, found in table.items()})


def _reviewer(config: Config) -> str | None:
    name = config.get("approvals_reviewer", str, "user")
    return None if name == "user" else _REVIEWERS.get(name, name)


def _may_allow(config: Config) -> frozenset[str]:
    return frozenset(config.strings("policies.may_allow")) if config.table("policies") else frozenset({"rules"})


def _summary(config: Config) -> str | None:
    if config.get("model_reasoning_summary", str) is None:
        return None
    return config.choice("model_reasoning_summary", ("auto", "concise", "detailed", "none"), "auto")


def _instructions(config: Config) -> str | None:
    path = config.get("model_instructions_file", str)
    if path is None:
        return config.get("instructions", str)
    resolved = os.path.join(config.codex_home, os.path.expanduser(path))
    try:
        with open(resolved, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(
            f"`model_instructions_file` {resolved} cannot be read: {reason}",
            where=config.origin("model_instructions_file"),
        ) from error


def _tools(config: Config, *, wanted: bool) -> frozenset[str]:
    found = set()
    for name, table in config.table("tools").items():
        if isinstance(table, Mapping) and "enabled" in table:
            if config.get(f"tools.{name}.enabled", bool, True) is wanted:
                found.add(name)
        elif table is wanted:
            found.add(name)
    return frozenset(found)


def _positive(config: Config, key: str) -> int | None:
    found = config.get(key, int)
    if found is not None and found <= 0:
        raise ConfigError(f"`{key}` must be more than 0, not {found}", where=config.origin(key))
    return found


def _count(config: Config, key: str, default: int) -> int:
    found = config.get(key, int, default)
    if found < 0:
        raise ConfigError(f"`{key}` must not be negative", where=config.origin(key))
    return found
