"""Markdown that streams: the rows are those of the whole text, none is too wide, and what is done stays."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_tui.render.markdown import StreamingMarkdown, markdown
from codex_tui.render.theme import load_theme
from codex_tui.render.width import room

from .effort import effort

THEME = load_theme("dark", environ={})

FRAGMENTS = [
    "word", "two words", " ", " ", "\n", "\n", "\n\n", "**", "*", "_", "`", "~~", "```", "```python\n", "\n```\n", "~~~",
    "# ", "## Head", "- ", "\n- item", "\n  - inner", "\n    deep", "1. ", "\n2. ", "\n   more", "> ", "\n> quoted", "---",
    "\n---\n", "| a | b |\n|---|---|\n| 1 | 2 |\n", "| x ", "|", "[text](http://a.b/c)", "[", "](", ")", "<b>", "&amp;",
    "&#27;", "def f():\n    return 'x'", "/* c", "日本語のテキスト", "👨‍👩‍👧", "שלום", "\t", "\r\n", "[ ] ", "- [x] t", "\\", "!", "===\n", "é", "\x1b[31m",
    "\u202e", "http://example.org/a_b_c", "    code\n", "\u0301", "a" * 30, "- | a\n", "| :-- | --: |\n", "\n  ", "\n   ", "\n     ", "12", ". ",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=24).map("".join)


def shape(rows):
    return [(row.plain, [(span.start, span.end, str(span.style)) for span in row.spans]) for row in rows]


@settings(max_examples=effort(25), deadline=None)
@given(TEXTS, st.integers(10, 60), st.lists(st.integers(0, 400), max_size=12))
def test_any_split_gives_the_rows_of_the_whole_and_stable_rows_never_change(text, width, cuts):
    streamed = StreamingMarkdown(width, THEME)
    stable = []
    for cut in sorted({min(cut, len(text)) for cut in cuts}):
        streamed.feed(text[:cut])
        rows = shape(streamed.rows())
        assert rows[: len(stable)] == stable
        stable = rows[: streamed.stable_rows]
        assert all(room(row.plain) <= width and "\n" not in row.plain for row in streamed.rows())
    streamed.feed(text)
    before = shape(streamed.rows())[: streamed.stable_rows]
    assert before[: len(stable)] == stable
    streamed.finish()
    whole = shape(markdown(text, width, THEME))
    assert shape(streamed.rows()) == whole
    assert whole[: len(before)] == before


@settings(max_examples=effort(20), deadline=None)
@given(TEXTS, st.sampled_from([10, 24, 80]))
def test_each_character_on_its_own_gives_the_rows_of_the_whole(text, width):
    streamed = StreamingMarkdown(width, THEME)
    for end in range(0, len(text), 3):
        streamed.feed(text[:end])
    streamed.feed(text)
    streamed.finish()
    assert shape(streamed.rows()) == shape(markdown(text, width, THEME))


def last(text, width=40):
    streamed = StreamingMarkdown(width, THEME)
    streamed.feed(text)
    return [row.plain for row in streamed.rows()]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("this is **bol", ["this is bol"]),
        ("this is **bold*", ["this is bold"]),
        ("this is **", ["this is"]),
        ("a `cod", ["a cod"]),
        ("`**x` and *y", ["**x and y"]),
        ("see [text](http://a", ["see text (http://a)"]),
        ("2 * 3 = 6", ["2 * 3 = 6"]),
        ("snake_case_name", ["snake_case_name"]),
        ("- foo **b", ["• foo b"]),
        ("a\n-", ["a"]),
        ("```", []),
        ("```py", []),
        ("```py\nx = 1", ["  x = 1"]),
        ("```py\nx = 1\n``", ["  x = 1"]),
        ("| a | b", ["a │ b", "──┼──"]),
        ("| a | b |\n|--", ["a │ b", "──┼──"]),
        ("#", []),
        ("done\n\n1.", ["done"]),
    ],
)
def test_what_is_half_there_looks_as_it_will(text, rows):
    assert [row.rstrip() for row in last(text)] == rows


def test_emphasis_that_is_open_has_the_style_it_will_have():
    streamed = StreamingMarkdown(40, THEME)
    streamed.feed("this is **bol")
    half = shape(streamed.rows())
    streamed.feed("this is **bol**")
    assert shape(streamed.rows()) == half


def test_lines_of_a_fence_are_stable_while_it_is_open():
    streamed = StreamingMarkdown(40, THEME)
    streamed.feed("Look:\n\n```python\n" + "x = 1\n" * 50 + "y")
    assert streamed.stable_rows == 52
    assert streamed.rows()[-1].plain == "  y"
    assert [row.plain for row in streamed.rows(51)] == ["  x = 1", "  y"]


def test_another_text_begins_anew():
    streamed = StreamingMarkdown(40, THEME)
    streamed.feed("one\n\ntwo\n\nthree")
    streamed.feed("other")
    assert [row.plain for row in streamed.rows()] == ["other"]


def test_lists_keep_their_numbers_and_empty_lines():
    text = "1. a\n1. b\n\n   more\n\n1. c\n\ntext\n\n4. d\n- x\n  - y\n\n    z\n- [x] t\n- [ ] u"
    assert [row.plain for row in markdown(text, 40, THEME)] == [
        "1. a", "2. b", "", "   more", "", "3. c", "", "text", "", "4. d", "• x", "  ◦ y", "", "    z", "☑ t", "☐ u",
    ]  # fmt: skip


def test_an_item_may_hold_anything_and_is_stable_line_by_line():
    inside = (
        "   ```python\n"
        + "".join(f"   x = {number}\n" for number in range(300))
        + "   ```\n\n   | a | b |\n   |---|---|\n   | 1 | 2 |\n"
    )
    text = f"1. Step\n\n{inside}\n   - more\n     1. deep\n\n2. Next"
    rows = [row.plain for row in markdown(text, 40, THEME)]
    assert rows[:3] == ["1. Step", "", "     x = 0"]
    assert rows[302:] == ["", "   a │ b", "   ──┼──", "   1 │ 2", "", "   ◦ more", "     1. deep", "", "2. Next"]
    streamed = StreamingMarkdown(40, THEME)
    streamed.feed(text[: text.index("x = 299")])
    assert streamed.stable_rows == 301


def test_lists_that_are_indented_too_little_still_nest():
    text = "1. a\n  - b\n    - c\n2. d\nlazy\n1986. is no item"
    assert [row.plain for row in markdown(text, 40, THEME)] == [
        "1. a",
        "   ◦ b",
        "     ▪ c",
        "2. d",
        "   lazy",
        "3. is no item",
    ]


def test_quotes_hold_other_blocks():
    text = "> quote\nlazy\n> - item\n>\n> > nested\n\nafter\n> 1. one\n>    ```\n>    code\n"
    assert [row.plain.rstrip() for row in markdown(text, 40, THEME)] == [
        "│ quote", "│ lazy", "│ • item", "│", "│ │ nested", "", "after", "│ 1. one", "│", "│      code",
    ]  # fmt: skip


def test_a_number_within_a_paragraph_is_no_item():
    assert [row.plain for row in markdown("It was in\n1986. A year.", 40, THEME)] == ["It was in", "1986. A year."]


def test_a_thousand_marks_on_a_line_do_no_harm():
    assert len(markdown("- " * 700 + "x", 40, THEME)) > 5
    assert len(markdown("> " * 700 + "x", 40, THEME)) > 5
    assert len(markdown("[" * 700 + "*" * 700 + "(" * 300, 40, THEME)) > 5


def test_a_table_that_does_not_fit_is_shown_cell_by_cell():
    text = "| name | what | more |\n|---|---|---|\n| alpha | first thing | yes |\n| beta | second | no |"
    assert [row.plain for row in markdown(text, 16, THEME)] == [
        "name: alpha", "what: first", "  thing", "more: yes", "", "name: beta", "what: second", "more: no",
    ]  # fmt: skip


def test_a_long_table_keeps_its_columns():
    rows = "".join(f"| {number} | value {number} |\n" for number in range(200))
    made = markdown(f"| n | v |\n|--:|---|\n{rows}", 40, THEME)
    assert len(made) == 202
    assert {row.plain.index("│") for row in made if "│" in row.plain} == {5}
    streamed = StreamingMarkdown(40, THEME)
    streamed.feed(f"| n | v |\n|--:|---|\n{rows}")
    assert streamed.stable_rows > 160


def test_addresses_are_shown_where_they_differ_from_the_words():
    assert last("[a](http://b.c) [http://b.c](http://b.c) <http://d.e> [x](javascript:alert)", 100) == [
        "a (http://b.c) http://b.c http://d.e x (javascript:alert)"
    ]


def test_no_hyperlink_is_made_of_what_the_model_writes():
    rows = markdown("[a](http://b.c/\x1b]8;;http://evil\x07)", 80, THEME)
    assert "\x1b" not in "".join(row.plain for row in rows)
    assert not any(span.style.link for row in rows for span in row.spans if not isinstance(span.style, str))


def test_code_is_coloured_across_lines():
    rows = markdown('```c\nint a; /* one\ntwo */ int b;\n```\n```py\nx = """a\nb"""\n```', 40, THEME)
    styles = {row.plain[span.start : span.end].strip(): span.style for row in rows for span in row.spans}
    assert styles["two */"] == THEME.code_block + THEME.comment
    assert styles['b"""'] == THEME.code_block + THEME.string
    assert styles["int"] == THEME.code_block + THEME.type


LONG = {
    "paragraphs": "Some **words** of a paragraph with `code` in it, and a [link](http://a.b/c).\n\n",
    "items": "- an item of a list with *some* words\n",
    "code": "value = compute(1, 'text')  # why\n",
    "one paragraph": "word **strong** and more ",
    "table": "| a cell | another cell | 12 |\n",
}


@pytest.mark.parametrize("kind", LONG)
def test_the_cost_of_a_delta_does_not_grow_with_the_answer(kind):
    def cost(chars):
        head = {"code": "```python\n", "table": "| a | b | c |\n|---|---|---|\n"}.get(kind, "")
        text = head + LONG[kind] * (chars // len(LONG[kind]))
        streamed = StreamingMarkdown(80, THEME)
        streamed.feed(text)
        streamed.rows()
        more = LONG[kind] * 2
        begun = time.process_time()
        for end in range(6, len(more), 6):
            streamed.feed(text + more[:end])
            streamed.rows(streamed.stable_rows)
        return (time.process_time() - begun) / (len(more) / 6)

    cost(500)
    short = max(cost(1_000), cost(1_700), cost(2_400))  # the open block is rendered again: it is short or long
    long = cost(24_000)
    assert long < short * 3 + 0.0005  # ten times the text
