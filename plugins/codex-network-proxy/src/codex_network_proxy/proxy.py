"""The proxy `loopback` of a thread: what its sessions share."""

from __future__ import annotations

from collections.abc import Mapping

from codex_plugin_sdk import ConfigError, NetworkProxySetup, NetworkRules, Permission

from .dial import Dialer, Resolve
from .limits import Limits
from .session import Session
from .upstream import Upstream


class LoopbackProxy:
    """A `NetworkProxy`. `resolve` replaces the system's resolver; `limits` the bounds of every session."""

    def __init__(
        self, setup: NetworkProxySetup, *, resolve: Resolve | None = None, limits: Limits | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._dialer = Dialer(self._limits, resolve, upstream_of(setup.options, setup.environ))
        self._sessions: set[Session] = set()

    def open(self, rules: NetworkRules, permission: Permission) -> Session:
        """A session for one command."""
        session = Session(rules, permission, self._dialer, self._limits, on_close=self._sessions.discard)
        self._sessions.add(session)
        return session

    async def aclose(self) -> None:
        """Close the sessions that are still open."""
        for session in tuple(self._sessions):
            session.close()


def upstream_of(options: Mapping[str, object], environ: Mapping[str, str]) -> Upstream:
    """What `[network] upstream` says: an address, or true for the proxies that the environment names. Raises
    `ConfigError`."""
    match options.get("upstream", False):
        case False:
            return Upstream()
        case True:
            return Upstream(environ=environ)
        case str() as url if url:
            return Upstream(url)
        case wrong:
            raise ConfigError(f"`network.upstream` must be true, false or a proxy's address, not {wrong!r}")
