"""/approvals (/permissions) and /sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from codex_plugin_sdk import ProtocolError, UserError

from ..link import Message
from ..sandbox_check import FORBID, sandbox_status
from .asking import agreed, need_thread, needed, request, sure, wrong
from .choices import choose, when
from .ui import Option

if TYPE_CHECKING:
    from .ui import Ui

READ_ONLY, WORKSPACE, FULL = "read-only", "workspace-write", "danger-full-access"
MODES = {
    READ_ONLY: "commands read everything, and write nothing",
    WORKSPACE: "commands write in this folder and in the writable roots; no network",
    FULL: "nothing is confined: commands do what you may do",
}
TYPES = {"readOnly": READ_ONLY, "workspaceWrite": WORKSPACE, "dangerFullAccess": FULL, "externalSandbox": "external"}
"""From the types of sandbox policies to the words of config.toml."""
POLICIES = {
    "untrusted": "asks before every command that is not known to be harmless",
    "on-request": "asks when something should leave the sandbox",
    "never": "never asks; what the sandbox forbids fails",
}
DANGER = (
    "The agent then runs any command as you, without a sandbox and without asking: it can change or delete every file "
    "of yours, read your keys and send them anywhere."
)
UNCONFINED = "Commands then run as you, on all of your files and with network. Approvals stay as they are."


@attrs.frozen(kw_only=True)
class Preset:
    """An approval policy and a sandbox that go together."""

    name: str
    label: str
    help: str
    approval: str
    mode: str


PRESETS = (
    Preset(
        name="read-only",
        label="Read only",
        help="reads and answers; asks before it changes files or uses the network",
        approval="on-request",
        mode=READ_ONLY,
    ),
    Preset(
        name="auto",
        label="Auto",
        help="changes files of this folder; asks before it leaves it or uses the network",
        approval="on-request",
        mode=WORKSPACE,
    ),
    Preset(
        name="full-access",
        label="Full access",
        help="does everything without asking, outside of this folder as well",
        approval="never",
        mode=FULL,
    ),
)


class Permitted:
    """What an administrator permits."""

    def __init__(self, requirements: Message | None) -> None:
        found = requirements or {}
        self._approvals, self._modes = found.get("allowedApprovalPolicies"), found.get("allowedSandboxModes")

    def why_not(self, *, approval: str = "", mode: str = "") -> str:
        """Why these are not permitted; empty if they are."""
        for word, allowed, what in (
            (approval, self._approvals, "approval policies"),
            (mode, self._modes, "sandbox modes"),
        ):
            if word and allowed is not None and word not in allowed:
                return f"the requirements of this machine permit the {what} {', '.join(allowed) or 'none'} only"
        return ""

    def check(self, **wanted: str) -> None:
        """Raises `UserError` for what is not permitted."""
        if reason := self.why_not(**wanted):
            words = " with ".join(word for word in wanted.values() if word)
            raise UserError(f"{words} is not permitted: {reason}", hint="whoever administers this machine set them")


async def permitted(ui: Ui) -> Permitted:
    """What the server's machine permits."""
    return Permitted((await request(ui, "configRequirements/read"))["requirements"])


# -- approvals ---------------------------------------------------------------------------------------


async def approvals(ui: Ui, arguments: str) -> None:
    """Choose a preset, or the approval policy alone."""
    need_thread(ui)
    words, yes = agreed(arguments.split())
    rules = await permitted(ui)
    names = [preset.name for preset in PRESETS]
    if len(words) > 1:
        raise UserError("too many words", hint=f"one of: {', '.join([*names, *POLICIES])}")
    if not words:
        await _pick_preset(ui, rules)
    elif words[0] in POLICIES:
        rules.check(approval=words[0])
        choose(ui, approvalPolicy=words[0])
        ui.say("info", f"approvals: {words[0]}, {POLICIES[words[0]]}{when(ui)}")
    elif words[0] in names:
        await _take_preset(ui, rules, PRESETS[names.index(words[0])], yes=yes)
    else:
        raise wrong(words[0], [*names, *POLICIES], "preset or approval policy")


async def _pick_preset(ui: Ui, rules: Permitted) -> None:
    status = ui.session.status
    now = (status.approval, TYPES.get(status.sandbox, status.sandbox))
    if not ui.interactive:
        raise needed(f"say which (now {now[0]}, {now[1]})", [*(preset.name for preset in PRESETS), *POLICIES])
    options = [
        Option(
            value=preset,
            label=preset.label,
            detail=preset.help,
            current=now == (preset.approval, preset.mode),
            why_not=rules.why_not(approval=preset.approval, mode=preset.mode),
        )
        for preset in PRESETS
    ]
    picked = await ui.pick(
        "What may the agent do?", options, note=f"now: approvals {now[0]}, sandbox {now[1]}; /sandbox for the latter"
    )
    if picked is not None:
        await _take_preset(ui, rules, picked, yes=False)


async def _take_preset(ui: Ui, rules: Permitted, preset: Preset, *, yes: bool) -> None:
    rules.check(approval=preset.approval, mode=preset.mode)
    if preset.mode == FULL and not await sure(ui, yes, "Give full access?", DANGER):
        return
    choose(ui, approvalPolicy=preset.approval, sandboxPolicy=await policy(ui, preset.mode))
    ui.say("info", f"{preset.label}: {preset.help}{when(ui)}")


# -- sandbox -----------------------------------------------------------------------------------------


async def sandbox(ui: Ui, arguments: str) -> None:
    """Show what confines commands, and choose it."""
    need_thread(ui)
    words, yes = agreed(arguments.split())
    rules = await permitted(ui)
    if words:
        if words[0] not in MODES:
            raise wrong(words[0], list(MODES), "sandbox mode")
        if len(words) > 2 or (len(words) == 2 and (words[1] != "network" or words[0] == FULL)):
            raise UserError(f"{' '.join(words[1:])!r} cannot stand there", hint="/sandbox workspace-write network")
        await _take_mode(ui, rules, words[0], network=len(words) == 2, yes=yes)
        return
    now = await facts(ui)
    ui.card("Sandbox", await sandbox_rows(ui, now))
    if not ui.interactive:
        return
    mode = TYPES.get(ui.session.status.sandbox)
    options = [
        Option(value=name, label=name, detail=text, current=name == mode, why_not=rules.why_not(mode=name))
        for name, text in MODES.items()
    ]
    picked = await ui.pick("What may commands reach?", options)
    if picked is not None:
        await _take_mode(ui, rules, picked, network=False, yes=False)


async def _take_mode(ui: Ui, rules: Permitted, mode: str, *, network: bool, yes: bool) -> None:
    rules.check(mode=mode)
    if mode == FULL and not await sure(ui, yes, "Run commands without a sandbox?", UNCONFINED):
        return
    wanted = await policy(ui, mode)
    if network:
        wanted["networkAccess"] = True
    choose(ui, sandboxPolicy=wanted)
    ui.say("info", f"sandbox: {mode}{' with network' if network else ''}{when(ui)}")


async def policy(ui: Ui, mode: str) -> dict[str, Any]:
    """The policy of a mode, for turn/start, with what the configuration says of it."""
    if mode == FULL:
        return {"type": "dangerFullAccess"}
    if mode == READ_ONLY:
        return {"type": "readOnly"}
    found = await request(ui, "config/read", cwd=ui.session.status.cwd or None)
    table = found["config"].get("sandbox_workspace_write") or {}
    return {
        "type": "workspaceWrite",
        "writableRoots": list(table.get("writable_roots") or ()),
        "networkAccess": bool(table.get("network_access")),
        "excludeTmpdirEnvVar": bool(table.get("exclude_tmpdir_env_var")),
        "excludeSlashTmp": bool(table.get("exclude_slash_tmp")),
    }


async def facts(ui: Ui) -> Message:
    """The thread as it is open, with its settings: what resuming an open thread answers with. It changes nothing."""
    found: Message = await request(ui, "thread/resume", threadId=need_thread(ui), excludeTurns=True)
    return found


async def sandbox_rows(ui: Ui, now: Message) -> list[tuple[str, str]]:
    """What confines commands, as rows of a card; what is chosen for the next turn counts already."""
    chosen: Message = ui.session.overrides.get("sandboxPolicy") or now["sandbox"]
    kind: str = chosen["type"]
    network = chosen.get("networkAccess") in (True, "enabled") or kind == "dangerFullAccess"
    rows: list[tuple[str, str]] = [
        ("sandbox", TYPES.get(kind, kind)),
        *await _engine_rows(ui, TYPES.get(kind, kind)),
        ("network", "yes" if network else "no"),
    ]
    if kind == "workspaceWrite":
        roots = [now["cwd"], *chosen.get("writableRoots", ())]
        roots += [] if chosen.get("excludeSlashTmp") else ["/tmp"]  # noqa: S108 - only named
        roots += [] if chosen.get("excludeTmpdirEnvVar") else ["$TMPDIR"]
        rows.append(("writable", ", ".join(dict.fromkeys(roots))))
    return rows


async def _engine_rows(ui: Ui, mode: str) -> list[tuple[str, str]]:
    """What enforces a mode on the server's machine, and what it does not enforce."""
    if mode not in MODES:
        return [("confined by", "whatever the server runs in")]
    try:
        found = await sandbox_status(ui.session.link, threadId=need_thread(ui), mode=mode)
    except ProtocolError as error:  # a card with a gap is worth more than none
        return [("confined by", f"it cannot be found out: {error}")]
    if found is None:
        return [("confined by", "the server does not tell")]
    ui.session.status.engine = found["engine"] or ""
    if not found["confined"]:
        return [("confined by", "nothing")]
    if found["works"]:
        rows = [("confined by", found["version"] or found["engine"])]
    elif found["preference"] == FORBID:
        return [("confined by", "nothing: each command is asked for, and runs unconfined")]
    else:
        rows = [("confined by", f"nothing, so that commands are refused: {found['problem']}")]
    rows += [("not enforced", found["why"])] if found["degraded"] and found["why"] else []
    return rows + ([("cure", found["cure"])] if found["cure"] else [])
