"""Configuration: layers merged into one table, with the origin of every value.

Layers, weakest first: built-in defaults (in the settings that read them), the system's `config.toml`, the user's
`$CODEX_HOME/config.toml`, the profile (`[profiles.NAME]`, then `$CODEX_HOME/NAME.config.toml`), trusted projects and
managed bundles (from configuration sources, which are plugins), `-c KEY=VALUE`, named flags. Requirements constrain
them all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .contracts.config import LAYER_KINDS, ConfigLayer, ConfigRequest, Diagnostic, SourcedConfig
from .errors import ConfigError
from .protocol.value import Value, field, value
from .requirements import FILE, Requirements, parse_requirements
from .toml_files import positions, read_toml

if TYPE_CHECKING:
    from .plugins import PluginManager

_NOTHING: Any = object()
T = TypeVar("T")

SYSTEM_DIR = "/etc/codex"
MANAGED = "managed.toml"
FLAGS = "the command line"
APPENDED = ("hooks",)
"""The arrays of this table hold handlers: those of a layer join those of weaker ones, and silence none."""
_BARE_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^."']*?))\s*\.""")
_TOML_WORDS = frozenset({"true", "false", "inf", "nan"})
_TYPE_WORDS = {str: "a string", int: "an integer", bool: "true or false", dict: "a table", list: "an array"}


def codex_home(environ: Mapping[str, str]) -> str:
    """`CODEX_HOME`, by default `~/.codex`; absolute. Raises `ConfigError` when it is set to a file."""
    chosen = environ.get("CODEX_HOME")
    if chosen:
        path = os.path.abspath(os.path.expanduser(chosen))
        if os.path.exists(path) and not os.path.isdir(path):
            raise ConfigError(f"CODEX_HOME is {path}, which is not a folder", hint="set it to a folder")
        return path
    return os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".codex")


@value
class ConfigSources(Value):
    """Where configuration comes from. `overrides` are `-c` pairs in order (dotted key, raw text);
    `flags` are named flags as dotted key -> value of the right type, the strongest layer. `cwd` is the folder whose
    project counts (None: no project does); `strict` makes errors of unknown keys."""

    codex_home: str
    overrides: tuple[tuple[str, str], ...] = ()
    profile: str | None = None
    ignore_user_config: bool = False
    flags: Mapping[str, Any] = field(factory=dict)
    environ: Mapping[str, str] = field(factory=dict, repr=False)
    cwd: str | None = None
    strict: bool = False
    system_dir: str = SYSTEM_DIR


class Config:
    """The merged table. `origin(key)` tells where a value was set: `FILE:LINE`, `-c` or a flag.

    `trusted` says whether the project is, `ignored` which of its files were left out because it is not; `notices`
    are for the user; `requirements` constrain what settings are made of this."""

    def __init__(self, codex_home: str, sources: ConfigSources | None = None) -> None:
        self.codex_home = codex_home
        self.sources = sources or ConfigSources(codex_home=codex_home)
        self.layers: list[ConfigLayer] = []
        self.data: dict[str, Any] = {}
        self.trusted = False
        self.strict = self.sources.strict
        self.plugins: PluginManager | None = None
        self.ignored: tuple[str, ...] = ()
        self.notices: list[str] = []
        self.requirements = Requirements()
        self._origins: dict[str, ConfigLayer] = {}
        self._first: dict[str, ConfigLayer] = {}
        self._shifted: dict[str, tuple[ConfigLayer, str]] = {}
        self._places: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
        self._stamps: dict[str, object] = {}

    # -- building --------------------------------------------------------------------------------

    def add(self, *layers: ConfigLayer) -> None:
        """Lay more layers in, each over those of its kind and of weaker ones."""
        self.layers += layers
        self.layers.sort(key=lambda layer: LAYER_KINDS.index(layer.kind))
        self.data, self._origins, self._first, self._shifted = {}, {}, {}, {}
        for layer in self.layers:
            self._merge(self.data, layer.table, (), layer)

    def merge_key(self, key: str, given: Any, origin: str) -> None:
        """Lay one dotted key over what is there."""
        table: Any = given
        for part in reversed(_parts(key)):
            if not part:
                raise ConfigError(f"{key!r} is not a key", where=origin, hint="write it as table.key=value")
            table = {part: table}
        layer = ConfigLayer(kind="flags", source=origin, table=table)
        if self.layers and self.layers[-1].kind == "requirements":
            self.add(layer)
        else:
            self.layers.append(layer)
            self._merge(self.data, table, (), layer)

    def _merge(self, into: dict[str, Any], table: Mapping[str, Any], path: tuple[str, ...], layer: ConfigLayer) -> None:
        for key, given in table.items():
            here = (*path, key)
            self._origins[".".join(here)] = layer
            if path == APPENDED:
                self._first.setdefault(".".join(here), layer)
            if isinstance(given, Mapping):
                below = into.get(key)
                if not isinstance(below, dict):
                    below = into[key] = {}
                self._merge(below, given, here, layer)
            elif path == APPENDED and isinstance(given, list) and isinstance(into.get(key), list):
                for index in range(len(given)):
                    self._shifted[f"{'.'.join(here)}.{len(into[key]) + index}"] = (layer, f"{'.'.join(here)}.{index}")
                into[key] = [*into[key], *given]
            else:
                into[key] = given

    # -- provenance ------------------------------------------------------------------------------

    def origin(self, key: str) -> str:
        """Where the value of a key was set, with the line if it was a file; empty for a default. Keys may
        lead into arrays of handlers: `hooks.Stop.1.hooks.0.command`."""
        layer = self._origins.get(key)
        parts = key.split(".")
        if layer is None and parts[0] in APPENDED and len(parts) > 2:
            entry = ".".join(parts[:3])
            layer, local = self._shifted.get(entry, (self._first.get(".".join(parts[:2])), entry))
            key = ".".join([local, *parts[3:]])
        return "" if layer is None else self.place(layer, key).rpartition(":")[0] if layer.text else layer.source

    def place(self, layer: ConfigLayer, key: str) -> str:
        """Where a layer sets a key: `FILE:LINE:COLUMN`, or the layer in words."""
        if not layer.text:
            return layer.source
        places = self._places.get((layer.kind, layer.source))
        if places is None:
            places = self._places[layer.kind, layer.source] = positions(layer.text)
        parts = key.split(".")
        while parts and ".".join(parts) not in places:
            parts.pop()  # in an inline table: its own place
        line, column = places[".".join(parts)] if parts else (1, 1)
        return f"{layer.source}:{line}:{column}"

    def explain(self, key: str) -> list[tuple[ConfigLayer, Any, str]]:
        """Each layer that sets a key, its value and the place, the weakest first."""
        found = []
        for layer in self.layers:
            at: Any = layer.table
            for part in key.split("."):
                at = at.get(part, _NOTHING) if isinstance(at, Mapping) else _NOTHING
            if at is not _NOTHING:
                found.append((layer, at, self.place(layer, key)))
        return found

    # -- change ----------------------------------------------------------------------------------

    def watch(self, *paths: str) -> None:
        """Have `changed` look at these as well."""
        self._stamps.update({path: _stamp(path) for path in paths})

    @property
    def watched(self) -> tuple[str, ...]:
        """The files on which this configuration depends, whether they exist or not."""
        return tuple(self._stamps)

    def changed(self) -> bool:
        """Whether a file that counts has changed since it was last asked for."""
        now = {path: _stamp(path) for path in self._stamps}
        before, self._stamps = self._stamps, now
        return now != before

    # -- reading ---------------------------------------------------------------------------------

    def table(self, key: str) -> Mapping[str, Any]:
        """The table at a dotted key, empty if absent. Raises `ConfigError` if something else is there."""
        return self.get(key, dict, {})

    @overload
    def get(self, key: str, kind: type[T]) -> T | None: ...
    @overload
    def get(self, key: str, kind: type[T], default: T) -> T: ...
    def get(self, key: str, kind: type[T], default: T | None = None) -> T | None:
        """The value at a dotted key, of exactly this kind. Raises `ConfigError` for another kind."""
        found: Any = self.data
        for part in key.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return default
            found = found[part]
        return self.checked(key, found, kind)

    def checked(self, key: str, found: Any, kind: type[T]) -> T:
        """`found` if it is of the kind; an integer is not a boolean, a date may stand for a string."""
        if kind is str and hasattr(found, "isoformat"):
            found = found.isoformat()
        if isinstance(found, kind) and not (kind is int and isinstance(found, bool)):
            return found
        wanted = _TYPE_WORDS.get(kind, kind.__name__)
        raise ConfigError(f"`{key}` must be {wanted}, not {_show(found)}", where=self.origin(key))

    def choice(self, key: str, allowed: Iterable[str], default: str) -> str:
        """The string at a key, one of `allowed`. Raises `ConfigError` that lists them."""
        found = self.get(key, str, default)
        names = list(allowed)
        if found not in names:
            raise ConfigError(f"`{key}` is {found!r}, which is not one of {', '.join(names)}", where=self.origin(key))
        return found

    def strings(self, key: str) -> tuple[str, ...]:
        """The array of strings at a key, empty if absent."""
        return tuple(self.checked(key, entry, str) for entry in self.get(key, list, []))

    def string_table(self, key: str) -> dict[str, str]:
        """The table of strings at a key, empty if absent."""
        return {name: self.checked(f"{key}.{name}", found, str) for name, found in self.table(key).items()}

    def section(self, name: str, cls: type[T]) -> T:
        """The table `name` as the attrs class `cls`. Raises `ConfigError` naming every value that does not fit."""
        table = self.table(name)
        if not table:
            return cls()
        return _structure(self, name, dict(table), cls)


def load_config(sources: ConfigSources, plugins: PluginManager | None = None) -> Config:
    """Read and merge all layers; those of configuration sources with `plugins`. Raises one `ConfigError` that tells
    everything that is wrong: a file that cannot be read or is not TOML, with line and column; a bad profile name;
    an override without `=`; what sources find."""
    config = Config(sources.codex_home, sources)
    config.plugins = plugins
    _add_file(config, "system", os.path.join(sources.system_dir, "config.toml"))
    if not sources.ignore_user_config:
        _add_file(config, "user", os.path.join(sources.codex_home, "config.toml"))
        if sources.profile is not None:
            _add_profile(config, sources.profile)
    for key, raw in sources.overrides:
        config.merge_key(key.strip(), parse_value(raw), f"-c {key.strip()}")
    for key, given in sources.flags.items():
        config.merge_key(key, given, FLAGS)
    required = _requirements_file(config)
    offers = plugins.config_sources() if plugins is not None else []
    managed = os.path.join(sources.system_dir, MANAGED)
    if plugins is not None and os.path.lexists(managed) and not any(offer.spec.name == "managed" for offer in offers):
        raise ConfigError(
            "the administrator's configuration needs a plugin that is not loaded",
            where=managed,
            hint="pip install codex-managed, and leave out --no-plugin",
        )
    made = [offer.spec.factory() for offer in offers]
    for source in made:
        request = ConfigRequest(
            codex_home=config.codex_home,
            cwd=sources.cwd or "",
            system_dir=sources.system_dir,
            environ=sources.environ,
            base=config.data,
        )
        required += _take(config, source.read(request))
    config.requirements = parse_requirements(required, config.place)
    _fix(config)
    _tell(config, [problem for source in made for problem in source.check(config)])
    return config


def reload_config(config: Config, plugins: PluginManager) -> Config:
    """The same sources, read anew, with what frontends laid over them. Raises `ConfigError`."""
    found = load_config(config.sources, plugins)
    known = {(layer.source, repr(layer.table)) for layer in found.layers}
    more = [layer for layer in config.layers if layer.kind == "flags"]
    found.add(*(layer for layer in more if (layer.source, repr(layer.table)) not in known))
    return found


def _take(config: Config, found: SourcedConfig) -> list[ConfigLayer]:
    """Lay in what a source found; returns its requirements."""
    if found.layers:
        config.add(*found.layers)
    if found.trusted is not None:
        config.trusted = found.trusted
    config.ignored += found.ignored
    config.notices += found.notices
    config.watch(*found.watched)
    return list(found.requirements)


def _requirements_file(config: Config) -> list[ConfigLayer]:
    path = os.path.join(config.sources.system_dir, FILE)
    config.watch(path)
    found = read_toml(path)
    return [] if found is None else [ConfigLayer(kind="requirements", source=path, table=found[0], text=found[1])]


def _fix(config: Config) -> None:
    """Features that requirements fix, and MCP servers that they do not name."""
    required = config.requirements
    if required.features:
        source = ", ".join(layer.source for layer in required.layers)
        config.add(ConfigLayer(kind="requirements", source=source, table={"features": dict(required.features)}))
    rule = required.constraints.get("mcp_servers")
    if rule is not None:
        for name in [name for name in config.table("mcp_servers") if not rule.permits(name)]:
            config.notices.append(f"{rule.refusal(name)}; it is left out")
            off = {"mcp_servers": {name: {"enabled": False}}}
            config.add(ConfigLayer(kind="requirements", source=rule.where, table=off))


def _tell(config: Config, problems: list[Diagnostic]) -> None:
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise joined([ConfigError(p.message, where=p.where, hint=p.hint) for p in errors])
    for problem in problems:
        hint = f" ({problem.hint})" if problem.hint else ""
        config.notices.append(f"{problem.where}: {problem.message}{hint}")


def joined(problems: list[ConfigError]) -> ConfigError:
    """Several problems as one error."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"{len(problems)} problems in the configuration:", *(f"  {problem}" for problem in problems)]
    return ConfigError("\n".join(lines))


def split_override(text: str) -> tuple[str, str]:
    """`KEY=VALUE` as a pair. Raises `ConfigError` without `=` or without a key."""
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{text!r} is not KEY=VALUE", where="-c", hint='for instance -c model="gpt-5.5"')
    return key.strip(), raw


def _parts(key: str) -> list[str]:
    """The parts of a dotted key; one in quotes may hold dots. One that is empty says that it is no key."""
    if '"' not in key and "'" not in key:
        return key.split(".")
    parts = ["".join(found) for found in _PART.findall(key + ".")]
    return [""] if _PART.sub("", key + ".") else parts


def parse_value(raw: str) -> Any:
    """The value of a `-c` override: TOML, else the text as it stands."""
    text = raw.strip()
    if _BARE_WORD.match(text) and text not in _TOML_WORDS:
        return text
    if text.isascii() and text.isdigit() and (text == "0" or text[0] != "0"):
        return int(text)
    if text in ("true", "false"):
        return text == "true"
    import tomllib  # late: ten milliseconds that most starts need not pay

    try:
        return tomllib.loads(f"x = {text}")["x"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return raw


def _add_file(config: Config, kind: str, path: str) -> None:
    config.watch(path)
    found = read_toml(path)
    if found is not None:
        config.add(ConfigLayer(kind=kind, source=path, table=found[0], text=found[1]))


def _add_profile(config: Config, name: str) -> None:
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        raise ConfigError(f"{name!r} is not a profile name", where="--profile", hint="use letters, digits, - and _")
    legacy = config.table("profiles").get(name)
    if isinstance(legacy, Mapping):
        config.add(ConfigLayer(kind="profile", source=f"[profiles.{name}]", table=legacy))
    _add_file(config, "profile", os.path.join(config.codex_home, f"{name}.config.toml"))


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _show(found: Any) -> str:
    if isinstance(found, Mapping):
        return "a table"
    if isinstance(found, list):
        return "an array"
    return repr(found) if not isinstance(found, bool) else str(found).lower()


def _structure(config: Config, name: str, table: dict[str, Any], cls: type[T]) -> T:
    import cattrs  # late: only a config that holds such a section pays for it

    converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _exact)
    try:
        return converter.structure(table, cls)
    except cattrs.BaseValidationError as error:
        complaints = cattrs.transform_error(error, path=name)
        raise ConfigError("; ".join(complaints), where=config.origin(name)) from error


def _exact(found: Any, wanted: type[Any]) -> Any:
    if isinstance(found, wanted) and not (wanted is int and isinstance(found, bool)):
        return found
    raise TypeError(f"must be {_TYPE_WORDS[wanted]}, not {_show(found)}")
