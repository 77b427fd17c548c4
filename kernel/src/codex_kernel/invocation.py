"""What a subcommand is told of the command line it was called from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .protocol.value import Value, value

if TYPE_CHECKING:
    from .plugins import PluginManager


@value
class Invocation(Value):
    """The context object (`ctx.obj`) of every subcommand.

    `overrides` are raw `-c KEY=VALUE` texts given before the subcommand, `flags` the other root options by
    name (model, profile, cwd, add_dir, images, sandbox, approval, oss, local_provider, bypass), absent
    when not given.
    """

    plugins: PluginManager
    environ: Mapping[str, str] = attrs.field(repr=False)
    overrides: tuple[str, ...] = ()
    flags: Mapping[str, Any] = attrs.field(factory=dict)
    debug: bool = False
