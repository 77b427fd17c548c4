"""The contract of a configuration source: layers beside the files that the kernel reads itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..protocol.value import Value, field, value

if TYPE_CHECKING:
    from ..config import Config

LAYER_KINDS = ("system", "user", "profile", "project", "managed", "flags", "requirements")
"""Weakest first. Values of `requirements` are those that an administrator fixed."""


@value
class ConfigLayer(Value):
    """One layer. `source` is its file, or in words where it comes from; `text` the file's text, for line numbers."""

    kind: str
    source: str
    table: Mapping[str, Any]
    text: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """Changes with the content; `sha256:` and 64 hexadecimal digits."""
        import hashlib

        return "sha256:" + hashlib.sha256((self.text or repr(self.table)).encode()).hexdigest()


@value
class Diagnostic(Value):
    """Something wrong in the configuration. `severity` is error or warning; `where` is FILE:LINE:COLUMN or the
    layer in words; `code` names the kind of fault (`unknown-key`, `type`, `enum`, `contradiction`, …)."""

    severity: str
    message: str
    where: str = ""
    code: str = ""
    key: str = ""
    hint: str = ""


@value
class ConfigRequest(Value):
    """What a source may look at. `base` is what system, user, profile and flags say together."""

    codex_home: str
    cwd: str
    system_dir: str
    environ: Mapping[str, str] = field(repr=False)
    base: Mapping[str, Any] = field(repr=False)


@value
class SourcedConfig(Value):
    """What a source found. `layers` are of the kinds project and managed, the weakest first; `requirements` are
    tables as in requirements.toml. `trusted` says whether the project of `cwd` is (None: not this source's to
    say); `ignored` are the files that were left out because it is not. `watched` are paths whose change means
    that the configuration has to be read again; `notices` are for the user."""

    layers: tuple[ConfigLayer, ...] = ()
    requirements: tuple[ConfigLayer, ...] = ()
    trusted: bool | None = None
    ignored: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class ConfigSource(Protocol):
    """Adds layers, or checks what all layers say, or both."""

    def read(self, request: ConfigRequest) -> SourcedConfig:
        """The layers for this folder. Quick where there are none; runs nothing. Raises `ConfigError`, with
        which nothing starts."""
        ...

    def check(self, config: Config) -> Sequence[Diagnostic]:
        """What is wrong in the merged configuration: errors keep everything from starting, all told at once;
        warnings are shown. `config.strict` makes errors of unknown keys."""
        ...
