"""What the model is told before the user's words: fragments of all context sources, sent again when they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .contracts.context import ContextRequest, ContextSource, Fragment
from .protocol.ids import new_item_id
from .protocol.response_items import ContentPart, Message


class ContextBook:
    """Remembers what the model has been told, so that only news is sent. `facts` are fields of every request that
    stay the same in a thread."""

    def __init__(
        self,
        sources: Sequence[tuple[str, ContextSource]],
        told: Iterable[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._sources = sources
        self.facts = facts or {}
        self._told = set(told)
        self._latest: dict[tuple[str, str], str] = {}

    def news(self, request: ContextRequest) -> tuple[list[Message], list[str]]:
        """Messages for the history (one of the developer's parts, one of the user's) and notices for the user."""
        request = request.replace(**self.facts)
        parts: dict[str, list[str]] = {"developer": [], "user": []}
        notices: list[str] = []
        for name, source in self._sources:
            try:
                fragments = list(source.fragments(request))
            except Exception as error:  # noqa: BLE001 - a source is an observer: the turn goes on without it
                notices.append(f"context source {name} failed and is left out: {type(error).__name__}: {error}")
                continue
            for fragment in fragments:
                if self._is_news(name, fragment):
                    if fragment.text:
                        parts.setdefault(fragment.role, []).append(fragment.text)
                    if fragment.notice:
                        notices.append(fragment.notice)
        return [_message(role, texts) for role, texts in parts.items() if texts], notices

    def _is_news(self, source: str, fragment: Fragment) -> bool:
        key = (source, fragment.kind)
        content = fragment.text or fragment.notice
        if self._latest.get(key, "") == content:
            return False
        first = key not in self._latest
        self._latest[key] = content
        return not (first and content in self._told)

    def forget(self) -> None:
        """The history was shortened: everything is news again."""
        self._latest.clear()
        self._told.clear()


def _message(role: str, texts: Sequence[str]) -> Message:
    parts = tuple(ContentPart(type="input_text", text=text) for text in texts)
    return Message(role=role, content=parts, id=new_item_id("msg"))


def context_config(config: Mapping[str, object]) -> Mapping[str, object]:
    """The configuration that sources may read: all of it but secrets of providers."""
    return {key: found for key, found in config.items() if key != "model_providers"}
