"""The command line of `codex features`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from codex_plugin_sdk import ConfigError, codex_home
from codex_plugin_sdk.features import feature_enabled

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in ctx.obj.plugins.features() if name.startswith(incomplete)]


@click.group("features", context_settings=CONTEXT)
def features() -> None:
    """See and switch feature flags."""


@features.command("list", context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_features(invocation: Invocation, /, *, as_json: bool) -> None:
    """All flags: name, stage, and whether it is on here."""
    table = invocation.load_config(cwd=os.getcwd()).table("features")
    specs = {name: offer.spec for name, offer in invocation.plugins.features().items()}
    rows = [(spec, feature_enabled(table, specs, name)) for name, spec in sorted(specs.items())]
    if as_json:
        import orjson

        report = [
            {
                "name": spec.name,
                "stage": spec.stage,
                "default": spec.default,
                "enabled": on,
                "requires": list(spec.requires),
                "help": spec.help,
            }
            for spec, on in rows
        ]
        sys.stdout.write(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    width = max(len(spec.name) for spec, _ in rows)
    for spec, on in rows:
        sys.stdout.write(f"{spec.name:<{width}}  {spec.stage:<17}  {str(on).lower()}\n")


@features.command("enable", context_settings=CONTEXT)
@click.argument("name", shell_complete=_complete)
@click.pass_obj
def enable(invocation: Invocation, /, name: str) -> None:
    """Switch a flag on in config.toml."""
    sys.stderr.write(_switch(invocation, name, on=True))


@features.command("disable", context_settings=CONTEXT)
@click.argument("name", shell_complete=_complete)
@click.pass_obj
def disable(invocation: Invocation, /, name: str) -> None:
    """Switch a flag off in config.toml."""
    sys.stderr.write(_switch(invocation, name, on=False))


def _switch(invocation: Invocation, name: str, *, on: bool) -> str:
    from codex_plugin_sdk.config_edit import edit_config

    from .change import effect, lock_path, readable
    from .check import nearest
    from .permitted import refusal
    from .show import folder

    specs = {key: offer.spec for key, offer in invocation.plugins.features().items()}
    if name not in specs:
        near = nearest(name, specs)
        raise ConfigError(
            f"Unknown feature flag: {name}", hint=f"did you mean {near}?" if near else "codex features list"
        )
    spec = specs[name]
    if spec.stage == "removed":
        return f"{name} was removed: nothing was changed\n"
    home, path = codex_home(invocation.environ), ("features", name)
    here = folder(invocation, None)
    if why := refusal(readable(invocation, home, here, None), path, on):
        raise ConfigError(f"{why}; nothing was changed")
    done = edit_config(os.path.join(home, "config.toml"), {f'features."{name}"': on}, lock=lock_path(home))
    said = f"{done.path}: {name} is {'on' if on else 'off'}{'' if done.changed else ' already'}\n"
    if on and spec.stage in ("under development", "experimental"):
        said += f"note: {name} is {spec.stage}\n"
    if spec.help:
        said += f"note: {spec.help}\n"
    for other in spec.requires if on else ():
        if not feature_enabled(invocation.load_config(cwd=here).table("features"), specs, other):
            said += f"note: it requires {other}, which is off\n"
    return said + effect(invocation, path, done.path, None, here, unset=False)
