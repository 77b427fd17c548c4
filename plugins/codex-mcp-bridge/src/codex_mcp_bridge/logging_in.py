"""`codex mcp login` and `codex mcp logout`, as a person at a terminal sees them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import AuthenticationFailed, ExitCode, UserError

from .config import ServerConfig
from .known import Known, known_servers

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

    from .oauth import PendingLogin

_MAX_PASTE_BYTES = 64 * 1024
_NO_BROWSER = "(Browser launch failed; please copy the URL above manually.)"


def run_login(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `login`; returns the exit code. Raises `UserError` and `ConfigError`."""
    import anyio

    from .editing import scope_words

    known = known_servers(invocation, given)
    config = known.server(given["name"])
    if not config.url:
        raise UserError("OAuth login is only supported for streamable HTTP servers.")
    if given["device"] and given["no_browser"]:
        import click

        raise click.UsageError("--device and --no-browser exclude each other")
    scopes = scope_words(given["scopes"]) if given["scopes"] is not None else None
    with _for_the_person():
        anyio.run(_log_in, known, config, scopes, given)
    _say(f"Successfully logged in to MCP server '{config.name}'.")
    return ExitCode.OK


def offer_login(known: Known, name: str, registration: str) -> int:
    """After a server was added: log in where it asks for it; returns the exit code. Raises `UserError`."""
    import anyio

    from .discovery import auth_status
    from .oauth import static_headers

    config = known.server(name)
    status = anyio.run(auth_status, config.url, static_headers(config, known.environ))
    if status == "not_logged_in":
        _say("Detected OAuth support. Starting OAuth flow…")
        with _for_the_person():
            anyio.run(_log_in, known, config, None, {"oauth_client_registration": registration})
        _say("Successfully logged in.")
    elif status == "unknown":
        _say(f"MCP server may or may not require login. Run `codex mcp login {name}` to login.")
    return ExitCode.OK


def run_logout(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Carry out `logout`; returns the exit code. Raises `UserError` and `ConfigError`."""
    from .logins import LoginStore, store_setting

    known = known_servers(invocation, given)
    config = known.server(given["name"])
    if not config.url:
        raise UserError("OAuth logout is only supported for streamable_http transports.")
    with _for_the_person():
        found = LoginStore(known.codex_home, store_setting(known.config)).delete(config.name, config.url)
    _say(
        f"Removed OAuth credentials for '{config.name}'."
        if found
        else f"No OAuth credentials stored for '{config.name}'."
    )
    return ExitCode.OK


@contextmanager
def _for_the_person() -> Iterator[None]:
    """A login that fails is the person's to mend, and ends with 1 as in Codex."""
    try:
        yield
    except AuthenticationFailed as error:
        raise UserError(error.message, hint=error.hint) from error


async def _log_in(known: Known, config: ServerConfig, scopes: Sequence[str] | None, given: Mapping[str, Any]) -> None:
    """Log in; once more without scopes where the server does not take those that it announces itself."""
    from .grants import Refused

    log_in = _by_device if given.get("device") else _by_browser
    try:
        await log_in(known, config, scopes, given, discovered=True)
    except Refused as error:
        if error.error != "invalid_scope" or scopes is not None or config.scopes is not None:
            raise
        _say("OAuth provider rejected discovered scopes. Retrying without scopes…")
        await log_in(known, config, None, given, discovered=False)


async def _by_device(
    known: Known, config: ServerConfig, scopes: Sequence[str] | None, given: Mapping[str, Any], *, discovered: bool
) -> None:
    from .device import start_device_login

    registration = given["oauth_client_registration"]
    async with start_device_login(
        config, known, scopes=scopes, discovered_scopes=discovered, registration=registration
    ) as pending:
        _say(f"To authorize `{config.name}`, open this URL in a browser on any machine:\n{pending.verification_url}\n")
        _say(f"and enter the code there:\n{pending.user_code}\n")
        if pending.complete_url:
            _say(f"The same URL with the code in it:\n{pending.complete_url}\n")
        _say(f"The code is good for {pending.expires_s / 60:.0f} minutes. Give it to nobody; this program waits.")
        await pending.completed()
        for notice in pending.notices:
            sys.stderr.write(f"warning: {notice}\n")


async def _by_browser(
    known: Known, config: ServerConfig, scopes: Sequence[str] | None, given: Mapping[str, Any], *, discovered: bool
) -> None:
    import anyio

    from .oauth import start_login

    no_browser, registration = given.get("no_browser", False), given["oauth_client_registration"]
    async with start_login(
        config, known, scopes=scopes, discovered_scopes=discovered, registration=registration
    ) as pending:
        _say(f"Authorize `{config.name}` by opening this URL in your browser:\n{pending.authorization_url}\n")
        if no_browser:
            _say("After signing in, copy the full URL from your browser's address bar and paste it here.")
            _say("If the callback page cannot load, paste that URL here anyway.")
        problem: AuthenticationFailed | None = None
        async with anyio.create_task_group() as tasks:
            if no_browser or _is_terminal():
                tasks.start_soon(_take_pasted, pending, no_browser)
            if not no_browser:
                tasks.start_soon(_open_browser, pending.authorization_url)
            try:
                await pending.completed()
            except AuthenticationFailed as error:
                problem = error
            tasks.cancel_scope.cancel()
        if problem is not None:
            raise problem
        for notice in pending.notices:
            sys.stderr.write(f"warning: {notice}\n")


async def _take_pasted(pending: PendingLogin, needed: bool) -> None:
    """The first line of stdin that is not blank is the answer. Where it is `needed`, its end is one too."""
    import anyio

    kept, fd = b"", sys.stdin.fileno()
    while len(kept) < _MAX_PASTE_BYTES:
        with suppress(OSError):  # a file cannot be waited for, and need not be
            await anyio.wait_readable(fd)
        chunk = os.read(fd, 4096)
        kept += chunk
        line, ended, rest = kept.lstrip().partition(b"\n")
        if line.strip() and (ended or not chunk):
            pending.paste(line.decode(errors="replace"))
            return
        if not chunk:
            break
        kept = line if not ended else rest
    if needed:
        pending.give_up("No OAuth callback URL received before input closed")


async def _open_browser(url: str) -> None:
    from anyio.to_thread import run_sync

    if not await run_sync(_opened, url, abandon_on_cancel=True):
        sys.stderr.write(_NO_BROWSER + "\n")
        sys.stderr.flush()


def _opened(url: str) -> bool:
    """Open a browser that has a window; one within the terminal would take it from us."""
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    ):
        return False
    import webbrowser

    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False


def _is_terminal() -> bool:
    try:
        return sys.stdin.isatty()
    except (AttributeError, OSError, ValueError):
        return False


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
