"""Questions in words: what is told, and what comes of the lines that answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest

from codex_tui.lines.asking import put_ask
from codex_tui.lines.desk import Left
from codex_tui.session.asks import Reply, read_ask
from codex_tui.session.cells import FileDiff

from .asks_kit import ASKED, CHANGE, COMMAND, FORM, PERMISSIONS, QUESTION, TOOL, URL

pytestmark = pytest.mark.anyio
DIFF = "@@ -1,3 +1,3 @@\n-a\n+A\n b\n c\n@@ -11,2 +11,2 @@\n k\n-l\n+L\n"
CHANGES = (FileDiff(path="f.py", kind="update", diff=DIFF), FileDiff(path="new.txt", kind="add", diff="hi\n"))


class Desk:
    """Answers with lines that were written down; None leaves the question."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = deque(answers)
        self.said: list[str] = []
        self.secrets: list[bool] = []

    async def ask(self, lines: Sequence[str], prompt: str = "", *, secret: bool = False) -> str:
        self.said += lines
        self.secrets.append(secret)
        answer = self.answers.popleft()
        if answer is None:
            raise Left
        return answer

    async def tell(self, lines: Sequence[str]) -> None:
        self.said += lines


async def put(method: str, params: dict[str, Any], *answers: str | None, **more: Any) -> tuple[Reply, list[str]]:
    ask = read_ask({"id": 1, "method": method, "params": params})
    if "changes" in more:
        ask.changes = more.pop("changes")
    desk = Desk(*answers)
    reply = await put_ask(desk, ask, **more)
    assert not desk.answers
    return reply, desk.said


async def test_a_command_is_told_with_what_where_and_why():
    reply, said = await put("item/commandExecution/requestApproval", COMMAND, "?", "1", place=" (1 of 2)")
    assert said[:5] == [
        "",
        "Approval needed: Run this command? (1 of 2)",
        "command: npm test -- --all",
        f"in: {COMMAND['cwd']}",
        "why: to see what fails",
    ]
    assert said[:10] == said[len(said) // 2 :][:10]  # ? tells it again
    assert reply.result == {"decision": "accept"}
    assert reply.outcome == "Allowed (Yes, this once): npm test -- --all"


async def test_no_asks_for_the_reason_where_it_was_not_said():
    reply, said = await put("item/commandExecution/requestApproval", COMMAND, "t", "", "use npm ci")
    assert said.count("Say why, or what to do instead.") == 2
    assert (reply.result, reply.follow_up) == ({"decision": "decline"}, "use npm ci")


async def test_permissions_and_tools_are_told():
    reply, said = await put("item/permissions/requestApproval", PERMISSIONS, "yes", whose=" of sub-agent 1")
    assert said[1] == "Approval needed of sub-agent 1: Let commands do more than the sandbox permits?"
    assert "network: any host" in said
    assert reply.result["scope"] == "turn"
    reply, said = await put("mcpServer/elicitation/request", TOOL, "always", "a")
    assert "Ticket: 5" in said
    assert reply.result == {"action": "accept", "content": {}, "_meta": {"persist": "always"}}


async def test_an_address_tells_where_it_leads():
    reply, said = await put("mcpServer/elicitation/request", URL, "n")
    assert "leads to: evil.test" in said
    assert said[1].startswith("Question: ")
    assert reply.result == {"action": "decline", "content": None}


async def test_a_question_that_is_left_raises():
    with pytest.raises(Left):
        await put("item/commandExecution/requestApproval", COMMAND, "", None)


# -- changes -------------------------------------------------------------------------------------------

PARTS = {**CHANGE, "availableDecisions": ["accept", "acceptForSession", "decline", "cancel", "acceptWithChanges"]}
METHOD = "item/fileChange/requestApproval"


async def test_a_change_is_shown_as_lines_and_taken_as_a_whole():
    reply, said = await put(METHOD, CHANGE, "y", changes=CHANGES)
    start = said.index("File changed: f.py, 2 lines added, 2 removed")
    assert said[start + 1 : start + 4] == ["@@ -1,3 +1,3 @@", "-a", "+A"]
    assert said[said.index("File added: new.txt, 1 line") + 1] == "+hi"
    assert reply.result == {"decision": "accept"}


async def test_a_change_is_gone_through_hunk_by_hunk():
    reply, said = await put(METHOD, PARTS, "h", "take it", "e", " k", "-l", "+M", ".", "n", changes=CHANGES)
    assert "Part 2 of 3: f.py, hunk 2 of 2, line 11" in said
    changes = reply.result["decision"]["acceptWithChanges"]["changes"]
    assert [change["path"] for change in changes] == ["f.py"]
    assert "+M\n" in changes[0]["diff"]
    assert "+A\n" in changes[0]["diff"]
    assert reply.outcome == "Took 2 of 3 parts of the patch, 1 of them edited"


async def test_an_edit_that_does_not_fit_is_said_and_going_back_decides_nothing():
    reply, said = await put(METHOD, PARTS, "h", "e", "no sign", ".", "q", "h", "d", changes=CHANGES)
    assert any(line.startswith("Not taken: ") for line in said)
    assert (reply.result, reply.approved) == ({"decision": "decline"}, False)


async def test_a_change_that_nobody_knows_is_taken_or_refused_as_a_whole():
    reply, said = await put(METHOD, CHANGE, "hunk", "n")
    assert any(line.startswith("'hunk' is none of the answers") for line in said)
    assert reply.result == {"decision": "decline"}


# -- forms and questions -------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Name"},
        "count": {"type": "integer", "minimum": 1, "default": 2},
        "sure": {"type": "boolean"},
    },
    "required": ["name"],
}


async def test_a_form_is_filled_in_checked_and_shown_before_it_is_sent():
    form = {**FORM, "requestedSchema": SCHEMA}
    answers = ["fill it in", "", "Ann", "0", "5", "y", "y"]
    reply, said = await put("mcpServer/elicitation/request", form, *answers)
    assert "Not accepted: this is required." in said
    assert "Not accepted: at least 1 is wanted." in said
    assert said[said.index("This would be sent:") + 1 :][:3] == ["Name: Ann", "count: 5", "sure: yes"]
    assert reply.result == {"action": "accept", "content": {"name": "Ann", "count": 5, "sure": True}}


async def test_a_form_can_be_declined_and_filled_in_once_more():
    form = {**FORM, "requestedSchema": SCHEMA}
    reply, _ = await put("mcpServer/elicitation/request", form, "decline")
    assert reply.result == {"action": "decline", "content": None}
    reply, _ = await put("mcpServer/elicitation/request", form, "y", "A", "", "", "f", "y", "B", "-", "no", "send")
    assert reply.result["content"] == {"name": "B", "sure": False}


async def test_questions_are_answered_by_number_or_in_own_words():
    two = [QUESTION, {**QUESTION, "id": "s", "header": "Token", "isSecret": True, "options": None}]
    reply, said = await put("item/tool/requestUserInput", {**ASKED, "questions": two}, "2", "", "abc")
    assert said[1] == "Question: The agent asks you 2 things"
    assert "Colour: Which? (1 of 2)" in said
    assert "1. red: warm" in said
    assert reply.result == {"answers": {"q": {"answers": ["blue"]}, "s": {"answers": ["abc"]}}}


async def test_a_secret_is_asked_for_as_one():
    ask = read_ask(
        {
            "id": 1,
            "method": "item/tool/requestUserInput",
            "params": {**ASKED, "questions": [{**QUESTION, "isSecret": True}]},
        }
    )
    desk = Desk("green")
    assert (await put_ask(desk, ask)).result == {"answers": {"q": {"answers": ["green"]}}}
    assert desk.secrets == [True]


async def test_questions_can_be_left_unanswered():
    reply, said = await put(
        "item/tool/requestUserInput", {**ASKED, "questions": [{**QUESTION, "isOther": False}]}, "pink", "/skip"
    )
    assert "That is none of the answers." in said
    assert (reply.result, reply.interrupts) == ({"answers": {}}, False)
