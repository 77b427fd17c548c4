"""Feed the decoder with what atheris comes up with: `python fuzz_decoder.py [-runs=N] [-max_total_time=S] [CORPUS]`.

Needs `pip install atheris`. It ends with an error and the input, if the decoder raises or takes something wrongly.
"""

import json
import sys

import atheris

with atheris.instrument_imports(include=["codex_app_server.wire"]):
    from codex_app_server.wire import MAX_DEPTH, Answer, Notification, Refused, Request, decode, encode, overlong

BEGIN = b'{"id":1,"method":"m","params":'


def one(data: bytes) -> None:
    """As it is, as params, and as the beginning of what is too long."""
    for line in (
        data,
        BEGIN + data + b"}",
        BEGIN + b"[" * (data[0] if data else 0) + b"]" * (data[0] if data else 0) + b"}",
    ):
        found = decode(line)
        assert found is None or isinstance(found, Request | Notification | Answer | Refused)
        if isinstance(found, Request):
            assert json.loads(encode({"id": found.id}))["id"] == found.id
            encode({"params": {"item": {"payload": found.params}}})
        if isinstance(found, Refused):
            assert line.count(b"[") + line.count(b"{") > MAX_DEPTH
    told = overlong(data)
    assert told.id is None or json.dumps(told.id)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
