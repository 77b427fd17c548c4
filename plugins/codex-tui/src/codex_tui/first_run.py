"""The first run: how to reach a model, and whether commands can be confined.

Questions one after another, each of which can be left; slash commands bring them again. They are asked of a `Ui`, so
that the screen and plain lines ask the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from codex_plugin_sdk import ProtocolError

from .commands.ui import Option, Ui
from .link import Link
from .link.errors import LinkLost
from .local_models import LocalServer, find_servers
from .measures import counted
from .sandbox_check import SandboxState, check_sandbox

KEY, SKIP, AGAIN = "key", "skip", "again"
GO_ON, EACH, UNCONFINED, QUIT = "go-on", "each", "unconfined", "quit"
SANDBOX_QUESTION = "Commands cannot be confined here"
SANDBOX_WAYS = (
    Option(value=GO_ON, label="Go on as it is", detail="commands are refused until it is cured"),
    Option(value=EACH, label="Ask me before each command", detail="what I allow runs unconfined"),
    Option(
        value=UNCONFINED,
        label="Run commands unconfined",
        detail="they can do all that I can: for machines that are set apart",
    ),
    Option(value=AGAIN, label="Look again", detail="after the cure"),
    Option(value=QUIT, label="Leave"),
)
_NOT_A_KEY = "API key (that was none: letters, digits and signs, no spaces)"


@attrs.frozen(kw_only=True)
class Needs:
    """Which steps are necessary. `model` says why no model can be reached, empty if one can; `sandbox` why commands
    cannot be confined."""

    model: str = ""
    sandbox: SandboxState | None = None


async def needed(link: Link, cwd: str, environ: Mapping[str, str]) -> Needs:
    """What has to be asked. Three quick requests; the sandbox is tried only on the first run, and when there is
    something to ask anyway. Raises `ProtocolError`, `LinkLost`."""
    account = await link.request("account/read", {})
    if account["requiresOpenaiAuth"]:
        model = "" if account["account"] else "no API key is kept, and OPENAI_API_KEY is not set"
    else:
        model = await _missing_key(link, environ)
    # By the time of creation, which the names of files tell: the quickest order in a home with many sessions.
    newest = {"limit": 1, "sortKey": "created_at", "modelProviders": []}
    first_run = not (await link.request("thread/list", newest))["data"]
    state = await check_sandbox(link, cwd) if first_run or model else SandboxState(works=True)
    return Needs(model=model, sandbox=None if state.works else state)


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


async def onboard(ui: Ui, needs: Needs, cwd: str) -> bool:
    """Go through the steps that are necessary; False: the user wants to leave. Raises `LinkLost`."""
    if needs.model:
        await choose_model(ui, why=needs.model)
    return needs.sandbox is None or await choose_sandbox(ui, needs.sandbox, cwd) != QUIT


# -- a model -----------------------------------------------------------------------------------------


async def choose_model(ui: Ui, *, why: str = "") -> bool:
    """Let the user say how models are reached, and set that up; whether it is. For `/login` too. Raises `LinkLost`."""
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
    """What can be picked first; servers that cannot come last, with the reason."""
    local = {server.id for server in servers}
    ways = [Option(value=KEY, label="Sign in with an API key", detail="it is kept for this user only")]
    ways += [_server_option(server) for server in servers if server.models]
    ways += [
        _provider_option(entry, listed["defaultProviderId"])
        for entry in listed["data"]
        if entry["id"] not in local and entry.get("baseUrl") and entry["settings"]["type"] != "openai"
    ]
    ways.append(Option(value=SKIP, label="Not now", detail="/login brings this again"))
    if servers:
        ways.append(Option(value=AGAIN, label="Look for local model servers again"))
    return ways + [_server_option(server) for server in servers if not server.models]


def _server_option(server: LocalServer) -> Option:
    if not server.models:
        why_not = f"nothing answers at {server.base_url}" if server.models is None else "it has no models yet"
        return Option(value=server.id, label=server.name, why_not=why_not)
    return Option(
        value=server.id, label=server.name, detail=f"{counted(len(server.models), 'model')} at {server.base_url}"
    )


def _provider_option(entry: Mapping[str, Any], default: str) -> Option:
    """A provider elsewhere that wants something else than a key of OpenAI."""
    variable = entry["settings"].get("auth", {}).get("envKey")
    detail = f"its key is in {variable}" if variable else entry["baseUrl"]
    return Option(value=entry["id"], label=entry["name"], detail=detail, current=entry["id"] == default)


async def _sign_in(ui: Ui) -> bool:
    title = "API key"
    while True:
        key = await ui.ask_text(title, secret=True)
        if key is None:
            return False
        key = key.strip()
        if key and key.isascii() and key.isprintable() and " " not in key:
            await ui.session.link.request("account/login/start", {"type": "apiKey", "apiKey": key})
            ui.say("info", "the API key is kept; /logout forgets it")
            return True
        title = _NOT_A_KEY


async def _take(ui: Ui, id: str, servers: Sequence[LocalServer]) -> bool:
    """Make a provider the one that is used, with a model of it."""
    server = next((server for server in servers if server.id == id), None)
    models = (server.models or ()) if server is not None else await _models(ui.session.link, id)
    model = models[0] if len(models) == 1 else None
    if len(models) > 1:
        model = await ui.pick("Which model?", [Option(value=name, label=name) for name in models])
        if model is None:
            return False
    edits = {"model_provider": id} | ({"model": model} if model is not None else {})
    await _write(ui, edits)
    return True


async def _models(link: Link, id: str) -> tuple[str, ...]:
    listed = await link.request("model/list", {"modelProvider": id})
    return tuple(entry["model"] for entry in listed["data"] if not entry["hidden"])


async def _write(ui: Ui, edits: Mapping[str, str], level: str = "info") -> None:
    wanted = [{"keyPath": key, "value": value, "mergeStrategy": "replace"} for key, value in edits.items()]
    await ui.session.link.request("config/batchWrite", {"edits": wanted})
    ui.say(level, f"config.toml now says: {', '.join(f'{key} = {value}' for key, value in edits.items())}")


# -- the sandbox -------------------------------------------------------------------------------------


async def choose_sandbox(ui: Ui, state: SandboxState, cwd: str) -> str:
    """What to do without a sandbox: `GO_ON`, `EACH`, `UNCONFINED` (both written into config.toml) or `QUIT`. Raises
    `LinkLost`."""
    while True:
        note = f"{state.problem}. Cure: {state.cure}" if state.cure else state.problem
        choice = str(await ui.pick(SANDBOX_QUESTION, SANDBOX_WAYS, note=note) or GO_ON)
        if choice == AGAIN:
            state = await check_sandbox(ui.session.link, cwd)
            if state.works:
                ui.say("info", "commands can be confined now")
                return GO_ON
            continue
        sure = "Run all commands unconfined, in all sessions?"
        if choice == UNCONFINED and not await ui.confirm(sure, "Nothing is to confine them then."):
            continue
        try:
            await _keep(ui, choice)
        except LinkLost:
            raise
        except ProtocolError as error:
            state = attrs.evolve(state, problem=str(error), cure="")
            continue
        return choice


async def _keep(ui: Ui, choice: str) -> None:
    if choice == EACH:
        await _write(ui, {"sandbox.preference": "forbid"})
    elif choice == UNCONFINED:
        await _write(ui, {"sandbox_mode": "danger-full-access"}, "warning")
    elif choice == GO_ON:
        ui.say("warning", "commands cannot be confined: /status and codex sandbox status tell more")
