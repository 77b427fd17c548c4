"""The figures of the terminal UI: each test prints ours, the peer's and the ratio."""

from __future__ import annotations

import statistics

import pytest

from .app_server_load import recorded, write_copies
from .harness import Program, ours, peer
from .terminal_load import END, PacedModel, Screen, letters, tmux_first_frame_ms
from .test_app_server import Figures, p95

pytestmark = pytest.mark.timeout(1800)
SESSIONS = 10_000
DELTAS = 20_000
ITEMS = 2_000
DELTAS_PER_S = 500
FLOOD_PER_S = 5_000


@pytest.fixture
def programs(tmp_path):
    """Ours, and the peer where there is one."""
    found = [Program("ours", ours(), tmp_path)]
    if peer() is not None:
        found.append(Program("peer", peer(), tmp_path))
    return found


def fill(programs, tmp_path):
    """Ten thousand sessions in each home, which the program has seen once."""
    folder = tmp_path / "recorder"
    folder.mkdir()
    lines = recorded(Program(programs[0].name, programs[0].argv, folder), "a word")
    for program in programs:
        write_copies(program.home, lines, SESSIONS)


def started(figures, program, label):
    """One start: the first frame, a key that is typed at that moment, CPU until then, what completes a command."""
    with Screen(program) as screen:
        figures.add(f"first frame ms, {label}", program, screen.first_frame_ms())
        screen.echo_ms("\u0416")
        figures.add(f"usable ms, {label}", program, screen.since_start_ms())
        figures.add(f"CPU until then ms, {label}", program, screen.cpu_s() * 1000)
        screen.type("\x7f/rev")
        screen.until("review")
        figures.add(f"menu of /rev ms, {label}", program, screen.since_start_ms())
        screen.until_quiet()
        figures.add(f"CPU of a start ms, {label}", program, screen.cpu_s() * 1000)
        figures.add(f"PSS MB, {label}", program, screen.memory_mb())


@pytest.mark.parametrize("sessions", [0, SESSIONS])
def test_start(programs, tmp_path, sessions):
    figures = Figures()
    if sessions:
        fill(programs, tmp_path)
    for number in range(8):
        for program in programs:
            started(figures, program, "the very first time" if not number else f"{sessions} sessions")
    figures.show()


@pytest.mark.requires_tool("tmux")
def test_first_frame_under_tmux(programs, tmp_path):
    figures = Figures()
    for _ in range(9):
        for program in programs:
            figures.add("first frame under tmux ms", program, tmux_first_frame_ms(program, tmp_path))
    figures.show()


def streaming(program, model, deltas, rate, each_s, figures):
    """Keys while an answer streams: p50, p95 and the longest wait for the echo."""
    with Screen(program, base_url=model.base_url) as screen:
        screen.first_frame_ms()
        screen.until_quiet()
        keys = letters()
        screen.echo_ms(next(keys))
        quiet = []
        for _ in range(40):
            quiet.append(screen.echo_ms(next(keys)))
            screen.rest(0.03)
        screen.type("\x7f" * 41)
        screen.rest(0.3)
        screen.say(f"please stream {deltas} deltas at {rate} per second", model)
        screen.until("heading")
        times, before = [], screen.memory_mb()
        cpu = screen.cpu_s()
        for _ in range(int(deltas / rate * 0.8 / each_s)):
            times.append(screen.echo_ms(next(keys)))
            screen.rest(each_s)
        most = screen.memory_mb()
        times.sort()
        figures.add(f"echo ms at rest, p95 of {len(quiet)}", program, p95(quiet))
        figures.add(f"echo ms at {rate}/s, p50", program, statistics.median(times))
        figures.add(f"echo ms at {rate}/s, p95 of {len(times)}", program, p95(times))
        figures.add(f"echo ms at {rate}/s, longest", program, times[-1])
        spent = (screen.cpu_s() - cpu) / (len(times) * each_s)
        figures.add(f"CPU % at {rate}/s", program, spent * 100)
        figures.add(f"end later than the model's ms at {rate}/s", program, screen.until_end() - deltas / rate * 1000)
        figures.add(f"memory that grew MB at {rate}/s", program, most - before)


@pytest.mark.parametrize("rate", [DELTAS_PER_S, FLOOD_PER_S])
def test_echo_while_deltas_stream(programs, rate):
    figures = Figures()
    with PacedModel() as model:
        for _ in range(3):
            for program in programs:
                streaming(program, model, rate * 12, rate, 0.1, figures)
    figures.show()


def test_cpu_of_a_long_answer(programs):
    figures = Figures()
    with PacedModel() as model:
        for _ in range(3):
            for program in programs:
                with Screen(program, base_url=model.base_url) as screen:
                    screen.first_frame_ms()
                    screen.until_quiet()
                    cpu = screen.cpu_s()
                    screen.say(f"please stream {DELTAS} deltas at 0 per second", model)
                    figures.add("answer of 20,000 deltas, ms", program, screen.until_end())
                    screen.rest(0.5)
                    figures.add("CPU ms of it", program, (screen.cpu_s() - cpu) * 1000)
                    figures.add("PSS MB", program, screen.memory_mb())
    figures.show()


def test_idle(programs):
    figures = Figures()
    with PacedModel() as model:
        for program in programs:
            with Screen(program, base_url=model.base_url) as screen:
                screen.first_frame_ms()
                screen.say("a word", model)
                screen.until_end()
                screen.until_quiet(3.0)
                cpu, written = screen.cpu_s(), screen.written_bytes
                screen.rest(20.0)
                figures.add("CPU % while idle", program, (screen.cpu_s() - cpu) / 20 * 100)
                figures.add("bytes written while idle", program, screen.written_bytes - written)
    figures.show()


def test_memory_of_a_long_session(programs):
    figures = Figures()
    with PacedModel() as model:
        for program in programs:
            with Screen(program, "--yolo", base_url=model.base_url) as screen:
                screen.first_frame_ms()
                screen.until_quiet()
                for _ in range(ITEMS // 100):
                    screen.say("please run 98 commands", model)
                    screen.until_end(600)
                    screen.rest(0.3)
                figures.add("PSS MB after 2,000 items", program, screen.memory_mb())
                figures.add("RSS MB after 2,000 items", program, screen.memory_mb("Rss"))
            with Screen(program, "resume", "--last", base_url=model.base_url) as screen:
                figures.add("resumed ms", program, screen.until(END))
                screen.until_quiet()
                figures.add("PSS MB resumed", program, screen.memory_mb())
                figures.add("RSS MB resumed", program, screen.memory_mb("Rss"))
    figures.show()
