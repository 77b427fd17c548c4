"""The sink `local_analytics`: JSON lines, appended by any number of processes at once.

There is no lock. A write is whole lines in one call to a file opened for appending, which the system carries out
one after another. A file that is full is renamed, which is atomic; who has it open at that moment still writes into
it, and opens the new one the next time.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import orjson

from codex_plugin_sdk import Event, StoreError, TelemetrySetup, ThreadClosed, TurnCompleted, TurnFailed, TurnInterrupted

from .kinds import SCHEMA_VERSION, fields_of
from .reading import kind_of
from .section import LocalAnalyticsSection

if TYPE_CHECKING:
    from .kinds import Kind

BUFFER_BYTES = 16_384
CURRENT = "events.jsonl"
_ENDINGS = (TurnCompleted, TurnFailed, TurnInterrupted, ThreadClosed)


class AnalyticsSink:
    """Keeps events of one thread. Written at the end of each turn, or when enough has come together."""

    def __init__(self, setup: TelemetrySetup) -> None:
        section = LocalAnalyticsSection(**setup.options)
        self._max_bytes, self._max_files = section.max_bytes, section.max_files
        self._folder = os.path.join(setup.codex_home, "kernel", "analytics")
        self._path = os.path.join(self._folder, CURRENT)
        self._buffer = bytearray()

    def emit(self, event: Event) -> None:
        """Keep an event, if its kind is. Raises `StoreError` when nothing can be written, which ends it."""
        kind = kind_of(event.msg)
        if kind is not None:
            self._buffer += line_of(event, kind)
        if isinstance(event.msg, _ENDINGS) or len(self._buffer) >= BUFFER_BYTES:
            self._write()

    def close(self) -> None:
        """Write what is left. Raises `StoreError`."""
        self._write()

    def _write(self) -> None:
        if not self._buffer:
            return
        data, self._buffer = bytes(self._buffer), bytearray()
        try:
            if self._append(data) >= self._max_bytes:
                self._put_aside()
        except OSError as error:
            raise StoreError(f"{self._path}: analytics cannot be written: {error.strerror}") from error

    def _append(self, data: bytes) -> int:
        """Add whole lines; the file's size then."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        # Opened anew each time, once a turn: so it is always the current file, and nothing is kept open.
        number = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            size = os.fstat(number).st_size
            os.lseek(number, max(0, size - 1), os.SEEK_SET)  # for reading; writes go to the end
            if size and os.read(number, 1) != b"\n":
                data = b"\n" + data  # somebody's last line was cut off, by a full disk or a loss of power
            written = os.write(number, data)
            if written < len(data):
                raise OSError(0, "the disk is full")
            return size + written
        finally:
            os.close(number)

    def _put_aside(self) -> None:
        """Rename the full file and remove the oldest ones. Others may do the same at the same moment."""
        aside = os.path.join(self._folder, f"events-{time.time_ns():020}-{os.getpid()}.jsonl")
        try:
            if os.stat(self._path).st_size >= self._max_bytes:  # else somebody was quicker
                os.rename(self._path, aside)
        except FileNotFoundError:
            return
        old = sorted(name for name in os.listdir(self._folder) if name.startswith("events-"))
        for name in old[: max(0, len(old) - self._max_files)]:
            try:
                os.unlink(os.path.join(self._folder, name))
            except FileNotFoundError:
                continue  # somebody was quicker


def line_of(event: Event, kind: Kind) -> bytes:
    """One line of the file."""
    record = {
        "v": SCHEMA_VERSION,
        "kind": kind.name(),
        "at_ms": event.at_ms,
        "thread_id": event.thread_id,
        "turn_id": event.turn_id,
        "seq": event.seq,
    }
    record.update((name, getattr(kind, name)) for name in fields_of(type(kind)))
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
