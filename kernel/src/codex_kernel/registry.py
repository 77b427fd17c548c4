"""From what plugins yield to name -> spec, with conflicts told rather than decided by install order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from .protocol.value import Value, value


class Named(Protocol):
    """Any spec."""

    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=Named)


@value
class Registered(Value, Generic[S]):
    """A spec with the plugin that offers it."""

    spec: S
    plugin: str
    dist: str
    version: str

    @property
    def origin(self) -> str:
        """The plugin in words, as conflicts and errors name it."""
        return f"{self.plugin} ({self.dist} {self.version})"


@value
class Clash(Value):
    """Two plugins offer one name; `loser` is left out."""

    name: str
    winner: str
    loser: str
    loser_plugin: str


def resolve(offers: Iterable[Registered[S]]) -> tuple[dict[str, Registered[S]], tuple[Clash, ...]]:
    """Name -> first offer, and the clashes. The order of `offers` is that of discovery with bundled
    plugins first, so that a stranger cannot take a bundled name: block the bundled plugin to replace it."""
    accepted: dict[str, Registered[S]] = {}
    clashes: list[Clash] = []
    for offer in offers:
        holder = accepted.setdefault(offer.spec.name, offer)
        if holder is not offer:
            clashes.append(
                Clash(name=offer.spec.name, winner=holder.origin, loser=offer.origin, loser_plugin=offer.plugin)
            )
    return accepted, tuple(clashes)
