"""What MCP servers ask: to let a tool run, to fill in a form, to open a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..link import Message
from .asks import Ask, BadAsk, Choice, Fact
from .asks_form import Form, read_form
from .asks_read import as_json, optional_record, optional_text, record, records, text, texts

_FORMS = ("form", "openai/form", "openaiForm")
_PERSIST = {
    "session": ("s", "Yes, for the session", "calls of this tool are not asked about again until the session ends"),
    "always": ("a", "Yes, always", "writes to your configuration that this tool may run unasked"),
}


@attrs.define(kw_only=True, eq=False)
class Elicitation(Ask):
    """`server` is the name that the user gave it; `message` its own words, or ours for an approval."""

    server: str = ""
    message: str = ""

    def result(self, choice: Choice, text: str = "") -> Any:
        """Accept, decline or cancel, with nothing beside it."""
        return {"action": choice.decision, "content": None}


@attrs.define(kw_only=True, eq=False)
class ToolAsk(Elicitation):
    """May a tool of a server run? `arguments` are what it is called with, by the names to show; `persist` says for how
    long an answer may hold."""

    tool: str = ""
    description: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    persist: tuple[str, ...] = ()
    source: str = ""
    rules: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        return f"Let the MCP server {self.server} run its tool {self.tool or '(not named)'}?"

    @property
    def subject(self) -> str:
        return f"{self.server}: {self.tool}"

    @property
    def facts(self) -> tuple[Fact, ...]:
        found = [Fact(name="message", text=self.message)]
        if self.description:
            found.append(Fact(name="tool", text=self.description))
        for name, value in self.arguments:
            shown = value if isinstance(value, str) else as_json(value)
            found.append(Fact(name=name, text=shown, code=True))
        if self.source:
            found.append(Fact(name="asked by", text=self.source))
        return tuple(found)

    @property
    def choices(self) -> tuple[Choice, ...]:
        lasting = []
        for word in self.persist:
            key, label, detail = _PERSIST.get(word, (word[:1] or "o", f"Yes ({word})", ""))
            if word == "always" and self.rules:
                detail = "\n".join(f"writes to {file}: {line}" for line, file in self.rules)
            lasting.append(Choice(key=key, label=label, decision=word, detail=detail, allows=True))
        return (
            Choice(key="y", label="Yes, this once", decision="accept", allows=True),
            *lasting,
            Choice(key="n", label="No", decision="decline", detail="the turn goes on without it"),
            Choice(key="t", label="No, and tell the model why", decision="decline", wants_text=True),
            Choice(key="x", label="No, and stop the turn", decision="cancel", interrupts=True),
        )

    def result(self, choice: Choice, text: str = "") -> Any:
        """Yes with how long it holds, or no."""
        if not choice.allows:
            return {"action": choice.decision, "content": None}
        meta = {"_meta": {"persist": choice.decision}} if choice.decision in self.persist else {}
        return {"action": "accept", "content": {}, **meta}


_LEAVE = (
    Choice(key="n", label="Decline", decision="decline", detail="the server is told no"),
    Choice(key="x", label="Cancel", decision="cancel", detail="the server is told that nobody answered"),
)


@attrs.define(kw_only=True, eq=False)
class FormAsk(Elicitation):
    """A form to be filled in. `accept` takes what `form.check` gives."""

    form: Form

    @property
    def title(self) -> str:
        return f"The MCP server {self.server} asks you for something"

    @property
    def facts(self) -> tuple[Fact, ...]:
        return (Fact(name="message", text=self.message),)

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (Choice(key="y", label="Send", decision="accept", allows=True), *_LEAVE)

    def accept(self, content: Mapping[str, Any]) -> Any:
        """The answer with what was filled in."""
        return {"action": "accept", "content": dict(content)}

    def result(self, choice: Choice, text: str = "") -> Any:
        """Without a form: what was preset is not sent unseen, so that this can only decline or cancel."""
        if choice.allows:
            raise ValueError("a form is sent with `accept`")
        return {"action": choice.decision, "content": None}

    def outcome(self, choice: Choice, text: str = "") -> tuple[str, bool | None]:
        words = {"accept": "Sent what", "decline": "Declined to give what", "cancel": "Did not answer what"}
        return f"{words[choice.decision]} the MCP server {self.server} asked for", choice.allows


@attrs.define(kw_only=True, eq=False)
class UrlAsk(Elicitation):
    """A page to be opened by the user. `host` is where it leads, as the browser will understand it."""

    url: str
    host: str = ""

    @property
    def title(self) -> str:
        return f"The MCP server {self.server} asks you to open a page"

    @property
    def facts(self) -> tuple[Fact, ...]:
        where = (Fact(name="leads to", text=self.host),)
        return (Fact(name="message", text=self.message), Fact(name="address", text=self.url, code=True), *where)

    @property
    def choices(self) -> tuple[Choice, ...]:
        detail = "the server is told that you agree; it does not see what you do there"
        return (Choice(key="y", label="Yes, I go there", decision="accept", detail=detail, allows=True), *_LEAVE)

    def outcome(self, choice: Choice, text: str = "") -> tuple[str, bool | None]:
        word = "Agreed" if choice.allows else "Declined" if choice.decision == "decline" else "Did not answer"
        return f"{word}: {self.server} asked to open {self.host}", choice.allows


def read_elicitation(id: object, params: Message) -> Ask:
    """Of `mcpServer/elicitation/request`. Raises `BadAsk`."""
    meta = optional_record(params, "_meta") if isinstance(params.get("_meta"), Mapping | None) else {}
    common: dict[str, Any] = {
        "id": id,
        "method": "mcpServer/elicitation/request",
        "params": params,
        "thread_id": text(params, "threadId"),
        "server": text(params, "serverName"),
    }
    mode = params.get("mode")
    if mode == "url":
        url = text(params, "url")
        return UrlAsk(**common, message=text(params, "message"), url=url, host=_host(url))
    if mode not in _FORMS:
        raise BadAsk(f"its mode is {mode!r:.80}, which is not known here")
    common["message"] = text(params, "message")
    kind = meta.get("codex_approval_kind")
    if kind is None:
        return FormAsk(**common, form=read_form(record(params, "requestedSchema")))
    return _read_tool(common, params, meta, kind)


def _read_tool(common: dict[str, Any], params: Message, meta: Message, kind: object) -> ToolAsk:
    if kind != "mcp_tool_call":
        raise BadAsk(f"it asks to approve {kind!r:.80}, which is not known here")
    persist = (meta["persist"],) if isinstance(meta.get("persist"), str) else texts(meta, "persist")
    given = optional_record(meta, "tool_params")
    shown = [(optional_text(row, "display_name") or text(row, "name"), row.get("value")) for row in _display(meta)]
    hidden = set(given) - {row.get("name") for row in _display(meta)}
    rules = [(text(rule, "text"), text(rule, "file")) for rule in records(params, "rules")]
    return ToolAsk(
        **common,
        tool=optional_text(meta, "tool_name") or optional_text(meta, "tool_title"),
        description=optional_text(meta, "tool_description"),
        arguments=(*shown, *((name, given[name]) for name in given if name in hidden)),
        persist=persist,
        source=optional_text(params, "source"),
        rules=tuple(rules),
    )


def _display(meta: Message) -> tuple[Mapping[str, Any], ...]:
    return records(meta, "tool_params_display")


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise BadAsk(f"its address cannot be understood: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise BadAsk("its address is not one of a web page (http or https)")
    if any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise BadAsk("its address holds characters that no address may hold")
    return host
