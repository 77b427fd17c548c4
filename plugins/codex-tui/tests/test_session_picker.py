"""Finding a recorded session, with a real server in this process."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager

import anyio
import pytest

from codex_plugin_sdk.testing.servers import ScriptedResponsesServer
from codex_tui.link.errors import LinkLost
from codex_tui.screen.session_picker import SessionPicker
from codex_tui.screen.session_rows import age, folder_name

from .rollouts import session_id, write_session
from .screens import shown
from .session_kit import serving
from .snapshots import check

pytestmark = pytest.mark.anyio
DAY = 86_400


@asynccontextmanager
async def picking(root, *, size=(80, 24), fill=None, **options):
    """A pilot with the picker over a server that has the sessions that `fill` writes into its home."""
    (fill or three_sessions)(root / "codex-home")
    with ScriptedResponsesServer() as model:
        async with serving(root, model) as link:
            picker = SessionPicker(link, "/w", **options)
            async with shown(picker, size) as (pilot, host):
                await settled(pilot, host)
                yield pilot, host, link


async def settled(pilot, host):
    """Wait until everything is loaded and drawn."""
    with anyio.fail_after(30):
        await pilot.pause()
        while len(host.workers):
            await host.workers.wait_for_complete()
            await pilot.pause()


def three_sessions(home):
    """Two sessions of the folder `/w`, one of another."""
    write_session(home, 1, "find the zebra", answer="It is in the zoo.", ago_s=3 * DAY)
    write_session(home, 2, "feed the horse", answer="It ate.", branch="feature/hay", ago_s=7200)
    write_session(home, 3, "paint the fence", cwd="/elsewhere/deep", ago_s=60)


def many_sessions(home):
    """More than two pages."""
    for number in range(1, 181):
        write_session(home, number, f"task {number}", ago_s=10_000 - number)


async def test_sessions_of_the_folder_come_first_and_tab_shows_all(tmp_path):
    async with picking(tmp_path, dense=True) as (pilot, host, _):
        rows = host.rows()
        assert rows[0].startswith(" Resume a session ")
        assert rows[0].endswith("this folder · last used first · 1/2")
        assert rows[2].split() == [">", "2h", "feature/hay", "feed", "the", "horse"]
        assert rows[3].split() == ["3d", "main", "find", "the", "zebra"]
        await pilot.press("tab")
        await settled(pilot, host)
        assert host.rows()[2].split() == [">", "1m", "main", "paint", "the", "fence", "/elsewhere/deep"]
        check("sessions-80x24", host.rows())
        await pilot.press("enter")
        await pilot.pause()
        assert host.answers == [session_id(3)]


async def test_typing_searches_and_escape_leaves_the_search_first(tmp_path):
    async with picking(tmp_path, all_folders=True) as (pilot, host, _):
        await pilot.press(*"zebra")
        await settled(pilot, host)
        assert "1/1" in host.rows()[0]
        assert host.rows()[2].split() == [">", "find", "the", "zebra"]
        await pilot.press(*"xx")
        await settled(pilot, host)
        assert "no session has this" in host.rows()[2]
        await pilot.press("escape")
        await settled(pilot, host)
        assert "1/3" in host.rows()[0]
        await pilot.press("escape")
        await pilot.pause()
        assert host.answers == [None]


async def test_sessions_are_sorted_by_use_or_by_start(tmp_path):
    def old_but_used(home):
        write_session(home, 1, "first", ago_s=0)
        write_session(home, 2, "second", ago_s=DAY)

    async with picking(tmp_path, fill=old_but_used, dense=True) as (pilot, host, _):
        assert [row.split()[-1] for row in host.rows()[2:4]] == ["first", "second"]
        await pilot.press("ctrl+s")
        await settled(pilot, host)
        assert [row.split()[-1] for row in host.rows()[2:4]] == ["second", "first"]


async def test_further_pages_come_when_they_are_needed(tmp_path):
    async with picking(tmp_path, fill=many_sessions, dense=True) as (pilot, host, _):
        assert "1/50+" in host.rows()[0]
        assert host.rows()[2].split()[-1] == "180"
        await pilot.press("up")
        assert "1/50+" in host.rows()[0]
        for _ in range(4):
            await pilot.press("end")
            await settled(pilot, host)
        assert "180/180" in host.rows()[0]
        await pilot.press("enter")
        await pilot.pause()
        assert host.answers == [session_id(1)]


async def test_a_session_is_renamed_put_aside_put_back_and_deleted(tmp_path):
    async with picking(tmp_path, dense=True) as (pilot, host, _):
        await pilot.press("ctrl+r", *"my horse", "enter")
        await settled(pilot, host)
        assert host.rows()[2].split()[-2:] == ["my", "horse"]
        await pilot.press("ctrl+e", "n")
        await settled(pilot, host)
        assert "1/2" in host.rows()[0]
        await pilot.press("ctrl+e", "y")
        await settled(pilot, host)
        assert "my horse" not in "\n".join(host.rows())
        await pilot.press("ctrl+a")
        await settled(pilot, host)
        assert host.rows()[2].split()[-2:] == ["my", "horse"]
        await pilot.press("ctrl+e", "y", "ctrl+a")
        await settled(pilot, host)
        assert "1/2" in host.rows()[0]
        await pilot.press("ctrl+x")
        assert host.rows()[-1].strip().startswith("y: delete for good")
        await pilot.press("y")
        await settled(pilot, host)
        assert "1/1" in host.rows()[0]
    assert sorted(path.stem[-36:] for path in tmp_path.rglob("rollout-*.jsonl")) == [session_id(1), session_id(3)]


async def test_a_question_stays_about_the_session_that_it_was_asked_for(tmp_path):
    async with picking(tmp_path, dense=True) as (pilot, host, _):
        await pilot.press("ctrl+x")
        host.query_one(SessionPicker).wheel(1)
        await pilot.pause()
        assert host.rows()[-1].endswith("feed the horse")
        await pilot.press("y")
        await settled(pilot, host)
    assert sorted(path.stem[-36:] for path in tmp_path.rglob("rollout-*.jsonl")) == [session_id(1), session_id(3)]


async def test_what_was_said_last_stands_beside_the_list(tmp_path):
    async with picking(tmp_path, size=(120, 24)) as (pilot, host, _):
        beside = "\n".join(row.partition("│")[2] for row in host.rows())
        assert "It ate." in beside
        check("sessions-preview-120x24", host.rows())
        await pilot.press("down")
        await settled(pilot, host)
        assert "It is in the zoo." in "\n".join(host.rows())


async def test_in_a_small_terminal_the_preview_takes_the_place_of_the_list(tmp_path):
    async with picking(tmp_path, size=(40, 12)) as (pilot, host, _):
        assert host.rows()[2].split()[:2] == [">", "2h"]
        assert all(len(row) <= 40 for row in host.rows())
        assert len(host.rows()) <= 12
        check("sessions-40x12", host.rows())
        await pilot.press("right")
        await settled(pilot, host)
        assert any("It ate." in row for row in host.rows())
        await pilot.press("escape")
        assert host.rows()[2].split()[:2] == [">", "2h"]
        assert host.answers == []


async def test_the_session_that_is_open_is_marked_and_not_deleted(tmp_path):
    async with picking(tmp_path, open_thread=session_id(2)) as (pilot, host, _):
        assert "(open)" in host.rows()[2]
        await pilot.press("ctrl+x")
        assert "this session is open" in host.rows()[-1]


async def test_a_server_that_is_gone_is_told_and_the_picker_can_be_left():
    class Gone:
        async def request(self, method, params=None):
            raise LinkLost("the server is gone")

    async with shown(SessionPicker(Gone(), "/w")) as (pilot, host):
        await settled(pilot, host)
        assert "the server is gone" in host.rows()[-1]
        await pilot.press("escape")
        await pilot.pause()
        assert host.answers == [None]


async def test_the_first_of_ten_thousand_rows_need_one_page_only():
    asked = []

    class Endless:
        async def request(self, method, params=None):
            asked.append((method, params.get("limit")))
            start = int(params.get("cursor") or 0)
            stop = min(10_000, start + params["limit"])
            data = [
                {"id": f"t{n}", "preview": f"say {n}", "cwd": "/w", "updatedAt": int(time.time()) - n, "name": None}
                for n in range(start, stop)
            ]
            return {"data": data, "nextCursor": str(stop) if stop < 10_000 else None}

    async with shown(SessionPicker(Endless(), "/w")) as (pilot, host):
        await settled(pilot, host)
        assert asked == [("thread/list", 50)]
        assert "say 0" in host.rows()[2]


def test_ages_are_short():
    found = [age(seconds) for seconds in (0, 59, 60, 3599, 7200, 86_400 * 2, 86_400 * 30, 86_400 * 800, -5)]
    assert found == ["now", "now", "1m", "59m", "2h", "2d", "4w", "2y", "now"]


def test_of_a_long_folder_the_end_is_shown():
    assert folder_name("/a/very/long/path/to/something", 12) == "…o/something"


async def test_it_leaves_room_for_the_status_line():
    class Many:
        async def request(self, method, params=None):
            data = [{"id": f"t{n}", "preview": f"say {n}", "cwd": "/w", "updatedAt": 0} for n in range(50)]
            return {"data": data, "nextCursor": None}

    async with shown(SessionPicker(Many(), "/w"), (80, 24), below="status line") as (pilot, host):
        await settled(pilot, host)
        rows = host.rows()
        assert len(rows) == 24
        assert rows[-2].startswith(" enter resume")
        assert rows[-1] == "status line"
