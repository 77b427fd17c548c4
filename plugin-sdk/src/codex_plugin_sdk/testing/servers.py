"""Scripted model servers: real HTTP on loopback, answers and faults from a list.

In a test::

    with ScriptedResponsesServer() as server:
        server.play(server.answer(say("hello")), server.answer(call("exec_command", cmd="true")))
        ...  # point a provider's base_url at server.base_url
        assert server.requests[0].json["model"] == "gpt-5.5"

From a shell (prints the port, ends with Ctrl-C)::

    python -m codex_plugin_sdk.testing.servers --responses script.json --port 0
    python -m codex_plugin_sdk.testing.servers --chat script.json --port 8080

`script.json` is a list with one object per reply: `{"items": [{"say": "hi"}, {"think": "…"},
{"call": "exec_command", "arguments": {"cmd": "ls"}}, {"freeform": "apply_patch", "input": "…"}],
"usage": {"input_tokens": 10}}`, or `{"status": 429, "headers": {"retry-after": "1"}, "body": {…}}`, or
`{"raw": "not HTTP"}`; `"cut_after": BYTES` and `"delay_s": SECONDS` may be added to any.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from codex_plugin_sdk import CustomToolCall, FunctionCall, Reasoning, ResponseItem, TokenUsage, text_message

from .scripted_http import Delay, RecordedRequest, Reply, Script, ScriptedServer, Stall, json_reply
from .sse_wire import (
    USAGE,
    chat_answer,
    chat_chunk,
    data,
    event,
    responses_answer,
    responses_failed,
    responses_incomplete,
    stream,
)

__all__ = [
    "Delay",
    "RecordedRequest",
    "Reply",
    "ScriptedChatServer",
    "ScriptedModelServer",
    "ScriptedResponsesServer",
    "ScriptedServer",
    "Stall",
    "cut",
    "empty",
    "garbage",
    "json_reply",
    "slowed",
    "stalled",
]


class ScriptedModelServer(ScriptedServer):
    """A scripted server with a dialect. Subclass it for a wire API of your own, for the conformance kit."""

    def answer(self, *items: ResponseItem, usage: TokenUsage | None = USAGE) -> Reply:
        """A complete answer of these items."""
        raise NotImplementedError

    def half_utf8(self) -> Reply:
        """A complete answer whose text holds half a UTF-8 sequence."""
        return self._bent(b"\xe2\x82", b"HALF")

    def huge_event(self, size_bytes: int) -> Reply:
        """A complete answer of one text, which comes in one event of at least `size_bytes`."""
        raise NotImplementedError

    def not_json(self) -> Reply:
        """A stream with an event that is not JSON."""
        return stream([b"event: message\ndata: <html>no\x07pe</html>\n\n"])

    def _bent(self, new: bytes, old: bytes) -> Reply:
        reply = self.answer(text_message("assistant", f"a{old.decode()}z", id="msg_1"))
        return reply.replace(steps=tuple(s.replace(old, new) if isinstance(s, bytes) else s for s in reply.steps))


class ScriptedResponsesServer(ScriptedModelServer):
    """Speaks the Responses API at `/v1/responses`."""

    def answer(self, *items: ResponseItem, usage: TokenUsage | None = USAGE) -> Reply:
        """A complete answer of these items."""
        return responses_answer(*items, usage=usage)

    def failed(self, code: str, message: str = "scripted failure") -> Reply:
        """An answer that fails within the stream."""
        return responses_failed(code, message)

    def incomplete(self, reason: str) -> Reply:
        """An answer that the server gives up on."""
        return responses_incomplete(reason)

    def error_event(self, code: str, message: str) -> Reply:
        """A stream of a single `error` event."""
        return stream([event("error", {"error": {"code": code, "message": message}})])

    def huge_event(self, size_bytes: int) -> Reply:
        """A complete answer of one text, which comes in one event of at least `size_bytes`."""
        return responses_answer(text_message("assistant", "x" * size_bytes, id="msg_1"), delta_chars=size_bytes)


class ScriptedChatServer(ScriptedModelServer):
    """Speaks Chat Completions at `/v1/chat/completions`."""

    def answer(self, *items: ResponseItem, usage: TokenUsage | None = USAGE) -> Reply:
        """A complete answer of these items."""
        return chat_answer(*items, usage=usage)

    def deltas(self, *deltas: Mapping[str, Any], finish_reason: str | None = "stop") -> Reply:
        """An answer of these very deltas, in the order given, with `[DONE]` at its end."""
        events = [chat_chunk(delta) for delta in deltas]
        if finish_reason is not None:
            events.append(chat_chunk({}, finish_reason=finish_reason))
        return stream([*events, b"data: [DONE]\n\n"])

    def error_event(self, code: str, message: str) -> Reply:
        """An error in the middle of a stream."""
        return stream([chat_chunk({"content": "so "}), data({"error": {"code": code, "message": message}})])

    def huge_event(self, size_bytes: int) -> Reply:
        """A complete answer of one text, which comes in one event of at least `size_bytes`."""
        return chat_answer(text_message("assistant", "x" * size_bytes), delta_chars=size_bytes)


# -- faults --------------------------------------------------------------------------------------


def cut(reply: Reply, after_bytes: int, *, reset: bool = False) -> Reply:
    """The reply with the connection closed after so many bytes of its body."""
    return reply.replace(cut_after=after_bytes, reset=reset)


def garbage(text: bytes = b"\x00\xfe\xffSSH-2.0-garbage\r\n") -> Reply:
    """Bytes that are not HTTP."""
    return Reply(raw=True, steps=(text,))


def stalled(reply: Reply, after_steps: int = 1) -> tuple[Reply, Stall]:
    """The reply with a pause after its first steps, and the pause's release."""
    stall = Stall()
    steps = (*reply.steps[:after_steps], stall, *reply.steps[after_steps:])
    return reply.replace(steps=steps), stall


def slowed(reply: Reply, seconds: float) -> Reply:
    """The reply with a delay before each of its steps."""
    return reply.replace(steps=tuple(part for step in reply.steps for part in (Delay(seconds=seconds), step)))


def empty() -> Reply:
    """A good status, an event stream's content type, and nothing."""
    return Reply()


# -- scripts from files --------------------------------------------------------------------------


def read_script(raw: Sequence[Mapping[str, Any]], answer: Callable[..., Reply]) -> list[Script]:
    """Replies from the plain data of a script file. Raises `ValueError` naming the entry that is wrong."""
    replies: list[Script] = []
    for number, entry in enumerate(raw, 1):
        try:
            reply = _read_reply(entry, answer)
            if "delay_s" in entry:
                reply = reply.replace(steps=(Delay(seconds=float(entry["delay_s"])), *reply.steps))
            if "cut_after" in entry:
                reply = cut(reply, int(entry["cut_after"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"reply {number} of the script: {error!r}") from error
        replies.append(reply)
    return replies


def _read_reply(entry: Mapping[str, Any], answer: Callable[..., Reply]) -> Reply:
    if "raw" in entry:
        return garbage(entry["raw"].encode())
    if "status" in entry:
        return json_reply(int(entry["status"]), entry.get("body", ""), entry.get("headers"))
    items = [_read_item(item, f"call_{at}") for at, item in enumerate(entry["items"], 1)]
    usage = TokenUsage(**entry["usage"]) if "usage" in entry else USAGE
    return answer(*items, usage=usage)


def _read_item(item: Mapping[str, Any], call_id: str) -> ResponseItem:
    call_id = item.get("call_id", call_id)
    match item:
        case {"say": str(text)}:
            return text_message("assistant", text, id=f"msg_{call_id}")
        case {"think": str(text)}:
            return Reasoning(id=f"rs_{call_id}", summary=(text,))
        case {"call": str(name)}:
            arguments = item.get("arguments", {})
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            return FunctionCall(id=f"fc_{call_id}", call_id=call_id, name=name, arguments=text)
        case {"freeform": str(name), "input": str(text)}:
            return CustomToolCall(id=f"ctc_{call_id}", call_id=call_id, name=name, input=text)
        case _:
            raise ValueError(f"an item is one of say, think, call, freeform; not {json.dumps(item)}")


def main(argv: Iterable[str] | None = None) -> int:
    """Serve a script file until interrupted."""
    parser = argparse.ArgumentParser(prog="codex_plugin_sdk.testing.servers", description="Play a model server.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--responses", metavar="SCRIPT", help="script file, spoken as the Responses API")
    which.add_argument("--chat", metavar="SCRIPT", help="script file, spoken as Chat Completions")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--repeat-last", action="store_true", help="play the last reply for all further requests")
    options = parser.parse_args(None if argv is None else list(argv))
    kind = ScriptedResponsesServer if options.responses else ScriptedChatServer
    server = kind(port=options.port, repeat_last=options.repeat_last)
    try:
        with open(options.responses or options.chat, encoding="utf-8") as file:
            server.play(*read_script(json.load(file), server.answer))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
