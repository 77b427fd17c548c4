"""The entries of a turn in files of older versions, which have no items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .entries import arguments_of, asked, called, ran, said, shown_command, text, text_of, thought

_CONTEXT = ("<", "# AGENTS.md")
_SHELLS = ("shell", "exec_command", "local_shell", "shell_command", "container.exec")
_TOLD, _MESSAGE, _CALL = range(3)


class OlderEntries:
    """Collects both what was told (`user_message`, …) and the response items. Where something was told, the messages
    among the response items are the same ones again."""

    def __init__(self) -> None:
        self._found: list[tuple[int, dict[str, Any]]] = []
        self._calls: dict[str, dict[str, Any]] = {}
        self._has_told = False
        self.answered = False

    def told(self, payload: Mapping[str, Any]) -> None:
        """A `user_message`, `agent_message` or `agent_reasoning` line."""
        match payload.get("type"):
            case "user_message":
                images = payload.get("images")
                entry = asked(text(payload.get("message")), len(images) if isinstance(images, list) else 0)
            case "agent_message":
                entry = said(text(payload.get("message")))
                self.answered = True
            case _:
                entry = thought(text(payload.get("text")))
        self._has_told = True
        self._found.append((_TOLD, entry))

    def add(self, item: Mapping[str, Any]) -> None:
        """A response item."""
        match item.get("type"):
            case "message":
                if (entry := _message(item)) is not None:
                    self.answered |= entry["type"] == "agent_message"
                    self._found.append((_MESSAGE, entry))
            case "reasoning":
                summary = item.get("summary")
                if words := text_of(summary):
                    self._found.append((_MESSAGE, thought(words)))
            case "function_call" | "custom_tool_call" | "local_shell_call":
                self.answered = True
                entry = _call(item)
                self._calls[text(item.get("call_id"))] = entry
                self._found.append((_CALL, entry))
            case "function_call_output" | "custom_tool_call_output":
                self._answer(item)

    def is_prompt(self, item: Mapping[str, Any]) -> bool:
        """Whether this is what the user said, and not context."""
        entry = _message(item) if item.get("type") == "message" else None
        return entry is not None and entry["type"] == "user_message"

    def begins_another(self, item: Mapping[str, Any]) -> bool:
        """Whether this is a further message of the user after an answer, in a file in which nothing is told."""
        return not self._has_told and self.answered and self.is_prompt(item)

    def entries(self) -> list[dict[str, Any]]:
        """What happened, in order."""
        return [entry for kind, entry in self._found if kind != _MESSAGE or not self._has_told]

    def _answer(self, item: Mapping[str, Any]) -> None:
        entry = self._calls.get(text(item.get("call_id")))
        if entry is not None:
            name = "aggregated_output" if entry["type"] == "command_execution" else "output"
            output = item.get("output")
            entry[name] = output if isinstance(output, str) else text_of(output)


def _message(item: Mapping[str, Any]) -> dict[str, Any] | None:
    words, role = text_of(item.get("content")), item.get("role")
    if role == "assistant":
        return said(words)
    return asked(words) if role == "user" and words.strip() and not words.lstrip().startswith(_CONTEXT) else None


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    name = text(item.get("name"))
    arguments = arguments_of(item.get("arguments", item.get("input", item.get("action"))))
    if name in _SHELLS or item.get("type") == "local_shell_call":
        given = arguments if isinstance(arguments, dict) else {}
        words = given.get("command", given.get("cmd"))
        line = shown_command([w for w in words if isinstance(w, str)]) if isinstance(words, list) else text(words)
        return ran(line, "", cwd=text(given.get("workdir")))
    return called(name, arguments, None)
