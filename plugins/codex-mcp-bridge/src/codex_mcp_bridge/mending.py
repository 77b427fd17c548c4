"""Lists of tools of which some are defined wrongly: the library would refuse the whole, so these are taken out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from anyio.abc import ObjectReceiveStream

from .chatter import HEARD, Chatter
from .safe_text import shown

if TYPE_CHECKING:
    from mcp.shared.message import SessionMessage

    Message = SessionMessage | Exception

_VERSION = "2025-11-25"
_MAX_NAMED = 10


class Mending:
    """What is done to the answers of one session. Nothing, until it is `wanted`. What nobody listens to is left to
    `chatter`."""

    def __init__(self, chatter: Chatter | None = None) -> None:
        self.wanted = False
        self.chatter = chatter or Chatter()
        self._left_out: dict[str, None] = {}

    def of(self, messages: Any) -> ObjectReceiveStream[Message]:
        """The stream of a server's messages, mended."""
        return _Mended(messages, self)

    def taken_out(self) -> str:
        """The names of the tools that were left out since this was last asked, for a person."""
        names, self._left_out = list(self._left_out), {}
        more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
        return ", ".join(names[:_MAX_NAMED]) + more

    def tools(self, listed: list[Any]) -> list[Any]:
        """Those that are defined well. A schema without a type is that of an object: nothing else can be meant."""
        kept = []
        for tool in listed:
            mended = _with_type(tool)
            if _is_valid(mended):
                kept.append(mended)
            else:
                name = tool.get("name") if isinstance(tool, Mapping) else None
                self._left_out[shown(str(name), 100, lines=False)] = None
        return kept


class _Mended(ObjectReceiveStream["Message"]):
    """Passes messages on; of answers that hold a list of tools, what is left of them."""

    def __init__(self, messages: Any, mending: Mending) -> None:
        self._messages, self._mending = messages, mending

    @property
    def last_context(self) -> Any:
        """What the library wants to know of the streams that it makes itself."""
        return getattr(self._messages, "last_context", None)

    async def receive(self) -> Message:
        """The next message. Raises as the stream beneath does."""
        message: Message = await self._messages.receive()
        while not isinstance(message, Exception) and _is_idle(message.message):
            self._mending.chatter.pass_over()
            message = await self._messages.receive()
        result = None if isinstance(message, Exception) else getattr(message.message, "result", None)
        if self._mending.wanted and isinstance(result, dict) and isinstance(result.get("tools"), list):
            result["tools"] = self._mending.tools(result["tools"])
        return message

    async def aclose(self) -> None:
        """Close the stream beneath."""
        await self._messages.aclose()


def _is_idle(message: Any) -> bool:
    """Whether it is a notification that nobody listens to."""
    method = getattr(message, "method", None)
    return method is not None and getattr(message, "id", None) is None and method not in HEARD


def _with_type(tool: Any) -> Any:
    schema = tool.get("inputSchema") if isinstance(tool, dict) else None
    if not isinstance(schema, dict) or schema.get("type") is not None:
        return tool
    return {**tool, "inputSchema": {**schema, "type": "object"}}


def _is_valid(tool: Any) -> bool:
    from mcp_types import Tool, methods

    try:
        methods.validate_server_result("tools/list", _VERSION, {"tools": [tool]})
        Tool.model_validate(tool, by_name=False)
    except ValueError:
        return False
    return True
