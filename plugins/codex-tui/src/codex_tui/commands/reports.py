"""/status, /context, /cost, /debug-config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ProtocolError, UserError

from ..link import Message
from ..measures import counted
from .asking import count, need_thread, optional, request
from .permissions import facts, sandbox_rows

if TYPE_CHECKING:
    from .ui import Ui

BAR_CHARS = 30
Rows = list[tuple[str, str]]


# -- status ------------------------------------------------------------------------------------------


async def status(ui: Ui, arguments: str) -> None:
    """Everything about this session."""
    need_thread(ui)
    now = await facts(ui)
    thread, known = now["thread"], ui.session.status
    rows: Rows = [
        ("session", f"{thread['id']}{f' ({known.thread_name})' if known.thread_name else ''}"),
        ("rollout", thread["path"] or "none: it is not recorded"),
        ("server", f"{ui.session.link.name}, {thread['cliVersion']}"),
        ("folder", f"{known.cwd}{f' (branch {known.branch})' if known.branch else ''}"),
        ("model", f"{known.model or now['model']}{f', {known.effort}' if known.effort else ''}"),
        ("provider", known.provider or now["modelProvider"]),
        ("account", await _account(ui)),
        ("approvals", f"{known.approval}, asked of {_reviewer(known.reviewer)}"),
        *await sandbox_rows(ui, now),
        ("context", _window(ui)),
        ("tokens", _tokens(ui)),
    ]
    if thread.get("forkedFromId"):
        rows.insert(2, ("copy of", thread["forkedFromId"]))
    rows += [("instructions", path) for path in now.get("instructionSources", ())]
    rows += await _layers(ui)
    ui.card("Status", rows)


def _reviewer(word: str) -> str:
    return {"user": "you", "auto_review": "a reviewer model", "guardian_subagent": "a reviewer model"}.get(word, "you")


async def _account(ui: Ui) -> str:
    found = await request(ui, "account/read")
    account = found["account"]
    if account is not None:
        return {"apiKey": "an API key"}.get(account["type"], str(account["type"]))
    return "not signed in" if found["requiresOpenaiAuth"] else "none is needed"


async def _layers(ui: Ui) -> Rows:
    found = await request(ui, "config/read", cwd=ui.session.status.cwd or None, includeLayers=True)
    return [("config", _layer(layer)) for layer in found["layers"]]


def _layer(layer: Message) -> str:
    name = layer["name"]
    where = name.get("file") or name.get("dotCodexFolder") or name.get("id") or "given on the command line"
    words = f"{where} ({name['type']})" if name["type"] != "sessionFlags" else where
    reason = layer.get("disabledReason")
    return f"{words}: {reason}" if reason else words


# -- context -----------------------------------------------------------------------------------------


async def context(ui: Ui, arguments: str) -> None:
    """How full the window is, and what is in it as far as the server tells."""
    thread_id = need_thread(ui)
    now = await facts(ui)
    rows: Rows = [("window", _window(ui))]
    used = ui.session.status.context_used
    if used is not None:
        filled = round(used * BAR_CHARS)
        rows.append(("", f"[{'#' * filled}{'.' * (BAR_CHARS - filled)}]"))
    config = (await request(ui, "config/read", cwd=ui.session.status.cwd or None))["config"]
    limit = config.get("model_auto_compact_token_limit")
    rows += [
        ("tokens", _tokens(ui)),
        ("compaction", f"at {count(limit)} tokens" if limit else "when it is nearly full"),
    ]
    rows += [("instructions", path) for path in now.get("instructionSources", ())]
    rows.append(("turns", await _turns(ui, thread_id)))
    rows += await _servers(ui, thread_id)
    rows += await _skills(ui)
    ui.card("Context", rows)


def _window(ui: Ui) -> str:
    known = ui.session.status
    if known.context_tokens is None:
        return "nothing was sent yet" if not known.context_window else f"0 of {count(known.context_window)} tokens"
    if not known.context_window:
        return f"{count(known.context_tokens)} tokens; how large the window is is not known"
    left = max(0, known.context_window - known.context_tokens)
    used = round(100 * (known.context_used or 0))
    return f"{count(known.context_tokens)} of {count(known.context_window)} tokens ({used} %), {count(left)} left"


def _tokens(ui: Ui) -> str:
    known = ui.session.status
    cached = f" ({count(known.cached_tokens)} cached)" if known.cached_tokens else ""
    return (
        f"{count(known.input_tokens)} in{cached}, {count(known.output_tokens)} out, {count(known.total_tokens)} in all"
    )


async def _turns(ui: Ui, thread_id: str) -> str:
    try:
        page = await request(ui, "thread/turns/list", threadId=thread_id, limit=100, itemsView="notLoaded")
    except ProtocolError:
        return "none yet"
    return f"{len(page['data'])}{' and more' if page['nextCursor'] else ''}"


async def _servers(ui: Ui, thread_id: str) -> Rows:
    found = await optional(ui, "mcpServerStatus/list", threadId=thread_id, detail="toolsAndAuthOnly")
    servers = found["data"] if found else []
    return [("MCP", f"{server['name']}: {counted(len(server['tools']), 'tool')}") for server in servers]


async def _skills(ui: Ui) -> Rows:
    found = await optional(ui, "skills/list", cwds=[ui.session.status.cwd])
    names = [
        skill["name"] for entry in (found or {"data": []})["data"] for skill in entry["skills"] if skill["enabled"]
    ]
    return [("skills", ", ".join(names))] if names else []


# -- cost --------------------------------------------------------------------------------------------


async def cost(ui: Ui, arguments: str) -> None:
    """What this session has cost, sub-agents as well, and what its budget has left."""
    found = await optional(ui, "cost/read", threadId=need_thread(ui), agents=True)
    if found is None:
        known = ui.session.status
        rows = [("tokens", _tokens(ui))]
        if known.usd is not None:
            rows.append(("cost", _money(known.usd)))
        ui.card("Cost", rows)
        ui.say("info", "the server does not know prices", "pip install codex-cost, where the server runs")
        return
    rows = [("cost", _cost(found)), ("tokens", _used(found)), ("requests", count(found["requests"]))]
    if found.get("agents"):
        rows.append(("of these", f"{counted(found['agents'], 'sub-agent')}"))
    rows += [("model", f"{one['model']}: {_cost(one)}, {_used(one)}") for one in found["models"]]
    rows += [("budget", _cap(cap)) for cap in found["budget"]]
    ui.card("Cost", rows)


def _cost(sum: Message) -> str:
    if sum["usd"] is None:
        return "no price is known" if sum["requests"] else _money(0)
    return _money(sum["usd"]) + ("" if sum["complete"] else " and what has no known price")


def _money(usd: float) -> str:
    return f"${usd:,.4f}" if usd < 1 else f"${usd:,.2f}"


def _used(sum: Message) -> str:
    cached = f" ({count(sum['cachedInputTokens'])} cached)" if sum["cachedInputTokens"] else ""
    return f"{count(sum['inputTokens'])} in{cached}, {count(sum['outputTokens'])} out"


def _cap(cap: Message) -> str:
    return f"{cap['key']}: {cap['spent']:,} of {cap['cap']:,} spent, {cap['left']:,} left"


# -- configuration -----------------------------------------------------------------------------------


async def debug_config(ui: Ui, arguments: str) -> None:
    """Each layer of the configuration, and which one a key comes from."""
    found = await request(ui, "config/read", cwd=ui.session.status.cwd or None, includeLayers=True)
    rows = [(f"layer {place}", _layer(layer)) for place, layer in enumerate(found["layers"], 1)]
    wanted = arguments.strip()
    origins: dict[str, Any] = found["origins"]
    chosen = {key: layer for key, layer in sorted(origins.items()) if not wanted or _below(key, wanted)}
    if wanted and not chosen:
        raise UserError(f"nothing sets {wanted}", hint="/debug-config without a key shows all that is set")
    rows += [("", f"{key} = {_value(found['config'], key)}  ({_layer(layer)})") for key, layer in chosen.items()]
    ui.card("Configuration: the first layer counts", rows)


def _below(key: str, wanted: str) -> bool:
    return key == wanted or key.startswith(f"{wanted}.")


def _value(config: Any, key: str) -> str:
    """The value of a dotted key, made harmless: a key may hold what is secret."""
    from codex_plugin_sdk.redact import Redactor

    found, rest = config, key
    while rest and isinstance(found, dict | list):
        if isinstance(found, list):
            word, _, rest = rest.partition(".")
            found = found[int(word)] if word.isdecimal() and int(word) < len(found) else None
            continue
        name = max((name for name in found if rest == name or rest.startswith(f"{name}.")), key=len, default=None)
        if name is None:
            return "?"
        found, rest = found[name], rest[len(name) + 1 :]
    return Redactor({}).redact_text(f"{key} = {found!r}").partition(" = ")[2]
