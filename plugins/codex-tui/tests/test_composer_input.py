"""What comes into the composer other than key by key: pastes, images, history, completion, the editor."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from codex_plugin_sdk import UserError
from codex_tui.history import History
from codex_tui.screen.completion import Candidate, inserted, token_at
from codex_tui.screen.composer import Composer, Mention
from codex_tui.screen.editor import edit_outside
from codex_tui.screen.paste import clean, clipboard_image, image_paths, is_long

from .composer_kit import desk

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "my picture.png"
    path.write_bytes(PNG)
    return path


# Pastes


@pytest.mark.anyio
async def test_a_short_paste_is_text_and_never_sends():
    async with desk() as d:
        await d.paste("one\r\ntwo\rthree\x1b[31m\x07\x9b\tend\n")
        assert d.composer.text == "one\ntwo\nthree[31m\tend\n"
        assert d.app.of(Composer.Submitted) == []
        assert len(d.app.of(Composer.Typed)) == 1


@pytest.mark.anyio
async def test_a_long_paste_is_one_unit_and_is_sent_in_full():
    long = "\n".join(f"line {number} é" for number in range(40))
    async with desk(size=(60, 15)) as d:
        await d.press(*"see ")
        await d.paste(long)
        assert d.rows() == [f"> see [Pasted text #1, {len(long)} characters, 40 lines]"]
        await d.press("backspace")
        assert d.composer.text == "see "
        await d.press("ctrl+underscore", "x")
        await d.paste("y" * 1_001)
        assert d.rows()[-1] == "  [Pasted text #2, 1,001 characters, 1 line]"
        assert d.composer.text_to_send == f"see {long}x" + "y" * 1_001
        await d.press("enter", "up")
        (sent,) = d.app.of(Composer.Submitted)
        assert sent.text == f"see {long}x" + "y" * 1_001
        assert d.rows()[0].startswith("> see [Pasted text #1")
        await d.press("home", "alt+f", "right", "right", "alt+p")
        assert d.composer.text.startswith(f"see {long}x")


def test_what_is_long_is_counted_in_characters_and_lines():
    assert [is_long(text) for text in ("x" * 1_000, "x" * 1_001, "\n" * 10, "\n" * 10 + "x")] == [
        False,
        True,
        False,
        True,
    ]
    assert clean("a\x00b\ud800c\u200d\u202e") == "abc\u200d\u202e"


def test_paths_of_images_are_known_however_they_are_dropped(tmp_path: Path, picture: Path):
    other = tmp_path / "b.gif"
    other.write_bytes(b"GIF89a....")
    (tmp_path / "text.png").write_text("no image")
    name, escaped = str(picture), str(picture).replace(" ", "\\ ")
    for text in (name, f"'{name}'", f'"{name}"\n', escaped, "file://" + name.replace(" ", "%20")):
        assert image_paths(text) == (name,), text
    assert image_paths(f"{escaped} {other}") == (name, str(other))
    assert image_paths(f"{name}\n{other}") == (name, str(other))
    for text in (
        "",
        "hello",
        f"look at {other}",
        str(tmp_path),
        str(tmp_path / "text.png"),
        "b.gif",
        "it's",
        "x" * 9_000,
    ):
        assert image_paths(text) == (), text


@pytest.mark.anyio
async def test_a_dropped_image_is_attached_and_removed_by_backspace(picture: Path):
    async with desk() as d:
        await d.press(*"what is")
        await d.paste(f"'{picture}'")
        await d.paste(str(picture))
        assert d.rows() == ["> what is [Image #1: my picture.png]", "  [Image #2: my picture.png]"]
        await d.press("backspace", "backspace", "enter")
        (sent,) = d.app.of(Composer.Submitted)
        assert (sent.text, sent.images) == ("what is [Image #1: my picture.png]", (str(picture),))
        d.composer.set_text(sent.text, sent.images)
        assert d.composer.images == (str(picture),)
        assert d.composer.text_to_send == sent.text


@pytest.mark.anyio
async def test_the_image_of_the_clipboard_is_attached_and_gone_with_the_composer():
    async def read() -> bytes:
        return PNG

    async with desk(Composer(read_image=read)) as d:
        await d.press("ctrl+v")
        await d.settled()
        (path,) = d.composer.images
        assert Path(path).read_bytes() == PNG
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not os.path.exists(path)


@pytest.mark.anyio
async def test_without_an_image_in_the_clipboard_there_is_a_notice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("WAYLAND_DISPLAY", "w")
    monkeypatch.setattr("sys.platform", "linux")
    async with desk() as d:
        await d.press("ctrl+v")
        await d.settled()
        (notice,) = d.app.of(Composer.Notice)
        assert "wl-clipboard" in notice.hint
    tool = tmp_path / "wl-paste"
    tool.write_text("#!/bin/sh\n/bin/echo no image\n")
    tool.chmod(0o755)
    with pytest.raises(UserError, match="no image"):
        await clipboard_image()
    tool.write_text("#!/bin/sh\nprintf '\\211PNG\\r\\n\\032\\nrest'\n")
    assert await clipboard_image() == b"\x89PNG\r\n\x1a\nrest"


# History


def old_history(tmp_path: Path, *texts: str) -> History:
    path = tmp_path / "history.jsonl"
    path.write_text("".join(json.dumps({"session_id": "old", "ts": 1, "text": text}) + "\n" for text in texts))
    return History(str(path), "new")


@pytest.mark.anyio
async def test_up_and_down_walk_own_then_earlier_entries_and_keep_the_draft(tmp_path: Path):
    async with desk(Composer(history=old_history(tmp_path, "first", "two\nlines"))) as d:
        await d.press(*"mine", "enter", *"draft", "up")
        assert d.with_cursor == "mine|"
        await d.press("up")
        assert d.with_cursor == "two\nlines|"
        await d.press("up", "up")
        assert d.with_cursor == "first|"
        await d.press("down", "down", "down")
        assert d.with_cursor == "draft|"
        await d.press("down")
        assert d.with_cursor == "draft|"
        await d.press("up", "x", "up")
        assert d.with_cursor == "mine|"
        await d.press("down")
        assert d.with_cursor == "minex|"
        await d.settled()
    saved = [json.loads(line)["text"] for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert saved == ["first", "two\nlines", "mine"]


@pytest.mark.anyio
async def test_entries_and_names_of_files_that_others_wrote_bring_no_control_characters(tmp_path: Path):
    async def files(query: str) -> list[Candidate]:
        return [Candidate(value="a\x1b[2Jb")]

    history = old_history(tmp_path, "clear\x1b[2J me")
    async with desk(Composer(history=history, providers={"@": files})) as d:
        await d.press("up")
        assert d.composer.text == "clear[2J me"
        await d.press("ctrl+u", "ctrl+r", *"clear")
        await d.settled()
        assert d.rows()[0] == "> clear[2J me"
        await d.press("enter", "ctrl+u", "@")
        await d.settled()
        assert d.rows() == ["> @", "  > a[2Jb"]
        await d.press("tab")
        assert d.composer.text == "a[2Jb "


@pytest.mark.anyio
async def test_a_text_can_be_there_before_the_application_runs():
    composer = Composer(providers=names("@", "a"))  # type: ignore[arg-type]
    composer.set_text("one\n@a")
    async with desk(composer) as d:
        assert d.rows() == ["> one", "  @a"]
        await d.press("enter")
        assert [sent.text for sent in d.app.of(Composer.Submitted)] == ["one\n@a"]


@pytest.mark.anyio
async def test_a_history_that_cannot_be_written_is_told_and_nothing_is_lost(tmp_path: Path):
    (tmp_path / "file").touch()
    async with desk(Composer(history=History(str(tmp_path / "file" / "history.jsonl")))) as d:
        await d.press("a", "enter")
        await d.settled()
        assert len(d.app.of(Composer.Submitted)) == 1
        (notice,) = d.app.of(Composer.Notice)
        assert "history" in notice.text
        await d.press("up")
        assert d.composer.text == "a"


@pytest.mark.anyio
async def test_the_history_is_searched_letter_by_letter(tmp_path: Path):
    history = old_history(tmp_path, "fix the parser", "run tests", "fix the parser", "write the Parser docs")
    async with desk(Composer(history=history)) as d:
        await d.press(*"draft", "ctrl+r", *"par")
        await d.settled()
        assert d.rows() == ["> write the Parser docs", "  search: par"]
        await d.press("ctrl+r")
        await d.settled()
        assert d.rows() == ["> fix the parser", "  search: par"]
        await d.press("ctrl+r")
        await d.settled()
        assert d.rows() == ["> fix the parser", "  search: par  (no older match)"]
        await d.press("ctrl+s")
        assert d.rows()[0] == "> write the Parser docs"
        await d.press("z")
        await d.settled()
        assert d.rows() == ["> draft", "  search: parz  (no match)"]
        await d.press("backspace")
        await d.settled()
        await d.press("enter")
        assert d.rows() == ["> write the Parser docs"]
        assert d.app.of(Composer.Submitted) == []
        await d.press("ctrl+r", *"run")
        await d.settled()
        await d.press("escape")
        assert d.with_cursor == "write the Parser docs|"
        await d.press("ctrl+underscore")
        assert d.composer.text == "draft"


# Completion


def names(sign: str, *values: str) -> dict[str, object]:
    async def provider(query: str) -> list[Candidate]:
        return [
            Candidate(value=value, detail=f"about {value}", takes_more=value == "model", path=f"/skills/{value}")
            for value in values
            if value.startswith(query)
        ]

    return {sign: provider}


@pytest.mark.anyio
async def test_commands_are_completed_by_tab_and_run_by_enter():
    async with desk(Composer(providers=names("/", "model", "mcp", "quit"))) as d:  # type: ignore[arg-type]
        await d.press("/", "m")
        await d.settled()
        assert d.rows() == ["> /m", "  > model  about model", "    mcp  about mcp"]
        await d.press("down", "down", "down", "tab")
        assert d.with_cursor == "/mcp |"
        assert d.rows() == ["> /mcp"]
        await d.press("ctrl+u", "/", "m")
        await d.settled()
        await d.press("enter")
        assert d.with_cursor == "/model |"  # it wants to know which
        assert d.app.of(Composer.Submitted) == []
        await d.press(*"gpt", "enter", *"/qu")
        await d.settled()
        await d.press("enter")
        assert [sent.text for sent in d.app.of(Composer.Submitted)] == ["/model gpt", "/quit"]


@pytest.mark.anyio
async def test_escape_closes_the_list_until_something_else_is_completed():
    async with desk(Composer(providers=names("@", "a.py", "ab.py"))) as d:  # type: ignore[arg-type]
        await d.press(*"x @a")
        await d.settled()
        assert len(d.rows()) == 3
        await d.press("escape", "b")
        await d.settled()
        assert d.rows() == ["> x @ab"]
        await d.press(*" @z")
        await d.settled()
        assert d.rows() == ["> x @ab @z", "  no matches"]
        await d.press("enter")
        assert [sent.text for sent in d.app.of(Composer.Submitted)] == ["x @ab @z"]


@pytest.mark.anyio
async def test_files_and_skills_become_mentions_and_blanks_are_quoted():
    providers = names("@", "my notes.md") | names("$", "review")
    async with desk(Composer(providers=providers)) as d:  # type: ignore[arg-type]
        await d.press(*"see @my")
        await d.settled()
        await d.press("enter", *"with $r")
        await d.settled()
        await d.press("tab", "enter")
        (sent,) = d.app.of(Composer.Submitted)
        assert sent.text == "see 'my notes.md' with $review"
        assert sent.mentions == (
            Mention(kind="file", name="my notes.md", path="/skills/my notes.md"),
            Mention(kind="skill", name="review", path="/skills/review"),
        )


@pytest.mark.anyio
async def test_a_slow_provider_holds_nothing_up_and_its_old_answers_are_dropped():
    asked: list[str] = []
    cancelled: list[str] = []
    started, go = anyio.Event(), anyio.Event()

    async def slow(query: str) -> list[Candidate]:
        asked.append(query)
        started.set()
        try:
            if query == "a":
                await go.wait()
        except BaseException:
            cancelled.append(query)
            raise
        return [Candidate(value=f"for {query}")]

    async with desk(Composer(providers={"@": slow})) as d:
        await d.press(*"@a")
        with anyio.fail_after(20):
            await started.wait()
        await d.press("b")
        assert d.composer.text == "@ab"
        await d.settled()
        assert d.rows() == ["> @ab", "  > for ab"]
        assert asked == ["", "a", "ab"][-len(asked) :]
        assert cancelled == ["a"]


@pytest.mark.anyio
async def test_a_provider_that_fails_is_shown_and_typing_goes_on():
    async def broken(query: str) -> list[Candidate]:
        raise ValueError(f"no index\x1b[2J for {query}")

    async with desk(Composer(providers={"@": broken})) as d:
        await d.press(*"@a")
        await d.settled()
        assert d.rows() == ["> @a", "  nothing to choose from: no index[2J fo"]
        await d.press("b", "enter")
        assert [sent.text for sent in d.app.of(Composer.Submitted)] == ["@ab"]


@pytest.mark.anyio
async def test_a_long_list_scrolls_and_marks_that_it_goes_on():
    values = [f"v{number:02}" for number in range(20)]
    async with desk(Composer(providers=names("/", *values)), size=(40, 20)) as d:  # type: ignore[arg-type]
        await d.press("/")
        await d.settled()
        assert len(d.rows()) == 9
        assert d.rows()[-1].endswith("↓")
        await d.press("up")
        assert d.rows()[-1] == "  > v19  about v19"
        assert d.rows()[1].endswith("↑")


def test_what_is_completed_is_found_where_the_cursor_is():
    signs = {"/": 1, "@": 1, "$": 1}

    def query(marked: str) -> str | None:
        token = token_at(marked.replace("|", ""), marked.index("|"), signs)
        return token and token.sign + token.query

    assert query("/mo|del") == "/mo"
    assert query("@a/b|.py x") == "@a/b"
    assert query("x $re|") == "$re"
    for nothing in ("|/model", "/model x|", "x /mo|", "mail@host|", "!echo $HO|", "\ud800|", "", "@" + "x" * 600 + "|"):
        assert query(nothing if "|" in nothing else nothing + "|") is None, nothing
    assert query("!cat @fi|") == "@fi"
    assert inserted("@", Candidate(value="it's here.md")) == "'it'\"'\"'s here.md'"


# The editor


def fake_editor(tmp_path: Path, script: str) -> dict[str, str]:
    path = tmp_path / "my editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"VISUAL": f"'{path}' --wait", "EDITOR": "never"}


def test_the_editor_gets_the_text_in_a_private_file_that_is_removed(tmp_path: Path):
    seen: list[str] = []

    @contextmanager
    def suspend() -> Iterator[None]:
        seen.append("left")
        yield
        seen.append("back")

    environ = fake_editor(
        tmp_path,
        f'test "$1" = --wait || exit 9\nls -l "$2" > "{tmp_path}/mode"\n'
        f'echo "$2" > "{tmp_path}/path"\nprintf " world\\033\\n" >> "$2"',
    )
    assert edit_outside("hello 日本", suspend, environ) == "hello 日本 world"
    assert seen == ["left", "back"]
    assert (tmp_path / "mode").read_text().startswith("-rw-------")
    assert not os.path.exists((tmp_path / "path").read_text().strip())


@pytest.mark.parametrize(
    ("script", "environ", "words"),
    [
        ("exit 3", None, "status 3"),
        ("printf '\\377' > \"$2\"", None, "cannot be read"),
        ('rm "$2"', None, "cannot be read"),
        ("", {}, "no editor"),
        ("", {"EDITOR": "'"}, "EDITOR"),
        ("", {"EDITOR": "/nowhere/vi"}, "cannot be started"),
    ],
)
def test_an_editor_that_fails_changes_nothing_and_is_told(
    tmp_path: Path, script: str, environ: dict[str, str] | None, words: str
):
    @contextmanager
    def suspend() -> Iterator[None]:
        yield

    with pytest.raises(UserError, match=words) as caught:
        edit_outside("text", suspend, fake_editor(tmp_path, script) if environ is None else environ)
    assert caught.value.hint


@pytest.mark.anyio
async def test_a_text_of_100_kb_costs_a_key_no_more_than_the_rows_around_it(monkeypatch: pytest.MonkeyPatch):
    async with desk(size=(80, 24)) as d:
        d.composer.set_text("some words of a text that is long " * 3_000)
        await d.pilot.pause()
        wrapped: list[int] = []
        rows = d.composer._box.rows
        row_end = rows._row_end
        monkeypatch.setattr(rows, "_row_end", lambda start: wrapped.append(start) or row_end(start))
        await d.press("x")
        assert len(rows) > 1_000
        assert 0 < len(wrapped) < 10
