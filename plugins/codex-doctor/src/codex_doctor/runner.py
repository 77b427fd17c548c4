"""Running checks at the same time, each on a thread of its own, so that one that blocks holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import CheckSetup, CodexError, Finding, Health, Value, value

if TYPE_CHECKING:
    from codex_plugin_sdk import CheckSpec

GRACE_S = 1.0
"""How much longer than its time a check may take to end by itself when it is cancelled."""


@value
class Found(Value):
    """A finding with the check and the plugin (`NAME of DIST VERSION`) that it comes from."""

    check: str
    origin: str
    finding: Finding


class _Patient:
    """One check on its thread, which is a daemon: one that never returns does not keep the process."""

    def __init__(self, spec: CheckSpec, origin: str, setup: CheckSetup, timeout_s: float) -> None:
        self._spec, self._origin, self._setup, self._timeout_s = spec, origin, setup, timeout_s
        self._findings: tuple[Finding, ...] = ()
        self._thread = threading.Thread(target=self._run, name=f"check-{spec.name}", daemon=True)
        self._thread.start()

    def result(self, deadline: float) -> list[Found]:
        """What was found by the deadline (of `time.monotonic`)."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._findings = (self._too_slow(),)
        return [Found(check=self._spec.name, origin=self._origin, finding=finding) for finding in self._findings]

    def _run(self) -> None:
        try:
            self._findings = anyio.run(self._examine)
        except TimeoutError:
            self._findings = (self._too_slow(),)
        except CodexError as error:
            self._findings = (
                Finding(name=self._spec.name, health=Health.FAILED, message=error.message, cure=error.hint),
            )
        except BaseException as error:  # noqa: BLE001 - whatever a plugin raises belongs into the report
            self._findings = (self._broken(error),)

    async def _examine(self) -> tuple[Finding, ...]:
        with anyio.fail_after(self._timeout_s):
            found = tuple(await self._spec.factory(self._setup).run())
        strangers = [entry for entry in found if not isinstance(entry, Finding)]
        if strangers:
            raise TypeError(f"it yields {type(strangers[0]).__name__}, not Finding")
        return found

    def _too_slow(self) -> Finding:
        return Finding(
            name=self._spec.name,
            health=Health.FAILED,
            message=f"the check did not end within {self._timeout_s:g} s",
            cure="codex doctor --timeout SECONDS gives it longer",
        )

    def _broken(self, error: BaseException) -> Finding:
        import traceback

        return Finding(
            name=self._spec.name,
            health=Health.FAILED,
            message=f"the check itself failed: {type(error).__name__}: {error}",
            cure=f"report it to the authors of {self._origin}",
            details={"traceback": "".join(traceback.format_exception(error))},
        )


def run_checks(offers: Sequence[Any], setup: CheckSetup, timeout_s: float) -> list[Found]:
    """All findings, in the order of the checks. `offers` are registered `CheckSpec`s; each check has
    `timeout_s` seconds. Raises nothing that a check raises: that is a finding."""
    patients = [_Patient(offer.spec, offer.origin, setup, timeout_s) for offer in offers]
    deadline = time.monotonic() + timeout_s + GRACE_S
    return [found for patient in patients for found in patient.result(deadline)]
