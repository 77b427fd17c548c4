"""The figures of `codex app-server`: each test prints ours, the peer's and the ratio."""

from __future__ import annotations

import statistics
import time

import pytest

from .app_server_load import App, Model, recorded, write_copies, write_long
from .harness import Program, ours, peer

pytestmark = pytest.mark.timeout(1800)
SESSIONS = 10_000
LONG_BYTES = 200_000_000
FOLDERS, FILES_IN_EACH = 2_000, 50
DELTAS = 100_000


@pytest.fixture
def programs(tmp_path):
    """Ours, and the peer where there is one."""
    found = [Program("ours", ours(), tmp_path)]
    if peer() is not None:
        found.append(Program("peer", peer(), tmp_path))
    return found


class Figures:
    """What was measured for each program, by the name of the figure."""

    def __init__(self):
        self._found = {}

    def add(self, what, program, figure):
        self._found.setdefault(what, {}).setdefault(program.name, []).append(figure)

    def show(self, **wanted):
        """Print medians and ratios; `wanted` are ratios by the first word of a figure."""
        for what, found in self._found.items():
            medians = {name: statistics.median(all_found) for name, all_found in found.items()}
            text = "; ".join(f"{n} {m:.4g} [{min(found[n]):.4g}..{max(found[n]):.4g}]" for n, m in medians.items())
            if "peer" in medians:
                aim = wanted.get(what.split()[0])
                ratio = medians["ours"] / medians["peer"] if medians["peer"] else float("nan")
                text += f"; ratio {ratio:.3f}" + (f" (wanted {aim})" if aim is not None else "")
            print(f"\n{what}: {text}", end="")
        print()


def timed_ms(work):
    began = time.monotonic()
    work()
    return (time.monotonic() - began) * 1000


def p95(times):
    return sorted(times)[int(len(times) * 0.95)]


def test_start_and_idle_memory(programs):
    figures = Figures()
    with Model() as model:
        for _ in range(7):
            for program in programs:
                began = time.monotonic()
                with App(program, model.base_url) as app:
                    figures.add("initialize ms", program, (time.monotonic() - began) * 1000)
                    figures.add("thread/start, first, ms", program, timed_ms(app.start_thread))
                    warm = [timed_ms(app.start_thread) for _ in range(10)]
                    figures.add("thread/start, warm, ms", program, statistics.median(warm))
                    figures.add("idle RSS MB", program, app.memory_mb())
                    figures.add("idle PSS MB", program, app.memory_mb("Pss"))
    figures.show(**{"initialize": 1.3, "thread/start,": 0.5, "idle": 0.6})


@pytest.mark.parametrize(("threads", "each", "rounds"), [(1, 10, 3), (10, 3, 3), (50, 1, 2), (200, 1, 1)])
def test_turns_of_ten_tool_calls(programs, threads, each, rounds):
    figures = Figures()
    with Model() as model:
        for _ in range(rounds):
            for program in programs:
                with App(program, model.base_url) as app:
                    ready = time.monotonic()
                    ids = [app.start_thread() for _ in range(threads)]
                    figures.add("threads ready s", program, time.monotonic() - ready)
                    cpu, began = app.cpu_now_s(), time.monotonic()
                    times = app.turns(ids, each)
                    whole = time.monotonic() - began
                    figures.add(f"turns/s at {threads} threads", program, len(times) / whole)
                    figures.add("p50 of a turn s", program, statistics.median(times))
                    figures.add("p95 of a turn s", program, p95(times))
                    figures.add("CPU per turn ms", program, (app.cpu_now_s() - cpu) / len(times) * 1000)
                    figures.add("refused requests", program, app.refused)
                    figures.add("RSS MB", program, app.memory_mb())
                    assert program.name != "ours" or app.refused == 0
    figures.show(**{"turns/s": "4 or more", "p95": 0.3, "RSS": 0.35, "threads": 0.5})


def test_delta_notifications(programs):
    figures = Figures()
    with Model(DELTAS) as model:
        for _ in range(3):
            for program in programs:
                with App(program, model.base_url) as app:
                    id = app.start_thread()
                    app.turns([id], 1, "warm up")
                    app.deltas, cpu = 0, app.cpu_now_s()
                    id = app.start_thread()
                    (took,) = app.turns([id], 1, "stream many deltas")
                    assert app.deltas == DELTAS
                    figures.add("deltas per s", program, DELTAS / took)
                    figures.add("CPU us per delta", program, (app.cpu_now_s() - cpu) / DELTAS * 1e6)
                    figures.add("RSS MB", program, app.memory_mb())
    figures.show(deltas="2 or more")


@pytest.fixture
def long_ago(programs, tmp_path):
    """Lines that the peer (or we) recorded; each program is to find them in its home as another's."""
    folder = tmp_path / "recorder"
    folder.mkdir()
    return recorded(Program(programs[-1].name, programs[-1].argv, folder))


def test_first_list_of_many_threads_and_pages(programs, long_ago):
    figures = Figures()
    for program in programs:
        write_copies(program.home, long_ago, SESSIONS)
    for round_number in range(3):
        for program in programs:
            began = time.monotonic()
            with App(program) as app:
                page = app.call("thread/list", {"limit": 50})
                first = "first list ever s" if not round_number else "first list after a restart s"
                figures.add(first, program, time.monotonic() - began)
                assert len(page["data"]) == 50
                times = []
                for _ in range(20):
                    params = {"limit": 50, "cursor": page["nextCursor"]}
                    began = time.monotonic()
                    page = app.call("thread/list", params)
                    times.append((time.monotonic() - began) * 1000)
                    assert len(page["data"]) == 50
                figures.add("page of 50 ms", program, statistics.median(times))
    figures.show(first=0.15, page=0.1)


def test_resume_of_a_long_thread_and_its_pages(programs, long_ago):
    figures = Figures()
    for program in programs:
        id = write_long(program.home, long_ago, LONG_BYTES)
    for _ in range(2):
        for program in programs:
            with App(program) as app:
                figures.add("resume s", program, timed_ms(lambda: app.call("thread/resume", {"threadId": id})) / 1000)
                figures.add("peak RSS MB", program, app.peak_mb())
            with App(program) as app:
                params = {"threadId": id, "limit": 25}
                began = time.monotonic()
                page = app.call("thread/turns/list", params)
                figures.add("turns/list, first, ms", program, (time.monotonic() - began) * 1000)
                times = []
                for _ in range(8):
                    params["cursor"] = page["nextCursor"]
                    began = time.monotonic()
                    page = app.call("thread/turns/list", params)
                    times.append((time.monotonic() - began) * 1000)
                    assert len(page["data"]) == 25
                figures.add("turns/list, page, ms", program, statistics.median(times))
    figures.show(**{"resume": 0.4, "peak": 0.5, "turns/list,": 0.4})


def test_other_requests_go_on_while_a_long_thread_is_opened(programs, long_ago):
    """Only ours: the longest wait for an answer while a large rollout is read."""
    program = programs[0]
    id = write_long(program.home, long_ago, LONG_BYTES)
    with App(program) as app:
        app.start_thread()
        number = app.begin("thread/resume", {"threadId": id, "excludeTurns": True})
        waits = []
        while number not in app._answers:
            waits.append(timed_ms(lambda: app.call("thread/loaded/list", {})))
        assert "result" in app._answers[number]
    print(f"\nlongest wait while a thread of 200 MB is opened: {max(waits):.0f} ms, of {len(waits)}")


def make_tree(root):
    for number in range(FOLDERS):
        folder = root / f"pkg{number % 40}" / f"module_{number}"
        folder.mkdir(parents=True)
        for file in range(FILES_IN_EACH):
            (folder / f"{('handler', 'test', 'view', 'README')[file % 4]}_{number}_{file}.rs").touch()


def test_file_search(programs):
    figures = Figures()
    queries = ["handler", "hndlr42", "mod99view", "README_1_", "zq", "pkg7/view", "test_1999_1"]
    for program in programs:
        make_tree(program.work)
    for number in range(7):
        for program in programs:
            with App(program) as app:
                cpu = app.cpu_now_s()

                def ask(query, roots=(str(program.work),), app=app):
                    return app.call("fuzzyFileSearch", {"query": query, "roots": list(roots)})

                figures.add("cold query ms", program, timed_ms(lambda: ask(queries[number])))  # noqa: B023
                warm = [timed_ms(lambda query=query: ask(query)) for query in queries]
                figures.add("warm query ms", program, statistics.median(warm))
                figures.add("worst warm query ms", program, max(warm))
                figures.add("CPU ms of all", program, (app.cpu_now_s() - cpu) * 1000)
    figures.show(cold=0.4, warm=0.1)
