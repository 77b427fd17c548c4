"""The tree as one page: no scripts, nothing from elsewhere, every text escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tree import Node

_STYLE = """
:root{color-scheme:light dark}
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
details,p{margin:.1rem 0 .1rem 1.2rem}summary{cursor:pointer}
pre{margin:.2rem 0 .4rem 1.2rem;padding:.5rem;background:#8881;overflow-x:auto;white-space:pre-wrap;max-height:30rem}
.kind{font-size:.75em;text-transform:uppercase;opacity:.65;margin-right:.5em}
.facts{opacity:.65;margin-left:.6em;font-size:.9em}.bad>summary,.bad{color:#c33}
"""
_OPEN = frozenset({"session", "turn", "request"})


def render(root: Node) -> Iterator[str]:
    """The page in pieces."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>Trace of {_safe(root.title)}</title><style>{_STYLE}</style></head><body>\n"
    )
    yield from _node(root)
    yield "</body></html>\n"


def _node(node: Node) -> Iterator[str]:
    facts = f'<span class="facts">{_safe(node.facts)}</span>' if node.facts else ""
    line = f'<span class="kind">{_safe(node.kind)}</span>{_safe(node.title)}{facts}'
    mark = ' class="bad"' if node.is_bad and not node.below else ""
    if not node.below and not node.text:
        yield f"<p{mark}>{line}</p>\n"
        return
    yield f"<details{mark}{' open' if node.kind in _OPEN else ''}><summary>{line}</summary>\n"
    if node.text:
        yield f"<pre>{_safe(node.text)}</pre>\n"
    for child in node.below:
        yield from _node(child)
    yield "</details>\n"


def _safe(text: str) -> str:
    """Escaped, and without control characters, which no page may hold."""
    return escape(
        "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
    )
