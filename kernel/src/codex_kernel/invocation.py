"""What a subcommand is told of the command line it was called from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .protocol.value import Value, field, value

if TYPE_CHECKING:
    from .config import Config
    from .plugins import PluginManager


@value
class Invocation(Value):
    """The context object (`ctx.obj`) of every subcommand.

    `overrides` are raw `-c KEY=VALUE` texts given before the subcommand, `flags` the other root options by
    name (model, profile, cwd, add_dir, images, sandbox, approval, oss, local_provider, bypass, strict_config, remote,
    remote_auth_token_env, no_alt_screen, alt_screen, screen_reader), absent when not given.
    """

    plugins: PluginManager
    environ: Mapping[str, str] = field(repr=False)
    overrides: tuple[str, ...] = ()
    flags: Mapping[str, Any] = field(factory=dict)
    debug: bool = False

    def load_config(
        self,
        *,
        cwd: str | None,
        overrides: Sequence[str] = (),
        profile: str | None = None,
        enable: Sequence[str] = (),
        disable: Sequence[str] = (),
        ignore_user_config: bool = False,
        strict: bool = False,
    ) -> Config:
        """The configuration for a folder, root options and these options of the subcommand over it: the same on
        every surface. `overrides` are raw `KEY=VALUE` texts. Raises `ConfigError`."""
        from .config import ConfigSources, codex_home, load_config, split_override

        texts = [*self.overrides, *overrides]
        texts += [f"features.{name}=true" for name in enable] + [f"features.{name}=false" for name in disable]
        sources = ConfigSources(
            codex_home=codex_home(self.environ),
            overrides=tuple(split_override(text) for text in texts),
            profile=profile or self.flags.get("profile"),
            ignore_user_config=ignore_user_config,
            environ=self.environ,
            cwd=cwd,
            strict=strict or bool(self.flags.get("strict_config")),
        )
        return load_config(sources, self.plugins)
