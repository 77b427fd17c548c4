"""What is wrong in a configuration: keys that nobody knows, values of the wrong kind, settings that contradict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ConfigLayer, Diagnostic

from .catalogue import OPEN, Key, find, pattern

if TYPE_CHECKING:
    from codex_plugin_sdk import Config

BUILT_IN = frozenset({"openai", "ollama", "lmstudio", "amazon-bedrock"})
FIXED_FEATURE_LAYERS = ("flags",)
_WORDS = {
    "string": "a string",
    "integer": "an integer",
    "positive": "an integer above 0",
    "number": "a number",
    "bool": "true or false",
    "table": "a table",
    "array": "an array",
    "strings": "an array of strings",
}
_OPEN = frozenset(OPEN)


class Checker:
    """Checks layers against the keys. `features` are the known flags, None where they do not matter."""

    def __init__(self, config: Config, keys: Mapping[str, Key], features: Mapping[str, object]) -> None:
        self._config = config
        self._keys = keys
        self._features = features

    def run(self) -> Iterator[Diagnostic]:
        """Everything that is wrong, layer by layer, then what contradicts. A value that a stronger layer overrides
        is a warning at most."""
        for layer in self._config.layers:
            if layer.kind != "requirements":
                yield from self._table(layer, layer.table, ())
        yield from self._contradictions()

    def _table(self, layer: ConfigLayer, table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Diagnostic]:
        for name, found in table.items():
            here = (*path, name)
            key = self._keys.get(".".join(here)) or find(self._keys, here)
            if path == ("features",):
                yield from self._feature(layer, name, found)
            elif key is None:
                yield self._unknown(layer, here)
            elif fault := fault_of(key, found):
                yield self._wrong(layer, here, fault)
            elif isinstance(found, Mapping) and pattern(self._keys, here) not in _OPEN:
                yield from self._table(layer, found, here)

    def _unknown(self, layer: ConfigLayer, path: tuple[str, ...]) -> Diagnostic:
        key = ".".join(path)
        near = nearest(key, self._keys)
        return Diagnostic(
            severity="error" if self._config.strict else "warning",
            message=f"unknown configuration field `{key}`",
            where=self._config.place(layer, key),
            code="unknown-key",
            key=key,
            hint=f"did you mean `{near}`?" if near else "",
        )

    def _feature(self, layer: ConfigLayer, name: str, found: object) -> Iterator[Diagnostic]:
        key = f"features.{name}"
        if name not in self._features:
            near = nearest(name, self._features)
            told = layer.kind in FIXED_FEATURE_LAYERS or self._config.strict
            yield Diagnostic(
                severity="error" if told else "warning",
                message=f"Unknown feature flag: {name}",
                where=self._config.place(layer, key),
                code="unknown-feature",
                key=key,
                hint=f"did you mean {near}?" if near else "codex features list shows them",
            )
        elif not isinstance(found, bool | Mapping):
            yield self._wrong(layer, ("features", name), f"must be true or false, not {shown(found)}")

    def _wrong(self, layer: ConfigLayer, path: tuple[str, ...], fault: str) -> Diagnostic:
        key = ".".join(path)
        # What a stronger layer has put right keeps nobody from working.
        explained = self._config.explain(key)
        holds = bool(explained) and explained[-1][0] is layer
        return Diagnostic(
            severity="error" if holds else "warning",
            message=f"`{key}` {fault}",
            where=self._config.place(layer, key),
            code="enum" if "one of" in fault else "type",
            key=key,
        )

    def _contradictions(self) -> Iterator[Diagnostic]:
        data = self._config.data
        mode, profile = data.get("sandbox_mode"), data.get("default_permissions")
        if data.get("sandbox_workspace_write") and mode in ("read-only", "danger-full-access"):
            yield self._told("warning", "sandbox_workspace_write", f"has no effect while sandbox_mode is {mode}")
        if mode is not None and profile is not None and self._same_layer("sandbox_mode", "default_permissions"):
            yield self._told("warning", "sandbox_mode", "is outweighed by default_permissions")
        for name, server in _tables(data, "mcp_servers"):
            if "command" in server and "url" in server:
                yield self._told("error", f"mcp_servers.{name}", "has both a command and a url: it can have one")
        for name, _ in _tables(data, "model_providers"):
            if name in BUILT_IN:
                yield self._told("error", f"model_providers.{name}", "is built in: give yours another name")

    def _same_layer(self, *keys: str) -> bool:
        kinds = [self._config.explain(key)[-1][0] for key in keys]
        return all(layer is kinds[0] for layer in kinds)

    def _told(self, severity: str, key: str, text: str) -> Diagnostic:
        where = self._config.explain(key)[-1][2]
        return Diagnostic(severity=severity, message=f"`{key}` {text}", where=where, code="contradiction", key=key)


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
    words = [_WORDS.get(word, f"one of {', '.join(word.split('/'))}") for word in key.types]
    if isinstance(found, str) and any("/" in word for word in key.types):
        return f"is {found!r}, which is not {' or '.join(words)}"
    return f"must be {' or '.join(words)}, not {shown(found)}"


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
    return str(found).lower() if isinstance(found, bool) else repr(found)


def nearest(name: str, known: Mapping[str, object]) -> str:
    """The known name that is most like this one; empty if none is like it."""
    import difflib

    found = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return found[0] if found else ""
