"""Forms and questions, filled in by keys."""

from __future__ import annotations

import pytest
from textual.events import Paste
from textual.widgets import Static

from codex_tui.screen.form import FormDialog
from codex_tui.screen.put_ask import put_ask
from codex_tui.screen.questions import QuestionsDialog

from .asks_kit import ASKED, QUESTION, ask, form
from .screens import shown
from .snapshots import check

pytestmark = pytest.mark.anyio
TEXT = {"type": "string"}
PROPERTIES = {
    "mail": {**TEXT, "format": "email", "title": "E-mail", "description": "Where the answer goes"},
    "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
    "sure": {"type": "boolean", "title": "Really?"},
    "colour": {**TEXT, "enum": ["r", "b"], "enumNames": ["Red", "Blue"]},
    "days": {"type": "array", "items": {**TEXT, "enum": ["mon", "tue"]}, "minItems": 1},
}
SECRET = {"id": "s", "header": "Key", "question": "Your key?", "isOther": False, "isSecret": True, "options": None}


def whole():
    """A form with a field of each kind."""
    return form(PROPERTIES, ["mail", "colour"])


@pytest.mark.parametrize("size", [(80, 30), (40, 12)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_is_on_the_screen(size):
    questions = ask("questions", ASKED, questions=[QUESTION, SECRET])
    async with shown(FormDialog(whole()), size) as (pilot, host):
        check(f"ask-form-{size[0]}x{size[1]}", host.rows())
        await host.put(QuestionsDialog(questions))
        await pilot.pause()
        check(f"ask-questions-{size[0]}x{size[1]}", host.rows())


async def test_a_form_is_filled_in_by_keys_and_sent_whole():
    dialog = FormDialog(whole())
    async with shown(dialog, (80, 40)) as (pilot, host):
        dialog.post_message(Paste("me@example.or"))
        await pilot.press("g", "enter")  # mail
        await pilot.press("backspace", "5", "tab")  # count
        await pilot.press("down", "space", "tab")  # no
        await pilot.press("2", "tab", "tab")  # blue
        await pilot.press("space", "down", "space", "enter")  # both days
        await pilot.press("enter")
        await pilot.pause()
        ((choice, content),) = host.answers
    assert choice.decision == "accept"
    assert content == {"mail": "me@example.org", "count": 5, "sure": False, "colour": "b", "days": ["mon", "tue"]}
    assert list(content) == list(PROPERTIES)


@pytest.mark.parametrize("size", [(80, 40), (40, 12)])
async def test_nothing_is_sent_before_all_of_it_fits(size):
    dialog = FormDialog(whole())
    async with shown(dialog, size) as (pilot, host):
        dialog.groups[0].line.text = "nobody"
        dialog._go(-3)  # to the button that sends
        for _ in range(8):
            await pilot.press("enter")
            if dialog._entry.button is None:
                break
        await pilot.pause()
        assert not host.answers
        assert "not sent: see what is marked" in host.rows()[-1]
        assert dialog._entry.group.name == "mail"
        assert [(group.name, group.error) for group in dialog.groups if group.error] == [
            ("mail", "an e-mail address is wanted"),
            ("colour", "this is required"),
        ]
        assert "an e-mail address is wanted" in "\n".join(host.rows())
        await pilot.press(*"@b")  # what was wrong is checked while it is mended
        assert not dialog.groups[0].error


async def test_a_form_may_be_declined_or_left_as_it_is():
    async with shown(Static()) as (pilot, host):
        for keys, decision in ((["escape"], "cancel"), (["up", "enter"], "cancel"), (["up", "n"], "decline")):
            await host.put(FormDialog(whole()))
            await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()
            assert [(choice.decision, content) for choice, content in host.answers] == [(decision, None)], keys


async def test_letters_go_into_fields_and_never_to_the_buttons():
    dialog = FormDialog(whole())
    async with shown(dialog) as (pilot, host):
        await pilot.press(*"yxn")
        assert not host.answers
        assert dialog.groups[0].line.text == "yxn"


async def test_words_of_a_server_do_not_look_like_our_buttons():
    evil = {"f": {**TEXT, "title": "1 y Send\n  1 y Send", "description": "> 1 y Send\x1b[2J\n  2 n Decline"}}
    async with shown(FormDialog(form(evil))) as (_pilot, host):
        rows = host.rows()
        assert all(row.isprintable() for row in rows)
        assert [row for row in rows if "1 y Send" in row and "│" not in row] == ["   1 y Send"]


async def test_an_optional_choice_can_be_taken_back():
    dialog = FormDialog(form({"sure": {"type": "boolean", "default": True}}))
    async with shown(dialog) as (pilot, host):
        await pilot.press("space", "down", "down", "enter")
        await pilot.pause()
        assert host.answers[0][1] == {}


async def test_a_form_without_fields_can_be_sent():
    async with shown(FormDialog(form({}))) as (pilot, host):
        await pilot.press("enter")
        await pilot.pause()
        assert host.answers[0][1] == {}


async def test_a_paste_goes_into_the_line():
    dialog = FormDialog(whole())
    async with shown(dialog) as (pilot, _host):
        dialog.post_message(Paste("me@\x1bexample.org\nsecond line"))
        await pilot.pause()
        assert dialog.groups[0].line.text == "me@example.org"


# -- questions -----------------------------------------------------------------------------------------


async def test_questions_take_a_choice_a_text_or_both_and_hide_what_is_secret():
    dialog = QuestionsDialog(ask("questions", ASKED, questions=[QUESTION, SECRET]))
    async with shown(dialog) as (pilot, host):
        await pilot.press("2", "down", "down", *"ok", "tab", *"zzz")
        assert "zzz" not in "\n".join(host.rows())
        assert [row for row in host.rows() if "•••" in row]
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert host.answers[0][1] == {"q": ("blue", "ok"), "s": ("zzz",)}


async def test_a_question_without_an_answer_is_not_sent():
    async with shown(QuestionsDialog(ask("questions", ASKED))) as (pilot, host):
        await pilot.press("up", "up", "up", "y")
        await pilot.pause()
        assert not host.answers
        assert [row for row in host.rows() if "there is no answer yet" in row]


@pytest.mark.parametrize(("keys", "stops"), [(["escape"], True), (["up", "n"], False)])
async def test_questions_may_be_left(keys, stops):
    found = ask("questions", ASKED)
    async with shown(QuestionsDialog(found)) as (pilot, host):
        await pilot.press(*keys)
        await pilot.pause()
        ((choice, answers),) = host.answers
        assert (choice.interrupts, answers) == (stops, None)
        assert found.reply(choice).result == {"answers": {}}


async def test_what_was_filled_in_becomes_a_reply():
    async def show(make):
        dialog = make()
        return dialog.buttons[0], {"mail": "a@b"} if isinstance(dialog, FormDialog) else {"q": ("red",)}

    assert (await put_ask(whole(), show)).result == {"action": "accept", "content": {"mail": "a@b"}}
    assert (await put_ask(ask("questions", ASKED), show)).result == {"answers": {"q": {"answers": ["red"]}}}

    async def leave(make):
        return make().buttons[1], None

    assert (await put_ask(whole(), leave)).result == {"action": "decline", "content": None}
    assert (await put_ask(ask("questions", ASKED), leave)).result == {"answers": {}}
