import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from codex_mcp_bridge.schemas import MAX_DEPTH, MAX_NODES, ArgumentCheck, HopelessSchema, simplified


def nodes(data):
    pending, count = [data], 0
    while pending:
        node = pending.pop()
        count += 1
        pending += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return count


def test_a_plain_schema_comes_through_without_titles():
    schema = {
        "type": "object",
        "title": "Args",
        "properties": {"a": {"type": "integer", "title": "A", "description": "first"}},
        "required": ["a"],
        "$schema": "http://json-schema.org/draft-07/schema#",
    }
    assert simplified(schema).model == {
        "type": "object",
        "properties": {"a": {"type": "integer", "description": "first"}},
        "required": ["a"],
    }


def test_a_schema_of_nothing_is_an_object_without_properties():
    assert simplified({}).model == {"type": "object", "properties": {}}


def test_local_references_are_put_in_place():
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/P~1q"}},
        "$defs": {"P/q": {"type": "object", "properties": {"x": {"type": "string"}}}},
    }
    assert simplified(schema).model["properties"]["a"] == {"type": "object", "properties": {"x": {"type": "string"}}}


@pytest.mark.parametrize("pointer", ["#", "#/$defs/n", "#/properties/a"])
def test_a_loop_of_references_ends(pointer):
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": pointer}},
        "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}},
    }
    assert nodes(simplified(schema).model) < 50


def test_references_elsewhere_are_not_followed():
    schema = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/x.json", "description": "d"}}}
    assert simplified(schema).model["properties"] == {"a": {"description": "d"}}


def test_a_million_nodes_are_refused_quickly():
    schema = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(500_000)}}
    began_s = time.process_time()
    json.dumps(schema)
    written_s = time.process_time() - began_s
    began_s = time.process_time()
    with pytest.raises(HopelessSchema, match="more than 10,000 parts"):
        simplified(schema)
    assert time.process_time() - began_s < 3 * written_s


def test_references_that_multiply_are_refused():
    defs = {
        f"d{i}": {"type": "object", "properties": {c: {"$ref": f"#/$defs/d{i + 1}"} for c in "abcdefghij"}}
        for i in range(9)
    }
    defs["d9"] = {"type": "string"}
    with pytest.raises(HopelessSchema, match="grows beyond"):
        simplified({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs})


def test_a_schema_that_is_too_deep_is_refused_without_recursion():
    schema = {}
    for _ in range(100_000):
        schema = {"properties": {"a": schema}}
    with pytest.raises(HopelessSchema, match="nested"):
        simplified(schema)
    while schema:  # freeing it at once would be too deep as well
        schema = schema["properties"]["a"]


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ([], "not an object"),
        ({"type": "string"}, "wants string"),
        ({"properties": {"a\u202eb": {}}, "required": ["a\u202eb"]}, "unreadable name"),
        ({"description": "x" * 300_000}, "longer than"),
    ],
)
def test_hopeless_schemas_say_why(schema, why):
    with pytest.raises(HopelessSchema, match=why):
        simplified(schema)


def test_alternatives_on_top_become_properties():
    schema = {
        "anyOf": [
            {"properties": {"a": {"type": "string"}, "x": {"type": "string"}}, "required": ["a", "x"]},
            {"properties": {"b": {"type": "string"}, "x": {"type": "integer"}}, "required": ["b", "x"]},
        ]
    }
    found = simplified(schema)
    assert found.model == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "x": {}, "b": {"type": "string"}},
        "required": ["x"],
    }
    assert ArgumentCheck(found.checked).problem({"a": "1", "x": "2"}) == ""
    assert ArgumentCheck(found.checked).problem({"a": "1"}) != ""


def test_descriptions_are_shown_without_hidden_characters():
    schema = {"properties": {"a": {"description": "x\x1b[31m\u202ey\U000e0041"}}}
    assert simplified(schema).model["properties"]["a"]["description"] == "x\\x1b[31m\\u202ey\\U000e0041"


def test_numbers_that_not_every_json_can_say_are_left_out():
    huge, infinite = 10**30, float("inf")
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "number", "minimum": -infinite, "maximum": huge, "default": infinite, "enum": [1, [huge]]},
            "b": {"type": "string", "maxLength": huge, "minLength": 1},
            "c": {"const": {"x": infinite}},
        },
    }
    assert simplified(schema).model["properties"] == {
        "a": {"type": "number"},
        "b": {"type": "string", "minLength": 1},
        "c": {},
    }


def test_a_hidden_property_is_left_out():
    assert simplified({"properties": {"a\u200b": {}, "b": {}}}).model["properties"] == {"b": {}}


def test_wrong_arguments_are_told_with_their_place():
    check = ArgumentCheck(simplified({"properties": {"a": {"items": {"type": "integer"}, "type": "array"}}}).checked)
    assert check.problem({"a": [1, "x"]}) == "a[1]: 'x' is not of type 'integer'"
    assert check.problem({"a": [1]}) == ""


def test_a_pattern_cannot_keep_the_check_busy():
    schema = {"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert ArgumentCheck(simplified(schema).checked).problem({"a": "a" * 60 + "!"}) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def schemas(*pointers):
    reference = {"$ref": st.sampled_from(pointers)} if pointers else {}
    return st.recursive(
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])
                | st.lists(st.sampled_from(["object", "array", "string", "null"]), min_size=1, unique=True),
                "enum": st.lists(JSON, min_size=1, max_size=3),
                "const": JSON,
                "minLength": st.integers(0, 3),
                "maximum": st.integers(-3, 3),
                "pattern": st.just("^a"),
                "nullable": st.booleans(),
                **reference,
                "not": st.just({"type": "null"}),
            },
        ),
        lambda inner: st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["object", "array"]),
                "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
                "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
                "additionalProperties": st.booleans() | inner,
                "items": inner,
                "prefixItems": st.lists(inner, min_size=1, max_size=2),
                "anyOf": st.lists(inner, min_size=1, max_size=2),
                "oneOf": st.lists(inner, min_size=1, max_size=2),
                "allOf": st.lists(inner, min_size=1, max_size=2),
                **reference,
            },
        ),
        max_leaves=8,
    )


PLAIN, LOOPING = schemas(), schemas("#", "#/$defs/x", "#/properties/a", "#/nowhere", "other.json")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(schemas("#/$defs/x"), PLAIN, st.dictionaries(st.sampled_from("abc"), JSON, max_size=3))
def test_whatever_the_servers_schema_accepts_is_accepted(schema, definition, arguments):
    schema = {**schema, "$defs": {"x": definition}}
    try:
        found = simplified(schema)
    except HopelessSchema:
        return
    if Draft202012Validator(schema).is_valid(arguments):
        assert ArgumentCheck(found.checked).problem(arguments) == ""


def no_references(schema):
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            assert "$ref" not in node or not isinstance(node["$ref"], str)
            pending += node.values()


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(LOOPING, LOOPING)
def test_the_model_gets_an_object_without_references_of_bounded_size(schema, definition):
    try:
        found = simplified({**schema, "$defs": {"x": definition}})
    except HopelessSchema:
        return
    assert found.model["type"] == "object"
    assert set(found.model.get("required", ())) <= set("abc")
    assert not {"anyOf", "allOf", "oneOf"} & set(found.model)
    no_references({key: entry for key, entry in found.model.items() if key != "default"})
    assert nodes(found.model) <= 2 * MAX_NODES + MAX_DEPTH


@settings(max_examples=40, deadline=None)
@given(JSON)
def test_any_json_is_either_simplified_or_refused(data):
    try:
        found = simplified(data)
    except HopelessSchema:
        return
    Draft202012Validator.check_schema(dict(found.checked))
    assert isinstance(found.model["properties"], dict)
