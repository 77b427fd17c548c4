"""What stores have in common that list threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_kernel.contracts.store import ThreadQuery, ThreadSummary


def is_found(query: ThreadQuery, summary: ThreadSummary) -> bool:
    """Whether what `query` searches stands in the name, the preview, the folder or the git branch of a thread, in upper
    or lower case. Codex looks at the first two, and at case: whatever it finds is found here as well, provided that the
    preview is the whole first message."""
    wanted = query.search.casefold()
    if not wanted:
        return True
    git = summary.meta.get("git")
    branch = git.get("branch") if isinstance(git, dict) else None
    texts = (summary.name, summary.preview, summary.cwd, branch)
    return any(isinstance(text, str) and wanted in text.casefold() for text in texts)
