"""One tree of errors, told apart by who should act.

CodexError
  UserError         the person: config, flag, file, login
    ConfigError     a configuration value, with where it was set
  PluginError       the plugin's author
    PluginMissing, PluginConflict, PluginLoadError
  ProviderError     the loop: retryable or not
    RateLimited, ContextWindowExceeded, StreamClosed, AuthenticationFailed
  SandboxError      Unavailable (fail closed), Denied
  StoreError        the disk
  ProtocolError     the peer
    ConnectionLost
ToolFailed, PolicyDenied    the model: they become output items and the turn goes on
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `codex`. 0, 1 and 2 mean what they mean in Codex; the rest divide its 1 only
    where a script gains by telling failures apart and no client checks for exactly 1."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    PLUGIN = 4
    AUTH = 5
    PROVIDER = 6
    SANDBOX = 7
    STORE = 8
    LIMIT = 9
    UNTRUSTED = 10
    BUDGET = 11
    DIVERGED = 12
    INTERRUPTED = 130


class CodexError(Exception):
    """Base of all errors we raise on purpose. `hint` says what to try."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UserError(CodexError):
    """Something the person typed or owns is wrong."""

    def __init__(self, message: str, *, hint: str = "", exit_code: ExitCode | None = None) -> None:
        super().__init__(message, hint=hint)
        if exit_code is not None:
            self.exit_code = exit_code


class ConfigError(UserError):
    """A configuration value cannot be used; `where` is `file:line:column` or the flag."""

    exit_code = ExitCode.CONFIG

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.where = where


class PluginError(CodexError):
    """A plugin misbehaves; names the plugin, its distribution and version."""

    exit_code = ExitCode.PLUGIN

    def __init__(self, message: str, *, plugin: str = "", dist: str = "", version: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.plugin, self.dist, self.version = plugin, dist, version


class PluginLoadError(PluginError):
    """A plugin of a kind that fails closed could not be loaded."""


class PluginConflict(PluginError):
    """Two plugins offer the same name."""


class PluginMissing(PluginError):
    """No installed plugin offers what was asked for; the hint names the cure."""


class ProviderError(CodexError):
    """A model request failed. `retry_after_s` is what the server asked for, if it did."""

    exit_code = ExitCode.PROVIDER
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        if retryable is not None:
            self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.status = status


class RateLimited(ProviderError):
    """HTTP 429 or its like."""

    retryable = True


class StreamClosed(ProviderError):
    """The answer ended, stalled or broke before it was complete."""

    retryable = True


class ContextWindowExceeded(ProviderError):
    """The request is larger than the model's window; compaction may help, a retry does not."""


class AuthenticationFailed(ProviderError):
    """No key, or the server refused it."""

    exit_code = ExitCode.AUTH


def advice(error: CodexError) -> str:
    """What to try: the error's own hint, else what helps against its kind."""
    if error.hint or not isinstance(error, ProviderError):
        return error.hint
    if isinstance(error, AuthenticationFailed):
        return "check the key of this provider: env_key in its [model_providers] table, or auth.json"
    if error.status in (400, 404, 422):
        return "does the server know this model (-m NAME)? Is base_url right?"
    return "the session is kept: codex exec resume --last" if error.retryable else ""


class SandboxError(CodexError):
    """A sandbox cannot do what was asked; never a reason to run unconfined."""

    exit_code = ExitCode.SANDBOX


class SandboxUnavailable(SandboxError):
    """No engine can enforce the policy here."""


class SandboxDenied(SandboxError):
    """The sandbox refused an access; `target` is the path, host or system call."""

    def __init__(self, message: str, *, target: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.target = target


class StoreError(CodexError):
    """A store could not read or write; names the path and the operation."""

    exit_code = ExitCode.STORE

    def __init__(self, message: str, *, path: str = "", operation: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path, self.operation = path, operation


class ProtocolError(CodexError):
    """The peer broke the protocol; carries a JSON-RPC code and optional data."""

    def __init__(self, message: str, *, code: int = -32600, data: object = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code, self.data = code, data


class ConnectionLost(ProtocolError):
    """The connection to an app server ended, or what came over it was no JSON-RPC."""


class LimitReached(CodexError):
    """A limit that the user set (`max_turns`, wall time) ended the turn."""

    exit_code = ExitCode.LIMIT


class BudgetExceeded(LimitReached):
    """A budget (money, tokens, turns, agents, time) is spent, of the thread, its tree of agents or the day."""

    exit_code = ExitCode.BUDGET


class ToolFailed(CodexError):
    """For the model: the tool could not do it. The text becomes the call's output."""


class PolicyDenied(ToolFailed):
    """For the model: policy, a reviewer or the sandbox said no. `abort` ends the turn as well."""

    def __init__(self, message: str, *, abort: bool = False) -> None:
        super().__init__(message)
        self.abort = abort
