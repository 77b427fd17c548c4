"""The check `plugins`: each one that does not do its work, with its cure."""

from __future__ import annotations

from typing import Any

from codex_plugin_sdk import CheckSetup, Finding, Health

_GUARDS = frozenset({"sandbox", "network", "policy", "lifecycle", "store", "config source"})


class PluginsCheck:
    """Asks the plugin manager, which has loaded all of them by now."""

    def __init__(self, setup: CheckSetup) -> None:
        self._plugins = setup.plugins

    async def run(self) -> tuple[Finding, ...]:
        """One finding for the whole, and one for each plugin with a problem."""
        reports = self._plugins.reports()
        sick = [report for report in reports if report.status not in ("ok", "blocked")]
        working = sum(report.status == "ok" for report in reports)
        blocked = [report.name for report in reports if report.status == "blocked"]
        message = f"{working} plugins work" + (f", {len(sick)} do not" if sick else "")
        if blocked:
            message += f"; left out as asked for: {', '.join(blocked)}"
        details = {"plugins": [f"{r.name} ({r.dist} {r.version}): {r.status}, {', '.join(r.kinds)}" for r in reports]}
        whole = Finding(name="plugins", health=Health.OK, message=message, details=details)
        return (whole, *(_problem(report) for report in sick))


def _problem(report: Any) -> Finding:
    return Finding(
        name=f"plugin {report.name}",
        # A guard that is missing stops work; anything else is only left out.
        health=Health.FAILED if set(report.kinds) & _GUARDS else Health.WARNING,
        message=f"{report.dist} {report.version} is {report.status}: {report.reason}",
        cure=report.cure or f"pip install -U {report.dist}, or start with --no-plugin {report.name}",
        details={"kinds": list(report.kinds), "status": report.status},
    )
