"""HTTP bodies, streamed from one connection to another in bounded pieces."""

from __future__ import annotations

from .chunks import ChunkDecoder, encode_chunk
from .faults import Malformed
from .wire import Wire


async def copy_body(source: Wire, sink: Wire, *, chunked: bool, length: int | None, rechunk: bool = True) -> None:
    """Copy a chunked body, else one of `length` bytes, else (None) all up to the end. A chunked one is checked
    and chunked anew, or with `rechunk` false written plainly. Raises `Malformed` when it is broken or ends
    too early, `OSError` and `SendFailed` as `Wire` does."""
    if chunked:
        await _copy_chunks(source, sink, rechunk=rechunk)
    elif length is None:
        while data := await source.receive():
            await sink.send(data)
    else:
        while length:
            data = await source.receive(length)
            if not data:
                raise Malformed("the body ends too early")
            await sink.send(data)
            length -= len(data)


async def _copy_chunks(source: Wire, sink: Wire, *, rechunk: bool) -> None:
    decoder = ChunkDecoder()
    while not decoder.done:
        data = await source.receive()
        if not data:
            raise Malformed("the body ends too early")
        content = decoder.feed(data)
        if content:
            await sink.send(encode_chunk(content) if rechunk else content)
    source.unread(decoder.rest)
    if rechunk:
        await sink.send(encode_chunk(b""))
