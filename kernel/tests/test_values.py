import pytest

from codex_kernel.protocol.policy import Decision, strictest
from codex_kernel.protocol.usage import TokenUsage
from codex_kernel.protocol.value import Value, value


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
