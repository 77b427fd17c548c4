"""Our schema against the recorded one, method by method. Every difference is intended: schema_differences.toml says why.

What is compared are params and results of the methods that we serve, and of our notifications and requests. That we
send less than the schema permits is no difference where clients have to expect it: an optional member that is never
there, a word that is never used, a null that never comes.
"""

import json
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from codex_app_server.notifications import NOTIFICATIONS
from codex_app_server.results import RESULTS
from codex_app_server.schema import Definitions
from codex_app_server.schema_json import bundle
from codex_app_server.server_requests import SERVER_REQUESTS

HERE = Path(__file__).parent
RECORDED = HERE.parents[3] / "shared" / "protocol" / "app_server"
FILE = HERE / "schema_differences.toml"
ENVELOPES = {"request": "ClientRequest", "notification": "ServerNotification", "question": "ServerRequest"}


class Schema:
    """A bundle, in which references are followed."""

    def __init__(self, bundled: dict[str, Any]) -> None:
        self.definitions = bundled["definitions"]

    def messages(self, envelope: str) -> dict[str, Any]:
        """The params of the methods of an envelope."""
        return {
            variant["properties"]["method"]["enum"][0]: variant["properties"].get("params", {})
            for variant in self.definitions[envelope]["oneOf"]
        }

    def named(self, name: str) -> Any:
        """A definition; None if there is none."""
        return self.definitions.get(name, self.definitions["v2"].get(name))

    def plain(self, schema: Any) -> "Plain":
        """A schema reduced to what is compared."""
        return Plain(self, schema)


class Plain:
    """The types of a schema, and what is inside each of them."""

    def __init__(self, schema: Schema, found: Any) -> None:
        self.schema = schema
        self.types: set[str] = set()
        self.words: set[str] = set()
        self.records: list[dict[str, Any]] = []
        self.items: Any = None
        self.others: Any = None
        self._take(found)

    def _take(self, found: Any) -> None:
        if found is True or not found:
            self.types.add("any")
            return
        if "$ref" in found:
            path = found["$ref"].removeprefix("#/definitions/").split("/")
            inner = self.schema.definitions
            for part in path:
                inner = inner[part]
            self._take(inner)
            return
        options = [*found.get("anyOf", ()), *found.get("oneOf", ()), *found.get("allOf", ())]
        if "properties" in found and options:
            # Members that are common to all options.
            for option in options:
                merged = {**found.get("properties", {}), **option.get("properties", {})}
                required = [*found.get("required", ()), *option.get("required", ())]
                self._take({"type": "object", "properties": merged, "required": required})
            return
        for option in options:
            self._take(option)
        kinds = found.get("type", ())
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            self._take_kind(kind, found)
        if not kinds and not options and "not" not in found:
            self.types.add("any")

    def _take_kind(self, kind: str, found: dict[str, Any]) -> None:
        self.types.add("enum" if "enum" in found else kind)
        self.words |= set(found.get("enum", ()))
        if kind == "array":
            self.items = found.get("items", True)
        if kind == "object":
            if "properties" in found:
                self.records.append(found)
            elif found.get("additionalProperties") not in (None, False):
                self.others = found["additionalProperties"]

    def by_tag(self) -> dict[str, dict[str, Any]]:
        """Records by the word that tells them apart; a single one has none."""
        found: dict[str, dict[str, Any]] = {}
        for record in self.records:
            tag = next((_word(record, name) for name in ("type", "mode", "method") if _word(record, name)), None)
            if tag is None:
                tag = next(iter(record["properties"])) if len(self.records) > 1 else ""
            found[tag] = _either(found[tag], record) if tag in found else record
        return found


def _either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two records of the same word: the members of both, those required that both require."""
    required = set(one.get("required", ())) & set(other.get("required", ()))
    both = {
        name: {"anyOf": [one["properties"][name], other["properties"][name]]}
        for name in one["properties"].keys() & other["properties"].keys()
    }
    return {"properties": {**one["properties"], **other["properties"], **both}, "required": sorted(required)}


def _word(record: dict[str, Any], name: str) -> str:
    words = record["properties"].get(name)
    words = words.get("enum", ()) if isinstance(words, dict) else ()
    return words[0] if len(words) == 1 else ""


def compare(ours: Plain, theirs: Plain, place: str, *, sent: bool) -> Iterator[str]:
    """How they differ. `sent` says that we send it, so that less is no difference."""
    if "any" in theirs.types:
        return
    if "any" in ours.types:
        yield f"{place}: of any type here"
        return
    ours_kinds, theirs_kinds = _kinds(ours), _kinds(theirs)
    for kind in sorted(ours_kinds - theirs_kinds):
        yield f"{place}: may be {kind} only here"
    for kind in sorted(theirs_kinds - ours_kinds - ({"null"} if sent else set())):
        if not sent:
            yield f"{place}: may be {kind} only there"
    if "string" not in theirs.types and "string" not in ours.types:
        for word in sorted(ours.words - theirs.words):
            yield f"{place}: `{word}` only here"
        for word in sorted(theirs.words - ours.words) if not sent else ():
            yield f"{place}: `{word}` only there"
    if ours.items is not None and theirs.items is not None:
        yield from compare(ours.schema.plain(ours.items), theirs.schema.plain(theirs.items), f"{place}[]", sent=sent)
    if ours.others is not None and theirs.others is not None:
        yield from compare(ours.schema.plain(ours.others), theirs.schema.plain(theirs.others), f"{place}.*", sent=sent)
    yield from _compare_records(ours, theirs, place, sent=sent)


def _kinds(plain: Plain) -> set[str]:
    kinds = {"string" if kind == "enum" else "number" if kind == "integer" else kind for kind in plain.types}
    return kinds - {"null"} if not kinds - {"null"} else kinds


def _compare_records(ours: Plain, theirs: Plain, place: str, *, sent: bool) -> Iterator[str]:
    mine, other = ours.by_tag(), theirs.by_tag()
    if len(mine) == 1 and "" in other:
        mine = {"": next(iter(mine.values()))}
    elif "" in mine and other:
        first = next(iter(mine[""]["properties"]))
        if first in other:
            mine = {first: mine[""]}
        else:  # told apart there by a member that has one word here
            other = {"": reduce(_either, other.values())}
    for tag in sorted(mine.keys() | other.keys()):
        at = f"{place}<{tag}>" if tag else place
        if tag not in other:
            if other or theirs.others is None:
                yield f"{at}: only here"
        elif tag not in mine:
            if not sent and ours.others is None and "object" not in ours.types - {"object"} and mine:
                yield f"{at}: only there"
        else:
            yield from _compare_members(ours.schema, mine[tag], theirs.schema, other[tag], at, sent=sent)


def _compare_members(
    our_schema: Schema, ours: dict[str, Any], their_schema: Schema, theirs: dict[str, Any], place: str, *, sent: bool
) -> Iterator[str]:
    mine, other = ours["properties"], theirs["properties"]
    ours_needed, theirs_needed = set(ours.get("required", ())), set(theirs.get("required", ()))
    for name in sorted(mine.keys() | other.keys()):
        at = f"{place}.{name}"
        if name not in other:
            yield f"{at}: only here"
        elif name not in mine:
            if not sent or name in theirs_needed:
                yield f"{at}: only there"
        else:
            if name in theirs_needed and name not in ours_needed:
                yield f"{at}: required only there"
            if not sent and name in ours_needed - theirs_needed:
                yield f"{at}: required only here"
            inner, their_inner = our_schema.plain(mine[name]), their_schema.plain(other[name])
            yield from compare(inner, their_inner, at, sent=sent)


def differences(ours: Schema, theirs: Schema) -> Iterator[str]:
    """All differences, one a line."""
    for kind, envelope in ENVELOPES.items():
        mine, other = ours.messages(envelope), theirs.messages(envelope)
        for name in sorted(mine):
            if name not in other:
                yield f"{name}: no {kind} of the recorded schema"
                continue
            sent = kind != "request"
            yield from compare(ours.plain(mine[name]), theirs.plain(other[name]), f"{name} params", sent=sent)
    answers = {name: (shape.definition, True) for name, shape in RESULTS.items()}
    answers |= {name: (answer.definition, False) for name, (_, answer) in SERVER_REQUESTS.items()}
    for name, (definition, sent) in sorted(answers.items()):
        mine, other = ours.named(definition), theirs.named(definition)
        if mine is None:
            continue  # an experimental one
        if other is None:
            yield f"{name} result: {definition} is no name of the recorded schema"
        else:
            yield from compare(ours.plain(mine), theirs.plain(other), f"{name} result", sent=sent)
    for name, shape in sorted(NOTIFICATIONS.items()):
        if theirs.named(shape.definition) is None:
            yield f"{name}: {shape.definition} is no name of the recorded schema"


def intended() -> dict[str, str]:
    """Patterns of differences, and why they are intended."""
    found = tomllib.loads(FILE.read_text())
    return {pattern: entry["why"] for entry in found["intended"] for pattern in entry["differences"]}


def test_each_intended_difference_has_a_reason_and_stands_once():
    entries = tomllib.loads(FILE.read_text())["intended"]
    patterns = [pattern for entry in entries for pattern in entry["differences"]]
    assert len(patterns) == len(set(patterns))
    assert all(len(entry["why"].split()) > 3 for entry in entries)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded schema is not at hand")
@pytest.mark.parametrize("experimental", [False, True])
def test_our_schema_differs_from_the_recorded_one_only_as_intended(experimental):
    name = "schema-experimental.json" if experimental else "schema.json"
    theirs = Schema(json.loads((RECORDED / name).read_text()))
    found = list(differences(Schema(bundle(Definitions(experimental=experimental))), theirs))
    patterns = intended()
    unlisted = [line for line in found if not any(fnmatchcase(line, pattern) for pattern in patterns)]
    assert not unlisted, "not in schema_differences.toml:\n" + "\n".join(unlisted)
    if experimental:
        stale = [pattern for pattern in patterns if not any(fnmatchcase(line, pattern) for line in found)]
        assert not stale, "no difference any more:\n" + "\n".join(stale)
