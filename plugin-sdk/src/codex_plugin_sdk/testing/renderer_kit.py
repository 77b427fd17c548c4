"""Conformance of renderers.

A renderer's test file subclasses the kit and gives one fixture::

    class TestDots(RendererConformance):
        @pytest.fixture
        def renderer_case(self):
            return RendererCase(open=Dots, streams=frozenset({"stderr"}))

To set a single test aside, override it with an `xfail` that says why.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import orjson
import pytest

from codex_plugin_sdk import (
    AgentMessageItem,
    CommandExecutionItem,
    Event,
    EventMsg,
    FileChange,
    FileChangeItem,
    ItemCompleted,
    ItemStarted,
    ItemStatus,
    Notice,
    ReasoningItem,
    Renderer,
    RenderSetup,
    ThreadItem,
    ToolCallItem,
    TurnCompleted,
    UnknownThreadItem,
    UserMessageItem,
    Value,
    value,
)
from codex_plugin_sdk import (
    TextInput as _TextInput,
)

from .event_samples import FINAL, USAGE, events, every_item, every_message, thread_started

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x1b\\plain\x9b31m \x1b[31mred\x1b[0m \x08\x08 \rover\x00\u202eback"
"""Text that clears the screen, sets the title and the clipboard, colours, rubs out and turns the reading direction."""

MEGABYTES_10 = 10 * 1024 * 1024


@value
class RendererCase(Value):
    """A renderer under test: `open` makes one, `streams` names those it writes to, of `stdout` and `stderr`.

    `for_programs` says that stdout is parsed and not read: every line of it is then a JSON object, in which a
    character above ASCII is data, whatever a terminal would make of it. `seconds_for_10_mb` bounds the time for
    one event with a text of 10 MB.
    """

    open: Callable[[RenderSetup], Renderer]
    streams: frozenset[str]
    for_programs: bool = False
    seconds_for_10_mb: float = 5.0


@value
class Shown(Value):
    """What a renderer wrote."""

    stdout: str
    stderr: str


def show(case: RendererCase, messages: Iterable[EventMsg], *, color: bool = False) -> Shown:
    """Feed the messages to a new renderer, close it, and give what it wrote."""
    stdout, stderr = io.StringIO(), io.StringIO()
    renderer = case.open(RenderSetup(stdout=stdout, stderr=stderr, color=color))
    for event in events(messages):
        renderer.handle(event)
    renderer.close()
    return Shown(stdout=stdout.getvalue(), stderr=stderr.getvalue())


def a_turn(*items: ThreadItem) -> list[EventMsg]:
    """A thread with one turn of these items."""
    steps: list[EventMsg] = [msg for item in items for msg in (ItemStarted(item=item), ItemCompleted(item=item))]
    return [thread_started(), *steps, TurnCompleted(usage=USAGE, last_agent_message=FINAL)]


def _talking(text: str) -> list[ThreadItem]:
    """Items that carry the text wherever a stranger's text can stand."""
    done = ItemStatus.COMPLETED
    return [
        UserMessageItem(id="u", content=(_TextInput(text=text),)),
        ReasoningItem(id="r", summary=(text,)),
        AgentMessageItem(id="m", text=text),
        CommandExecutionItem(
            id="c", command=("echo", text), cwd=text, status=done, aggregated_output=text, exit_code=0
        ),
        FileChangeItem(
            id="p",
            status=done,
            changes=(
                FileChange(path=f"/workspace/{text}", kind="add", content=text),
                FileChange(path="/workspace/b", kind="update", unified_diff=f"@@ -1 +1 @@\n-a\n+{text}\n"),
            ),
        ),
        ToolCallItem(id="t", tool="tool", arguments="{}", status=done, output=text),
        UnknownThreadItem(id="x", tag=text, raw={"text": text}),
    ]


def _odd_items() -> list[ThreadItem]:
    return [
        UnknownThreadItem(id="", tag="", raw={}),
        UnknownThreadItem(id="x", tag="a\nb", raw={"big": 1 << 80, "nan": float("nan"), "none": None}),
    ]


class RendererConformance:
    """What every renderer owes the kernel and the person before it. See the module for how to use it."""

    @pytest.fixture
    def renderer_case(self) -> RendererCase:
        """The renderer under test. A subclass overrides it."""
        raise NotImplementedError("give the fixture `renderer_case`")

    def test_every_kind_of_event_is_survived(self, renderer_case: RendererCase) -> None:
        """No event may raise, and something is shown of a whole thread."""
        shown = show(renderer_case, every_message())
        assert shown.stdout or shown.stderr, "nothing was shown of a whole thread"

    def test_every_event_alone_is_survived(self, renderer_case: RendererCase) -> None:
        """A renderer may be attached late: each event must be bearable as the first."""
        for message in every_message():
            show(renderer_case, [message])

    def test_items_without_their_beginning_are_survived(self, renderer_case: RendererCase) -> None:
        """Replay from a rollout knows items only by their end."""
        show(renderer_case, [thread_started(), *(ItemCompleted(item=item) for item in every_item())])

    def test_items_that_never_end_are_survived(self, renderer_case: RendererCase) -> None:
        """A thread may break off."""
        show(renderer_case, [thread_started(), *(ItemStarted(item=item) for item in every_item())])

    def test_unknown_items_are_survived(self, renderer_case: RendererCase) -> None:
        """Also those whose tag or content is odd."""
        show(renderer_case, a_turn(*_odd_items()))

    def test_every_line_for_programs_is_an_object(self, renderer_case: RendererCase) -> None:
        """Whatever the events hold, a program reads stdout line by line."""
        if not renderer_case.for_programs:
            pytest.skip("its output is read by people")
        shown = show(renderer_case, [*every_message(), *a_turn(*_odd_items(), *_talking(HOSTILE + "\n\u2028\r\n{"))])
        lines = shown.stdout.split("\n")
        assert lines.pop() == "", "the last line is not ended"
        for line in lines:
            assert isinstance(orjson.loads(line), dict), f"this line is no object: {line[:200]!r}"

    def test_undecodable_paths_are_survived(self, renderer_case: RendererCase) -> None:
        """Paths and words of a command may hold surrogate-escaped bytes."""
        path = os.fsdecode(b"/workspace/caf\xe9")
        done = ItemStatus.COMPLETED
        shown = show(
            renderer_case,
            a_turn(
                CommandExecutionItem(id="c", command=("cat", path), cwd=path, status=done, exit_code=0),
                FileChangeItem(id="p", changes=(FileChange(path=path, kind="delete"),), status=done),
            ),
        )
        (shown.stdout + shown.stderr).encode("utf-8")  # raises if a lone surrogate got through

    @pytest.mark.parametrize("line", ["x" * 99 + "\n", "x"], ids=["lines", "one_line"])
    def test_ten_megabytes_are_survived_in_time(self, renderer_case: RendererCase, line: str) -> None:
        """Ten megabytes in every place where a stranger's text can stand."""
        text = line * (MEGABYTES_10 // len(line))
        for item in _talking(text):
            began = time.monotonic()
            show(renderer_case, a_turn(item))
            took = time.monotonic() - began
            assert took < renderer_case.seconds_for_10_mb, f"10 MB in {type(item).__name__} took {took:.1f} s"

    def test_hostile_text_takes_linear_time(self, renderer_case: RendererCase) -> None:
        """Escape sequences without an end, a quarter of a megabyte of them."""
        for unit in ("\x1b]0;", "\x1b[", "\x1b[0;", "\x9b", "\r", "\x1b", "'", "^\\"):
            text = unit * (256 * 1024 // len(unit))
            began = time.monotonic()
            show(renderer_case, a_turn(*_talking(text)))
            took = time.monotonic() - began
            assert took < renderer_case.seconds_for_10_mb, f"256 KB of {unit!r} took {took:.1f} s"

    def test_closes_twice_and_without_events(self, renderer_case: RendererCase) -> None:
        """`close` is idempotent: nothing more is written by the second call."""
        for messages in ([], every_message()[:5], every_message()):
            stdout, stderr = io.StringIO(), io.StringIO()
            renderer = renderer_case.open(RenderSetup(stdout=stdout, stderr=stderr))
            for event in events(messages):
                renderer.handle(event)
            renderer.close()
            before = stdout.getvalue(), stderr.getvalue()
            renderer.close()
            assert (stdout.getvalue(), stderr.getvalue()) == before, "the second close wrote something"

    def test_writes_to_its_own_streams_only(
        self, renderer_case: RendererCase, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Stdout may be parsed by a program and stderr by a person: neither gets what the other was promised."""
        shown = show(renderer_case, every_message())
        written = {name for name in ("stdout", "stderr") if getattr(shown, name)}
        assert written == renderer_case.streams, f"wrote to {sorted(written)}, not {sorted(renderer_case.streams)}"
        past = capfd.readouterr()
        assert (past.out, past.err) == ("", ""), "wrote past the streams that it was given"

    def test_nothing_but_text_is_written_without_colour(self, renderer_case: RendererCase) -> None:
        """Neither own colours nor control characters of strangers; line breaks and tabs are text."""
        shown = show(
            renderer_case, [*every_message(), *a_turn(*_talking(HOSTILE)), Notice(level="error", message=HOSTILE)]
        )
        _require_text(renderer_case, shown.stdout + shown.stderr)

    def test_strangers_control_sequences_are_neutralised_in_colour_too(self, renderer_case: RendererCase) -> None:
        """With colour on, only the renderer's own colours (SGR) may appear."""
        shown = show(renderer_case, [*a_turn(*_talking(HOSTILE)), Notice(level="error", message=HOSTILE)], color=True)
        text = re.sub("\x1b\\[[0-9;]*m", "", shown.stdout + shown.stderr)
        _require_text(renderer_case, text)

    def test_same_events_are_shown_alike(self, renderer_case: RendererCase) -> None:
        """Replay shows what was shown."""
        assert show(renderer_case, every_message()) == show(renderer_case, every_message())

    def test_broken_stdout_is_told_to_the_caller(self, renderer_case: RendererCase) -> None:
        """`| head` must end the program: `BrokenPipeError` comes out of `handle` or `close`."""
        if "stdout" not in renderer_case.streams:
            pytest.skip("it does not write to stdout")
        reader, writer = os.pipe()
        os.close(reader)
        stdout = os.fdopen(writer, "w", encoding="utf-8")
        try:
            renderer = renderer_case.open(RenderSetup(stdout=stdout, stderr=io.StringIO()))
            with pytest.raises(BrokenPipeError):
                _feed_until_flushed(renderer, events(every_message() * 20))
            with suppress(BrokenPipeError):  # closing after that may say it again, and nothing else
                renderer.close()
        finally:
            with suppress(BrokenPipeError):
                stdout.close()


def _require_text(case: RendererCase, text: str) -> None:
    last = "\x7f" if case.for_programs else "\U0010ffff"
    bad = {c for c in text if not c.isprintable() and c not in "\n\t" and c <= last}
    assert not bad, f"control characters were written: {sorted(bad)!r}"


def _feed_until_flushed(renderer: Renderer, stream: Iterable[Event]) -> None:
    for event in stream:
        renderer.handle(event)
    renderer.close()
