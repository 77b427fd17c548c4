"""Settings that the user has chosen, which the next turn brings to the thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from ..session.controller import Session
    from ..session.status import Status
    from .ui import Ui

_CHOSEN: WeakKeyDictionary[Session, dict[str, Any]] = WeakKeyDictionary()


def choose(ui: Ui, **changes: Any) -> None:
    """Have the next turn change settings: params of turn/start (model, effort, approvalPolicy, sandboxPolicy). They
    show at once, and hold until others are chosen, also in new sessions and forks."""
    _CHOSEN.setdefault(ui.session, {}).update(changes)
    _apply(ui.session, changes)


def carry_over(ui: Ui) -> None:
    """Another thread is open: what was chosen holds there too."""
    _apply(ui.session, _CHOSEN.get(ui.session, {}))


def forget(ui: Ui) -> None:
    """A thread of its own settings is open: what was chosen before holds no more."""
    _CHOSEN.pop(ui.session, None)


def _apply(session: Session, changes: dict[str, Any]) -> None:
    session.overrides.update(changes)
    show(session.status, changes)
    session.on_change()


def show(status: Status, changes: dict[str, Any]) -> None:
    """Let the status line tell of them."""
    status.model = changes.get("model", status.model)
    status.effort = changes.get("effort", status.effort)
    status.approval = changes.get("approvalPolicy", status.approval)
    if "sandboxPolicy" in changes:
        status.sandbox = changes["sandboxPolicy"]["type"]


def when(ui: Ui) -> str:
    """From when on a choice holds, in words."""
    return " from the next turn on" if ui.session.busy else ""


async def keep(ui: Ui, edits: dict[str, Any]) -> None:
    """Write keys into the user's config.toml and say so. Raises `ProtocolError` with the server's reason."""
    listed = [{"keyPath": key, "value": found, "mergeStrategy": "replace"} for key, found in edits.items()]
    done = await ui.session.link.request("config/batchWrite", {"edits": listed})
    ui.say("info", f"kept in {done['filePath']}: {', '.join(edits)}")
    overridden = done.get("overriddenMetadata")
    if overridden:
        ui.say("warning", f"new sessions do not see it: {overridden['message']}")
