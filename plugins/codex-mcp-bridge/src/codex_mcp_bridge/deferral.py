"""Many tools cost the window more than they are worth: then the model searches them, and is given those it found."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ConfigError, ToolDefinition, ToolFailed, ToolOutput, Value, value

from .safe_text import shown
from .schemas import size_chars

if TYPE_CHECKING:
    from codex_plugin_sdk import Tool, ToolCall, ToolContext

    from .names import Origin

SEARCH_NAME = "tool_search"
DEFAULT_WINDOW_TOKENS = 128_000
WINDOW_SHARE = 0.1
MAX_DIRECT_TOOLS = 100
DEFAULT_RESULTS = 8
MAX_RESULTS = 30
CHARS_PER_TOKEN = 4

_K1, _B = 1.2, 0.75
_NAME_WEIGHT = 3
_WORD = re.compile(r"[a-z]+|[0-9]+|[^\W\d_a-z]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words_of(text: str) -> list[str]:
    """The words of a name or a sentence: lower case, camelCase and snake_case split, plural s dropped."""
    found = _WORD.findall(_HUMP.sub(" ", text).lower())
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found]


class Ranking:
    """Okapi BM25 over short texts. The words of a name count thrice; a word also matches its longer forms, by half."""

    def __init__(self, texts: Sequence[tuple[str, str]]) -> None:
        """`texts` are (name, description)."""
        self._bags = [Counter(words_of(name) * _NAME_WEIGHT + words_of(text)) for name, text in texts]
        self._lengths = [sum(bag.values()) for bag in self._bags]
        self._mean = (sum(self._lengths) / len(self._lengths)) if self._lengths else 1.0
        self._holders: dict[str, list[int]] = {}
        for index, bag in enumerate(self._bags):
            for word in bag:
                self._holders.setdefault(word, []).append(index)

    def best(self, query: str, limit: int) -> list[int]:
        """Places of the best texts, the best first; none that shares no word with the query."""
        scores: dict[int, float] = {}
        for word in dict.fromkeys(words_of(query)[:64]):
            for known, weight in self._forms(word):
                holders = self._holders[known]
                rarity = math.log(1 + (len(self._bags) - len(holders) + 0.5) / (len(holders) + 0.5))
                for index in holders:
                    count = self._bags[index][known]
                    length = _K1 * (1 - _B + _B * self._lengths[index] / self._mean)
                    scores[index] = scores.get(index, 0.0) + weight * rarity * count * (_K1 + 1) / (count + length)
        return sorted(scores, key=lambda index: (-scores[index], index))[:limit]

    def _forms(self, word: str) -> list[tuple[str, float]]:
        exact = [(word, 1.0)] if word in self._holders else []
        if len(word) < 4:
            return exact
        longer = [known for known in self._holders if known != word and known.startswith(word)]
        return exact + [(known, 0.5) for known in sorted(longer)[:20]]


@value
class Threshold(Value):
    """From when on tools are deferred: more than `tokens` of definitions, or more than `tools`."""

    tokens: int
    tools: int = MAX_DIRECT_TOOLS


def threshold_of(effective: Mapping[str, Any], window_tokens: int | None = None) -> Threshold:
    """`[mcp] defer_tools_above_tokens`, which then counts alone (0 defers always); else a tenth of `window_tokens`,
    or a hundred tools. Raises `ConfigError`."""
    table = effective.get("mcp") or {}
    given = table.get("defer_tools_above_tokens") if isinstance(table, Mapping) else None
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            raise ConfigError(f"mcp.defer_tools_above_tokens must be a whole number of tokens, not {given!r}")
        return Threshold(tokens=given, tools=10**9)
    return Threshold(tokens=int((window_tokens or DEFAULT_WINDOW_TOKENS) * WINDOW_SHARE))


def tokens_of(definition: ToolDefinition) -> int:
    """About how much of the window a definition takes."""
    chars = len(definition.name) + len(definition.description) + size_chars(definition.parameters) + 40
    return chars // CHARS_PER_TOKEN


class Deferral:
    """Decides what is offered of all tools. What was found, or called, is offered from then on; when that grows
    beyond the threshold, what was found longest ago must be searched again."""

    def __init__(self, threshold: Threshold, tell: Callable[[str], None]) -> None:
        self._threshold = threshold
        self._tell = tell
        self._found: dict[Origin, None] = {}
        self._all: dict[Origin, Tool] = {}
        self._tokens: dict[Origin, int] = {}
        self._told = ""
        self._search: ToolSearch | None = None

    def take(self, tools: Mapping[Origin, Tool], about: str) -> None:
        """All tools there are now; `about` tells the model of which servers."""
        self._all = dict(tools)
        self._tokens = {origin: tokens_of(tool.definition) for origin, tool in tools.items()}
        self._search = ToolSearch(self, list(tools.items()), about) if self.deferred else None

    @property
    def deferred(self) -> bool:
        """Whether there are too many."""
        return sum(self._tokens.values()) > self._threshold.tokens or len(self._all) > self._threshold.tools

    def used(self, origin: Origin) -> None:
        """A tool was found or called: it is offered, and will be for long."""
        self._found.pop(origin, None)
        self._found[origin] = None

    def offered(self) -> list[Tool]:
        """The tools for the next request, in the order of all tools; the search first, if there is one."""
        if self._search is None:
            return list(self._all.values())
        room = max(self._threshold.tokens, 2_000)
        kept: set[Origin] = set()
        for origin in reversed(self._found):
            room -= self._tokens.get(origin, 0)
            if origin in self._all and (room >= 0 or not kept):
                kept.add(origin)
        found = [tool for origin, tool in self._all.items() if origin in kept]
        self._tell_saving(kept)
        return [self._search, *found]

    def _tell_saving(self, kept: set[Origin]) -> None:
        total = sum(self._tokens.values())
        if self._search is None or (told := f"{len(self._all)} {total}") == self._told:
            return
        self._told = told
        saved = total - sum(self._tokens[origin] for origin in kept) - tokens_of(self._search.definition)
        self._tell(
            f"{len(self._all)} MCP tools (about {total:,} tokens) are behind {SEARCH_NAME}: "
            f"about {max(0, saved):,} tokens less in each request"
        )


class ToolSearch:
    """The tool `tool_search`. Implements the kernel's `Tool`."""

    def __init__(self, deferral: Deferral, tools: Sequence[tuple[Origin, Tool]], about: str) -> None:
        self._deferral = deferral
        self._tools = tools
        self._ranking: Ranking | None = None
        self._definition = ToolDefinition(
            name=SEARCH_NAME,
            description=(
                f"Finds tools of MCP servers by words; there are {len(tools)} that are not listed here. "
                f"What it finds can be called from your next step on.\n{about}"
            ).strip(),
            parameters={
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "What the tool should do, in a few words."},
                    "limit": {
                        "type": "number",
                        "description": f"How many at most; {DEFAULT_RESULTS} without it.",
                    },
                },
                "required": ["query"],
                "additionalProperties": False,
            },
        )

    @property
    def definition(self) -> ToolDefinition:
        """How the model sees it."""
        return self._definition

    @property
    def parallel_safe(self) -> bool:
        """It changes nothing but what is offered next."""
        return True

    async def aclose(self) -> None:
        """Nothing is held."""

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Find the best tools and have them offered with the next request."""
        query, limit = call.arguments.get("query"), call.arguments.get("limit", DEFAULT_RESULTS)
        if not isinstance(query, str) or not query.strip():
            raise ToolFailed("`query` must say in a few words what the tool should do")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit >= 1:
            raise ToolFailed("`limit` must be a number from 1 on")
        if self._ranking is None:
            texts = [tool.definition for _, tool in self._tools]
            self._ranking = Ranking([(one.name.removeprefix("mcp__"), _searched(one)) for one in texts])
        places = self._ranking.best(query, int(min(limit, MAX_RESULTS)))
        lines = []
        for origin, tool in reversed([self._tools[place] for place in places]):
            self._deferral.used(origin)  # the best last, so that it stays longest
            lines.append(f"- {tool.definition.name}: {shown(tool.definition.description, 200, lines=False)}")
        if not lines:
            return ToolOutput(output="No tool matches. Try other words, or fewer.")
        return ToolOutput(output="\n".join(["These can be called from now on:", *reversed(lines)]))


def _searched(definition: ToolDefinition) -> str:
    properties = definition.parameters.get("properties")
    return f"{definition.description} {' '.join(properties) if isinstance(properties, Mapping) else ''}"
