"""Fuzzy file search: scores that clients know, what is ignored, sessions, and the quick way against the plain one."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_app_server.ignored import Ignored, parse_rule, translate
from codex_app_server.search_index import Index, Walk, read_index
from codex_app_server.search_query import search
from codex_app_server.search_score import fold, score

NEVER = bool


def paths(root, query):
    return [hit.path for hit in search([read_index(str(root), NEVER)], query, NEVER)]


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("query", "text", "worth", "indices"),
    [
        ("main", "main.rs", 109, (0, 1, 2, 3)),
        ("main", ".main", 104, (1, 2, 3, 4)),
        ("main", "domain.c", 76, (2, 3, 4, 5)),
        ("fs", "file_search.py", 52, (0, 5)),
        ("fs", "FileSearch.py", 50, (0, 4)),
        ("fs", "filesearch.txt", 45, (0, 4)),
        ("x", "aXbXc.txt", 26, (1,)),
        ("foobar", "foo.bar", 153, (0, 1, 2, 4, 5, 6)),
        ("aa", "applypatch-msg.sample", 43, (0, 6)),
        ("src/m", "src/main.rs", 134, (0, 1, 2, 3, 4)),
        ("hello", "héllo", 134, (0, 1, 2, 3, 4)),
        ("2", "a1b2", 26, (3,)),
    ],
)
def test_scores_and_indices_are_those_that_clients_know(query, text, worth, indices):
    assert score(text, fold(text), query) == (worth, indices)


def test_what_does_not_hold_the_characters_in_order_has_no_score():
    assert score("niam", "niam", "main") is None


def dearest(text, query):
    """All ways to match, tried one by one."""
    from itertools import combinations

    from codex_app_server.search_score import score_at

    folded, best = fold(text), None
    for places in combinations(range(len(text)), len(query)):
        if all(folded[at] == char for at, char in zip(places, query, strict=True)):
            total, start = 0, 0
            for end in range(1, len(places) + 1):
                if end == len(places) or places[end] != places[end - 1] + 1:
                    run = score_at(text, places[start], end - start)
                    first = score_at(text, places[start], 1)
                    # in a later run the bonus of the first character does not count twice
                    total += run - (first - 16) // 2 if start else run
                    if start:
                        total -= 3 + places[start] - places[start - 1] - 2
                    start = end
            best = total if best is None else max(best, total)
    return best


@given(st.text("abA_/1.", min_size=1, max_size=9), st.text("ab1_", min_size=1, max_size=3))
def test_no_way_to_match_is_dearer_than_the_score(text, query):
    found, best = score(text, fold(text), query), dearest(text, query)
    assert (found is None) == (best is None)
    assert found is None or found[0] >= best


NAMES = st.text("abAB1_.", min_size=1, max_size=6).filter(lambda name: name.strip("."))


@settings(max_examples=60, deadline=None)
@given(st.sets(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=25), st.text("ab1._/", min_size=1, max_size=4))
def test_the_quick_search_finds_what_scoring_everything_finds(monkeypatch_limits, triples, query):
    files = sorted({"/".join(parts) for parts in triples})
    folders = sorted({path.rpartition("/")[0] for path in files} | {path.partition("/")[0] for path in files})
    wanted = []
    for path, is_file in [*((path, True) for path in files), *((path, False) for path in folders)]:
        name = path.rpartition("/")[2]
        found, exact = score(name, fold(name), query), fold(name) == query
        if found is not None and (is_file or exact):
            more = (3 if exact else 1) if is_file else 2
            wanted.append((-found[0] - (more << 16), path))
        elif (found := score(path, fold(path), query)) is not None:
            wanted.append((-found[0], path))
    hits = search([Index("/r", files, folders)], query, NEVER, limit=5)
    assert [(-hit.score, hit.path) for hit in hits] == sorted(wanted)[:5]


@pytest.fixture(scope="module")
def monkeypatch_limits():
    """Have even few matches searched the quick way."""
    from codex_app_server import search_best

    before, search_best.SCORE_ALL = search_best.SCORE_ALL, 1
    yield
    search_best.SCORE_ALL = before


def test_a_file_of_that_name_comes_before_a_folder_and_that_before_parts_of_names(tmp_path):
    make(tmp_path, "a/Main", "main.rs", "b/main/x", "domain.c")
    assert paths(tmp_path, "main") == ["a/Main", "b/main", "main.rs", "domain.c", "b/main/x"]


def test_words_signs_and_blanks_narrow_a_search(tmp_path):
    make(tmp_path, "src/main.rs", "src/domain.c", "lib/main.rs", "sp ace.txt")
    assert paths(tmp_path, "main src") == ["src/main.rs", "src/domain.c"]
    assert paths(tmp_path, "main !src") == ["lib/main.rs"]
    assert paths(tmp_path, "^src rs$") == ["src/main.rs"]
    assert paths(tmp_path, "'omai") == ["src/domain.c"]
    assert paths(tmp_path, "p\\ a") == ["sp ace.txt"]
    assert paths(tmp_path, "") == []


def test_what_git_ignores_is_left_out_in_a_repository_only(tmp_path):
    make(tmp_path, "build/main.o", "main.c", "keep.log", "x.log", "deep/build/y", ".hidden")
    (tmp_path / ".gitignore").write_text("/build/\n*.log\n!keep.log\n# no rule\n")
    assert Ignored().inside(str(tmp_path), {".gitignore"}).empty
    (tmp_path / ".git" / "info").mkdir(parents=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("main.c\n")
    assert read_index(str(tmp_path), NEVER).files == [".gitignore", ".hidden", "deep/build/y", "keep.log"]
    assert read_index(str(tmp_path / "deep"), NEVER).files == ["build/y"]
    (tmp_path / ".ignore").write_text("*.log\n")
    assert "keep.log" not in read_index(str(tmp_path), NEVER).files


def test_rules_above_a_root_hold_in_it(tmp_path):
    make(tmp_path, "sub/a.tmp", "sub/b.txt")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    assert read_index(str(tmp_path / "sub"), NEVER).files == ["b.txt"]


def test_symlinks_are_followed_but_not_in_circles(tmp_path):
    make(tmp_path, "real/file")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "up").symlink_to("..")
    (tmp_path / "dead").symlink_to("nowhere")
    assert read_index(str(tmp_path), NEVER).files == ["link/file", "real/file"]


def test_names_that_are_no_text_are_found_and_those_with_line_feeds_do_no_harm(tmp_path):
    os.close(os.open(os.fsencode(tmp_path) + b"/bad\xff", os.O_CREAT))
    make(tmp_path, "two\nlines", "good")
    assert read_index(str(tmp_path), NEVER).files == ["bad\udcff", "good"]


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("*.o", ["a.o"], ["a.os", "b/a.o"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["az", "b/a/z"]),
        ("a/**", ["a/b", "a/b/c"], ["a"]),
        ("**/a", ["a", "b/a"], ["ba"]),
        ("a?[b-d]", ["axc"], ["a/c", "axe"]),
        ("[!a]x", ["bx"], ["ax", "/x"]),
        ("a\\*", ["a*"], ["ab"]),
        ("a+(b)", ["a+(b)"], ["aab"]),
    ],
)
def test_patterns_mean_what_git_means(pattern, fitting, others):
    import re

    regex = re.compile(translate(pattern), re.DOTALL)
    assert all(regex.fullmatch(name) for name in fitting)
    assert not any(regex.fullmatch(name) for name in others)


def test_lines_that_are_no_rules_are_passed_over():
    assert [parse_rule(line) for line in ("", "# x", "  ", "/", "!", "[z-a]")] == [None] * 6


@pytest.mark.anyio
async def test_a_search_answers_with_files_and_folders(app, fits):
    make(app.work, "src/main.rs", "main/readme")
    found = await app.call("fuzzyFileSearch", {"query": "main", "roots": [str(app.work), "/no/such", "relative"]})
    fits("FuzzyFileSearchResponse", found)
    assert found["files"][0] == {
        "root": str(app.work),
        "path": "main",
        "match_type": "directory",
        "file_name": "main",
        "score": (2 << 16) + 109,
        "indices": [0, 1, 2, 3],
    }
    assert found["files"][1]["path"] == "src/main.rs"
    assert await app.call("fuzzyFileSearch", {"query": "main", "roots": []}) == {"files": []}


@pytest.mark.anyio
async def test_a_session_answers_each_query_and_stops(app, fits):
    make(app.work, "src/main.rs", "other.txt")
    prefix = "fuzzyFileSearch/"
    assert await app.call(f"{prefix}sessionStart", {"sessionId": "s", "roots": [str(app.work)]}) == {}
    await app.call(f"{prefix}sessionUpdate", {"sessionId": "s", "query": "mai"})
    told = (await app.until(f"{prefix}sessionUpdated", query="mai"))["params"]
    fits("FuzzyFileSearchSessionUpdatedNotification", told)
    assert [file["path"] for file in told["files"]] == ["src/main.rs"]
    await app.until(f"{prefix}sessionCompleted", sessionId="s")
    for query in ("o", "ot", "oth"):
        await app.begin(f"{prefix}sessionUpdate", {"sessionId": "s", "query": query})
    told = (await app.until(f"{prefix}sessionUpdated", query="oth"))["params"]
    assert [file["path"] for file in told["files"]] == ["other.txt"]
    assert await app.call(f"{prefix}sessionStop", {"sessionId": "s"}) == {}
    with pytest.raises(Exception, match="fuzzy file search session not found: s"):
        await app.call(f"{prefix}sessionUpdate", {"sessionId": "s", "query": "x"})
    with pytest.raises(Exception, match="sessionId must not be empty"):
        await app.call(f"{prefix}sessionStart", {"sessionId": "", "roots": [str(app.work)]})
    with pytest.raises(Exception, match="at least one search directory is required"):
        await app.call(f"{prefix}sessionStart", {"sessionId": "t", "roots": []})


def test_a_second_walk_sees_what_has_changed_and_keeps_the_rest(tmp_path):
    make(tmp_path, "a/one.rs", "b/two.rs", "b/deep/three.rs")
    for folder in (tmp_path, tmp_path / "a", tmp_path / "b", tmp_path / "b" / "deep"):
        os.utime(folder, (1_000_000_000, 1_000_000_000))
    walk = Walk(str(tmp_path))
    first = walk.index(NEVER)
    assert walk.index(NEVER) is first
    make(tmp_path, "b/deep/four.rs")
    (tmp_path / "a" / "one.rs").unlink()
    assert walk.index(NEVER).files == ["b/deep/four.rs", "b/deep/three.rs", "b/two.rs"]
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("two.rs\n")
    assert walk.index(NEVER).files == [".gitignore", "b/deep/four.rs", "b/deep/three.rs"]
    (tmp_path / ".gitignore").write_text("four.rs\n# longer\n")
    assert walk.index(NEVER).files == [".gitignore", "b/deep/three.rs", "b/two.rs"]


def test_what_a_symlink_leads_to_is_looked_at_each_time(tmp_path):
    make(tmp_path, "root/plain", "elsewhere/x")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere" / "x")
    os.utime(tmp_path / "root", (1_000_000_000, 1_000_000_000))
    walk = Walk(str(tmp_path / "root"))
    assert walk.index(NEVER).files == ["link", "plain"]
    (tmp_path / "elsewhere" / "x").unlink()
    assert walk.index(NEVER).files == ["plain"]
