"""Running checks at the same time, each on a thread of its own, so that one that blocks holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import CheckSetup, CodexError, ConfigError, Finding, Health, Value, value

if TYPE_CHECKING:
    from codex_plugin_sdk import CheckSpec

GRACE_S = 1.0
"""How much longer than its time a check may take to end by itself when it is cancelled."""


@value
class Found(Value):
    """A finding with the check and the plugin (`NAME (DIST VERSION)`) that it comes from."""

    check: str
    origin: str
    finding: Finding


class _Patient:
    """One check on its thread, which is a daemon: one that never returns does not keep the process."""

    def __init__(self, spec: CheckSpec, origin: str, setup: CheckSetup, timeout_s: float) -> None:
        self._spec, self._origin, self._setup, self._timeout_s = spec, origin, setup, timeout_s
        self._findings: tuple[Finding, ...] = ()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"check-{spec.name}", daemon=True)
        self._thread.start()

    def result(self, deadline: float) -> list[Found]:
        """What was found by the deadline (of `time.monotonic`)."""
        known = self._done.wait(max(0.0, deadline - time.monotonic()))
        findings = self._findings if known else (self._too_slow(),)
        return [Found(check=self._spec.name, origin=self._origin, finding=finding) for finding in findings]

    def _run(self) -> None:
        try:
            anyio.run(self._examine)
        except BaseException as error:  # noqa: BLE001 - whatever a plugin raises belongs into the report
            self._publish((self._broken(error),))

    async def _examine(self) -> None:
        # From within the loop: ending it may wait for a name server that nobody waits for any more.
        self._publish(await self._outcome())

    def _publish(self, findings: tuple[Finding, ...]) -> None:
        if not self._done.is_set():
            self._findings = findings
            self._done.set()

    async def _outcome(self) -> tuple[Finding, ...]:
        try:
            with anyio.move_on_after(self._timeout_s):
                found = tuple(await self._spec.factory(self._setup).run())
                strangers = [entry for entry in found if not isinstance(entry, Finding)]
                if strangers:
                    raise TypeError(f"it yields {type(strangers[0]).__name__}, not Finding")
                return found
        except CodexError as error:
            configured = isinstance(error, ConfigError)
            cure = "correct the configuration first" if configured else f"ask the authors of {self._origin}"
            cure = error.hint or cure
            return (Finding(name=self._spec.name, health=Health.FAILED, message=error.message, cure=cure),)
        except BaseException as error:  # noqa: BLE001 - as above; SystemExit too
            return (self._broken(error),)
        return (self._too_slow(),)

    def _too_slow(self) -> Finding:
        return Finding(
            name=self._spec.name,
            health=Health.FAILED,
            message=f"the check of {self._origin} did not end within {self._timeout_s:g} s",
            cure="codex doctor --timeout SECONDS gives it longer",
        )

    def _broken(self, error: BaseException) -> Finding:
        import traceback

        return Finding(
            name=self._spec.name,
            health=Health.FAILED,
            message=f"the check of {self._origin} itself failed: {type(error).__name__}: {error}",
            cure=f"report it to the authors of {self._origin}",
            details={"traceback": "".join(traceback.format_exception(error))},
        )


def run_checks(offers: Sequence[Any], setup: CheckSetup, timeout_s: float) -> list[Found]:
    """All findings, in the order of the checks. `offers` are registered `CheckSpec`s; each check has
    `timeout_s` seconds. Raises nothing that a check raises: that is a finding."""
    patients = [_Patient(offer.spec, offer.origin, setup, timeout_s) for offer in offers]
    deadline = time.monotonic() + timeout_s + GRACE_S
    return [found for patient in patients for found in patient.result(deadline)]
