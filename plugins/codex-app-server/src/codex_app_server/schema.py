"""The protocol as this server speaks it: one definition for each name, made from what the methods declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .methods import Method, load_all
from .notifications import NOTIFICATIONS
from .results import RESULTS, params_name
from .server_requests import SERVER_REQUESTS
from .shapes import ANY, INTEGER, NULL, STRING, Field, Shape, named, record, tagged, union
from .wire_types import REQUEST_ID

TITLE = "CodexAppServerProtocol"
ROOT_PREFIXES = (
    *("FuzzyFileSearch", "Initialize", "JSONRPC", "Client", "Server", "RequestId"),
    *("CommandExecutionApproval", "CommandExecutionRequestApproval"),
    *("FileChangeApproval", "FileChangeRequestApproval", "NetworkApprovalContext", "NetworkPolicy"),
    *(
        "PermissionsRequest",
        "PermissionGrant",
        "GrantedPermission",
        "AdditionalPermissionProfile",
        "ToolRequestUserInput",
    ),
)
NOT_ROOT = ("ServerDiagnostics", "ServerRequestResolved")
ENVELOPES = ("ClientRequest", "ClientNotification", "ServerNotification", "ServerRequest", "JSONRPCMessage")
TOPS = ("Params", "Response", "Notification")
"""Endings of the names of whole messages."""


def is_root(name: str) -> bool:
    """Whether a definition stands beside `v2` and not in it, as in the schemas of Codex."""
    return name.startswith(ROOT_PREFIXES) and not name.startswith(NOT_ROOT)


class Definitions:
    """Named shapes by their name, in its order. Without `experimental`, what is experimental is left out."""

    def __init__(self, *, experimental: bool) -> None:
        self.experimental = experimental
        self.methods = {
            name: found for name, found in sorted(load_all().items()) if experimental or not found.experimental
        }
        undeclared = self.methods.keys() - RESULTS.keys()
        assert not undeclared, f"results.py does not say what these answer with: {sorted(undeclared)}"
        found: dict[str, Shape] = {}
        for shape in self._tops():
            self._collect(shape, found)
        self.shapes: Mapping[str, Shape] = dict(sorted(found.items()))

    def params(self, method: Method) -> Shape | None:
        """The params of a method under their name; None where the protocol has none."""
        name = params_name(method.name)
        return named(name, method.params, about_method(method)) if name else None

    def fields(self, shape: Shape) -> Mapping[str, Field]:
        """The members of a record that are told."""
        return {
            name: field for name, field in shape.fields.items() if self.experimental or not field.shape.experimental
        }

    def _tops(self) -> Iterator[Shape]:
        for method in self.methods.values():
            params = self.params(method)
            yield from [RESULTS[method.name]] if params is None else [params, RESULTS[method.name]]
        yield from NOTIFICATIONS.values()
        for asked, answered in SERVER_REQUESTS.values():
            yield from (asked, answered)
        yield from self._envelopes()

    def _envelopes(self) -> Iterator[Shape]:
        requests = {name: self._request(method) for name, method in self.methods.items()}
        told = {name: record({"params": shape}, emittedAtMs=INTEGER) for name, shape in sorted(NOTIFICATIONS.items())}
        asked = {name: record({"id": REQUEST_ID, "params": both[0]}) for name, both in sorted(SERVER_REQUESTS.items())}
        yield named("ClientRequest", tagged("method", **requests), "What clients ask of the server.")
        yield named("ClientNotification", tagged("method", initialized=record()), "What clients tell the server.")
        yield named("ServerNotification", tagged("method", **told), "What the server tells clients.")
        yield named("ServerRequest", tagged("method", **asked), "What the server asks of clients.")
        yield _any_message()

    def _request(self, method: Method) -> Shape:
        params = self.params(method)
        if params is None:
            return record({"id": REQUEST_ID}, params=NULL)
        if any(field.required for field in params.fields.values()) or params.kind == "tagged":
            return record({"id": REQUEST_ID, "params": params})
        return record({"id": REQUEST_ID}, params=params)

    def _collect(self, shape: Shape, found: dict[str, Shape]) -> None:
        if shape.definition:
            if shape.definition in found:
                assert same(shape, found[shape.definition]), f"two shapes are called {shape.definition}"
                return
            found[shape.definition] = shape
        for inner in self.parts(shape):
            self._collect(inner, found)

    def parts(self, shape: Shape) -> Iterator[Shape]:
        """The shapes that a shape is made of."""
        yield from (field.shape for field in self.fields(shape).values())
        yield from shape.options
        yield from shape.variants.values()
        if shape.items is not None:
            yield shape.items

    def needed_by(self, shape: Shape) -> Mapping[str, Shape]:
        """All definitions that a shape refers to, itself left out unless it refers to itself."""
        found: dict[str, Shape] = {}
        for inner in self.parts(shape):
            self._collect(inner, found)
        return dict(sorted(found.items()))


def about_method(method: Method) -> str:
    """The first paragraph of its docstring."""
    return " ".join((method.run.__doc__ or "").split("\n\n")[0].split())


def same(one: Shape, other: Shape) -> bool:
    """Whether two shapes are declared alike."""
    return one is other or _plain(one) == _plain(other)


def _plain(shape: Shape) -> Any:
    return (
        (shape.kind, shape.name, shape.definition, shape.values),
        {name: (_plain(field.shape), field.required) for name, field in shape.fields.items()},
        [_plain(option) for option in shape.options],
        {word: _plain(variant) for word, variant in shape.variants.items()},
        None if shape.items is None else _plain(shape.items),
    )


def _any_message() -> Shape:
    error = named("JSONRPCErrorError", record({"code": INTEGER, "message": STRING}, data=ANY))
    return named(
        "JSONRPCMessage",
        union(
            named("JSONRPCRequest", record({"id": REQUEST_ID, "method": STRING}, params=ANY)),
            named("JSONRPCNotification", record({"method": STRING}, params=ANY)),
            named("JSONRPCResponse", record({"id": REQUEST_ID, "result": ANY})),
            named("JSONRPCError", record({"id": REQUEST_ID, "error": error})),
        ),
        "One message in either direction. There is no `jsonrpc` member.",
    )
