"""What is wrong in a configuration: keys that nobody knows, values of the wrong kind, settings that contradict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ConfigLayer, Diagnostic

from .catalogue import Key, Node, tree
from .secrecy import is_secret

if TYPE_CHECKING:
    from codex_plugin_sdk import Config

RESERVED = frozenset({"openai", "amazon-bedrock"})
"""Providers whose tables are not to be replaced; those of local servers may be pointed elsewhere."""
MAX_HINTS = 20
"""How many unknown names get a hint: looking for the nearest takes time, and a file full of them has another fault."""
MAX_SHOWN = 80
_WORDS = {
    "string": "a string",
    "integer": "an integer",
    "positive": "an integer above 0",
    "count": "an integer of 0 or more",
    "number": "a number",
    "bool": "true or false",
    "table": "a table",
    "array": "an array",
    "strings": "an array of strings",
}
Path = tuple[str, ...]


class Checker:
    """Checks layers against the keys; `features` are the known flags by name."""

    def __init__(self, config: Config, keys: Mapping[str, Key], features: Mapping[str, object]) -> None:
        self._config = config
        self._keys = keys
        self._root = tree(keys)
        self._features = features
        self._hints = 0

    def run(self) -> Iterator[Diagnostic]:
        """Everything that is wrong, layer by layer, then what contradicts. A value that a stronger layer overrides
        is a warning at most."""
        for layer in self._config.layers:
            if layer.kind != "requirements":
                yield from self.layer(layer)
        yield from self.contradictions()

    def layer(self, layer: ConfigLayer) -> Iterator[Diagnostic]:
        """What is wrong in one layer."""
        yield from self._table(layer, layer.table, (), self._root)

    def _table(self, layer: ConfigLayer, table: Mapping[str, Any], path: Path, node: Node) -> Iterator[Diagnostic]:
        for name, found in table.items():
            below = node.below.get(name) or node.free
            if path == ("features",):
                yield from self._feature(layer, name, found)
            elif below is None:
                if not node.open:
                    yield self._unknown(layer, (*path, name), node)
            elif below.key is not None and (fault := fault_of(below.key, found)):
                yield self._wrong(layer, (*path, name), below.key, found, fault)
            elif isinstance(found, Mapping):
                yield from self._table(layer, found, (*path, name), below)

    def _unknown(self, layer: ConfigLayer, path: Path, node: Node) -> Diagnostic:
        near = self._near(path, node)
        return Diagnostic(
            severity="error" if self._config.strict else "warning",
            message=f"unknown configuration field `{printable('.'.join(path))}`",
            where=self._config.place(layer, ".".join(path)),
            code="unknown-key",
            key=".".join(path),
            hint=f"did you mean `{near}`?" if near else "",
        )

    def _near(self, path: Path, node: Node) -> str:
        self._hints += 1
        if self._hints > MAX_HINTS:
            return ""
        if near := nearest(path[-1], node.below):
            return ".".join((*path[:-1], near))
        elsewhere = [name for name in self._keys if name.rpartition(".")[2] == path[-1] and "*" not in name]
        return elsewhere[0] if len(elsewhere) == 1 else ""

    def _feature(self, layer: ConfigLayer, name: str, found: object) -> Iterator[Diagnostic]:
        path = ("features", name)
        if name not in self._features:
            self._hints += 1
            near = nearest(name, self._features) if self._hints <= MAX_HINTS else ""
            flag = layer.kind == "flags"
            yield Diagnostic(
                severity="error" if flag or self._config.strict else "warning",
                message=f"Unknown feature flag: {printable(name)}",
                where="" if flag else self._config.place(layer, ".".join(path)),
                code="unknown-feature",
                key=".".join(path),
                hint=f"did you mean {near}?" if near else "codex features list shows them",
            )
        elif not isinstance(found, bool | Mapping):
            yield self._wrong(layer, path, None, found, f"must be true or false, not {shown(found)}")

    def _wrong(self, layer: ConfigLayer, path: Path, key: Key | None, found: object, fault: str) -> Diagnostic:
        name = ".".join(path)
        message = f"`{printable(name)}` {fault}"
        if key is not None and key.types == ("refused",):
            message = (
                f"legacy `{name} = {_toml(found)}` config is no longer supported; "
                f"use `--profile {printable(str(found))}` with `{printable(str(found))}.config.toml` instead"
            )
        elif isinstance(found, str | int | float) and not isinstance(found, bool) and is_secret(path):
            message = f"`{printable(name)}` must be {wanted(key)}" if key is not None else message
        return Diagnostic(
            # What a stronger layer has put right keeps nobody from working.
            severity="error" if self._setter(path) is layer else "warning",
            message=message,
            where=self._config.place(layer, name),
            code="enum" if " one of " in fault else "type",
            key=name,
        )

    def contradictions(self) -> Iterator[Diagnostic]:
        """What is wrong in the merged values."""
        data = self._config.data
        mode, profile = data.get("sandbox_mode"), data.get("default_permissions")
        if data.get("sandbox_workspace_write") and mode in ("read-only", "danger-full-access"):
            yield self._told("warning", ("sandbox_workspace_write",), f"has no effect while sandbox_mode is {mode}")
        if mode is not None and profile is not None:
            setters = self._setter(("sandbox_mode",)), self._setter(("default_permissions",))
            if setters[0] is setters[1]:
                yield self._told("warning", ("sandbox_mode",), "is outweighed by default_permissions")
        for name, server in _tables(data, "mcp_servers"):
            if "command" in server and "url" in server:
                yield self._told("error", ("mcp_servers", name), "has both a command and a url: it can have one")
        for name, _ in _tables(data, "model_providers"):
            if name in RESERVED:
                text = f"is reserved for the built-in provider: give yours another name, {name}-custom for instance"
                yield self._told("error", ("model_providers", name), text)

    def _setter(self, path: Path) -> ConfigLayer | None:
        """The strongest layer that sets a key, requirements apart."""
        found = None
        for layer in self._config.layers:
            if layer.kind != "requirements" and at(layer.table, path) is not None:
                found = layer
        return found

    def _told(self, severity: str, path: Path, text: str) -> Diagnostic:
        layer, name = self._setter(path), ".".join(path)
        where = "" if layer is None else self._config.place(layer, name)
        return Diagnostic(
            severity=severity, message=f"`{printable(name)}` {text}", where=where, code="contradiction", key=name
        )


def at(table: Any, path: Sequence[str]) -> Any:
    """What a table holds at a path; None if nothing."""
    for part in path:
        if not isinstance(table, Mapping) or part not in table:
            return None
        table = table[part]
    return table


def _tables(data: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = data.get(name)
    if isinstance(found, Mapping):
        yield from ((key, entry) for key, entry in found.items() if isinstance(entry, Mapping))


def fault_of(key: Key, found: object) -> str:
    """What is wrong with a value; empty if it fits one of the key's types."""
    faults = [_fault(word, found) for word in key.types]
    if "" in faults or not faults:
        return ""
    if key.types == ("refused",):
        return "is of an older form: use --profile NAME and NAME.config.toml"
    if isinstance(found, str) and any("/" in word for word in key.types):
        return f"is {shown(found)}, which is not {wanted(key)}"
    return f"must be {wanted(key)}, not {shown(found)}"


def wanted(key: Key) -> str:
    """The types of a key in words."""
    return " or ".join(_WORDS.get(word, f"one of {', '.join(word.split('/'))}") for word in key.types)


def _fault(word: str, found: object) -> str:
    is_int = isinstance(found, int) and not isinstance(found, bool)
    match word:
        case "any":
            fits = True
        case "string":
            fits = isinstance(found, str) or hasattr(found, "isoformat")
        case "integer":
            fits = is_int
        case "positive":
            fits = is_int and found > 0  # type: ignore[operator]
        case "count":
            fits = is_int and found >= 0  # type: ignore[operator]
        case "number":
            fits = is_int or isinstance(found, float)
        case "bool":
            fits = isinstance(found, bool)
        case "table":
            fits = isinstance(found, Mapping)
        case "array":
            fits = isinstance(found, list)
        case "strings":
            fits = isinstance(found, list) and all(isinstance(entry, str) for entry in found)
        case "refused":
            fits = False
        case _:
            fits = found in word.split("/")
    return "" if fits else word


def shown(found: object) -> str:
    """A value in a message."""
    if isinstance(found, Mapping):
        return "a table"
    if isinstance(found, list):
        return "an array"
    if isinstance(found, bool):
        return str(found).lower()
    text = repr(found)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def printable(text: str) -> str:
    """A name from a file, without what could move a terminal's cursor."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _toml(found: object) -> str:
    return f'"{printable(found)}"' if isinstance(found, str) else shown(found)


def nearest(name: str, known: Mapping[str, object]) -> str:
    """The known name that is most like this one; empty if none is like it."""
    import difflib

    found = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return found[0] if found else ""
