"""When a dialogue is shown, by a clock of the test: never under the fingers of somebody who types."""

from __future__ import annotations

from types import SimpleNamespace

import anyio
import pytest

from codex_tui.screen import asking
from codex_tui.screen.asking import QUIET_S, SEEN_S, Dialogs

pytestmark = pytest.mark.anyio


class App:
    """What `Dialogs` needs of an application: `shown` is what is to be seen, `timers` what it waits for."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.shown, self.timers, self.focused, self.typed = [], [], None, []
        self.composer = "composer"
        self.screen = SimpleNamespace(set_focus=self.focus)
        monkeypatch.setattr(asking, "time", SimpleNamespace(monotonic=lambda: self.now))

    def focus(self, widget):
        self.focused = widget

    def refresh_status(self):
        """The last line."""

    def set_timer(self, delay_s, act):
        self.timers.append((self.now + delay_s, act))
        return act

    def type_again(self, late):
        self.typed += late

    async def show_dialog(self, dialog):
        self.shown.append(dialog)

    async def hide_dialog(self, dialog):
        self.shown.remove(dialog)

    async def after(self, seconds):
        self.now += seconds
        due = [act for at, act in self.timers if at <= self.now]
        self.timers = [entry for entry in self.timers if entry[0] > self.now]
        for act in due:
            if (found := act()) is not None:
                await found


@pytest.fixture
def app(monkeypatch):
    return App(monkeypatch)


async def test_a_question_waits_until_the_keys_are_still(app):
    dialogs = Dialogs(app)
    async with anyio.create_task_group() as tasks:
        dialogs.key_pressed()
        tasks.start_soon(lambda: dialogs.ask(lambda: "question", wanted=False))
        await anyio.wait_all_tasks_blocked()
        assert (app.shown, dialogs.held_back) == ([], 1)
        await app.after(QUIET_S - 0.1)
        dialogs.key_pressed()
        await app.after(0.2)
        assert app.shown == []
        await app.after(QUIET_S)
        assert (app.shown, dialogs.held_back) == (["question"], 0)
        tasks.cancel_scope.cancel()


async def test_a_key_that_comes_before_a_question_can_be_read_takes_it_away(app):
    dialogs = Dialogs(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: dialogs.ask(lambda: "question", wanted=False))
        await anyio.wait_all_tasks_blocked()
        assert (app.shown, dialogs.too_new) == (["question"], True)
        await app.after(SEEN_S / 2)
        await dialogs.key_came()
        assert (app.shown, app.focused, dialogs.held_back) == ([], "composer", 1)
        await app.after(QUIET_S + 0.1)
        assert app.shown == ["question"]
        await app.after(SEEN_S + 0.1)
        await dialogs.key_came()  # this one is for it
        assert (app.shown, dialogs.too_new) == (["question"], False)
        tasks.cancel_scope.cancel()


async def test_a_dialog_that_the_user_opened_has_the_keys_at_once(app):
    dialogs, picker = Dialogs(app), SimpleNamespace(late=["x"])
    async with anyio.create_task_group() as tasks:
        dialogs.key_pressed()
        tasks.start_soon(lambda: dialogs.ask(lambda: picker))
        await anyio.wait_all_tasks_blocked()
        await dialogs.key_came()
        assert app.shown == [picker]
        await dialogs.answered(picker, 7)
        assert (app.shown, app.typed) == ([], ["x"])  # what was typed while it closed is not lost
        tasks.cancel_scope.cancel()


async def test_a_question_that_is_taken_back_goes_away(app):
    dialogs = Dialogs(app)
    with anyio.CancelScope() as first:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: dialogs.ask(lambda: "one", wanted=False))
            await anyio.wait_all_tasks_blocked()
            assert app.shown == ["one"]
            first.cancel()
    assert app.shown == []
    assert dialogs.open is None
