"""What a server says of a request that it refuses, as a client reads it."""

import pytest

from codex_plugin_sdk import ProtocolError
from codex_plugin_sdk.remote.refusal import read_refusal


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        ({"code": -1, "message": "no such (file)"}, "no such (file)", ""),
        ({"code": -1, "message": "it failed (try (this) or that)", "data": None}, "it failed (try (this) or that)", ""),
        (
            {"code": -1, "message": "it failed (try (this) or that)", "data": {"hint": "try (this) or that"}},
            "it failed",
            "try (this) or that",
        ),
        ({"code": -1, "message": "it failed", "data": {"hint": "another"}}, "it failed", "another"),
        ({"code": -1, "message": "it failed", "data": {"hint": 5}}, "it failed", ""),
        ({"code": -1, "message": "it failed", "data": [1]}, "it failed", ""),
        ({}, "None", ""),
        ("odd", "odd", ""),
    ],
)
def test_message_and_hint_are_told_apart_where_the_server_does(error, message, hint):
    found = ProtocolError(**read_refusal(error))
    assert (found.message, found.hint) == (message, hint)
    if isinstance(error, dict) and error:
        assert (found.code, found.data) == (-1, error.get("data"))
