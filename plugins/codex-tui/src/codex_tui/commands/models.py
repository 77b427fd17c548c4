"""/model and /effort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import UserError

from ..link import Message
from .asking import every, need_thread, needed, wrong
from .choices import choose, keep, when
from .ui import Option

if TYPE_CHECKING:
    from .ui import Ui

KEEP = ("keep", "--keep")


async def model(ui: Ui, arguments: str) -> None:
    """Choose model and effort; `keep` writes them into config.toml."""
    need_thread(ui)
    words, kept = _kept(arguments)
    if len(words) > 2:
        raise UserError("too many words", hint="/model NAME [EFFORT] [keep]")
    models = await _models(ui)
    entry = await (_named(ui, models, words[0]) if words else _picked(ui, models))
    if entry is None:
        return
    known = _efforts(entry)
    effort: str | None
    if len(words) == 2:
        effort = _checked(words[1], entry)
    elif words or not known:
        effort = _fitting(ui, known, entry)
    else:
        effort = await _pick_effort(ui, entry)
        if effort is None:
            return
    await _take(ui, {"model": entry["model"], "effort": effort}, kept or (not words and await _asked_to_keep(ui)))


async def effort(ui: Ui, arguments: str) -> None:
    """Choose the effort of the model that is set."""
    need_thread(ui)
    words, kept = _kept(arguments)
    if len(words) > 1:
        raise UserError("too many words", hint="/effort [EFFORT] [keep]")
    now = ui.session.status.model
    entry = next((found for found in await _models(ui) if found["model"] == now), _unlisted(now))
    if words:
        found: str | None = _checked(words[0], entry)
    else:
        found = await _pick_effort(ui, entry)
    if found is not None:
        await _take(ui, {"effort": found}, kept or (not words and await _asked_to_keep(ui)))


async def _models(ui: Ui) -> list[Message]:
    provider = ui.session.status.provider or None
    return [found for found in await every(ui, "model/list", modelProvider=provider) if not found.get("hidden")]


async def _picked(ui: Ui, models: list[Message]) -> Message | None:
    names = [found["model"] for found in models]
    if not ui.interactive:
        raise needed(f"say which model (now {ui.session.status.model}): /model NAME [EFFORT]", names)
    options = [
        Option(
            value=found,
            label=found["displayName"],
            detail=found["description"],
            current=found["model"] == ui.session.status.model,
        )
        for found in models
    ]
    picked: Message | None = await ui.pick("Model", options, note="what the next turn is answered with")
    return picked


async def _named(ui: Ui, models: list[Message], name: str) -> Message | None:
    """The model of a name; one that is not listed only if the user means it."""
    found = next((found for found in models if found["model"].lower() == name.lower()), None)
    if found is not None:
        return found
    names = [found["model"] for found in models]
    error = wrong(name, names, "model of this provider that is known")
    if ui.interactive and await ui.confirm(f"Use {name} all the same?", f"{error.message} ({error.hint})"):
        return _unlisted(name)
    if ui.interactive:
        return None
    raise error


def _unlisted(name: str) -> Message:
    return {"model": name, "supportedReasoningEfforts": [], "defaultReasoningEffort": None}


def _efforts(entry: Message) -> list[str]:
    return [found["reasoningEffort"] for found in entry["supportedReasoningEfforts"]]


def _checked(word: str, entry: Message) -> str:
    """An effort; of a model of which nothing is known any word will do. Raises `UserError`."""
    known = _efforts(entry)
    if known and word not in known:
        raise wrong(word, known, f"effort of {entry['model']}")
    return word


def _fitting(ui: Ui, known: list[str], entry: Message) -> str | None:
    """The effort that is set, if the model has it, else its own; None leaves it as it is."""
    if not known or ui.session.status.effort in known:
        return None
    default = entry.get("defaultReasoningEffort")
    return default if default in known else known[0]


async def _pick_effort(ui: Ui, entry: Message) -> str | None:
    known = entry["supportedReasoningEfforts"]
    if not known:
        raise UserError(f"nothing is known of efforts of {entry['model']}", hint="/effort WORD sets one all the same")
    if not ui.interactive:
        raise needed(f"say which effort (now {ui.session.status.effort or 'the default'})", _efforts(entry))
    now = ui.session.status.effort
    if entry["model"] != ui.session.status.model or now not in _efforts(entry):
        now = entry.get("defaultReasoningEffort") or ""
    options = [
        Option(
            value=found["reasoningEffort"],
            label=found["reasoningEffort"],
            detail=found["description"],
            current=found["reasoningEffort"] == now,
        )
        for found in known
    ]
    picked: str | None = await ui.pick(f"How much {entry['model']} thinks", options)
    return picked


async def _asked_to_keep(ui: Ui) -> bool:
    options = [
        Option(value=False, label="Here only", detail="this session, and those begun from it", current=True),
        Option(value=True, label="From now on", detail="written into config.toml"),
    ]
    return bool(await ui.pick("For how long?", options))


async def _take(ui: Ui, wanted: dict[str, str | None], kept: bool) -> None:
    changes = {key: found for key, found in wanted.items() if found is not None}
    choose(ui, **changes)
    status = ui.session.status
    ui.say("info", f"model: {status.model}{f' ({status.effort})' if status.effort else ''}{when(ui)}")
    if kept:
        keys = {"model": "model", "effort": "model_reasoning_effort"}
        await keep(ui, {keys[key]: found for key, found in changes.items()})


def _kept(arguments: str) -> tuple[list[str], bool]:
    words = arguments.split()
    if words and words[-1] in KEEP:
        return words[:-1], True
    return words, False
