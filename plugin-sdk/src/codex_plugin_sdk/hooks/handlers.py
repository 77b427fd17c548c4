"""Reading `[hooks]` and `notify`: which handlers there are, or everything that is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from codex_plugin_sdk import LIFECYCLE_EVENTS, ConfigError, SandboxMode, Value, value

from .matching import MATCHED_EVENTS, Matcher

DEFAULT_TIMEOUT_S = 600
MAX_TIMEOUT_S = 24 * 3600
OTHER_TYPES = ("mcp_tool", "prompt", "agent")
KNOWN = frozenset(
    (
        *("type", "command", "timeout", "statusMessage", "name", "description", "on_failure", "sandbox"),
        # Codex's own: nothing here runs on Windows, and everything is waited for and bounded alike.
        *("commandWindows", "command_windows", "async", "additionalContextLimit", "additional_context_limit"),
    )
)


@value
class Handler(Value):
    """One command for one event. `place` is FILE:LINE and `key` what Codex calls it in `[hooks.state]`; `blocks` says
    that its failure counts as a no, `enabled` is false for one that the user switched off."""

    event: str
    command: str
    place: str
    matcher: Matcher
    timeout_s: int = DEFAULT_TIMEOUT_S
    blocks: bool = False
    sandbox: SandboxMode = SandboxMode.READ_ONLY
    name: str = ""
    description: str = ""
    status_message: str = ""
    key: str = ""
    enabled: bool = True

    @property
    def path(self) -> str:
        """The file that sets it; in words where there is none."""
        return self.place.rpartition(":")[0] or self.place

    def source(self, codex_home: str) -> str:
        """The kind of layer that sets it, in the words of the app server's protocol."""
        if not self.path.startswith("/"):
            return "sessionFlags"
        if self.path.endswith("/managed_config.toml"):
            return "legacyManagedConfigFile"
        if self.path.startswith(codex_home.rstrip("/") + "/"):
            return "user"
        return "system" if self.path.startswith("/etc/") else "project"

    @property
    def label(self) -> str:
        """What a person knows it by."""
        command = self.command if len(self.command) <= 60 else f"{self.command[:59]}…"
        return f"{self.name or command!r} ({self.place})" if self.place else repr(self.name or command)

    def as_dict(self) -> dict[str, object]:
        """For `codex hooks list --json`."""
        return {
            "event": self.event,
            "matcher": self.matcher.text,
            "command": self.command,
            "source": self.place,
            "timeout": self.timeout_s,
            "on_failure": "block" if self.blocks else "allow",
            "sandbox": self.sandbox.value,
            "name": self.name,
            "description": self.description,
            "statusMessage": self.status_message,
        }


@value
class Configured(Value):
    """What the configuration sets: `every` handler, and those that are on. `notices` are for the user: what is left
    out, and why."""

    every: tuple[Handler, ...] = ()
    notify: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """Those that run."""
        return tuple(handler for handler in self.every if handler.enabled)


def read_configured(config: Mapping[str, Any], origin: Callable[[str], str]) -> Configured:
    """All handlers, in the order of the configuration. `origin` gives the place of a dotted key. Raises
    `ConfigError` that lists every problem with its place."""
    return _Reader(config, origin).read()


class _Reader:
    def __init__(self, config: Mapping[str, Any], origin: Callable[[str], str]) -> None:
        self._config = config
        self._origin = origin
        self._problems: list[tuple[str, str]] = []
        self._notices: list[str] = []
        hooks = config.get("hooks", {})
        state = hooks.get("state") if isinstance(hooks, Mapping) else None
        self._state: Mapping[str, Any] = state if isinstance(state, Mapping) else {}

    def read(self) -> Configured:
        handlers: list[Handler] = []
        hooks = self._config.get("hooks", {})
        if not isinstance(hooks, Mapping):
            self._wrong("hooks", "hooks must be a table")
            hooks = {}
        for event in LIFECYCLE_EVENTS:
            if event in hooks:
                handlers += self._event(event, hooks[event])
        notify = self._notify()
        if self._problems:
            first, *others = self._problems
            texts = [first[1], *(f"{place}: {text}" if place else text for place, text in others)]
            raise ConfigError("\n".join(texts), where=first[0], hint="codex hooks list shows what is understood")
        return Configured(every=tuple(handlers), notify=notify, notices=tuple(self._notices))

    def _wrong(self, key: str, text: str) -> None:
        self._problems.append((self._place(key), text))

    def _place(self, key: str) -> str:
        """FILE:LINE of a key, or of the table that it lies in; the layer in words where there is no file."""
        parts = key.split(".")
        known = len(parts)
        while known and not self._origin(".".join(parts[:known])):
            known -= 1
        return self._origin(".".join(parts[:known])) if known else ""

    def _notify(self) -> tuple[str, ...]:
        given = self._config.get("notify", [])
        if isinstance(given, list | tuple) and all(isinstance(word, str) and "\0" not in word for word in given):
            return tuple(given)
        self._wrong("notify", "notify must be an array of strings: a program and its arguments")
        return ()

    def _event(self, event: str, groups: Any) -> list[Handler]:
        key = f"hooks.{event}"
        if not isinstance(groups, list | tuple):
            self._wrong(key, f"{key} must be an array of tables: [[{key}]]")
            return []
        handlers = []
        for number, group in enumerate(groups):
            here = f"{key}.{number}"
            if not isinstance(group, Mapping):
                self._wrong(here, f"{key}[{number}] must be a table")
                continue
            handlers += self._group(event, here, group)
        return handlers

    def _group(self, event: str, key: str, group: Mapping[str, Any]) -> list[Handler]:
        matcher = self._matcher(event, key, group.get("matcher", ""))
        given = group.get("hooks")
        if not isinstance(given, list | tuple):
            self._wrong(key, f"{_shown(key)} needs hooks, an array of tables: [[hooks.{event}.hooks]]")
            return []
        handlers = []
        for number, table in enumerate(given):
            here = f"{key}.hooks.{number}"
            if not isinstance(table, Mapping):
                self._wrong(here, f"{_shown(here)} must be a table")
            elif (handler := self._handler(event, here, table, matcher)) is not None:
                handlers.append(handler)
        return handlers

    def _matcher(self, event: str, key: str, text: Any) -> Matcher:
        if not isinstance(text, str):
            self._wrong(f"{key}.matcher", f"{_shown(key)}.matcher must be a string")
        elif event in MATCHED_EVENTS:
            try:
                return Matcher.of(text)
            except re.error as error:
                self._wrong(f"{key}.matcher", f"{_shown(key)}.matcher {text!r} is not a regular expression: {error}")
        return Matcher(text="")

    def _handler(self, event: str, key: str, table: Mapping[str, Any], matcher: Matcher) -> Handler | None:
        kind, place = table.get("type"), self._place(f"{key}.type")
        if kind in OTHER_TYPES:
            self._notices.append(f"{place}: a hook of type {kind!r} is left out: only commands can be run")
            return None
        if kind != "command":
            known = ", ".join(("command", *OTHER_TYPES))
            self._wrong(key, f"{_shown(key)}.type must be one of {known}" + (f", not {kind!r}" if kind else ""))
            return None
        command = self._text(key, table, "command")
        if command is None or not command.strip():
            if "command" not in table:
                self._wrong(key, f"{_shown(key)} needs a command")
            elif command is not None:
                self._notices.append(f"{place}: a hook with an empty command is left out")
            return None
        for unknown in sorted(table.keys() - KNOWN):
            self._notices.append(f"{place}: {_shown(key)}.{unknown} is not known and does nothing")
        state_key = _state_key(event, key, place)
        state = self._state.get(state_key)
        return Handler(
            event=event,
            command=command,
            place=place,
            matcher=matcher,
            timeout_s=self._timeout(key, table),
            blocks=self._word(key, table, "on_failure", ("allow", "block")) == "block",
            sandbox=SandboxMode(self._word(key, table, "sandbox", tuple(mode.value for mode in SandboxMode))),
            name=self._text(key, table, "name") or "",
            description=self._text(key, table, "description") or "",
            status_message=self._text(key, table, "statusMessage") or "",
            key=state_key,
            enabled=not (isinstance(state, Mapping) and state.get("enabled") is False),
        )

    def _text(self, key: str, table: Mapping[str, Any], name: str) -> str | None:
        given = table.get(name, "")
        if isinstance(given, str) and "\0" not in given:
            return given
        self._wrong(f"{key}.{name}", f"{_shown(key)}.{name} must be a string")
        return None

    def _timeout(self, key: str, table: Mapping[str, Any]) -> int:
        given = table.get("timeout", DEFAULT_TIMEOUT_S)
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MAX_TIMEOUT_S:
            return given or 1  # as Codex: the shortest there is
        self._wrong(f"{key}.timeout", f"{_shown(key)}.timeout must be whole seconds, 0 to {MAX_TIMEOUT_S}")
        return DEFAULT_TIMEOUT_S

    def _word(self, key: str, table: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
        given = table.get(name, known[0])
        if isinstance(given, str) and given in known:
            return given
        self._wrong(f"{key}.{name}", f"{_shown(key)}.{name} must be one of {', '.join(known)}")
        return known[0]


def _state_key(event: str, key: str, place: str) -> str:
    """The key that Codex gives a handler in `[hooks.state]`."""
    _, _, group, _, number = key.split(".")
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()
    return f"{place.rpartition(':')[0]}:{snake}:{group}:{number}"


def _shown(key: str) -> str:
    return re.sub(r"\.(\d+)", r"[\1]", key)
