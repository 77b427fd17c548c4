"""Forms of MCP servers: what is filled in is what is sent, once it fits."""

from __future__ import annotations

import pytest

from codex_tui.session.asks import BadAsk

from .asks_kit import form

TEXT = {"type": "string"}


def sent(schema, raw, *, required=True):
    """The value that is sent for what was filled in."""
    found = form({"f": schema}, ["f"] if required else []).form
    content, wrong = found.check({"f": raw})
    assert not wrong, wrong
    return content.get("f")


def fault(schema, raw, *, required=True):
    """What is wrong with it."""
    _, wrong = form({"f": schema}, ["f"] if required else []).form.check({"f": raw})
    return wrong.get("f")


@pytest.mark.parametrize(
    ("schema", "raw", "value"),
    [
        (TEXT, "abc", "abc"),
        ({**TEXT, "minLength": 3, "maxLength": 3}, "äöü", "äöü"),
        ({**TEXT, "format": "email"}, "a@example.org", "a@example.org"),
        ({**TEXT, "format": "uri"}, "mailto:a@b", "mailto:a@b"),
        ({**TEXT, "format": "date"}, "2026-02-28", "2026-02-28"),
        ({**TEXT, "format": "date-time"}, "2026-02-28T10:00:00Z", "2026-02-28T10:00:00Z"),
        ({**TEXT, "format": "colour"}, "anything", "anything"),
        ({"type": "integer"}, " 42 ", 42),
        ({"type": "number"}, "-1.5e3", -1500.0),
        ({"type": "number"}, "7", 7),
        ({"type": "boolean"}, False, False),
        ({"type": "boolean"}, True, True),
        ({**TEXT, "enum": ["a", "b"]}, "b", "b"),
        ({**TEXT, "oneOf": [{"const": "a", "title": "A"}]}, "a", "a"),
        ({"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}}, ("c", "a"), ["a", "c"]),
        ({"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}}, ("a",), ["a"]),
    ],
)
def test_what_fits_is_sent_as_its_type(schema, raw, value):
    found = sent(schema, raw)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "raw", "message"),
    [
        (TEXT, "", "this is required"),
        ({**TEXT, "minLength": 3}, "ab", "at least 3 characters are wanted"),
        ({**TEXT, "maxLength": 3}, "abcd", "at most 3 characters are wanted"),
        ({**TEXT, "format": "email"}, "a b@c", "an e-mail address is wanted"),
        ({**TEXT, "format": "uri"}, "no address", "an address such as https://example.org is wanted"),
        ({**TEXT, "format": "date"}, "2026-02-30", "a date such as 2026-01-31 is wanted"),
        ({**TEXT, "format": "date"}, "20260230", "a date such as 2026-01-31 is wanted"),
        ({**TEXT, "format": "date-time"}, "2026-02-28T10:00:00", "a time such as 2026-01-31T12:00:00Z is wanted"),
        ({"type": "integer"}, "1.5", "a whole number is wanted"),
        ({"type": "integer", "minimum": 5}, "4", "at least 5 is wanted"),
        ({"type": "number", "maximum": 1}, "1.1", "at most 1 is wanted"),
        ({"type": "number"}, "nan", "a number is wanted"),
        ({"type": "number"}, "1e999", "a number is wanted"),
        ({"type": "boolean"}, None, "this is required"),
        ({**TEXT, "enum": ["a"]}, "z", "pick one of the choices"),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2}, ("a",), "pick at least 2"),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 1}, ("a", "b"), "pick at most 1"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(schema, raw, message):
    assert fault(schema, raw) == message


@pytest.mark.parametrize(
    "schema", [TEXT, {"type": "number"}, {"type": "boolean"}, {"type": "array", "items": {"enum": ["a"]}}]
)
def test_what_is_not_required_may_be_left_out(schema):
    assert sent(schema, None, required=False) is None


def test_defaults_are_there_at_the_start():
    fields = form(
        {
            "text": {**TEXT, "default": "x", "title": "Text", "description": "Say it"},
            "count": {"type": "integer", "default": 3, "minimum": 1, "maximum": 9},
            "share": {"type": "number", "default": 0.1},
            "sure": {"type": "boolean", "default": False},
            "one": {**TEXT, "enum": ["a", "b"], "enumNames": ["A", "B"], "default": "b"},
            "many": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "default": ["a"]},
        },
        ["text", "count"],
    ).form.fields
    assert [(field.kind, field.start) for field in fields] == [
        ("text", "x"),
        ("integer", "3"),
        ("number", "0.1"),
        ("boolean", False),
        ("one", "b"),
        ("many", ("a",)),
    ]
    assert (fields[0].label, fields[2].label) == ("Text", "share")
    assert fields[1].hint == "whole number, 1 to 9, required"
    assert fields[4].options == (("a", "A"), ("b", "B"))


@pytest.mark.parametrize(
    ("properties", "required", "message"),
    [
        ({"f": {"type": "object"}}, [], "nobody can fill in here"),
        ({"f": {}}, [], "nobody can fill in here"),
        ({"f": 5}, [], "`f` is 5"),
        ({"f": {**TEXT, "enum": []}}, [], "no choices that are texts"),
        ({"f": {**TEXT, "enum": [1]}}, [], "no choices that are texts"),
        ({"f": {**TEXT, "enum": ["a"], "default": "z"}}, [], "none of its choices"),
        ({"f": {"type": "boolean", "default": "yes"}}, [], "neither true nor false"),
        ({"f": {"type": "integer", "minimum": "5"}}, [], "no number"),
        ({}, ["f"], "which is not in it"),
        ({str(n): TEXT for n in range(101)}, [], "more than 100"),
    ],
)
def test_a_form_that_cannot_be_filled_in_is_refused(properties, required, message):
    with pytest.raises(BadAsk, match=message):
        form(properties, required)
