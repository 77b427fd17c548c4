"""The contract of a check of `codex doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

from ..protocol.value import Value, field, value


class Health(StrEnum):
    """How something fares."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@value
class CheckSetup(Value):
    """What a check's factory gets; `options` is the whole configuration, `plugins` the plugin manager."""

    codex_home: str
    cwd: str
    environ: Mapping[str, str] = field(repr=False)
    options: Mapping[str, object]
    plugins: Any = field(repr=False)


@value
class Finding(Value):
    """One line of the report: what, how it fares, and what to do about it. `details` are for `--json` and
    `--verbose`."""

    name: str
    health: Health
    message: str
    cure: str = ""
    details: Mapping[str, object] = field(factory=dict)


class Check(Protocol):
    """Looks at one part of the installation. Changes nothing."""

    async def run(self) -> tuple[Finding, ...]:
        """What was found; an exception is shown as a failed finding."""
        ...
