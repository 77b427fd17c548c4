"""All keys of config.toml: those of `keys.txt`, and those of the sections that plugins contribute.

Made for the check at every start: a dictionary and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import Value, value

if TYPE_CHECKING:
    from codex_plugin_sdk import ConfigSectionSpec

# fmt: off
OPEN = frozenset(
    {
        "apps.*.tools", "cloud", "computer_use", "desktop", "features.*", "ghost_snapshot", "hooks",
        "mcp_enterprise_managed_auth", "mcp_servers.*.env", "mcp_servers.*.env_http_headers",
        "mcp_servers.*.http_headers", "mcp_servers.*.oauth", "model_providers.*.auth", "model_providers.*.aws",
        "model_providers.*.env_http_headers", "model_providers.*.http_headers", "model_providers.*.options",
        "model_providers.*.query_params", "notice.external_config_migration_prompts", "notice.model_migrations",
        "orchestrator", "otel.exporter", "otel.metrics_exporter", "otel.span_attributes", "otel.trace_exporter",
        "otel.tracestate", "permissions.*.filesystem", "permissions.*.network.domains",
        "permissions.*.network.unix_sockets", "permissions.*.workspace_roots", "plugins.*", "profiles",
        "profiles.*", "rollout", "shell_environment_policy.set", "skills.bundled", "tool_suggest", "tools.*",
        "tools.web_search.location", "tui.keymap", "tui.model_availability_nux",
    }
)
# fmt: on
"""Tables that take members of any name: free names, or somebody else's to check. Members that are keys all the same are
checked like others."""
_PYTHON = {"str": "string", "int": "integer", "bool": "bool", "float": "number", "dict": "table", "list": "array"}


@value
class Key(Value):
    """`types` are the words of `keys.txt`; `default` as TOML, empty where there is none; without `meaning` it has no
    effect. `plugin` is who contributed it."""

    name: str
    types: tuple[str, ...]
    default: str = ""
    meaning: str = ""
    plugin: str = ""


def load_keys(
    sections: Iterable[tuple[str, ConfigSectionSpec]] = (), tops: Container[str] | None = None
) -> dict[str, Key]:
    """Keys by their name with `*` for free parts. `sections` are (plugin, spec). With `tops`, only keys whose first
    part is among them: a start should not pay for those that nobody sets."""
    found: dict[str, Key] = {}
    with open(os.path.join(os.path.dirname(__file__), "keys.txt"), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#") and (tops is None or _top(line) in tops):
                name, types, default, meaning = (part.strip() for part in line.split(" | ", 3))
                found[name] = Key(name=name, types=tuple(types.split(" or ")), default=default, meaning=meaning)
    for plugin, spec in sections:
        if tops is None or spec.name in tops:
            found.update((key.name, _precise(key, found.get(key.name))) for key in section_keys(plugin, spec))
    return found


def _precise(key: Key, listed: Key | None) -> Key:
    """A plugin's key with the types of `keys.txt`, if it is there: they name the words that may be chosen."""
    return key if listed is None else key.replace(types=listed.types)


def _top(line: str) -> str:
    return line.partition(" ")[0].partition(".")[0]


def section_keys(plugin: str, spec: ConfigSectionSpec) -> Sequence[Key]:
    """The keys of a plugin's section: the table and its fields. What these mean is in `MEANINGS` of the class, or in
    the metadata `help` of an attrs field."""
    import attrs

    meanings = getattr(spec.section, "MEANINGS", {})
    keys = [Key(name=spec.name, types=("table",), meaning=_first_line(spec.section), plugin=plugin)]
    for field in attrs.fields(spec.section):
        types = tuple(dict.fromkeys(_words(str(field.type))))
        default = "" if field.default is attrs.NOTHING or not _plain(field.default) else _toml(field.default)
        meaning = meanings.get(field.name) or field.metadata.get("help") or f"An option of {plugin}."
        keys.append(Key(name=f"{spec.name}.{field.name}", types=types, default=default, meaning=meaning, plugin=plugin))
    return keys


def _words(annotation: str) -> Iterable[str]:
    for part in annotation.replace("typing.", "").split("|"):
        name = part.strip().removeprefix("<class '").removesuffix("'>")
        head = name.partition("[")[0].strip().rpartition(".")[2]
        if head in ("tuple", "list", "Sequence", "Mapping", "dict", "frozenset"):
            text = "table" if head in ("Mapping", "dict") else "strings" if "str" in name else "array"
            yield text
        elif head != "None":
            yield _PYTHON.get(head, "any")


def _plain(default: Any) -> bool:
    return isinstance(default, str | int | float | bool)


def _toml(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _first_line(cls: type[Any]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


class Node:
    """A key with those below it: what the check walks along. `free` is the one of any other name."""

    __slots__ = ("below", "free", "key", "open")

    def __init__(self) -> None:
        self.key: Key | None = None
        self.below: dict[str, Node] = {}
        self.free: Node | None = None
        self.open = False

    def child(self, name: str) -> Node | None:
        """The node of a member; None if there is no such key."""
        return self.below.get(name) or self.free


def tree(keys: Mapping[str, Key]) -> Node:
    """The keys as a tree. A key whose parent is none is still found."""
    root = Node()
    for name, key in keys.items():
        at = root
        for part in name.split("."):
            if part == "*":
                at.free = at = at.free or Node()
            else:
                at = at.below.setdefault(part, Node())
        # Members of a plugin's own table are the plugin's to check: it says no more of them than that it is a table.
        at.key, at.open = key, name in OPEN or (bool(key.plugin) and "." in name and "table" in key.types)
    return root


def find(keys: Mapping[str, Key], path: Sequence[str]) -> Key | None:
    """The key of a path, free parts matched by `*`; None if it is unknown."""
    return keys.get(".".join(path)) or keys.get(pattern(keys, path))


def pattern(keys: Mapping[str, Key], path: Sequence[str]) -> str:
    """A path with `*` for its free parts, as far as that is known."""
    found = ""
    for part in path:
        exact = f"{found}.{part}" if found else part
        free = f"{found}.*"
        found = exact if exact in keys or free not in keys else free
    return found
