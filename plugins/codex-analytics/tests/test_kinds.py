"""What is kept, and that nothing else is."""

import inspect
import json
import re
from pathlib import Path

import pytest

from codex_analytics import kinds, reading
from codex_analytics.kinds import ENVELOPE, KINDS, fields_of, table
from codex_analytics.reading import kind_of
from codex_analytics.sink import line_of
from codex_plugin_sdk import CommandExecutionItem, ItemCompleted, ItemStatus, Notice, ToolCallItem
from codex_plugin_sdk.testing.event_samples import events, every_message, thread_started

README = Path(__file__).parents[1] / "README.md"
TYPES = {"str": str, "int": int, "bool": bool, "str | None": (str, type(None)), "int | None": (int, type(None))}


def kept():
    messages = [*every_message(), thread_started().replace(resumed=True)]
    return [(event, kind) for event in events(messages) if (kind := kind_of(event.msg)) is not None]


def test_there_are_more_than_twenty_kinds_and_every_one_comes_from_an_event():
    assert len(KINDS) > 20
    assert {kind.name() for _, kind in kept()} == set(KINDS)


def test_every_line_has_the_fields_and_types_that_are_documented():
    for event, kind in kept():
        record = json.loads(line_of(event, kind))
        wanted = {name: type_ for name, (type_, _) in ENVELOPE.items()} | fields_of(type(kind))
        assert list(record) == list(wanted)
        for name, type_ in wanted.items():
            assert isinstance(record[name], TYPES[type_]), (kind.name(), name)
            assert type_ == "bool" or not isinstance(record[name], bool)


def test_nothing_that_was_written_is_kept():
    """Every text of the sample events, but names from closed lists and ids."""
    said = "".join(line_of(event, kind).decode() for event, kind in kept())
    words = ["Fix it", "I will", "Looking", "raw", "a.txt", "/workspace", "/home", "rm -rf", "hello", "Success", "boom",
             "demo", "it broke", "12:00", "weather", "two steps", "hologram", "example.com", "which branch", "docs",
             "/hooks", "left out", "Colour", "deletes", "old kernel", "msg_", "call_"]  # fmt: skip
    assert [word for word in words if word in said] == []


@pytest.mark.parametrize("name", ["please delete /home/me", "a/b", "x" * 65, "ü", "", "sk-1\n2"])
def test_what_does_not_look_like_a_name_is_kept_as_other(name):
    item = ToolCallItem(id="c", tool=name, arguments="", status=ItemStatus.COMPLETED)
    assert kind_of(ItemCompleted(item=item)) == kinds.ToolCalled(tool="other", status="completed")
    assert kind_of(Notice(level=name, message="m")) == kinds.NoticeShown(level="other")


def test_models_may_have_a_vendor_but_no_path():
    assert kind_of(thread_started().replace(model="acme/model-1:free")).model == "acme/model-1:free"
    assert kind_of(thread_started().replace(model="/models/mine.gguf")).model == "other"


def test_a_command_is_told_by_its_figures():
    item = CommandExecutionItem(
        id="c", command=("secret",), cwd="/secret", status=ItemStatus.FAILED, aggregated_output="secret", exit_code=2
    )
    assert kind_of(ItemCompleted(item=item)) == kinds.CommandRun(
        status="failed", exit_code=2, duration_ms=0, output_characters=6
    )


def test_the_readme_has_the_table_as_the_classes_have_it():
    text = README.read_text()
    found = re.search(r"<!-- kinds -->\n(.*?)\n<!-- /kinds -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == table(), (
        "put the output of `python -c 'from codex_analytics.kinds import table; print(table())'` there"
    )
    for name in ENVELOPE:
        assert f"`{name}`" in text


def test_every_kind_is_made_somewhere():
    source = inspect.getsource(reading)
    assert [kind.__name__ for kind in KINDS.values() if f"kinds.{kind.__name__}" not in source] == []
