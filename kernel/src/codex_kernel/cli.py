"""The command line: root options, subcommands loaded when they are called, errors in one line."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import click

from .errors import CodexError, ExitCode, PluginLoadError, PluginMissing, UserError
from .hookspecs import hookimpl
from .invocation import Invocation
from .plugins import PluginManager
from .specs import CommandSpec
from .version import __version__

WELL_KNOWN = {
    "exec": ("Run the agent on one prompt, without a terminal UI", "codex-exec"),
    "apply_patch": ("Apply a V4A patch given as argument or on stdin", "codex-tool-apply-patch"),
    "app-server": ("Serve editors and SDKs over JSON-RPC", "codex-app-server"),
    "sandbox": ("Run a command confined", "codex-sandbox-linux"),
    "mcp": ("Manage MCP servers", "codex-mcp-bridge"),
    "resume": ("Continue a recorded session", "codex-sessions"),
    "tui": ("The terminal UI", "codex-tui"),
    "completion": ("Print a script that completes codex in your shell", "codex-debug"),
}
"""Commands that someone may ask for without their plugin: help line and the distribution that has them."""

MEANT = {
    "search": ['web_search="live"'],
    "approve_for_me": ['approvals_reviewer="auto_review"', 'sandbox_mode="workspace-write"'],
}
"""What options that are short for others mean."""

COMPLETE_VARIABLE = "_CODEX_COMPLETE"
"""Set by a shell that wants to know what can be typed; its value is SHELL_complete."""

ALIASES = {"e": "exec"}
_PLUGINS = "codex_kernel.plugins"
_WRITTEN = "codex_kernel.written"
_SIMILAR = 0.7
"""From here on a word is taken for a command that was mistyped; `fix` and `commit` are none."""
SHOWN = ("exec", "plugin", "apply_patch")
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class CodexGroup(click.Group):
    """Finds subcommands among the plugins, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Bundled commands first, in the order of `SHOWN`; then those of plugins."""
        names = {name for name, offer in _plugins(ctx).commands().items() if not offer.spec.hidden}
        names |= set(self.commands)
        return [name for name in SHOWN if name in names] + sorted(names - set(SHOWN))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command, or `PluginMissing` with its cure for a well-known one that is not installed."""
        if name in self.commands:
            return self.commands[name]
        offer = _plugins(ctx).commands().get(name)
        if offer is not None:
            return offer.spec.load()
        if name in WELL_KNOWN:
            _explain_failure(_plugins(ctx), WELL_KNOWN[name][1], name)
            instead = ', or use codex exec "PROMPT"' if name == "tui" else ""
            cure = f"pip install {WELL_KNOWN[name][1]}{instead}"
            raise PluginMissing(f"the command {name!r} is not installed", hint=cure)
        return None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words as they were written: whether a `--` stands before the prompt is lost otherwise."""
        ctx.meta[_WRITTEN] = tuple(args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or for a word that is none the terminal UI with the words as its prompt."""
        name, written = ALIASES.get(args[0], args[0]), ctx.meta[_WRITTEN]
        if written[: -len(args)][-1:] == ("--",):
            return "tui", self.get_command(ctx, "tui"), ["--", *args]
        if (command := self.get_command(ctx, name)) is not None:
            return name, command, args[1:]
        words = self._without_options(ctx, args)
        if len(words) == 1 and not any(map(str.isspace, name)):
            from difflib import get_close_matches

            if similar := get_close_matches(name, self.list_commands(ctx), n=1, cutoff=_SIMILAR):
                ctx.fail(f"No such command {name!r}: did you mean {similar[0]!r}? As a prompt: codex -- {name}")
        return "tui", self.get_command(ctx, "tui"), words

    def _without_options(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words that are no root options: these may stand behind the prompt too."""
        parser = self.make_parser(ctx)
        parser.allow_interspersed_args = parser.ignore_unknown_options = True
        given, words, _ = parser.parse_args(args=list(args))
        for option in self.get_params(ctx):
            if (name := option.name) in given:
                found = option.process_value(ctx, given[name])
                ctx.params[name] = (*ctx.params[name], *found) if option.multiple else found
        if given.keys() & {"no_plugin", "no_plugins"}:
            del ctx.find_root().meta[_PLUGINS]
        return words

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. That nobody reads stdout any more is told without the number by which click knows it: it
        would make of it the exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise BrokenPipeError from error
        except OSError as error:
            if error.errno != errno.ENOSPC or error.filename is not None:
                raise
            why = f"the output cannot be written: {error.strerror}"
            raise UserError(why, hint="make room, or write elsewhere", exit_code=ExitCode.STORE) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line per command, without importing it."""
        offers = _plugins(ctx).commands()
        rows = []
        for name in self.list_commands(ctx):
            if name in self.commands:
                rows.append((name, self.commands[name].get_short_help_str()))
            else:
                rows.append((name, offers[name].spec.help))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def root_help() -> str:
    """The text of `help.txt`: the root options and the bundled commands, whatever is installed here."""
    offered = [CommandSpec(name=n, help=WELL_KNOWN[n][0], load=lambda: codex) for n in SHOWN if n in WELL_KNOWN]
    plugins = PluginManager((), builtins={"bundled": _Offering(tuple(offered))})
    ctx = click.Context(codex, info_name="codex", obj=Invocation(plugins=plugins, environ={}), terminal_width=100)
    ctx.help_option_names = ["-h", "--help"]
    text = codex.get_help(ctx)
    plugins.close()
    return text + "\n"


class _Offering:
    def __init__(self, specs: tuple[CommandSpec, ...]) -> None:
        self._specs = specs

    @hookimpl
    def codex_commands(self) -> tuple[CommandSpec, ...]:
        return self._specs


def _explain_failure(plugins: PluginManager, dist: str, command: str) -> None:
    """Raise if the distribution that has the command is installed, but was left out."""
    for report in plugins.reports(call_hooks=False):
        if report.dist == dist and report.status != "ok":
            raise PluginLoadError(
                f"the command {command!r} is left out with its plugin {report.name} ({dist} {report.version}): "
                f"{report.reason}",
                plugin=report.name,
                dist=dist,
                version=report.version,
                hint=report.cure or "start without what leaves it out",
            )


def _plugins(ctx: click.Context) -> PluginManager:
    """The plugins of this command line, made once: click looks for the subcommand before it calls `codex`."""
    if isinstance(ctx.obj, Invocation):
        return ctx.obj.plugins
    root = ctx.find_root()
    found: PluginManager | None = root.meta.get(_PLUGINS)
    if found is None:
        blocked, bundled_only = root.params.get("no_plugin", ()), root.params.get("no_plugins", False)
        found = PluginManager.from_environment(os.environ, no_plugin=blocked, no_plugins=bundled_only)
        root.meta[_PLUGINS] = found
    return found


@click.group(
    cls=CodexGroup,
    context_settings=CONTEXT,
    invoke_without_command=True,
    subcommand_metavar="[PROMPT | COMMAND [ARGS]...]",
    epilog="Files lie in $CODEX_HOME (default ~/.codex). Plugins: codex plugin list. Documentation: docs/users.md.",
)
@click.option(
    "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
)
@click.option("-m", "--model", metavar="NAME", help="The model to use.")
@click.option("-p", "--profile", metavar="NAME", help="Layer $CODEX_HOME/NAME.config.toml over the configuration.")
@click.option("-s", "--sandbox", metavar="MODE", help="read-only, workspace-write or danger-full-access.")
@click.option(
    "-a", "--ask-for-approval", "approval", metavar="POLICY", help="untrusted, on-failure, on-request or never."
)
@click.option("-C", "--cd", "cwd", metavar="DIR", help="Work in this folder.")
@click.option("--add-dir", multiple=True, metavar="DIR", help="Another writable folder.")
@click.option("-i", "--image", "images", multiple=True, metavar="FILE", help="Attach an image to the prompt.")
@click.option("--oss", is_flag=True, default=None, help="Use a local model server.")
@click.option("--local-provider", metavar="ID", help="Which one: ollama, lmstudio, llamacpp or vllm.")
@click.option(
    "--remote",
    metavar="ADDR",
    help="Work in a running server: unix://, unix://PATH, ws://HOST:PORT or wss://HOST:PORT.",
)
@click.option("--remote-auth-token-env", metavar="VAR", help="The variable that holds that server's token.")
@click.option("--enable", multiple=True, metavar="FEATURE", help="Same as -c features.FEATURE=true.")
@click.option("--disable", multiple=True, metavar="FEATURE", help="Same as -c features.FEATURE=false.")
@click.option("--approve-for-me", is_flag=True, help="Let a reviewer answer, in the sandbox workspace-write.")
@click.option("--search", is_flag=True, help="Let the model search the web: same as -c web_search=live.")
@click.option(
    "--dangerously-bypass-approvals-and-sandbox",
    "--yolo",
    "bypass",
    is_flag=True,
    default=None,
    help="Ask nobody and confine nothing. Only for machines that are confined themselves.",
)
@click.option(
    "--no-plugin", multiple=True, metavar="NAME", help="Leave a plugin out. Also: CODEX_NO_PLUGINS=NAME,NAME."
)
@click.option("--no-plugins", is_flag=True, help="Bundled plugins only.")
@click.option("--strict-config", is_flag=True, default=None, help="Unknown configuration keys are errors.")
@click.option("--no-alt-screen", is_flag=True, default=None, help="Keep the terminal's scrollback: draw inline.")
@click.option("--alt-screen", is_flag=True, default=None, help="Draw on the whole screen.")
@click.option("--screen-reader", is_flag=True, default=None, help="Plain lines of text, announced one by one.")
@click.option("--debug", is_flag=True, help="Log to stderr, and show tracebacks.")
@click.version_option(__version__, "-V", "--version", message="codex-cli %(version)s")
@click.pass_context
def codex(ctx: click.Context, /, **options: Any) -> object:
    """A coding agent made of plugins.

    Give it a task and it reads, runs and edits in your workspace until the task is done:

      codex "make the failing test pass"         in the terminal UI, which asks and shows

      codex exec "make the failing test pass"    without one, for scripts
    """
    from .log import configure

    debug = options.pop("debug")
    overrides = list(options.pop("overrides"))
    overrides += [f"features.{name}=true" for name in options.pop("enable")]
    overrides += [f"features.{name}=false" for name in options.pop("disable")]
    for name, texts in MEANT.items():
        overrides += texts * options.pop(name)
    for name in ("no_plugin", "no_plugins"):
        del options[name]  # `_plugins` has read them
    configure(debug=debug, codex_home=os.environ.get("CODEX_HOME") or os.path.expanduser("~/.codex"))
    ctx.obj = Invocation(
        plugins=_plugins(ctx),
        environ=dict(os.environ),
        overrides=tuple(overrides),
        flags={name: found for name, found in options.items() if found not in (None, ())},
        debug=debug,
    )
    _check_remote(ctx, ctx.invoked_subcommand or "tui")
    alone = ctx.invoked_subcommand is None
    return ctx.invoke(cast(click.Command, codex.get_command(ctx, "tui"))) if alone else None


def _check_remote(ctx: click.Context, command: str) -> None:
    """Nothing that somebody asked a server for may quietly happen here instead."""
    address = ctx.obj.flags.get("remote")
    if address is None:
        if "remote_auth_token_env" in ctx.obj.flags:
            raise click.UsageError("`--remote-auth-token-env` requires `--remote`.")
        return
    offer = ctx.obj.plugins.commands().get(command)
    if command in codex.commands or (offer is not None and not offer.spec.remote):
        raise click.UsageError(f"`--remote {address}` is not supported for `codex {command}`")


@codex.group("plugin", context_settings=CONTEXT)
def plugin() -> None:
    """See what is plugged in."""


@plugin.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def plugin_list(invocation: Invocation, *, as_json: bool) -> None:
    """List plugins with their distribution, version, kinds, status and import time."""
    from .plugin_list import print_reports

    print_reports(invocation.plugins.reports(), as_json=as_json)


def dispatch(args: Sequence[str], by_name: str | None = None) -> int:
    """Run the command line and return its exit code; errors are told on stderr in one line and a hint."""
    debug = "--debug" in args
    try:
        if by_name is not None:
            args = [_command_for(by_name), *args]
        elif asked := os.environ.pop(COMPLETE_VARIABLE, ""):  # click's own answer would import every command
            args = ["completion", "--answer", asked]
        outcome = codex.main(args=list(args), prog_name="codex", standalone_mode=False)
        return outcome if isinstance(outcome, int) else ExitCode.OK
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except CodexError as error:
        from .engine import explain

        _complain(explain(error), debug=debug)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return 141
    except Exception as error:  # noqa: BLE001 - the last resort: one line, the traceback with --debug
        from .log import logger

        logger().error("internal error", exc_info=error)
        hint = "\n  hint: run it again with --debug for the traceback, and report it"
        _complain(f"error: internal error: {type(error).__name__}: {error}{hint}", debug=debug)
        return ExitCode.FAILED


def _command_for(program: str) -> str:
    plugins = PluginManager.from_environment(os.environ)
    for name, offer in plugins.commands().items():
        if program in offer.spec.argv0:
            return name
    names = {"codex-exec": "exec", "applypatch": "apply_patch", "codex-linux-sandbox": "sandbox", "codex-tui": "tui"}
    return names.get(program, program)


def _complain(text: str, *, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()
    # it may quote what others wrote, which must not act on the terminal
    safe = (char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)
    with contextlib.suppress(OSError):  # where stderr cannot be written, the exit code has to say it
        sys.stderr.write("".join(safe) + "\n")


def _drop_stdout() -> None:
    """Nobody reads stdout any more: what is still buffered must not fail once more at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
