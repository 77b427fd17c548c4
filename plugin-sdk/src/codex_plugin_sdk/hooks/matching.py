"""Which handlers an event is for."""

from __future__ import annotations

import re

from codex_plugin_sdk import EditIntent, LifecycleEvent, NetworkIntent, RunIntent, Value, value

MATCHED_EVENTS = frozenset(
    (
        "PreToolUse",
        "PostToolUse",
        "PermissionRequest",
        "SessionStart",
        "SessionEnd",
        "PreCompact",
        "PostCompact",
        "SubagentStart",
        "SubagentStop",
        "Notification",
    )
)
"""The events that have something to match; for the others a matcher is ignored."""

SHELL_TOOLS = ("exec_command", "shell_command", "shell", "local_shell")
"""Tools that run a command; all of them are `Bash` to a hook."""
PATCH_TOOL = "apply_patch"
_LITERAL = re.compile(r"[A-Za-z0-9_|]*")


@value
class Matcher(Value):
    """A matcher of the configuration: `""` and `"*"` match all, words joined by `|` match exactly these, everything
    else is a regular expression that may match anywhere."""

    text: str = ""

    @classmethod
    def of(cls, text: str) -> Matcher:
        """Check and keep a matcher. Raises `re.error`."""
        if text != "*" and not _LITERAL.fullmatch(text):
            re.compile(text)
        return cls(text=text)

    def matches(self, names: tuple[str, ...]) -> bool:
        """Whether one of the names that something goes by is meant."""
        if self.text in ("", "*"):
            return True
        if _LITERAL.fullmatch(self.text):
            return not set(names).isdisjoint(filter(None, self.text.split("|")))
        return any(re.search(self.text, name) for name in names)


def tool_name(name: str) -> str:
    """What Codex calls a tool in the input of a hook."""
    return "Bash" if name in SHELL_TOOLS else name


def names_of(event: LifecycleEvent) -> tuple[str, ...]:
    """The names that a matcher is held against: Codex's first, ours behind."""
    match event.intent:
        case RunIntent():
            return ("Bash", *SHELL_TOOLS)
        case EditIntent():
            return (PATCH_TOOL, "Edit", "Write")
        case NetworkIntent():
            return ("network",)
    subject = event.subject
    if event.name in ("PreToolUse", "PostToolUse") and subject == PATCH_TOOL:
        return (PATCH_TOOL, "Edit", "Write")
    if event.name in ("PreToolUse", "PostToolUse") and subject in SHELL_TOOLS:
        return ("Bash", subject)
    if event.name == "SessionEnd":
        return ("other", subject)
    return (subject,)
