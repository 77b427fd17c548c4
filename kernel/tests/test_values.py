import sys

import attrs
import pytest

from codex_kernel.protocol.policy import Decision, strictest
from codex_kernel.protocol.usage import TokenUsage
from codex_kernel.protocol.value import PLAIN_INSTANCES, Value, field, value


@value
class Point(Value):
    x: int
    y: int = 0


@value
class Other(Value):
    x: int
    y: int = 0


def test_values_compare_by_type_and_fields():
    assert Point(x=1) == Point(x=1, y=0)
    assert Point(x=1) != Point(x=2)
    assert Point(x=1) != Other(x=1)
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2


def test_values_are_frozen_and_replaced():
    point = Point(x=1)
    with pytest.raises(AttributeError):
        point.x = 2
    assert point.replace(y=5) == Point(x=1, y=5)
    with pytest.raises(TypeError):
        point.replace(z=1)


def test_values_take_keywords_only_and_show_themselves():
    with pytest.raises(TypeError):
        Point(1)
    assert repr(Point(x=1)) == "Point(x=1, y=0)"


def test_usage_adds_up():
    total = TokenUsage(input_tokens=1, output_tokens=2, total_tokens=3) + TokenUsage(input_tokens=10, total_tokens=10)
    assert total.as_dict()["input_tokens"] == 11
    assert total.total_tokens == 13


def test_the_strictest_decision_wins():
    assert strictest(Decision.ALLOW, Decision.FORBIDDEN, Decision.PROMPT) is Decision.FORBIDDEN
    assert strictest(Decision.ALLOW) is Decision.ALLOW


def test_a_class_may_be_used_first_by_many_threads():
    import threading

    faults = []
    for _ in range(50):

        @value
        class Fresh(Value):
            a: int
            b: str = "x"

        start = threading.Barrier(4)

        def make(kind=Fresh, start=start):
            start.wait()
            try:
                assert kind(a=1) == kind(a=1, b="x")
            except BaseException as error:
                faults.append(error)

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []


@value
class Base(Value):
    a: int
    b: tuple = field(factory=tuple, repr=False)
    c: str = field(default="c", eq=False)


@value
class Derived(Base):
    a: int = 7
    d: int = attrs.field(default=1, converter=int, validator=attrs.validators.ge(0))


@value
class Later(Base):
    e: int = 0


def test_a_class_is_built_after_all_of_its_bases():
    @value
    class Grandparent(Value):
        a: int = 1

    @value
    class Parent(Grandparent):
        b: int = 2

    @value
    class Child(Parent):
        c: int = 3

    assert [f.name for f in attrs.fields(Grandparent)] == ["a"]
    assert [f.name for f in attrs.fields(Child)] == ["a", "b", "c"]
    assert Child(b=5) == Child(a=1, b=5, c=3)
    assert [f.name for f in attrs.fields(Parent)] == ["a", "b"]


def test_fields_have_factories_and_may_be_left_out_of_repr_and_equality():
    assert repr(Base(a=1)) == "Base(a=1, c='c')"
    assert Base(a=1, c="x") == Base(a=1, c="y")
    assert Base(a=1).replace(b=(2,)).b == (2,)


def test_fields_declared_by_means_of_attrs_are_carried_out_by_attrs():
    assert Derived(d="3").d == 3
    assert Derived() == Derived(a=7, d=1)
    with pytest.raises(ValueError):
        Derived(d=-1)


def test_unknown_and_missing_fields_are_named():
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'a'"):
        Later()
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Later(a=1, z=2)


def test_values_are_the_same_before_and_after_attrs_has_built_their_class():
    first = [Later(a=1), Later(a=1, e=2)]
    for number in range(2 * PLAIN_INSTANCES):
        assert Later(a=number).a == number
    later = [Later(a=1), Later(a=1, e=2)]
    assert first == later
    assert [repr(one) for one in first] == [repr(one) for one in later]
    assert [hash(one) for one in first] == [hash(one) for one in later]
    assert [f.name for f in attrs.fields(Later)] == ["a", "b", "c", "e"]
    assert attrs.evolve(first[0], e=2) == first[1]
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Later(a=1, z=2)
    with pytest.raises(AttributeError):
        first[0].a = 2


def test_values_do_without_attrs_where_it_cannot_be_loaded(monkeypatch):
    @value
    class Early(Value):
        x: int
        y: str = "y"

    monkeypatch.setitem(sys.modules, "attrs", None)  # as if it could not be read
    made = [Early(x=number) for number in range(2 * PLAIN_INSTANCES)]
    assert made[-1] == Early(x=2 * PLAIN_INSTANCES - 1)
    monkeypatch.undo()
    assert [Early(x=number) for number in range(2 * PLAIN_INSTANCES)] == made


def test_attrs_sees_the_fields_of_a_class_that_has_no_instance_yet():
    @value
    class Unused(Value):
        x: int
        y: dict = field(factory=dict, repr=False)

    assert [(f.name, f.repr) for f in attrs.fields(Unused)] == [("x", True), ("y", False)]
    assert Unused(x=1).y == {}
