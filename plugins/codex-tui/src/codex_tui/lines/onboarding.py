"""The first run in words: how to reach a model, whether the project is trusted, whether commands can be confined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ProtocolError

from ..commands.ui import Option
from ..link.errors import LinkLost
from ..local_models import LocalServer, find_servers
from ..sandbox_check import SandboxState, check_sandbox

if TYPE_CHECKING:
    from .ui import LineUi

KEY, SKIP, AGAIN = "key", "skip", "again"
GO_ON, EACH, UNCONFINED, QUIT = "go-on", "each", "unconfined", "quit"
_SANDBOX = (
    Option(value=GO_ON, label="Go on as it is", detail="commands are refused until it is cured"),
    Option(value=EACH, label="Ask me before each command", detail="what I allow runs unconfined"),
    Option(value=UNCONFINED, label="Run commands unconfined", detail="they can do all that I can"),
    Option(value=AGAIN, label="Look again", detail="after the cure"),
    Option(value=QUIT, label="Leave"),
)


async def onboard(ui: LineUi, cwd: str) -> bool:
    """Ask what has to be asked; False: the user wants to leave. Raises `ProtocolError`, `LinkLost`."""
    link = ui.session.link
    account = await link.request("account/read", {})
    listed = await link.request("modelProvider/list", {})
    why = missing_key(account, listed, ui.environ if link.is_local else None)
    threads = await link.request("thread/list", {"limit": 1, "modelProviders": []})
    if not why and threads["data"]:
        return True
    if why:
        await choose_model(ui, why=why)
    state = await check_sandbox(link, cwd)
    return state.works or await _choose_sandbox(ui, state, cwd) != QUIT


def missing_key(account: Mapping[str, Any], listed: Mapping[str, Any], environ: Mapping[str, str] | None) -> str:
    """Why no model can be reached; empty if one can, as far as is known. `environ` is None for a server elsewhere."""
    if account["requiresOpenaiAuth"]:
        return "" if account["account"] else "no API key is kept, and OPENAI_API_KEY is not set"
    provider = next((entry for entry in listed["data"] if entry["id"] == listed["defaultProviderId"]), None)
    auth = provider["settings"].get("auth", {}) if provider is not None else {}
    variable = auth.get("envKey") or ""
    if auth.get("mode") == "environmentVariable" and environ is not None and not environ.get(variable, "").strip():
        return f"the variable {variable}, which holds the key of {listed['defaultProviderId']}, is not set"
    return ""


# -- a model -----------------------------------------------------------------------------------------


async def choose_model(ui: LineUi, *, why: str = "") -> bool:
    """Let the user say how models are reached, and set that up; whether it is. Raises `LinkLost`."""
    link = ui.session.link
    while True:
        listed = await link.request("modelProvider/list", {})
        servers = await find_servers(listed["data"], ui.environ) if link.is_local else []
        choice = await ui.pick("How do you reach a model?", _ways(listed, servers), note=why)
        if choice is None or choice == SKIP:
            ui.say("info", "no model is set up: /login brings this again")
            return False
        if choice == AGAIN:
            continue
        try:
            done = await (_sign_in(ui) if choice == KEY else _take(ui, choice, servers))
        except LinkLost:
            raise
        except ProtocolError as error:
            why, done = str(error), False
        if done:
            return True


def _ways(listed: Mapping[str, Any], servers: Sequence[LocalServer]) -> list[Option]:
    ways = [Option(value=KEY, label="Sign in with an API key", detail="it is kept for this user only")]
    for server in servers:
        why_not = "" if server.models else f"nothing answers at {server.base_url}"
        why_not = "it has no models yet" if server.models == () else why_not
        ways.append(Option(value=server.id, label=server.name, detail=server.base_url, why_not=why_not))
    local = {server.id for server in servers}
    for entry in listed["data"]:
        if entry["id"] not in local and entry.get("baseUrl") and entry["settings"]["type"] != "openai":
            variable = entry["settings"].get("auth", {}).get("envKey")
            detail = f"its key is in {variable}" if variable else entry["baseUrl"]
            current = entry["id"] == listed["defaultProviderId"]
            ways.append(Option(value=entry["id"], label=entry["name"], detail=detail, current=current))
    ways.append(Option(value=SKIP, label="Not now", detail="/login brings this again"))
    return [*ways, Option(value=AGAIN, label="Look for local model servers again")] if servers else ways


async def _sign_in(ui: LineUi) -> bool:
    title = "API key"
    while True:
        key = await ui.ask_text(title, secret=True)
        if key is None:
            return False
        if key.isascii() and key.isprintable() and " " not in key:
            await ui.session.link.request("account/login/start", {"type": "apiKey", "apiKey": key})
            ui.say("info", "the API key is kept; /logout forgets it")
            return True
        title = "API key (that was none: letters, digits and signs, no spaces)"


async def _take(ui: LineUi, id: str, servers: Sequence[LocalServer]) -> bool:
    """Make a provider the one that is used, with a model of it."""
    link = ui.session.link
    server = next((server for server in servers if server.id == id), None)
    if server is not None:
        models = server.models or ()
    else:
        rows = (await link.request("model/list", {"modelProvider": id}))["data"]
        models = tuple(entry["model"] for entry in rows if not entry["hidden"])
    model = models[0] if len(models) == 1 else None
    if len(models) > 1:
        model = await ui.pick("Which model?", [Option(value=name, label=name) for name in models])
        if model is None:
            return False
    await _write(ui, {"model_provider": id} | ({"model": model} if model is not None else {}))
    return True


async def _write(ui: LineUi, edits: Mapping[str, str], level: str = "info") -> None:
    wanted = [{"keyPath": key, "value": value, "mergeStrategy": "replace"} for key, value in edits.items()]
    await ui.session.link.request("config/batchWrite", {"edits": wanted})
    ui.say(level, f"config.toml now says: {', '.join(f'{key} = {value}' for key, value in edits.items())}")


# -- the sandbox -------------------------------------------------------------------------------------


async def _choose_sandbox(ui: LineUi, state: SandboxState, cwd: str) -> str:
    """What to do without a sandbox. Raises `LinkLost`."""
    while True:
        note = f"{state.problem}. Cure: {state.cure}" if state.cure else state.problem
        choice = await ui.pick("Commands cannot be confined here", _SANDBOX, note=note) or GO_ON
        if choice == AGAIN:
            state = await check_sandbox(ui.session.link, cwd)
            if state.works:
                return GO_ON
            continue
        if choice == UNCONFINED and not await ui.confirm("Run all commands unconfined, in all sessions?"):
            continue
        if choice == EACH:
            await _write(ui, {"sandbox.preference": "forbid"})
        elif choice == UNCONFINED:
            await _write(ui, {"sandbox_mode": "danger-full-access"}, "warning")
        return str(choice)
