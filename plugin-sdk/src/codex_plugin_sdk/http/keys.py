"""Where a provider's key comes from, and the headers that every request carries."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from codex_kernel.contracts.model import ProviderSetup
from codex_kernel.errors import AuthenticationFailed, ConfigError

from ..credentials import checked_key, credentials_store, load_credential, require_api_key_login


def find_api_key(setup: ProviderSetup) -> str | None:
    """The key to send, or None where the server wants none.

    In order: the variable named by `env_key`; `experimental_bearer_token`; and for a provider with
    `requires_openai_auth` CODEX_API_KEY, OPENAI_API_KEY, then where `cli_auth_credentials_store` keeps it: by
    default `OPENAI_API_KEY` in `$CODEX_HOME/auth.json`. `forced_login_method = "chatgpt"` rules these out.
    Raises `AuthenticationFailed` when the place that should hold a key holds none.
    """
    info = setup.info
    if info.env_key:
        key = setup.environ.get(info.env_key, "").strip()
        if not key:
            raise AuthenticationFailed(
                f"Missing environment variable: `{info.env_key}`.", hint=info.env_key_instructions or ""
            )
        return checked_key(key, f"environment variable `{info.env_key}`")
    if info.experimental_bearer_token:
        return checked_key(info.experimental_bearer_token.strip(), "`experimental_bearer_token`")
    if not info.requires_openai_auth:
        return None
    require_api_key_login(setup.options)
    home = setup.options.get("codex_home") or _codex_home(setup.environ)
    found = load_credential(home, credentials_store(setup.options), setup.environ)
    if found is None:
        raise AuthenticationFailed(
            f"No API key for {info.name or info.id}.",
            hint="set OPENAI_API_KEY or CODEX_API_KEY, or store one: codex login --with-api-key",
        )
    return found.key


def _codex_home(environ: Mapping[str, str]) -> str:
    named = environ.get("CODEX_HOME")
    if named:
        return named
    return os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".codex")


def user_agent(setup: ProviderSetup) -> str:
    """`ORIGINATOR/VERSION (OS; ARCH) TERM (ORIGINATOR; VERSION)`, the way Codex names itself."""
    system, machine = sys.platform, "unknown"
    if hasattr(os, "uname"):
        uname = os.uname()
        system, machine = uname.sysname, uname.machine
    term = setup.environ.get("TERM_PROGRAM") or setup.environ.get("TERM") or "unknown"
    name, version = originator(setup), setup.version
    return "".join(
        c if c.isascii() and c.isprintable() else "_"
        for c in f"{name}/{version} ({system}; {machine}) {term} ({name}; {version})"
    )


def originator(setup: ProviderSetup) -> str:
    """Who we say we are; CODEX_INTERNAL_ORIGINATOR_OVERRIDE wins."""
    return setup.environ.get("CODEX_INTERNAL_ORIGINATOR_OVERRIDE") or setup.originator


def request_headers(setup: ProviderSetup, thread_id: str, extra: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """The headers of a model request, lower-case names. Those of the config table (`http_headers`, then
    `env_http_headers` whose variable is set) win over ours. Raises as `find_api_key` does, and `ConfigError`
    for a header that cannot be sent."""
    headers = {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "originator": originator(setup),
        "user-agent": user_agent(setup),
        "session-id": thread_id,
        "thread-id": thread_id,
        "x-client-request-id": thread_id,
        **dict(extra),
    }
    key = find_api_key(setup)
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    info = setup.info
    configured = dict(info.http_headers)
    for name, variable in info.env_http_headers.items():
        if setup.environ.get(variable, "").strip():
            configured[name] = setup.environ[variable].strip()
    for name, text in configured.items():
        if not isinstance(text, str) or any(c in text for c in "\r\n\0"):
            raise ConfigError(f"`model_providers.{info.id}` has a header {name!r} whose value cannot be sent")
        headers[name.lower()] = text
    return headers
