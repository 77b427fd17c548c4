"""Watching files for changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .kept import Kept
from .methods import method
from .paths import absolute
from .scopes import ALONE, WATCH
from .server import Reply
from .shapes import STRING, record
from .watching import Watchers

if TYPE_CHECKING:
    from .client import Client
    from .server import Server

WATCHERS = Kept(Watchers)


# Not in WATCH: a request keeps its place until all that follows from it is done, here until the watch ends. The id is
# taken before anything is awaited, so that order is kept all the same.
@method("fs/watch", record({"path": STRING, "watchId": STRING}), scope=ALONE)
async def watch(server: Server, client: Client, params: Mapping[str, Any]) -> Reply:
    """Tell of changes by `fs/changed`, until `fs/unwatch` or the client leaves."""
    id, path = params["watchId"], absolute(params["path"])
    watchers = WATCHERS.of(client)
    found = watchers.add(id, path)

    def tell(changed: Sequence[str]) -> None:
        client.notify("fs/changed", {"watchId": id, "changedPaths": list(changed)})

    async def then() -> None:
        try:
            await found.run(tell)
        finally:
            watchers.forget(id, found)

    try:
        await found.begin()
    except BaseException:
        watchers.forget(id, found)
        raise
    return Reply({"path": path}, then)


@method("fs/unwatch", record({"watchId": STRING}), scope=WATCH)
async def unwatch(server: Server, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
    """Tell no more; nothing if there is no such watch."""
    WATCHERS.of(client).remove(params["watchId"])
    return {}
