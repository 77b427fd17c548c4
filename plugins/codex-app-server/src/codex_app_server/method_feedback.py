"""Feedback as a file for the user to pass on, and figures of the server."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from codex_plugin_sdk import new_thread_id

from .methods import method
from .paths import reason
from .scopes import ALONE
from .server import check_thread_id
from .shapes import BOOLEAN, OBJECT, STRING, array, record
from .wire import INTERNAL_ERROR, RpcError

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

SAVE = record(
    {"classification": STRING, "savePath": STRING},
    extraLogFiles=array(STRING),
    includeLogs=BOOLEAN,
    reason=STRING,
    tags=OBJECT,
    threadId=STRING,
)


@method("feedback/save", SAVE, scope=ALONE)
async def save(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write what the user says, and with `includeLogs` the thread's record and the named files, into a zip archive.
    Nothing is sent anywhere; what looks like a secret is taken out."""
    path, thread_id = params["savePath"], params.get("threadId")
    if not os.path.isabs(path):
        raise RpcError("feedback savePath must be an absolute host path")
    attachments = []
    if thread_id is not None:
        check_thread_id(thread_id)
        loaded = server.threads.get(thread_id)
        if loaded is not None and loaded.state.recorder.path is not None:
            attachments.append(loaded.state.recorder.path)
    wanted = [*attachments, *(params.get("extraLogFiles") or ())] if params.get("includeLogs") else []
    shown = thread_id or f"no-active-thread-{new_thread_id()}"
    report = {
        "classification": params["classification"],
        "reason": params.get("reason"),
        "tags": params.get("tags") or {},
        "threadId": shown,
        "version": server.version,
        "platform": sys.platform,
        "client": {"name": client.name, "version": client.version},
    }

    def write() -> None:
        if missing := next((file for file in wanted if not os.path.isfile(file)), None):
            raise RpcError(f"failed to save feedback: failed to read selected attachment {missing}", INTERNAL_ERROR)
        from .feedback_report import save_report

        save_report(path, report, wanted, server.invocation.environ)

    try:
        await anyio.to_thread.run_sync(write)
    except OSError as error:
        raise RpcError(f"failed to save feedback: {reason(error)}", INTERNAL_ERROR) from error
    return {"savedPath": path, "threadId": shown, "promptHash": None}


@method("server/diagnostics", scope=ALONE, experimental=True)
async def diagnostics(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Figures of this process."""
    gauges = {"app.clients": len(server.clients), "app.threads.loaded": len(server.threads)}
    return {
        "process": {"id": os.getpid(), "residentMemoryBytes": _resident_bytes(), "physicalFootprintBytes": None},
        "gauges": [{"name": name, "value": figure} for name, figure in gauges.items()],
    }


def _resident_bytes() -> int | None:
    """None where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
