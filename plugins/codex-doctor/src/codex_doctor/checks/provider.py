"""The check `provider`: whether the model server that is configured can be reached and lets us in."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import (
    AuthenticationFailed,
    CheckSetup,
    CodexError,
    Config,
    ConfigError,
    Engine,
    Finding,
    Health,
    PluginMissing,
    ProviderInfo,
    ProviderSetup,
    __version__,
)

from ..examined import Examined
from .answers import NAME, Asked, of_failure, of_silence, of_status

if TYPE_CHECKING:
    from codex_plugin_sdk import ModelProviderSpec
    from codex_plugin_sdk.http.message import HttpRequest

LIMIT_S = 4.0
"""For the whole check, name server and TLS included."""

PATH = "/models"
_OF_TURNS = frozenset({"accept", "content-type", "session-id", "thread-id", "x-client-request-id"})


class ProviderCheck:
    """One GET of the list of models, with the headers and the key that a turn would send, which costs nothing.
    Redirects are not followed, and of the answer only the head is read."""

    def __init__(self, setup: CheckSetup, limit_s: float = LIMIT_S) -> None:
        self._setup = setup
        self._asked = Asked(limit_s=limit_s)

    async def run(self) -> tuple[Finding, ...]:
        """One finding."""
        setup = self._setup
        if isinstance(setup, Examined) and setup.offline:
            details = {"skipped": "--offline"}
            return (
                Finding(name=NAME, health=Health.OK, message="not asked, for --offline was given", details=details),
            )
        if isinstance(setup, Examined) and setup.config is None:
            # Not even by what could be read of it: what an administrator requires may be in the other part.
            message = "not asked: the configuration cannot be used"
            return (Finding(name=NAME, health=Health.WARNING, message=message, cure="correct the configuration first"),)
        with anyio.move_on_after(self._asked.limit_s):
            try:
                return (await self._look(),)
            except CodexError as error:
                cure = error.hint or "correct [model_providers] in config.toml"
                return (self._asked.finding(Health.FAILED, error.message, cure),)
        return (of_silence(self._asked),)

    async def _look(self) -> Finding:
        spec, info = self._chosen()
        self._asked = self._asked.replace(provider=info.id, env_key=info.env_key or "")
        provider = await anyio.to_thread.run_sync(spec.factory, self._provider_setup(info), abandon_on_cancel=True)
        await provider.aclose()  # made only to hear what it has to say of its settings
        url, origin = base_url(info, spec, self._setup.options, self._setup.environ)
        if not url:
            return self._asked.finding(Health.OK, "needs no server")
        return await self._ask(info, url, origin)

    # -- what to ask -------------------------------------------------------------------------------

    def _chosen(self) -> tuple[ModelProviderSpec, ProviderInfo]:
        """The provider of the next turn. Raises `CodexError`."""
        setup = self._setup
        settings = Engine(config=_config(setup), plugins=setup.plugins, environ=setup.environ).settings
        id, info = settings.provider_id, settings.provider
        specs: list[ModelProviderSpec] = [offer.spec for offer in setup.plugins.providers().values()]
        for spec in specs:
            if info is None and id in spec.builtin_ids and spec.builtin is not None:
                return spec, spec.builtin(id)
            if info is not None and info.wire_api in spec.wire_apis:
                return spec, info
        if info is not None:
            words = f"no installed plugin speaks wire_api {info.wire_api!r} of model provider `{id}`"
            raise PluginMissing(words, hint="check wire_api, or install a provider plugin for it")
        known = ", ".join(sorted(name for spec in specs for name in spec.builtin_ids)) or "none"
        raise ConfigError(f"the model provider `{id}` is not known", hint=f"known: {known}; or add a table for it")

    def _provider_setup(self, info: ProviderInfo) -> ProviderSetup:
        setup = self._setup
        options = {**setup.options, "codex_home": setup.codex_home}
        return ProviderSetup(info=info, environ=setup.environ, thread_id="", version=__version__, options=options)

    # -- asking ------------------------------------------------------------------------------------

    async def _ask(self, info: ProviderInfo, url: str, origin: str) -> Finding:
        from codex_plugin_sdk.http.message import parse_url
        from codex_plugin_sdk.http.proxies import proxy_for

        plain, _, query = url.partition("?")
        plain = plain.rstrip("/") + PATH
        self._asked = self._asked.replace(url=plain, origin=origin)
        try:
            proxied = proxy_for(parse_url(plain), self._setup.environ) is not None
            headers, missing = await self._headers(info)
            self._asked = self._asked.replace(proxied=proxied, with_key=_has_key(info, headers), missing=missing)
            return await self._send(info, self._asked, headers, query)
        except ValueError as error:
            return self._asked.finding(Health.FAILED, f"cannot be asked: {error}", f"correct {origin}, or its headers")

    async def _send(self, info: ProviderInfo, asked: Asked, headers: Mapping[str, str], query: str) -> Finding:
        from codex_plugin_sdk.http.client import HttpClient
        from codex_plugin_sdk.http.errors import TransportError
        from codex_plugin_sdk.http.message import HttpRequest

        query = "&".join(filter(None, (query, _encoded(info.query_params))))
        whole = f"{asked.url}?{query}" if query else asked.url
        request: HttpRequest = HttpRequest(method="GET", url=whole, headers=tuple(headers.items()))
        transport = info.options.get("transport", self._setup.options.get("transport", "auto"))
        limit_s = asked.limit_s + 1  # ours is the one that ends it
        client = HttpClient(environ=self._setup.environ, transport=str(transport), connect_timeout_s=limit_s)
        began = monotonic()
        try:
            async with client.open_stream(request) as response:
                taken_ms = (monotonic() - began) * 1000
                return of_status(asked, response.status, response.headers.get("location", ""), taken_ms)
        except TransportError as error:
            return of_failure(asked, error)
        finally:
            with anyio.CancelScope(shield=True):
                await client.aclose()

    async def _headers(self, info: ProviderInfo) -> tuple[dict[str, str], str]:
        """The headers of a turn, but for those that name one, and what to do where the key is missing: then they
        go without."""
        from codex_plugin_sdk.http.keys import request_headers

        setup = self._provider_setup(info)
        try:
            # A keyring may ask its user first, and that answer is not waited for.
            found = await anyio.to_thread.run_sync(request_headers, setup, "", abandon_on_cancel=True)
            missing = ""
        except AuthenticationFailed as error:
            bare = info.replace(env_key=None, experimental_bearer_token=None, requires_openai_auth=False)
            found = request_headers(setup.replace(info=bare), "")
            missing = error.hint or error.message
        return {name: text for name, text in found.items() if name not in _OF_TURNS}, missing


def base_url(
    info: ProviderInfo, spec: ModelProviderSpec, options: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[str, str]:
    """Where the provider would send its requests and which setting says so; empty where nothing does. The provider
    itself has no way to tell, so this repeats by which settings the built-in ones can be moved."""
    port = environ.get("CODEX_OSS_PORT", "").strip()
    moves: tuple[tuple[str, object], ...] = ()
    if info.id in spec.builtin_ids and info.wire_api == "responses":
        moves = (
            ("openai_base_url", options.get("openai_base_url")),
            ("OPENAI_BASE_URL", environ.get("OPENAI_BASE_URL", "").strip()),
        )
    elif info.id in spec.builtin_ids and info.wire_api == "chat":
        moves = (
            ("CODEX_OSS_BASE_URL", environ.get("CODEX_OSS_BASE_URL", "").strip()),
            ("CODEX_OSS_PORT", f"http://localhost:{port}/v1" if port else ""),
        )
    for origin, found in moves:
        if found:
            return str(found), origin
    if info.base_url:
        return info.base_url, "its address" if info.id in spec.builtin_ids else f"base_url of provider {info.id}"
    if info.wire_api == "responses" and "openai" in spec.builtin_ids and spec.builtin is not None:
        return spec.builtin("openai").base_url or "", "its address"
    return "", ""


def _config(setup: CheckSetup) -> Config:
    if isinstance(setup, Examined) and setup.config is not None:
        return setup.config
    config = Config(setup.codex_home)
    for key, given in setup.options.items():
        if "." not in key:  # a dotted key names a table's entry; no setting has one at the top
            config.merge_key(key, given, "the configuration")
    return config


def _has_key(info: ProviderInfo, headers: Mapping[str, str]) -> bool:
    """Whether a key goes along: as a bearer, or as one of the headers that the user configured."""
    configured = {name.lower() for name in (*info.http_headers, *info.env_http_headers)}
    return any(name == "authorization" or (name in configured and "key" in name) for name in headers)


def _encoded(params: Mapping[str, str]) -> str:
    from urllib.parse import urlencode

    return urlencode({name: str(text) for name, text in params.items()})
