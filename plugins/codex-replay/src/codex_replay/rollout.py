"""Reads rollouts, ours or Codex's, into a `Recording`. Lines that do not decode are passed over and counted.

An answer of the model ends with its usage, or with what follows it and is not the model's: an output, a message of
the user. The user's input is what the `UserMessage` item says; messages that only tell context are not the user's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from codex_plugin_sdk import ImageInput, RolloutLine, TextInput, UserError, UserInput, is_uuid, uuid7_unix_ms

from .recording import COMPACT, Body, RecordedTurn, Recording, Reply

_PASSTHROUGH = ("internal_chat_message_metadata_passthrough",)


def lines_of(data: Iterable[bytes]) -> Iterator[RolloutLine]:
    """The lines of a file that no store knows."""
    for raw in data:
        try:
            entry = orjson.loads(raw)
        except orjson.JSONDecodeError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("type"), str):
            payload = entry.get("payload")
            stamp = entry.get("timestamp")
            yield RolloutLine(
                type=entry["type"],
                payload=orjson.dumps(payload),
                decoded=payload,
                timestamp=stamp if isinstance(stamp, str) else "",
            )


def read_rollout(path: str, lines: Iterable[RolloutLine]) -> Recording:
    """The recording. Raises `UserError` for a rollout that holds no turn."""
    reader = _Reader(path)
    for line in lines:
        payload = line.members()
        if payload is None:
            reader.damaged += 1
        else:
            reader.take(line.type, payload)
    found = reader.finish()
    if not found.turns:
        raise UserError(f"{path} holds no turn to replay", hint="was the session interrupted at once?")
    return found


class _Reader:
    def __init__(self, path: str) -> None:
        self.damaged = 0
        self._path = path
        self._recording: Recording | None = None
        self._turn: RecordedTurn | None = None
        self._items: list[Body] = []
        self._images: tuple[str, ...] = ()

    def take(self, kind: str, payload: dict[str, Any]) -> None:
        """One line."""
        match kind:
            case "session_meta":
                if self._recording is None:
                    self._recording = Recording(self._path, payload)
            case "response_item":
                self._item(payload)
            case "turn_context":
                if self._turn is not None and not self._turn.context:
                    self._turn.context = payload
            case "token_usage_record":
                self._count(payload.get("usage"))
            case "compacted":
                self._compacted(payload)
            case "event_msg":
                self._event(payload)

    def finish(self) -> Recording:
        """All of it."""
        self._close()
        if self._recording is None:
            raise UserError(f"{self._path} is no rollout: it does not begin with `session_meta`")
        self._recording.damaged = self.damaged
        return self._recording

    def _event(self, payload: Mapping[str, Any]) -> None:
        match payload.get("type"):
            case "task_started" | "turn_started":
                self._begin(str(payload.get("turn_id") or ""))
            case "token_count":
                info = payload.get("info")
                self._count(info.get("last_token_usage") if isinstance(info, dict) else None)
            case "item_completed":
                item = payload.get("item")
                if isinstance(item, dict) and item.get("type") == "UserMessage":
                    self._said(list(_inputs(item.get("content"), self._images)))
            case "user_message":
                text = payload.get("message")
                self._said([TextInput(text=text)] if isinstance(text, str) else [])
            case "task_complete" | "turn_complete":
                self._end("completed")
            case "turn_aborted":
                self._end("interrupted")
            case "error":
                if self._turn is not None:
                    self._turn.error = str(payload.get("message") or "")
                self._end("failed")

    def _begin(self, turn_id: str) -> None:
        self._close()
        recording = self._recording
        if recording is None:
            return
        self._turn = RecordedTurn(turn_id, inherited=_is_inherited(turn_id, recording.thread_id))
        recording.turns.append(self._turn)

    def _end(self, state: str) -> None:
        self._close()
        if self._turn is not None:
            self._turn.state = state

    def _said(self, given: list[UserInput]) -> None:
        """The user's words. Older versions tell them twice, as an item and as an event."""
        turn = self._turn
        if turn is None or not given:
            return
        said = tuple(given)
        if turn.input is None and not turn.replies and not self._items:
            turn.input = said
        elif said != turn.input or turn.replies or self._items:
            self._close()
            known = turn.steers.setdefault(len(turn.replies), [])
            if said not in known:
                known.append(said)

    def _item(self, payload: dict[str, Any]) -> None:
        turn = self._turn
        if turn is None:
            return  # inherited without its turns, or written before the first
        raw = {name: found for name, found in payload.items() if name not in _PASSTHROUGH}
        tag = str(raw.get("type", ""))
        if tag.endswith("_output"):
            self._close()
            if isinstance(raw.get("call_id"), str):
                turn.outputs[raw["call_id"]] = raw
        elif tag == "message" and raw.get("role") != "assistant":
            self._close()
            self._images = tuple(_images(raw.get("content")))
        else:
            self._items.append(raw)

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict) or self._turn is None:
            return
        if self._items:
            self._close(usage)
        elif self._turn.replies and self._turn.replies[-1].usage is None:
            self._turn.replies[-1] = self._turn.replies[-1].replace(usage=usage)

    def _compacted(self, payload: Mapping[str, Any]) -> None:
        self._close()
        if self._turn is None:
            return
        text = payload.get("message")
        content = [{"type": "output_text", "text": text}]
        items: tuple[Body, ...] = ({"type": "message", "role": "assistant", "content": content},)
        good = isinstance(text, str) and bool(text)
        error = "" if good else "the summary failed when this was recorded"
        self._turn.replies.append(Reply(items=items if good else (), kind=COMPACT, error=error))

    def _close(self, usage: Body | None = None) -> None:
        items, self._items = self._items, []
        if items and self._turn is not None:
            self._turn.replies.append(Reply(items=tuple(items), usage=usage))


def _is_inherited(turn_id: str, thread_id: str) -> bool:
    """Whether a turn began before its thread did: then it was taken over from another."""
    if not (is_uuid(turn_id) and is_uuid(thread_id)) or turn_id[14] != "7" or thread_id[14] != "7":
        return False
    # The first turn of a thread may get its id a little before the thread gets its own.
    return uuid7_unix_ms(turn_id) < uuid7_unix_ms(thread_id) - 5000


def _inputs(content: object, images: tuple[str, ...]) -> Iterator[UserInput]:
    """What the user gave. Images come as the model got them: a file may have changed since."""
    waiting = list(images)
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            yield TextInput(text=part["text"])
        elif waiting:
            yield ImageInput(url=waiting.pop(0))


def _images(content: object) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and isinstance(part.get("image_url"), str):
            yield part["image_url"]
