"""The table of methods: shape of the params, scope, and who carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from .scopes import Scope
from .shapes import Shape, record

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

Handler = Callable[["Server", "Client", Mapping[str, Any]], Awaitable[Any]]
NONE = record()


class Method:
    """A method that clients may call. `result` is its shape, for the schema."""

    def __init__(self, name: str, params: Shape, scope: Scope | None, run: Handler, *, experimental: bool) -> None:
        self.name, self.params, self.scope, self.run, self.experimental = name, params, scope, run, experimental


METHODS: dict[str, Method] = {}
"""Those of Codex's protocol."""
EXTRA: dict[str, Method] = {}
"""Our own, which are no part of it: for clients with `experimentalApi`."""


def method(
    name: str, params: Shape = NONE, *, scope: Scope | None = None, experimental: bool = False
) -> Callable[[Handler], Handler]:
    """Put a function into the table."""

    def keep(run: Handler) -> Handler:
        assert name not in METHODS, name
        METHODS[name] = Method(name, params, scope, run, experimental=experimental)
        return run

    return keep


def extra(name: str, params: Shape = NONE, *, scope: Scope | None = None) -> Callable[[Handler], Handler]:
    """As `method`, for one that the protocol does not have."""

    def keep(run: Handler) -> Handler:
        assert name not in EXTRA, name
        EXTRA[name] = Method(name, params, scope, run, experimental=True)
        return run

    return keep


def load_all() -> dict[str, Method]:
    """The whole table: imports every module that holds methods."""
    from importlib import import_module

    for module in MODULES:
        import_module(f"{__package__}.{module}")
    return METHODS


MODULES = (
    "method_session",
    "method_thread",
    "method_turn",
    "method_review",
    "method_stored",
    "method_history",
    "method_goal",
    "method_models",
    "method_account",
    "method_config",
    "method_config_write",
    "method_fs",
    "method_watch",
    "method_search",
    "method_command",
    "method_feedback",
    "method_skills",
    "method_mcp",
    "method_extra",
)
"""Where methods are; in the order of the documentation."""
