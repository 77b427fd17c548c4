"""What can be completed in the composer: commands, files, skills."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..commands.line import completions
from .completion import Candidate, Providers

if TYPE_CHECKING:
    from .app import CodexApp

MOST = 50


def providers(app: CodexApp) -> Providers:
    """By sign."""

    async def commands(query: str) -> Sequence[Candidate]:
        return [
            Candidate(value=name, label=f"/{name} {hint}".rstrip(), detail=help, takes_more=hint.startswith("<"))
            for name, help, hint in completions(app.commands, query)[:MOST]
        ]

    async def files(query: str) -> Sequence[Candidate]:
        session = app.session
        wanted = {"query": query, "roots": [session.status.cwd], "cancellationToken": "composer"}
        found = await session.link.request("fuzzyFileSearch", wanted)
        return [
            Candidate(
                value=entry["path"],
                detail="folder" if entry.get("match_type") == "directory" else "",
                matched=tuple(entry.get("indices") or ()),
                path=os.path.join(entry["root"], entry["path"]),
            )
            for entry in found["files"][:MOST]
        ]

    async def skills(query: str) -> Sequence[Candidate]:
        session = app.session
        found = await session.link.request("skills/list", {"cwds": [session.status.cwd]})
        listed = [skill for entry in found["data"] for skill in entry["skills"] if skill["enabled"]]
        wanted = query.lower()
        fitting = [skill for skill in listed if wanted in skill["name"].lower()]
        fitting.sort(key=lambda skill: (not skill["name"].lower().startswith(wanted), skill["name"]))
        return [Candidate(value=one["name"], detail=one["description"], path=one["path"]) for one in fitting[:MOST]]

    return {"/": commands, "@": files, "$": skills}
