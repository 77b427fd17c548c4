import threading

import pytest

from codex_kernel.bounded import BoundedCaller, HookTimeout


def test_results_and_errors_come_back_to_the_caller():
    caller = BoundedCaller()
    assert caller.call(lambda: 5, 5) == 5
    with pytest.raises(ValueError, match="bad"):
        caller.call(lambda: int("bad"), 5)
    assert caller.call(lambda: 6, 5) == 6
    caller.close()


def test_a_hanging_call_is_given_up_and_the_next_one_runs():
    caller = BoundedCaller()
    release = threading.Event()
    with pytest.raises(HookTimeout):
        caller.call(release.wait, 0.05)
    assert caller.call(lambda: "still here", 5) == "still here"
    release.set()
    caller.close()


def test_a_plugin_that_exits_does_not_end_the_process():
    caller = BoundedCaller()

    def leave():
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        caller.call(leave, 5)
    assert caller.call(lambda: 1, 5) == 1
    caller.close()
