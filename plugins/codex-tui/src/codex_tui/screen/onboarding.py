"""The first run: how to reach a model, whether this folder is trusted, whether commands can be confined.

Dialogues one after another, each of which can be left; slash commands bring them again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from codex_plugin_sdk import ProtocolError

from ..link import Link
from ..link.errors import LinkLost
from ..local_models import LocalServer, find_servers
from ..sandbox_check import SandboxState, check_sandbox
from .dialog import Dialog
from .picker import Picker, PickItem
from .text_dialog import TextDialog

Ask = Callable[[Callable[[], Dialog]], Awaitable[Any]]
"""Shows the dialogue that it is given the maker of, and gives its answer (`Dialogs.ask`)."""
Say = Callable[[str, str], None]
"""A notice for the transcript: its level and its text."""
KEY, SKIP, AGAIN = "key", "skip", "again"
GO_ON, EACH, UNCONFINED, QUIT = "go-on", "each", "unconfined", "quit"


@attrs.frozen(kw_only=True)
class Needs:
    """Which steps are necessary. `model` says why no model can be reached, empty if one can; `sandbox` why commands
    cannot be confined."""

    model: str = ""
    trust: bool = False
    sandbox: SandboxState | None = None
    first_run: bool = False

    def __bool__(self) -> bool:
        return bool(self.model or self.trust or self.sandbox)


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of it. `model_ready` is what we know, not a promise; `quit`: the user wants to leave."""

    model_ready: bool = True
    quit: bool = False


async def needed(link: Link, cwd: str, environ: Mapping[str, str], *, trust: bool = False) -> Needs:
    """What has to be asked. Three quick requests; the sandbox is tried only on the first run, and when there is
    something to ask anyway. `trust` is handed through. Raises `ProtocolError`, `LinkLost`."""
    account = await link.request("account/read", {})
    if account["requiresOpenaiAuth"]:
        model = "" if account["account"] else "no API key is kept, and OPENAI_API_KEY is not set"
    else:
        model = await _missing_key(link, environ)
    # By the time of creation, which the names of files tell: the quickest order in a home with many sessions.
    newest = {"limit": 1, "sortKey": "created_at", "modelProviders": []}
    first_run = not (await link.request("thread/list", newest))["data"]
    state = await check_sandbox(link, cwd) if first_run or model else SandboxState(works=True)
    return Needs(model=model, trust=trust, sandbox=None if state.works else state, first_run=first_run)


async def _missing_key(link: Link, environ: Mapping[str, str]) -> str:
    """Whether the provider takes its key from a variable that is not set; those of a server elsewhere are not known."""
    if not link.is_local:
        return ""
    listed = await link.request("modelProvider/list", {})
    provider = next((entry for entry in listed["data"] if entry["id"] == listed["defaultProviderId"]), None)
    auth = provider["settings"].get("auth", {}) if provider is not None else {}
    variable = auth.get("envKey") or ""
    if auth.get("mode") == "environmentVariable" and not environ.get(variable, "").strip():
        return f"the variable {variable}, which holds the key of {listed['defaultProviderId']}, is not set"
    return ""


async def onboard(
    ask: Ask,
    link: Link,
    needs: Needs,
    *,
    cwd: str,
    environ: Mapping[str, str],
    say: Say,
    ask_trust: Callable[[], Awaitable[object]] | None = None,
) -> Outcome:
    """Go through the steps that are necessary. `ask_trust` asks whether the folder is trusted. Raises `LinkLost`."""
    ready = not needs.model or await choose_model(ask, link, environ, say, why=needs.model)
    if needs.trust and ask_trust is not None:
        await ask_trust()
    if needs.sandbox is not None:
        choice = await choose_sandbox(ask, link, needs.sandbox, cwd, say)
        return Outcome(model_ready=ready, quit=choice == QUIT)
    return Outcome(model_ready=ready)


# -- a model -----------------------------------------------------------------------------------------


async def choose_model(ask: Ask, link: Link, environ: Mapping[str, str], say: Say, *, why: str = "") -> bool:
    """Let the user say how models are reached, and set that up; whether it is. For `/login` too. Raises `LinkLost`."""
    while True:
        listed = await link.request("modelProvider/list", {})
        servers = await find_servers(listed["data"], environ) if link.is_local else []
        items = _ways(listed, servers)
        choice = await _pick(ask, "How do you reach a model?", items, why)
        if choice is None or choice == SKIP:
            say("info", "no model is set up: /login brings this again")
            return False
        if choice == AGAIN:
            continue
        try:
            done = await (_sign_in(ask, link, say) if choice == KEY else _take(ask, link, choice, servers, say))
        except LinkLost:
            raise
        except ProtocolError as error:
            why, done = str(error), False
        if done:
            return True


def _ways(listed: Mapping[str, Any], servers: Sequence[LocalServer]) -> list[PickItem]:
    items = [PickItem(KEY, "Sign in with an API key", "it is kept for this user only")]
    for server in servers:
        if server.models:
            word = "model" if len(server.models) == 1 else "models"
            items.append(PickItem(server.id, server.name, f"{len(server.models)} {word} at {server.base_url}"))
    items += [_provider_item(entry, listed["defaultProviderId"]) for entry in _others(listed, servers)]
    items += [PickItem(SKIP, "Not now", "/login brings this again")]
    if servers:
        items.append(PickItem(AGAIN, "Look for local model servers again"))
    for server in servers:
        if not server.models:
            reason = f"nothing answers at {server.base_url}" if server.models is None else "it has no models yet"
            items.append(PickItem(server.id, server.name, disabled_reason=reason))
    return items


def _others(listed: Mapping[str, Any], servers: Sequence[LocalServer]) -> list[Mapping[str, Any]]:
    """Providers elsewhere that want something else than a key of OpenAI."""
    local = {server.id for server in servers}
    return [
        entry
        for entry in listed["data"]
        if entry["id"] not in local and entry.get("baseUrl") and entry["settings"]["type"] != "openai"
    ]


def _provider_item(entry: Mapping[str, Any], default: str) -> PickItem:
    variable = entry["settings"].get("auth", {}).get("envKey")
    detail = f"its key is in {variable}" if variable else entry["baseUrl"]
    return PickItem(entry["id"], entry["name"], detail, current=entry["id"] == default)


async def _sign_in(ask: Ask, link: Link, say: Say) -> bool:
    title = "API key"
    while True:
        key = await _entered(ask, title)
        if key is None:
            return False
        key = key.strip()
        if key and key.isascii() and key.isprintable() and " " not in key:
            await link.request("account/login/start", {"type": "apiKey", "apiKey": key})
            say("info", "the API key is kept; /logout forgets it")
            return True
        title = "API key (that was none: letters, digits and signs, no spaces)"


async def _pick(ask: Ask, title: str, items: Sequence[PickItem], note: str = "") -> Any:
    return await ask(lambda: Picker(title, items, note=note))


async def _entered(ask: Ask, title: str) -> str | None:
    found: str | None = await ask(lambda: TextDialog(title, secret=True))
    return found


async def _take(ask: Ask, link: Link, id: str, servers: Sequence[LocalServer], say: Say) -> bool:
    """Make a provider the one that is used, with a model of it."""
    server = next((server for server in servers if server.id == id), None)
    models = server.models if server is not None else await _models(link, id)
    model = models[0] if models and len(models) == 1 else None
    if models and len(models) > 1:
        model = await _pick(ask, "Which model?", [PickItem(name, name) for name in models])
        if model is None:
            return False
    edits = {"model_provider": id} | ({"model": model} if model is not None else {})
    await _write(link, edits)
    say("info", f"config.toml now says: {', '.join(f'{key} = {value}' for key, value in edits.items())}")
    return True


async def _models(link: Link, id: str) -> tuple[str, ...]:
    listed = await link.request("model/list", {"modelProvider": id})
    return tuple(entry["model"] for entry in listed["data"] if not entry["hidden"])


async def _write(link: Link, edits: Mapping[str, Any]) -> None:
    wanted = [{"keyPath": key, "value": value, "mergeStrategy": "replace"} for key, value in edits.items()]
    await link.request("config/batchWrite", {"edits": wanted})


# -- the sandbox -------------------------------------------------------------------------------------

_SANDBOX = (
    PickItem(GO_ON, "Go on as it is", "commands are refused until it is cured"),
    PickItem(EACH, "Ask me before each command", "what I allow runs unconfined"),
    PickItem(UNCONFINED, "Run commands unconfined", "they can do all that I can: for machines that are set apart"),
    PickItem(AGAIN, "Look again", "after the cure"),
    PickItem(QUIT, "Leave"),
)


async def choose_sandbox(ask: Ask, link: Link, state: SandboxState, cwd: str, say: Say) -> str:
    """What to do without a sandbox: `GO_ON`, `EACH`, `UNCONFINED` (both written into config.toml) or `QUIT`. Raises
    `LinkLost`."""
    while True:
        note = f"{state.problem}. Cure: {state.cure}" if state.cure else state.problem
        choice = await _pick(ask, "Commands cannot be confined here", _SANDBOX, note)
        if choice == AGAIN:
            state = await check_sandbox(link, cwd)
            if state.works:
                say("info", "commands can be confined now")
                return GO_ON
            continue
        if choice == UNCONFINED and not await _sure(ask):
            continue
        try:
            await _keep(link, choice, say)
        except LinkLost:
            raise
        except ProtocolError as error:
            state = attrs.evolve(state, problem=str(error), cure="")
            continue
        return choice or GO_ON


async def _sure(ask: Ask) -> bool:
    items = [PickItem(False, "No"), PickItem(True, "Yes, nothing is to confine commands")]
    return bool(await _pick(ask, "Run all commands unconfined, in all sessions?", items))


async def _keep(link: Link, choice: str | None, say: Say) -> None:
    match choice:
        case "each":
            await _write(link, {"sandbox.preference": "forbid"})
            say("info", 'config.toml now says: [sandbox] preference = "forbid"')
        case "unconfined":
            await _write(link, {"sandbox_mode": "danger-full-access"})
            say("warning", 'config.toml now says: sandbox_mode = "danger-full-access"')
        case "quit":
            pass
        case _:
            say("warning", "commands cannot be confined: /status and codex sandbox status tell more")
