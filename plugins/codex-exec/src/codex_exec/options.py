"""From the command line to configuration: flags of `exec` win over root options, both over config.toml."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Config, ExitCode, PluginMissing, UserError

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

GIT_CHECK = "Not inside a trusted directory and --skip-git-repo-check was not specified."
_SCHEMA_HINT = "--output-schema wants a file that holds a JSON Schema object"
_SERVER_WORDS = {
    "model": "model",
    "modelProvider": "model_provider",
    "approvalPolicy": "approval_policy",
    "sandbox": "sandbox_mode",
}
DEFAULT_LOCAL = "ollama"
LOCAL_MODELS = {"ollama": "gpt-oss:20b", "lmstudio": "openai/gpt-oss-20b"}


class ExecOptions:
    """All options of one `exec`, root options included. `words` are the positional arguments."""

    def __init__(self, invocation: Invocation, given: Mapping[str, Any]) -> None:
        merged = {**invocation.flags, **{name: found for name, found in given.items() if found not in (None, ())}}
        self._given = merged
        self.words: Sequence[str] = merged.get("words", ())
        self.images: Sequence[str] = _split(invocation.flags.get("images", ()), given.get("images", ()))
        self.add_dirs = [*invocation.flags.get("add_dir", ()), *given.get("add_dir", ())]
        self.cwd = os.path.abspath(os.path.expanduser(merged.get("cwd") or _current_folder()))
        self.environ = invocation.environ
        self._invocation = invocation
        self._own = given

    @property
    def reviews(self) -> bool:
        """Whether the first word is `review`."""
        return tuple(self.words[:1]) == ("review",)

    def check_no_review(self) -> None:
        """Raise `UsageError` for options that only `review` has."""
        for name in ("uncommitted", "base", "commit", "title"):
            if self.flag(name):
                import click

                raise click.UsageError(f"--{name} belongs to `codex exec review`")

    @property
    def forks(self) -> bool:
        """Whether the first word is `fork`."""
        return tuple(self.words[:1]) == ("fork",)

    def check_fork(self) -> None:
        """Raise `UsageError` for options that only `fork` has, or that exclude each other."""
        given = [name for name in ("turn", "before_compaction") if self.flag(name) is not None]
        if given:
            import click

            if not self.forks:
                raise click.UsageError(f"--{given[0].replace('_', '-')} belongs to `codex exec fork`")
            if len(given) > 1:
                raise click.UsageError("--turn and --before-compaction exclude each other")

    def flag(self, name: str) -> Any:
        """The value of an option, None when it was not given."""
        return self._given.get(name)

    def config(self) -> Config:
        """The configuration with all layers. Raises `ConfigError`."""
        config = self._invocation.load_config(
            cwd=self.cwd,
            overrides=self._own.get("overrides", ()),
            profile=self.flag("profile"),
            enable=self._own.get("enable", ()),
            disable=self._own.get("disable", ()),
            ignore_user_config=bool(self.flag("ignore_user_config")),
            strict=bool(self.flag("strict_config")),
        )
        for key, value in self._flag_values(config).items():
            config.merge_key(key, value, "the command line")
        return config

    def _flag_values(self, config: Config) -> dict[str, Any]:
        # Nobody is there to be asked, whatever the configuration says.
        values: dict[str, Any] = {"approval_policy": "never"}
        if self.flag("model"):
            values["model"] = self.flag("model")
        if self.flag("full_auto"):
            values["sandbox_mode"] = "workspace-write"
        if self.flag("sandbox"):
            values["sandbox_mode"] = self.flag("sandbox")
        if self.flag("bypass"):
            values["sandbox_mode"] = "danger-full-access"
        if self.flag("ignore_rules"):
            values["execpolicy.ignore_rules"] = True
        if self.flag("oss") or self.flag("local_provider"):
            values.update(self._local(config))
        if self.add_dirs:
            key = "sandbox_workspace_write.writable_roots"
            more = (os.path.abspath(os.path.join(self.cwd, os.path.expanduser(path))) for path in self.add_dirs)
            values[key] = [*config.strings(key), *more]
        return values

    def settings_for_server(self, config: Config, *, shares_files: bool) -> dict[str, Any]:
        """What the command line says, as params of a server's thread/start: the rest is for its own configuration.
        Raises `UsageError` for options that only a server of one's own can obey, `ConfigError`."""
        for name in ("profile", "ignore_user_config"):
            if self.flag(name):
                import click

                raise click.UsageError(
                    f"--{name.replace('_', '-')} is for the server to be started with, not for --remote"
                )
        from codex_plugin_sdk import split_override

        texts = [*self._invocation.overrides, *self._own.get("overrides", ())]
        texts += [f"features.{name}=true" for name in self._own.get("enable", ())]
        texts += [f"features.{name}=false" for name in self._own.get("disable", ())]
        found = dict(split_override(text) for text in texts) | self._flag_values(config)
        if self.add_dirs and not shares_files:
            found["sandbox_workspace_write.writable_roots"] = self.add_dirs
        settings = {name: found.pop(key) for name, key in _SERVER_WORDS.items() if key in found}
        return {**settings, "config": found} if found else settings

    def _local(self, config: Config) -> dict[str, str]:
        provider = self.flag("local_provider") or config.get("oss_provider", str) or DEFAULT_LOCAL
        values = {"model_provider": provider}
        if not self.flag("model") and provider in LOCAL_MODELS:
            values["model"] = LOCAL_MODELS[provider]
        return values

    def check_folder(self, config: Config) -> None:
        """Raise `UserError` unless the folder exists and is under version control, trusted, or meant."""
        if not os.path.isdir(self.cwd):
            raise UserError(f"{self.cwd} is not a folder", hint="choose an existing working directory with -C DIR")
        if self.flag("skip_git_repo_check") or self.flag("bypass"):
            return
        from codex_plugin_sdk import git_root

        if git_root(self.cwd) is None and not config.trusted:
            hint = f"codex trust {self.cwd} shows it and asks" if config.ignored else "work in a Git repository"
            raise UserError(GIT_CHECK, hint=f"{hint}, or add that flag")

    def check_trust(self, config: Config) -> None:
        """With `--require-trust`: raise `UserError` where something of the project was left out."""
        if not self.flag("require_trust"):
            return
        if all(offer.spec.name != "trust" for offer in self._invocation.plugins.config_sources()):
            raise PluginMissing("--require-trust: nothing here knows of trust", hint="pip install codex-trust")
        if config.ignored:
            why = next((text for text in config.notices if "is not trusted" in text), ", ".join(config.ignored))
            hint = f"read what codex trust {self.cwd} shows and agree, or leave --require-trust out"
            raise UserError(why, hint=hint, exit_code=ExitCode.UNTRUSTED)


def read_schema(path: str | None) -> Mapping[str, Any] | None:
    """The JSON Schema of `--output-schema`. Raises `UserError` for a file that cannot be one."""
    if path is None:
        return None
    import orjson

    try:
        with open(path, "rb") as file:
            found = orjson.loads(file.read())
    except OSError as error:
        raise UserError(f"Failed to read output schema file {path}: {error.strerror}", hint=_SCHEMA_HINT) from error
    except orjson.JSONDecodeError as error:
        raise UserError(f"Output schema file {path} is not valid JSON: {error}", hint=_SCHEMA_HINT) from error
    if not isinstance(found, dict):
        raise UserError(f"Output schema file {path} does not hold a JSON object", hint=_SCHEMA_HINT)
    return found


def _split(*groups: Sequence[str]) -> list[str]:
    return [path for group in groups for text in group for path in text.split(",") if path]


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise UserError(
            "the working directory is gone", hint="cd to a folder that exists, or name one with -C"
        ) from error
