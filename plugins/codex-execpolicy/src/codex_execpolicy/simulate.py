"""Old sessions under new rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from codex_plugin_sdk import SandboxMode, SandboxPolicy, Value, value

from .outcomes import Bench, Found, Outcome, shown
from .recorded import Command

_COMMAND_WIDTH = 100


@value
class Row(Value):
    """A command that was asked for `times` times, now and under the new rules."""

    argv: tuple[str, ...]
    cwd: str
    times: int
    before: Outcome
    after: Outcome
    reason: str = ""

    @property
    def changed(self) -> bool:
        """Whether the new rules make a difference."""
        return self.before is not self.after

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "command": list(self.argv),
            "cwd": self.cwd,
            "times": self.times,
            "before": self.before.value,
            "after": self.after.value,
            "reason": self.reason,
        }


def simulate(commands: Counter[Command], now: Bench, then: Bench, sandbox: SandboxMode | None) -> list[Row]:
    """Every different command with both outcomes, the strictest new outcome first."""
    merged: dict[tuple[object, ...], Row] = {}
    for command, times in commands.items():
        before = now.try_out(command)
        after = then.try_out(_moved(command, sandbox))
        row = _row(command, times, before, after)
        key = (row.argv, row.cwd, row.before, row.after, row.reason)
        known = merged.get(key)
        merged[key] = row if known is None else known.replace(times=known.times + times)
    order = list(Outcome)
    return sorted(merged.values(), key=lambda row: (-order.index(row.after), -row.times, row.argv))


def _moved(command: Command, sandbox: SandboxMode | None) -> Command:
    return command if sandbox is None else command.replace(sandbox=SandboxPolicy(mode=sandbox))


def _row(command: Command, times: int, before: Found, after: Found) -> Row:
    return Row(
        argv=command.argv,
        cwd=command.cwd,
        times=times,
        before=before.outcome,
        after=after.outcome,
        reason=after.reason,
    )


def totals(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """How many commands came to each outcome, before and after."""
    found = {outcome.value: {"before": 0, "after": 0} for outcome in Outcome}
    for row in rows:
        found[row.before.value]["before"] += row.times
        found[row.after.value]["after"] += row.times
    return found


def as_table(rows: list[Row], *, everything: bool) -> list[str]:
    """Lines for a person: the totals, then what changes (or everything)."""
    lines = [f"{'':<28}{'now':>8}{'then':>8}"]
    for outcome, counts in totals(rows).items():
        lines.append(f"{outcome:<28}{counts['before']:>8}{counts['after']:>8}")
    listed = rows if everything else [row for row in rows if row.changed]
    for before, after in dict.fromkeys((row.before, row.after) for row in listed):
        title = f"{before} -> {after}" if before is not after else f"still {after}"
        lines += ["", f"{title}:"]
        for row in listed:
            if (row.before, row.after) == (before, after):
                why = f"   [{row.reason}]" if row.reason else ""
                lines.append(f"{row.times:>6}x  {shown(row.argv, _COMMAND_WIDTH)}{why}")
    if not listed:
        lines += ["", "nothing changes"]
    return lines
