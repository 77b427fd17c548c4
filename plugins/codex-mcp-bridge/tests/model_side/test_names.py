import re

from hypothesis import given
from hypothesis import strategies as st

from codex_mcp_bridge.names import MAX_NAME_BYTES, Origin, model_names, plain_name

ORIGINS = st.builds(Origin, server=st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True), tool=st.text(max_size=90))
ALIKE = st.builds(Origin, server=st.sampled_from(["a", "a__b", "a_"]), tool=st.text("ab_ .é", max_size=5))


def origin(server, tool):
    return Origin(server=server, tool=tool)


def test_a_name_says_server_and_tool():
    assert model_names([origin("demo", "add")]) == {origin("demo", "add"): "mcp__demo__add"}


def test_characters_that_apis_refuse_become_underscores():
    assert model_names([origin("demo", "with space/ü")]) == {origin("demo", "with space/ü"): "mcp__demo__with_space__"}


def test_of_colliding_names_the_one_written_so_keeps_it_and_the_other_gets_a_hash():
    found = model_names([origin("s", "a b"), origin("s", "a_b")])
    assert found[origin("s", "a_b")] == "mcp__s__a_b"
    assert re.fullmatch(r"mcp__s__a_b_[0-9a-f]{8}", found[origin("s", "a b")])


def test_two_with_the_same_claim_both_get_a_hash():
    found = model_names([origin("a__b", "c"), origin("a", "b__c")])
    assert len(set(found.values())) == 2
    assert "mcp__a__b__c" not in found.values()


def test_a_tool_cannot_take_the_hashed_name_of_another():
    victim = origin("s", "a b")
    hashed = model_names([victim, origin("s", "a_b")])[victim]
    thief = origin("s", hashed.removeprefix("mcp__s__"))
    found = model_names([victim, origin("s", "a_b"), thief])
    assert len(set(found.values())) == 3


def test_a_name_once_given_stays_when_a_rival_comes():
    first = model_names([origin("s", "a b")])
    found = model_names([origin("s", "a b"), origin("s", "a_b")], first)
    assert found[origin("s", "a b")] == "mcp__s__a_b"
    assert found[origin("s", "a_b")] != "mcp__s__a_b"


@given(st.lists(st.one_of(ORIGINS, ALIKE), max_size=30), st.randoms())
def test_names_are_safe_short_unique_and_do_not_depend_on_the_order(origins, random):
    found = model_names(origins)
    assert set(found) == set(origins)
    assert len(set(found.values())) == len(found)
    for name in found.values():
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", name)
        assert len(name.encode()) <= MAX_NAME_BYTES
    random.shuffle(origins)
    assert model_names(origins) == found


@given(st.lists(ALIKE, min_size=1, max_size=10, unique=True), ALIKE)
def test_a_newcomer_changes_no_name_that_was_given(origins, newcomer):
    before = model_names(origins)
    after = model_names([*origins, newcomer], before)
    assert {one: after[one] for one in origins} == before
    assert len(set(after.values())) == len(after)


@given(ORIGINS)
def test_a_lone_tool_has_its_plain_name_unless_that_is_too_long(one):
    name = model_names([one])[one]
    assert (name == plain_name(one)) == (len(plain_name(one)) <= MAX_NAME_BYTES)
