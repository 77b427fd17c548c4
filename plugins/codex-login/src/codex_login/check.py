"""The check `auth`: whether the model provider that is configured finds its key."""

from __future__ import annotations

from typing import Any

from codex_plugin_sdk import (
    CheckSetup,
    CodexError,
    Config,
    ConfigError,
    Engine,
    Finding,
    Health,
    ProviderInfo,
)
from codex_plugin_sdk.credentials import STORE_SETTING, auth_file, credentials_store, exposed_mode

from .status import LoginState, login_state

LOG_IN = "codex login, or set OPENAI_API_KEY"


class AuthCheck:
    """Looks at the variables, the file and the keyring that count; asks no server."""

    def __init__(self, setup: CheckSetup) -> None:
        self._setup = setup

    async def run(self) -> tuple[Finding, ...]:
        """One finding for the key; one more when a keyring is configured that does not work, or for a file that is
        open to others."""
        from anyio import to_thread

        return await to_thread.run_sync(self._all)

    def _all(self) -> tuple[Finding, ...]:
        try:
            info, store = _provider(self._setup), credentials_store(self._setup.options)
        except ConfigError as error:
            return (_finding(Health.FAILED, error.message, error.hint),)
        except CodexError as error:  # of plugins and providers: others tell it, here it is only in the way
            return (_finding(Health.WARNING, f"not looked at: {error.message}", error.hint),)
        if not info.env_key and info.requires_openai_auth and not info.experimental_bearer_token:
            return self._login(info, store)
        return (self._own_key(info),)

    def _own_key(self, info: ProviderInfo) -> Finding:
        if info.env_key:
            if self._setup.environ.get(info.env_key, "").strip():
                return _finding(Health.OK, f"{info.id} takes its key from the variable {info.env_key}")
            return _finding(
                Health.FAILED,
                f"the variable {info.env_key}, which holds the key of {info.id}, is not set",
                info.env_key_instructions or f"set {info.env_key}",
            )
        if info.experimental_bearer_token:
            return _finding(
                Health.WARNING,
                f"the key of {info.id} is in the configuration, as experimental_bearer_token",
                f"name a variable with model_providers.{info.id}.env_key",
            )
        return _finding(Health.OK, f"{info.id} wants no key")

    def _login(self, info: ProviderInfo, store: str) -> tuple[Finding, ...]:
        setup = self._setup
        state = login_state(setup.codex_home, store, setup.options, setup.environ)
        return (_of_state(state, info), *self._keyring(store), *self._exposed(store))

    def _keyring(self, store: str) -> tuple[Finding, ...]:
        """`auto` goes on with the file where no keyring works: better known than guessed."""
        if store != "auto":
            return ()
        from codex_plugin_sdk.credentials import keyring_problem

        problem = keyring_problem(self._setup.codex_home)
        if problem is None:
            return ()
        message = f"{problem.message} Keys are kept in {auth_file(self._setup.codex_home)}"
        return (_finding(Health.WARNING, message, problem.hint, name="auth keyring"),)

    def _exposed(self, store: str) -> tuple[Finding, ...]:
        mode = exposed_mode(self._setup.codex_home)
        if mode is None or store == "ephemeral":
            return ()
        path = auth_file(self._setup.codex_home)
        message = f"{path} is open to others (mode {mode:04o})"
        return (_finding(Health.WARNING, message, f"chmod 600 {path}", name="auth file"),)


def _of_state(state: LoginState, info: ProviderInfo) -> Finding:
    found = state.credential
    details = {"provider": info.id, STORE_SETTING: state.store}
    if found is not None:
        details |= {"source": found.source, "place": found.place}
        return _finding(Health.OK, f"{info.id} takes its key from {found.where}", details=details)
    if state.problem:
        return _finding(Health.FAILED, state.problem, state.cure, details=details)
    return _finding(Health.WARNING, f"not logged in: {info.id} will be asked without success", LOG_IN, details=details)


def _provider(setup: CheckSetup) -> ProviderInfo:
    """The provider of the next turn. Raises `CodexError`."""
    config = Config(setup.codex_home)
    for key, given in setup.options.items():
        if "." not in key:
            config.merge_key(key, given, "the configuration")
    settings = Engine(config=config, plugins=setup.plugins, environ=setup.environ).settings
    if settings.provider is not None:
        return settings.provider
    for offer in setup.plugins.providers().values():
        if settings.provider_id in offer.spec.builtin_ids and offer.spec.builtin is not None:
            info: ProviderInfo = offer.spec.builtin(settings.provider_id)
            return info
    raise ConfigError(f"the model provider {settings.provider_id!r} is not known")


def _finding(
    health: Health, message: str, cure: str = "", *, name: str = "auth", details: dict[str, Any] | None = None
) -> Finding:
    return Finding(name=name, health=health, message=message, cure=cure, details=details or {})
