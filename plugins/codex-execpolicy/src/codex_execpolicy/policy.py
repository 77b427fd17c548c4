"""The exec policy `rules`."""

from __future__ import annotations

from codex_plugin_sdk import (
    Decision,
    Intent,
    NetworkIntent,
    PolicyAmendment,
    PolicyContext,
    PolicySetup,
    RunIntent,
    Verdict,
    strictest,
)

from .judging import SOURCE, Judgement, judge
from .layers import SYSTEM_FOLDER, Layers, Setting


class RulesPolicy:
    """Judges commands by rules files and a built-in table, and network connections by network rules.

    Everything is read when the first question comes. Raises `ConfigError` for a `[execpolicy]` table that does
    not make sense.
    """

    def __init__(self, setup: PolicySetup, *, system_folder: str = SYSTEM_FOLDER) -> None:
        self._codex_home = setup.codex_home
        self._home = setup.environ.get("HOME", "")
        self._tmpdir = setup.environ.get("TMPDIR")
        self._layers = Layers(
            Setting(
                codex_home=setup.codex_home,
                cwd=setup.cwd,
                options=setup.options,
                home=self._home,
                system_folder=system_folder,
                trusted=setup.trusted,
            )
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """The files that are left out because they cannot be used, and a managed one that forbids everything."""
        self._layers.refresh()
        closed = self._layers.closed
        return (*((f"nothing may be done: {closed}",) if closed else ()), *self._layers.problems)

    def evaluate(self, intent: Intent, context: PolicyContext) -> Verdict | None:
        """The verdict on a command or a connection; None for what rules do not speak about."""
        self._layers.refresh()
        if self._layers.closed:
            reason = f"the managed rules cannot be used: {self._layers.closed}"
            return Verdict(decision=Decision.FORBIDDEN, reason=reason, source=SOURCE)
        match intent:
            case RunIntent():
                return self.judgement(intent, context).verdict()
            case NetworkIntent():
                return self.judge_network(intent.host, intent.protocol)
            case _:
                return None

    def judgement(self, intent: RunIntent, context: PolicyContext) -> Judgement:
        """What is thought of every part of a command."""
        return judge(intent, context.sandbox_policy, self._layers.matches, home=self._home, tmpdir=self._tmpdir)

    def judge_network(self, host: str, protocol: str) -> Verdict | None:
        """The strictest of the rules about a host and a protocol, None without any."""
        from .hosts import normal_host

        try:
            rules = self._layers.network(normal_host(host), protocol)
        except ValueError:
            return None  # what cannot be a host has no rule; the proxy refuses it
        if not rules:
            return None
        decision = strictest(*(rule.decision for rule in rules))
        rule = next(rule for rule in rules if rule.decision is decision)
        words = {Decision.ALLOW: "is allowed", Decision.PROMPT: "is to be asked about", Decision.FORBIDDEN: "is denied"}
        reason = rule.justification or f"{rule.host} ({rule.protocol}) {words[decision]} by {rule.file}"
        return Verdict(decision=decision, reason=reason, source=SOURCE)

    def proposals(self, intent: Intent, context: PolicyContext) -> tuple[PolicyAmendment, ...]:
        """The rules that would have allowed exactly this intent: one for each part that no rule allows yet.
        Empty where a rule would allow more than was shown, or could not help."""
        from .amend import propose_host, propose_prefixes, rules_file

        self._layers.refresh()
        if self._layers.closed or self._layers.ignores_own:
            return ()
        match intent:
            case RunIntent():
                judgement = self.judgement(intent, context)
                return propose_prefixes(judgement, rules_file(self._codex_home), intent.prefix_rule)
            case NetworkIntent():
                known = self.judge_network(intent.host, intent.protocol)
                if known is None:
                    return propose_host(intent, rules_file(self._codex_home))
                return ()
            case _:
                return ()

    def amend(self, amendment: PolicyAmendment) -> None:
        """Append the rule to the user's own rules; it holds from now on. Raises `UserError` for a line that is
        not a proposal of this policy, `StoreError` for a file that cannot be written."""
        from .amend import append_rule, rules_file

        append_rule(amendment, rules_file(self._codex_home), self._home)
