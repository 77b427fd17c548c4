"""`codex sessions tree`: which sessions come from which."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import orjson

from codex_plugin_sdk import ThreadSummary
from codex_plugin_sdk.command_line import working_folder

from .home import Home, summary_body
from .indexed import all_threads
from .last_turn import last_status
from .wording import moment, one_line

if TYPE_CHECKING:
    from codex_plugin_sdk import Invocation

SCHEMA = 1
_PREVIEW = 60
_LINES = ("├─ ", "└─ ", "│  ", "   ")
_PLAIN = ("  ", "  ", "  ", "  ")


class Node:
    """A session, or one that others name and that is not here (`found` is None). `relation` is root, fork or
    sub-agent, what it is to its parent."""

    def __init__(self, thread_id: str, found: ThreadSummary | None = None) -> None:
        self.thread_id, self.found = thread_id, found
        self.relation, self.parent = "root", ""
        self.children: list[Node] = []
        self.spawn: Mapping[str, Any] = {}

    def body(self, depth: int) -> dict[str, Any]:
        """The session and its place in the tree, as JSON."""
        about = {"id": self.thread_id, "recorded": False} if self.found is None else summary_body(self.found)
        place = {"depth": depth, "relation": self.relation, "parent": self.parent or None}
        return {**about, **place, "agent": dict(self.spawn) or None, "status": self.status}

    @property
    def status(self) -> str:
        """How its last turn ended; archived and missing sessions are told so."""
        if self.found is None:
            return "not recorded"
        return last_status(self.found.path)


def print_tree(invocation: Invocation, given: Mapping[str, Any]) -> int:
    """Print trees; 0. Raises `UserError` for a session that is not there."""
    home = Home(invocation)
    wanted = home.require(given["session"]) if given["session"] else None
    roots = grow(all_threads(home))
    if wanted is not None:
        chosen = [root for root in roots if any(one.thread_id == wanted.thread_id for one, _ in walk(root))]
        chosen = chosen or [Node(wanted.thread_id, wanted)]  # one that was named by its file, from elsewhere
    else:
        cwd = working_folder(given["cwd"], must_exist=False) if given["cwd"] else home.cwd
        everywhere = given["everywhere"] and not given["cwd"]
        chosen = [root for root in roots if everywhere or _is_of(root, cwd)]
    shown = chosen[: given["limit"]]
    if given["as_json"]:
        found = [node.body(depth) for root in shown for node, depth in walk(root)]
        click.echo(orjson.dumps({"schema": SCHEMA, "sessions": found, "more": len(chosen) - len(shown)}))
        return 0
    for row in rows(shown, marks=_LINES if sys.stdout.isatty() else _PLAIN, marked=wanted.thread_id if wanted else ""):
        click.echo(row)
    if len(chosen) > len(shown):
        click.echo(f"{len(chosen) - len(shown)} more: --limit", err=True)
    if not chosen:
        click.echo("no session is recorded here; --all shows those of every folder", err=True)
    return 0


def grow(found: Sequence[ThreadSummary]) -> list[Node]:
    """The roots, in the order of their newest session; children from the oldest to the newest."""
    nodes = {one.thread_id: Node(one.thread_id, one) for one in found}
    for one in found:
        node = nodes[one.thread_id]
        node.relation, node.parent, node.spawn = origin(one)
        if node.parent and node.parent not in nodes:
            nodes[node.parent] = Node(node.parent)
    for node in nodes.values():
        if node.parent and _is_below(nodes, node, node.parent):
            node.relation, node.parent = "root", ""  # a ring has no beginning
    for node in nodes.values():
        if node.parent:
            nodes[node.parent].children.append(node)
    for node in nodes.values():
        node.children.sort(key=_born)
    roots = [node for node in nodes.values() if not node.parent]
    return sorted(roots, key=lambda root: max(_born(one) for one, _ in walk(root)), reverse=True)


def origin(found: ThreadSummary) -> tuple[str, str, Mapping[str, Any]]:
    """What a session is to which other one, and how it was started if it is a sub-agent's."""
    meta = found.meta
    match meta.get("source"):
        case {"subagent": {"thread_spawn": {"parent_thread_id": str() as parent} as spawn}} if parent:
            kept = {"depth": "depth", "nickname": "agent_nickname", "role": "agent_role"}
            return "sub-agent", parent, {name: spawn.get(member) for name, member in kept.items()}
        case {"subagent": str() as kind} if isinstance(meta.get("parent_thread_id"), str):
            return "sub-agent", meta["parent_thread_id"], {"depth": None, "nickname": None, "role": kind}
    for relation, member in (("sub-agent", "parent_thread_id"), ("fork", "forked_from_id")):
        named = meta.get(member)
        if isinstance(named, str) and named and named != found.thread_id:
            return relation, named, {}
    return "root", "", {}


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """A node and all below it, each before its children, with their depth below it."""
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in reversed(node.children)]


def rows(roots: Sequence[Node], *, marks: tuple[str, str, str, str], marked: str = "") -> Iterator[str]:
    """The trees line by line. `marks` stand before a child, the last child, and what is below each."""
    branch, last, under, below_last = marks
    waiting = [(root, "", "") for root in reversed(roots)]
    while waiting:
        node, lead, indent = waiting.pop()
        yield lead + _row(node, is_marked=node.thread_id == marked)
        for child in reversed(node.children):
            is_last = child is node.children[-1]
            waiting.append((child, indent + (last if is_last else branch), indent + (below_last if is_last else under)))


def _row(node: Node, *, is_marked: bool) -> str:
    found, parts = node.found, [node.thread_id]
    if found is not None:
        parts += [moment(found.updated_at_ms)]
    kind = [] if node.relation == "root" else [node.relation]
    kind += [one_line(str(node.spawn[name]), 40) for name in ("nickname", "role") if node.spawn.get(name)]
    if kind:
        parts.append(f"({' '.join(kind)})")
    parts.append(node.status or "no turn")
    if found is not None:
        parts += ["archived"] if found.archived else []
        parts += [f"[{one_line(found.name, _PREVIEW)}]"] if found.name else []
        parts.append(one_line(found.preview, _PREVIEW) or "(nothing said yet)")
    return "  ".join(parts) + ("  <-" if is_marked else "")


def _is_of(root: Node, cwd: str) -> bool:
    """Whether a session of the tree began in a folder."""
    folder = os.path.normpath(cwd)
    return any(one.found is not None and os.path.normpath(one.found.cwd) == folder for one, _ in walk(root))


def _is_below(nodes: Mapping[str, Node], node: Node, parent: str) -> bool:
    """Whether the parent of a node comes from the node itself."""
    seen = set()
    while parent and parent not in seen:
        if parent == node.thread_id:
            return True
        seen.add(parent)
        parent = nodes[parent].parent
    return False


def _born(node: Node) -> tuple[int, str]:
    return (0 if node.found is None else node.found.created_at_ms, node.thread_id)
