"""The command line of `codex app-server`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codex_plugin_sdk import Invocation

    from .gate import Gate
    from .listen import Address

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
EPILOG = """\b
Examples:
  codex app-server                           for an editor or an SDK that starts it: JSON lines on stdin and stdout
  codex -c model=gpt-5.5 app-server          with a configuration value for all threads
  codex app-server --listen unix://          for several programs of yours, over a socket in CODEX_HOME
  codex app-server --listen ws://127.0.0.1:8791
  codex app-server daemon start              the same as unix://, in the background
  codex app-server proxy                     stdin and stdout to that server
  codex app-server generate-ts --out types   the protocol for TypeScript"""
AUTH = ("capability-token", "signed-bearer-token")
SIGNED_ONLY = ("ws_shared_secret_file", "ws_issuer", "ws_audience", "ws_max_clock_skew_seconds")
SKEW_S = 30


def _address(context: click.Context, parameter: click.Parameter, given: str) -> Address:
    from .listen import parse_address

    try:
        return parse_address(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _ws_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.option("--ws-auth", type=click.Choice(AUTH), help="What clients of ws:// have to show."),
            click.option("--ws-token-file", metavar="PATH", help="The capability token."),
            click.option("--ws-token-sha256", metavar="HEX", help="SHA-256 digest of the capability token."),
            click.option("--ws-shared-secret-file", metavar="PATH", help="Secret of signed tokens (JWT, HS256)."),
            click.option("--ws-issuer", metavar="ISSUER", help="Issuer that signed tokens must name."),
            click.option("--ws-audience", metavar="AUDIENCE", help="Audience that signed tokens must name."),
            click.option(
                "--ws-max-clock-skew-seconds",
                type=click.IntRange(min=0),
                metavar="SECONDS",
                help=f"Tolerance for the times of signed tokens; {SKEW_S} by default.",
            ),
        )
    ):
        command = option(command)
    return command


@click.group("app-server", epilog=EPILOG, context_settings=CONTEXT, invoke_without_command=True)
@click.option("--stdio", is_flag=True, help="The same as --listen stdio://.")
@click.option(
    "--listen",
    callback=_address,
    default="stdio://",
    metavar="URL",
    help="stdio:// (default), unix://, unix://PATH or ws://IP:PORT.",
)
@_ws_options
@click.pass_context
def app_server(context: click.Context, /, *, listen: Address, stdio: bool, **ws: Any) -> int:
    """Serve editors and SDKs over JSON-RPC.

    A client starts with `initialize`; docs/app-server.md has the methods and the order of messages. On stdio the end
    of input ends the server; on sockets SIGTERM and SIGINT do.
    """
    if context.invoked_subcommand is not None:
        return 0
    from .listen import parse_address, serve

    invocation: Invocation = context.obj
    gate = None if all(found is None for found in ws.values()) else _gate(**ws)
    serve(invocation, parse_address("stdio://") if stdio else listen, gate)
    return 0


def _gate(*, ws_auth: str | None, ws_token_file: str | None, ws_token_sha256: str | None, **signed: Any) -> Gate:
    from .gate import Gate, capability_token, signed_bearer

    if ws_auth is None:
        raise click.UsageError(f"websocket auth flags require --ws-auth {' or --ws-auth '.join(AUTH)}")
    if ws_auth == "capability-token":
        if any(signed[name] is not None for name in SIGNED_ONLY):
            names = ", ".join("--" + name.replace("_", "-") for name in SIGNED_ONLY)
            raise click.UsageError(f"{names} require --ws-auth signed-bearer-token")
        return Gate(capability_token(file=ws_token_file, sha256=ws_token_sha256))
    if ws_token_file is not None or ws_token_sha256 is not None:
        raise click.UsageError("--ws-token-file and --ws-token-sha256 require --ws-auth capability-token")
    skew = signed["ws_max_clock_skew_seconds"]
    return Gate(
        signed_bearer(
            secret_file=signed["ws_shared_secret_file"],
            issuer=signed["ws_issuer"],
            audience=signed["ws_audience"],
            skew_s=SKEW_S if skew is None else skew,
        )
    )


# -- daemon and proxy ----------------------------------------------------------------------------


@app_server.group("daemon", context_settings=CONTEXT)
def daemon() -> None:
    """One server in the background for all programs that share a home.

    Each command prints one JSON object on stdout, and on stderr a sentence for people unless --json is given.
    """


_json = click.option("--json", "as_json", is_flag=True, help="The JSON object only.")
_idle = click.option(
    "--idle-minutes",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    envvar="CODEX_APP_SERVER_IDLE_MINUTES",
    show_envvar=True,
    metavar="N",
    help="End after N minutes without clients and turns; 0 for never.",
)


@daemon.command("start", context_settings=CONTEXT)
@_idle
@_json
@click.pass_obj
def start(invocation: Invocation, /, *, idle_minutes: float, as_json: bool) -> int:
    """Start it unless it runs."""
    from . import daemon as daemon_

    return _print(daemon_.start(invocation, idle_minutes=idle_minutes), as_json=as_json)


@daemon.command("stop", context_settings=CONTEXT)
@_json
@click.pass_obj
def stop(invocation: Invocation, /, *, as_json: bool) -> int:
    """Stop it: turns are interrupted, threads can be resumed."""
    from . import daemon as daemon_

    return _print(daemon_.stop(invocation), as_json=as_json)


@daemon.command("restart", context_settings=CONTEXT)
@_idle
@_json
@click.pass_obj
def restart(invocation: Invocation, /, *, idle_minutes: float, as_json: bool) -> int:
    """Stop and start it."""
    from . import daemon as daemon_

    return _print(daemon_.restart(invocation, idle_minutes=idle_minutes), as_json=as_json)


@daemon.command("status", context_settings=CONTEXT)
@_json
@click.pass_obj
def status(invocation: Invocation, /, *, as_json: bool) -> int:
    """Whether it runs, and which version; exit code 1 if it does not."""
    from . import daemon as daemon_

    found = daemon_.status(invocation)
    _print(found, as_json=as_json)
    return 0 if found["status"] == "running" else 1


@daemon.command("run", hidden=True, context_settings=CONTEXT)
@_idle
@click.option("--ready-fd", type=int)
@click.pass_obj
def run(invocation: Invocation, /, *, idle_minutes: float, ready_fd: int | None) -> int:
    """Be the daemon, in the foreground."""
    from . import daemon as daemon_

    daemon_.run(invocation, idle_minutes=idle_minutes, ready_fd=ready_fd)
    return 0


def _print(found: dict[str, Any], *, as_json: bool) -> int:
    import orjson

    from . import daemon as daemon_

    sys.stdout.write(orjson.dumps(found).decode() + "\n")
    if not as_json:
        sys.stdout.flush()
        sys.stderr.write(daemon_.sentence(found) + "\n")
    return 0


@app_server.command("proxy", context_settings=CONTEXT)
@click.option("--sock", metavar="PATH", help="This socket instead of the daemon's; nothing is started then.")
@_idle
@click.pass_obj
def proxy(invocation: Invocation, /, *, sock: str | None, idle_minutes: float) -> int:
    """Join stdin and stdout to the server in the background, started if need be.

    JSON lines in and out; input that begins with an HTTP request is passed on as it is, so that a web socket may be
    spoken through this program (over SSH, for example).
    """
    from .proxy import join

    join(invocation, sock, idle_minutes=idle_minutes)
    return 0


# -- schemas -------------------------------------------------------------------------------------


_out = click.option(
    "-o", "--out", required=True, type=click.Path(file_okay=False), metavar="DIR", help="Where to write."
)
_experimental = click.option("--experimental", is_flag=True, help="With experimental methods.")


@app_server.command("generate-json-schema", context_settings=CONTEXT)
@_out
@_experimental
def generate_json_schema(*, out: str, experimental: bool) -> int:
    """Write the protocol as JSON Schema.

    One file for each message, and two bundles of everything: with the types of version 2 in a definition of their own
    (codex_app_server_protocol.schemas.json), and flat (codex_app_server_protocol.v2.schemas.json).
    """
    from .schema import Definitions
    from .schema_json import write

    with _writing(out):
        write(Definitions(experimental=experimental), out)
    return 0


@app_server.command("generate-ts", context_settings=CONTEXT)
@_out
@click.option("-p", "--prettier", metavar="PROGRAM", help="Format what was written with this program.")
@_experimental
def generate_ts(*, out: str, prettier: str | None, experimental: bool) -> int:
    """Write the protocol as TypeScript: a file for each type, and index.ts."""
    from .schema import Definitions
    from .schema_ts import write

    with _writing(out):
        written = write(Definitions(experimental=experimental), out)
        if prettier is not None:
            import subprocess

            return subprocess.run([prettier, "--write", "--log-level", "warn", *written], check=False).returncode
    return 0


@contextmanager
def _writing(out: str) -> Iterator[None]:
    from codex_plugin_sdk import UserError

    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {error.filename or out}: {error.strerror}", hint="try another --out") from error
