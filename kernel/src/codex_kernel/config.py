"""Configuration: layers merged into one table, with the origin of every value.

Layers, weakest first: built-in defaults (in the settings that read them), `$CODEX_HOME/config.toml`, the
profile (`[profiles.NAME]` of that file, then `$CODEX_HOME/NAME.config.toml`), `-c KEY=VALUE`, named flags.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, overload

import attrs

from .errors import ConfigError
from .protocol.value import Value, value

T = TypeVar("T")

_BARE_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
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
    `flags` are named flags as dotted key -> value of the right type, the strongest layer."""

    codex_home: str
    overrides: tuple[tuple[str, str], ...] = ()
    profile: str | None = None
    ignore_user_config: bool = False
    flags: Mapping[str, Any] = attrs.field(factory=dict)
    environ: Mapping[str, str] = attrs.field(factory=dict, repr=False)


class Config:
    """The merged table. `origin(key)` tells where a value was set: `FILE:LINE`, `-c` or a flag."""

    def __init__(self, codex_home: str) -> None:
        self.codex_home = codex_home
        self.data: dict[str, Any] = {}
        self.trusted = False
        self._origins: dict[str, str] = {}
        self._texts: dict[str, str] = {}

    # -- building --------------------------------------------------------------------------------

    def merge_file(self, path: str, table: Mapping[str, Any], text: str) -> None:
        """Lay the table of a file over what is there."""
        self._texts[path] = text
        self._merge(self.data, table, (), path)

    def merge_key(self, key: str, given: Any, origin: str) -> None:
        """Lay one dotted key over what is there."""
        table: Any = given
        for part in reversed(key.split(".")):
            if not part:
                raise ConfigError(f"{key!r} is not a key", where=origin, hint="write it as table.key=value")
            table = {part: table}
        self._merge(self.data, table, (), origin)

    def _merge(self, into: dict[str, Any], table: Mapping[str, Any], path: tuple[str, ...], origin: str) -> None:
        for key, given in table.items():
            here = (*path, key)
            if isinstance(given, Mapping):
                below = into.get(key)
                if not isinstance(below, dict):
                    below = into[key] = {}
                self._origins[".".join(here)] = origin
                self._merge(below, given, here, origin)
            else:
                into[key] = given
                self._origins[".".join(here)] = origin

    # -- reading ---------------------------------------------------------------------------------

    def origin(self, key: str) -> str:
        """Where the value of a key was set, with the line if it was a file; empty for a default."""
        origin = self._origins.get(key, "")
        text = self._texts.get(origin)
        return f"{origin}:{_line_of(text, key)}" if text is not None else origin

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


def load_config(sources: ConfigSources) -> Config:
    """Read and merge all layers. Raises `ConfigError`: a file that cannot be read or is not TOML, with line
    and column; a bad profile name; an override without `=`."""
    config = Config(sources.codex_home)
    if not sources.ignore_user_config:
        path = os.path.join(sources.codex_home, "config.toml")
        _merge_toml(config, path)
        if sources.profile is not None:
            _merge_profile(config, sources.profile)
    for key, raw in sources.overrides:
        config.merge_key(key.strip(), parse_value(raw), f"-c {key.strip()}")
    for key, given in sources.flags.items():
        config.merge_key(key, given, "the command line")
    return config


def split_override(text: str) -> tuple[str, str]:
    """`KEY=VALUE` as a pair. Raises `ConfigError` without `=` or without a key."""
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{text!r} is not KEY=VALUE", where="-c", hint='for instance -c model="gpt-5.5"')
    return key.strip(), raw


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


def _merge_toml(config: Config, path: str) -> bool:
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path, hint="check its permissions") from error
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8 text", where=f"{path}:{line}", hint="save it as UTF-8") from error
    if not text.strip():
        return True
    import tomllib

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            *_toml_complaint(str(error), text),
            where=path + _toml_position(str(error), text),
            hint="the file is TOML: strings want quotes; --ignore-user-config leaves it out",
        ) from error
    except RecursionError as error:
        raise ConfigError("is nested too deeply", where=path) from error
    config.merge_file(path, table, text)
    return True


def _toml_complaint(message: str, _text: str) -> tuple[str]:
    return (re.sub(r" \(at (line \d+, column \d+|end of document)\)", "", message),)


def _toml_position(message: str, text: str) -> str:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    if found:
        return f":{found[1]}:{found[2]}"
    return f":{text.count(chr(10)) + 1}" if "end of document" in message else ""


def _merge_profile(config: Config, name: str) -> None:
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        raise ConfigError(f"{name!r} is not a profile name", where="--profile", hint="use letters, digits, - and _")
    legacy = config.table("profiles").get(name)
    if isinstance(legacy, Mapping):
        for key, given in dict(legacy).items():
            config.merge_key(key, given, f"[profiles.{name}]")
    _merge_toml(config, os.path.join(config.codex_home, f"{name}.config.toml"))


def _line_of(text: str, key: str) -> int:
    """The line that sets a dotted key, by its last part below its table's header: good enough to point at."""
    parts = key.split(".")
    table: list[str] = []
    best = 1
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = [part.strip(" \"'") for part in stripped.strip("[] ").split("]")[0].split(".")]
            if table == parts[: len(table)]:
                best = number
        elif "=" in stripped:
            name = [part.strip(" \"'") for part in stripped.partition("=")[0].split(".")]
            if [*table, *name] == parts[: len(table) + len(name)]:
                return number
    return best


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
