"""Where a provider's key comes from, and the headers that every request carries."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from codex_kernel.contracts.model import ProviderSetup
from codex_kernel.errors import AuthenticationFailed, ConfigError

OPENAI_KEY_VARIABLES = ("CODEX_API_KEY", "OPENAI_API_KEY")
AUTH_FILE = "auth.json"


def find_api_key(setup: ProviderSetup) -> str | None:
    """The key to send, or None where the server wants none.

    In order: the variable named by `env_key`; `experimental_bearer_token`; and for a provider with
    `requires_openai_auth` CODEX_API_KEY, OPENAI_API_KEY, then `OPENAI_API_KEY` in `$CODEX_HOME/auth.json`.
    Raises `AuthenticationFailed` when the place that should hold a key holds none.
    """
    info = setup.info
    if info.env_key:
        key = setup.environ.get(info.env_key, "").strip()
        if not key:
            raise AuthenticationFailed(
                f"Missing environment variable: `{info.env_key}`.", hint=info.env_key_instructions or ""
            )
        return _checked(key, f"environment variable `{info.env_key}`")
    if info.experimental_bearer_token:
        return _checked(info.experimental_bearer_token.strip(), "`experimental_bearer_token`")
    if not info.requires_openai_auth:
        return None
    for name in OPENAI_KEY_VARIABLES:
        key = setup.environ.get(name, "").strip()
        if key:
            return _checked(key, f"environment variable `{name}`")
    path = os.path.join(_codex_home(setup.environ), AUTH_FILE)
    key = _key_in_file(path)
    if not key:
        raise AuthenticationFailed(
            f"No API key for {info.name or info.id}.",
            hint=f"set OPENAI_API_KEY or CODEX_API_KEY, or put OPENAI_API_KEY into {path}",
        )
    return _checked(key, path)


def _codex_home(environ: Mapping[str, str]) -> str:
    named = environ.get("CODEX_HOME")
    if named:
        return named
    return os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".codex")


def _key_in_file(path: str) -> str:
    import orjson

    try:
        with open(path, "rb") as file:
            found: Any = orjson.loads(file.read())
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise AuthenticationFailed(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    except orjson.JSONDecodeError as error:
        raise AuthenticationFailed(f"{path} is not JSON: {error}", hint="remove it or write it anew") from error
    key = found.get("OPENAI_API_KEY") if isinstance(found, Mapping) else None
    return key.strip() if isinstance(key, str) else ""


def _checked(key: str, where: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AuthenticationFailed(f"The key in {where} holds a blank or a character that no key has.")
    return key


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
