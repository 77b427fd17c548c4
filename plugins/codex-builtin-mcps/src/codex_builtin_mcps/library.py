"""What is documented here: the descriptions of the installed distributions that are this program, or plugins of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from importlib.metadata import Distribution, distributions

from codex_plugin_sdk import Value, value

GROUP = "codex"
OWN = ("codex-agent", "codex-kernel", "codex-plugin-sdk", "codex-sdk")
EXCERPT_CHARS = 300
_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*\Z")
_WORD = re.compile(r"[\w-]+")
_IN_HEADING = 8


@value
class Section(Value):
    """A part of a page. `path` are the headings that lead to it, the page's name first."""

    page: str
    path: tuple[str, ...]
    text: str

    @property
    def title(self) -> str:
        """The headings, as one line."""
        return " > ".join(self.path)


@value
class Page(Value):
    """The documentation of a distribution: Markdown, or plain text."""

    name: str
    version: str
    summary: str
    text: str

    def sections(self) -> list[Section]:
        """The parts between headings, in order; those without text are left out."""
        found: list[Section] = []
        path: list[str] = [self.name]
        lines: list[str] = []
        fenced = False

        def end() -> None:
            text = "\n".join(lines).strip()
            lines.clear()
            if text:
                found.append(Section(page=self.name, path=tuple(path), text=text))

        for line in self.text.splitlines():
            fenced ^= line.lstrip().startswith("```")
            heading = None if fenced else _HEADING.match(line)
            if heading is None:
                lines.append(line)
                continue
            end()
            path[len(heading[1]) :] = [heading[2]]
        end()
        return found


class Library:
    """All pages by name. Read when first asked for."""

    def __init__(self, found: Iterable[Distribution] | None = None) -> None:
        self._found = found

    @cached_property
    def pages(self) -> dict[str, Page]:
        """The pages, sorted by name."""
        pages = {}
        for dist in distributions() if self._found is None else self._found:
            name = dist.name
            if name in OWN or any(entry.group == GROUP for entry in dist.entry_points):
                metadata = dist.metadata.json
                text = str(metadata.get("description") or metadata.get("summary") or "")
                pages[name] = Page(
                    name=name, version=dist.version, summary=str(metadata.get("summary") or ""), text=text
                )
        return dict(sorted(pages.items()))

    def search(self, query: str, limit: int) -> list[tuple[Section, int]]:
        """The sections in which most words of the query occur, with how often, the best first."""
        words = {word.lower() for word in _WORD.findall(query)}
        scored = []
        for page in self.pages.values():
            for section in page.sections():
                title, text = section.title.lower(), section.text.lower()
                counts = [text.count(word) + _IN_HEADING * title.count(word) for word in words]
                if hits := sum(1 for count in counts if count):
                    scored.append((hits, sum(counts), section))
        scored.sort(key=lambda entry: (-entry[0], -entry[1], entry[2].title))
        return [(section, hits) for hits, _, section in scored[:limit]]


def excerpt(section: Section, query: str) -> str:
    """A piece of the section around the first word of the query that occurs in it."""
    text = section.text
    places = [text.lower().find(word.lower()) for word in _WORD.findall(query)]
    at = max(0, min((place for place in places if place >= 0), default=0) - EXCERPT_CHARS // 3)
    piece = text[at : at + EXCERPT_CHARS]
    return f"{'…' if at else ''}{piece}{'…' if at + EXCERPT_CHARS < len(text) else ''}"
