"""The conformance kit of renderers: passes on the references, fails on each planted fault."""

from __future__ import annotations

import inspect
import itertools
import json
import sys
import time
import typing

import pytest

from codex_plugin_sdk import (
    AgentMessageItem,
    EventMsg,
    ItemCompleted,
    ItemStarted,
    ThreadItem,
    ThreadStarted,
    TurnCompleted,
    UnknownThreadItem,
    UserMessageItem,
)
from codex_plugin_sdk.testing.event_samples import every_item, every_message
from codex_plugin_sdk.testing.renderer_kit import RendererCase, RendererConformance

BOTH = frozenset({"stdout", "stderr"})
STDOUT = frozenset({"stdout"})
LIMIT_S = 1.0


def kinds(union: object) -> set[type]:
    return set(typing.get_args(union))


def test_samples_hold_every_kind_of_event_and_item() -> None:
    assert {type(message) for message in every_message()} == kinds(EventMsg)
    assert {type(item) for item in every_item()} == kinds(ThreadItem)


def test_samples_begin_update_and_complete_every_kind_of_item() -> None:
    for envelope in (ItemStarted, ItemCompleted):
        shown = {type(message.item) for message in every_message() if isinstance(message, envelope)}
        assert shown == kinds(ThreadItem)


# -- references ---------------------------------------------------------------------------------------


def clean(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text[:1000])


class Lines:
    """A line on stderr for each item; the agent's words on stdout at the end."""

    def __init__(self, setup) -> None:
        self.setup = setup
        self.final = None

    def handle(self, event) -> None:
        match event.msg:
            case ItemCompleted(item=item):
                self.say(type(item).__name__, self.words(item))
            case TurnCompleted(last_agent_message=text):
                self.final = text
            case message:
                self.say(type(message).__name__, "")

    def words(self, item) -> str:
        return item.text if isinstance(item, AgentMessageItem) else getattr(item, "path", getattr(item, "tag", ""))

    def say(self, name: str, words: str) -> None:
        start, end = ("\x1b[1m", "\x1b[0m") if self.setup.color else ("", "")
        self.setup.stderr.write(f"{start}{name}{end} {clean(words)}\n")

    def close(self) -> None:
        if self.final is not None:
            self.setup.stdout.write(clean(self.final) + "\n")
            self.setup.stdout.flush()
        self.final = None


class Json:
    """A line on stdout for each event."""

    def __init__(self, setup) -> None:
        self.setup = setup
        self.closed = False

    def handle(self, event) -> None:
        data = {"type": type(event.msg).__name__}
        if isinstance(event.msg, ItemCompleted) and isinstance(event.msg.item, UnknownThreadItem):
            data["tag"] = event.msg.item.tag[:1000]
        self.write(json.dumps(data))

    def write(self, line: str) -> None:
        self.setup.stdout.write(f"{line}\n")
        self.setup.stdout.flush()

    def close(self) -> None:
        self.closed = True


class TestLines(RendererConformance):
    @pytest.fixture
    def renderer_case(self):
        return RendererCase(open=Lines, streams=BOTH)


class TestJson(RendererConformance):
    @pytest.fixture
    def renderer_case(self):
        return RendererCase(open=Json, streams=STDOUT, for_programs=True)


# -- planted faults: each says which tests of the kit must notice it ----------------------------------


class KnowsNotAllEvents(Lines):
    notices = ("every_kind_of_event", "every_event_alone")

    def handle(self, event) -> None:
        if not isinstance(event.msg, ThreadStarted | ItemStarted | ItemCompleted | TurnCompleted):
            raise TypeError(event.msg)
        super().handle(event)


class KnowsNotAllItems(Lines):
    notices = ("every_kind_of_event", "unknown_items", "without_their_beginning")

    def words(self, item) -> str:
        if isinstance(item, UnknownThreadItem):
            raise KeyError(item.tag)
        return super().words(item)


class NeedsTheBeginning(Lines):
    notices = ("without_their_beginning", "every_event_alone")
    seen: tuple = ()

    def handle(self, event) -> None:
        if isinstance(event.msg, ItemStarted):
            self.seen = (*self.seen, event.msg.item.id)
        if isinstance(event.msg, ItemCompleted):
            self.seen.index(event.msg.item.id)
        super().handle(event)


class CannotEndHalfway(Lines):
    notices = ("never_end",)
    open: frozenset = frozenset()

    def handle(self, event) -> None:
        if isinstance(event.msg, ItemStarted):
            self.open |= {event.msg.item.id}
        if isinstance(event.msg, ItemCompleted):
            self.open -= {event.msg.item.id}
        super().handle(event)

    def close(self) -> None:
        super().close()
        assert not self.open


class ShowsRawText(Lines):
    notices = ("nothing_but_text", "strangers_control")

    def words(self, item) -> str:
        if isinstance(item, AgentMessageItem):
            self.setup.stderr.write(item.text[:1000])
        return super().words(item)


class ShowsRawTextInColourOnly(Lines):
    notices = ("strangers_control",)

    def words(self, item) -> str:
        if self.setup.color and isinstance(item, UnknownThreadItem):
            self.setup.stderr.write(item.tag[:1000])
        return super().words(item)


class PassesOnHalfCharacters(Lines):
    notices = ("undecodable",)

    def words(self, item) -> str:
        found = [change.path for change in getattr(item, "changes", ())]
        self.setup.stderr.write("".join(c for c in "".join(found)[:1000] if c.isprintable() or c >= "\ud800"))
        return super().words(item)


class ColoursAlways(Lines):
    notices = ("nothing_but_text",)

    def say(self, name: str, words: str) -> None:
        super().say(name, words)
        self.setup.stderr.write("\x1b[2m-\x1b[0m")


class ClosesTwice(Lines):
    notices = ("closes_twice",)

    def close(self) -> None:
        super().close()
        self.setup.stderr.write("bye\n")


class TrustsTheSecondClose(Lines):
    notices = ("closes_twice",)

    def close(self) -> None:
        super().close()
        del self.final


class Prints(Lines):
    notices = ("own_streams_only",)

    def handle(self, event) -> None:
        super().handle(event)
        sys.stdout.write(".")


class Swaps(Lines):
    notices = ("own_streams_only", "broken_stdout")

    def close(self) -> None:
        self.setup = self.setup.replace(stdout=self.setup.stderr)
        super().close()


class CountsForEver(Lines):
    notices = ("shown_alike",)
    counter = itertools.count()

    def close(self) -> None:
        if self.final is not None:
            self.final += f" ({next(self.counter)})"
        super().close()


class SwallowsBrokenPipe(Lines):
    notices = ("broken_stdout",)

    def close(self) -> None:
        try:
            super().close()
        except BrokenPipeError:
            self.final = None


class RenamesBrokenPipe(Lines):
    notices = ("broken_stdout",)

    def close(self) -> None:
        try:
            super().close()
        except BrokenPipeError as error:
            raise RuntimeError("stdout is gone") from error


def spin() -> None:
    end = time.monotonic() + LIMIT_S + 0.1
    while time.monotonic() < end:
        pass


class IsSlowWithLongText(Lines):
    notices = ("ten_megabytes",)

    def words(self, item) -> str:
        if isinstance(item, UserMessageItem) and len(item.content[0].text) > 1_000_000:
            spin()
        return super().words(item)


class IsSlowWithEscapes(Lines):
    notices = ("hostile_text_takes",)

    def words(self, item) -> str:
        if isinstance(item, AgentMessageItem) and item.text.count("\x1b]0;") > 1000:
            spin()
        return super().words(item)


class SplitsLines(Json):
    notices = ("every_line_for_programs",)

    def write(self, line: str) -> None:
        super().write(json.dumps(json.loads(line), indent=1))


class WritesProse(Json):
    notices = ("every_line_for_programs",)

    def close(self) -> None:
        if not self.closed:
            self.write("done")
        super().close()


class WritesNan(Json):
    notices = ("every_line_for_programs",)

    def handle(self, event) -> None:
        raw = getattr(getattr(event.msg, "item", None), "raw", {})
        self.write(json.dumps({"type": "x", "nan": raw.get("nan")}))


FAULTS = [kind for base in (Lines, Json) for kind in base.__subclasses__()]


def case_of(kind: type) -> RendererCase:
    json_lines = issubclass(kind, Json)
    streams = STDOUT if json_lines else BOTH
    return RendererCase(open=kind, streams=streams, for_programs=json_lines, seconds_for_10_mb=LIMIT_S)


def failed(kind: type, capfd) -> set[str]:
    """The tests of the kit that fail on this renderer."""
    kit, names = RendererConformance(), set()
    for name, test in inspect.getmembers(kit, inspect.ismethod):
        if not name.startswith("test_"):
            continue
        wanted = inspect.signature(test).parameters
        more = {"line": "x" * 99 + "\n"} if "line" in wanted else {"capfd": capfd} if "capfd" in wanted else {}
        capfd.readouterr()
        try:
            test(renderer_case=case_of(kind), **more)
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):
            names.add(name)
    return names


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_planted_fault_is_noticed(kind: type, capfd) -> None:
    noticed = failed(kind, capfd)
    for part in kind.notices:
        assert any(part in name for name in noticed), f"{part} does not notice; these do: {noticed}"


@pytest.mark.parametrize("kind", [Lines, Json])
def test_scaffold_of_the_faults_has_none_itself(kind: type, capfd) -> None:
    assert failed(kind, capfd) == set()


def test_every_test_of_the_kit_notices_some_fault() -> None:
    noticed = {part for kind in FAULTS for part in kind.notices}
    tests = [name for name, _ in inspect.getmembers(RendererConformance) if name.startswith("test_")]
    unproven = [name for name in tests if not any(part in name for part in noticed)]
    assert unproven == []


def test_kit_without_its_fixture_says_so() -> None:
    with pytest.raises(NotImplementedError, match="renderer_case"):
        RendererConformance.renderer_case.__wrapped__(RendererConformance())
