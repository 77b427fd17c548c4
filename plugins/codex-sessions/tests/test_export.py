"""`codex sessions export`."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser

import pytest

KEY = "sk-proj-" + "Ab3" * 16
HOSTILE = '</pre></body><script>alert(1)</script><img src=x onerror="alert(2)">&amp;\'"` ``` ````\n# Turn 9\n</details>'


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.crossed = set(), set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)


def hostile(r):
    bad = HOSTILE
    return [
        r.meta(r.FIRST, cwd=f"/w{bad}", originator=bad, git={"branch": bad, "commit_hash": bad}),
        r.begun(),
        r.user(bad),
        r.item("Reasoning", summary_text=[bad], raw_content=[]),
        r.command(bad, bad, 3),
        r.change(f"/{bad}", f"+{bad}\n-{bad}\n"),
        r.item(
            "McpToolCall",
            server=bad,
            tool=bad,
            arguments={bad: bad},
            status=bad,
            result={"content": [{"type": "text", "text": bad}]},
        ),
        r.item("TodoList", plan=[{"step": bad, "status": bad}]),
        r.item("WebSearch", query=bad),
        r.agent(bad),
        ("event_msg", {"type": "error", "message": bad}),
    ]


def test_html_of_hostile_content_has_no_tag_or_attribute_but_ours(put, sessions, r):
    put(r.FIRST, hostile(r))
    page = Page(done := sessions("export", r.FIRST, "--format", "html").stdout)
    assert page.tags <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "dl",
        "dt",
        "dd",
        "section",
        "div",
        "pre",
        "details",
        "summary",
        "span",
        "footer",
        "p",
    }
    assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "id", "open"}
    assert (page.open, page.crossed) == ([], [])
    assert "default-src 'none'" in done
    assert not re.search(r"https?:|//[a-z]|url\(", done)


def test_markdown_of_hostile_content_keeps_its_frame(put, sessions, r):
    put(r.FIRST, hostile(r))
    text = sessions("export", r.FIRST).stdout
    fence, outside = "", []
    for row in text.splitlines():
        mark = re.match(r"`{3,}", row)
        if not fence and mark:
            fence = mark[0]
        elif fence:
            fence = "" if row == fence else fence
        elif not row.startswith(">"):
            outside.append(row)
    assert fence == ""
    assert [row for row in outside if row.startswith("## ")] == ["## Turn 1"]
    assert not any(row.lstrip().startswith("<") for row in outside)


@pytest.mark.parametrize("form", ["md", "html", "json"])
def test_secrets_are_taken_out_of_every_part(form, put, sessions, r):
    lines = [
        r.meta(r.FIRST, cwd=f"/{KEY}"),
        r.begun(),
        r.user(f"use {KEY}"),
        r.command(f"echo {KEY}", f"{KEY}\nhunter2-of-mine"),
        r.change("/a", f"+key = '{KEY}'\n"),
        r.agent(f"it is {KEY}"),
        r.ended(),
    ]
    put(r.FIRST, lines)
    done = sessions("export", r.FIRST, "--format", form, env={"MY_SECRET": "hunter2-of-mine"})
    assert done.returncode == 0
    assert KEY not in done.stdout
    assert "hunter2" not in done.stdout
    assert done.stdout.count("[REDACTED:") >= 6 or done.stdout.count(r"\[REDACTED:") >= 1
    if form == "json":
        assert json.loads(done.stdout)["turns"][0]["items"][1]["aggregated_output"].endswith("[REDACTED:env:MY_SECRET]")


def test_file_is_for_this_user_alone_and_never_replaced_unasked(put, sessions, tmp_path, r):
    put(r.FIRST, r.small(r.FIRST))
    out = tmp_path / "out.html"
    assert sessions("export", r.FIRST, "-o", out).returncode == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.read_text().startswith("<!doctype html>")
    assert out.read_text().endswith("</html>\n")
    out.write_text("mine")
    assert r.fails(sessions("export", r.FIRST, "-o", out), 1, "is there already", "--force")
    assert out.read_text() == "mine"
    assert sessions("export", r.FIRST, "-o", out, "--force", "--format", "json").returncode == 0
    assert json.loads(out.read_text())["session"]["id"] == r.FIRST
    assert sorted(os.listdir(tmp_path)) == ["home", "out.html"]


def test_link_is_not_written_through(put, sessions, tmp_path, r):
    put(r.FIRST, r.small(r.FIRST))
    (tmp_path / "aim").write_text("keep")
    (tmp_path / "out.md").symlink_to("aim")
    assert r.fails(sessions("export", r.FIRST, "-o", tmp_path / "out.md"), 1, "is there already")
    assert sessions("export", r.FIRST, "-o", tmp_path / "out.md", "--force").returncode == 0
    assert (tmp_path / "aim").read_text() == "keep"
    assert not (tmp_path / "out.md").is_symlink()


def test_place_that_cannot_be_written_is_told_and_nothing_is_left(put, sessions, tmp_path, r):
    put(r.FIRST, r.small(r.FIRST))
    assert r.fails(sessions("export", r.FIRST, "-o", tmp_path / "no/such/out.md"), 8, "cannot write", "-o FILE")
    put(r.SECOND, "garbage\n")
    assert r.fails(sessions("export", r.SECOND, "-o", tmp_path / "half.md"), 8, "is damaged")
    assert not (tmp_path / "half.md").exists()
