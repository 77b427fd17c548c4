"""What a bundle must say, and that its parts keep their places."""

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codex_managed.bundle import BundleRefused, parse_bundle
from codex_managed.toml_text import part_of, stands_alone
from codex_plugin_sdk import CodexError, positions

HEAD = b"version = 1\nissued_at = 2027-01-01T00:00:00Z\n"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "`version`, an integer"),
        (b"version = true\nissued_at = 2027-01-01T00:00:00Z", "`version`, an integer"),
        (b"version = -1\nissued_at = 2027-01-01T00:00:00Z", "`version`, an integer"),
        (b"version = 1", "must have `issued_at`"),
        (b"version = 1\nissued_at = 2027-01-01", "`issued_at` must be a date with time and zone"),
        (b"version = 1\nissued_at = 2027-01-01T00:00:00", "`issued_at` must be a date with time and zone"),
        (HEAD + b"expires_at = 5", "`expires_at` must be a date with time and zone"),
        (HEAD + b"requirement = {}", "unknown key `requirement`"),
        (HEAD + b"config = 1", "`config` must be a table below a header"),
        (HEAD + b'config.model = "m"', "`config` must be a table below a header"),
        (HEAD + b'config = {model = "m"}', "`config` must be a table below a header"),
        (HEAD + b'config.model = "m"\n[config.features]\na = true', "`config` must be a table below a header"),
        (HEAD + b"[config.features]\na = true\n[config]\n", "`config` must be a table below a header"),
        (HEAD + b"[[requirements]]\n", "`requirements` must be a table below a header"),
        (HEAD + b'["c\\u006fnfig"]\na = 1', "`config` must be a table below a header"),
        (HEAD + b"[config\n", "b:3:8: is not TOML"),
        (HEAD + b"\xff", "b:3: is not UTF-8"),
        (HEAD + b"x = " + b"[" * 5000, "is not TOML that can be read"),
        (HEAD + b"x = " + b"9" * 5000, "is not TOML that can be read"),
    ],
)
def test_a_bundle_that_is_not_understood_whole_is_refused(raw, words):
    with pytest.raises(CodexError) as caught:
        parse_bundle(raw, "b")
    assert words in caught.value.message


def test_a_bundle_may_lack_both_tables():
    bundle = parse_bundle(HEAD, "b")
    assert (bundle.version, bundle.config, bundle.requirements) == (1, {}, {})


@pytest.mark.parametrize("issued", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_dates_at_the_end_of_the_calendar_are_compared_like_others(issued):
    bundle = parse_bundle(f"version = 1\nissued_at = {issued}".encode(), "b")
    if issued.startswith("9"):
        with pytest.raises(BundleRefused, match="in the future"):
            bundle.check_dates(1_800_000_000.0)
    else:
        bundle.check_dates(1_800_000_000.0)
    bundle.check_newer(bundle)


def _string(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


VALUES = st.one_of(
    st.integers(0, 9).map(str),
    st.text("ab[]=#.x\\ '\n\u2028", max_size=6).map(_string),
    st.lists(st.lists(st.sampled_from(['"a"', "1"]), max_size=2), max_size=3).map(
        lambda rows: "[\n" + "".join(f"  [{', '.join(row)}]\n,\n" for row in rows).rstrip(",\n") + "\n]"
    ),
    st.just('"""\n[config]\nx = 1\n"""'),
    st.just("'''\n[requirements]\n'''"),
    st.just("{ a = 1, b.c = 2 }"),
)
NAMES = st.sampled_from(["a", "b", '"c d"', "'e'", "config", "requirements"])
TABLE = st.tuples(
    st.sampled_from(["config", "requirements", '"config"', "'requirements'"]),
    st.lists(NAMES, max_size=2, unique=True),
    st.booleans(),
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.integers(0, 2),
)


@given(st.lists(TABLE, max_size=5))
@example([("config", ["a"], False, {"a": '"\u2028["', "config": '"""\n[config]\nx = 1\n"""'}, 0)])
def test_a_part_says_the_same_in_the_same_lines(tables):
    lines = ["version = 1 # [config]", "# [config]"]
    for name, inner, array, keys, blanks in tables:
        path = " . ".join([name, *inner])
        header = f"[[{path}]]" if array and inner else f"[ {path} ]"
        lines += [""] * blanks + [f"  {header} # [x]", *(f"  {key} = {value}" for key, value in keys.items())]
    text = "\n".join(lines)
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # twice the same table: a bundle that nobody accepts
    places = positions(text)
    for name in ("config", "requirements"):
        if name not in whole:
            continue
        depths = [len(inner) for outer, inner, *_ in tables if outer.strip("\"'") == name]
        assert stands_alone(name, places, text) == (0 not in depths[1:])
        if 0 in depths[1:]:
            continue  # the outer table after an inner one cannot be written as a document
        part = part_of(text, name, places)
        assert tomllib.loads(part) == whole[name]
        ours = {key: at for key, at in positions(part).items() if f"{name}.{key}" in places}
        assert ours == {key: places[f"{name}.{key}"] for key in ours}
