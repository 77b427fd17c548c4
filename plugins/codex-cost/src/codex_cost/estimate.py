"""How many tokens a request may have, before anybody has counted them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codex_plugin_sdk import HistoryEntry, ModelRequest

BYTES_PER_TOKEN = 2
"""English and code have three to four bytes in a token, dense text in other scripts and random text about two."""

IMAGE_TOKENS = 10_000
"""More than one image of the largest size that models take."""

_IMAGE = re.compile(rb'"data:image/[^"]*"')
_SHORTEST_IMAGE_BYTES = 1024


class Estimate:
    """Estimates from above; what a server has counted makes the next one closer, as histories only grow."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[int, int]] = {}
        self._tools: tuple[Sequence[Any], int] = ((), 0)
        self._history: tuple[tuple[HistoryEntry, ...], int] = ((), 0)

    def input_tokens(self, request: ModelRequest) -> int:
        """What the server will count at most."""
        size = self._size(request)
        known_size, known_tokens = self._known.get((request.model, request.kind), (1, 0))
        # Of what had more tokens than expected, more are expected.
        tokens, per_bytes = max((1, BYTES_PER_TOKEN), (known_tokens, known_size), key=lambda rate: rate[0] / rate[1])
        if size < known_size:
            return _ratio_up(size, tokens, per_bytes)
        return known_tokens + _ratio_up(size - known_size, tokens, per_bytes)

    def learn(self, request: ModelRequest, input_tokens: int) -> None:
        """What the server has counted."""
        self._known[request.model, request.kind] = (self._size(request), input_tokens)

    def _size(self, request: ModelRequest) -> int:
        if request.tools is not self._tools[0]:
            self._tools = (request.tools, sum(len(repr(tool)) for tool in request.tools))
        own = len(request.instructions.encode("utf-8", "replace")) + self._tools[1] + len(repr(request.output_schema))
        before, size = self._history
        count = len(before)
        if request.input[:count] != before:  # quick where they are the very same
            count = size = 0
        size += sum(map(_entry_size, request.input[count:]))
        self._history = (request.input, size)
        return own + size


def _ratio_up(size: int, tokens: int, per_bytes: int) -> int:
    return -(-size * tokens // per_bytes)


def _entry_size(entry: HistoryEntry) -> int:
    """Bytes; an image counts by its tokens, not by its text."""
    encoded = entry.encoded
    if len(encoded) < _SHORTEST_IMAGE_BYTES or b'"data:image/' not in encoded:
        return len(encoded)
    rest, images = _IMAGE.subn(b"", encoded)
    return len(rest) + images * IMAGE_TOKENS * BYTES_PER_TOKEN
