"""The tool `request_user_input`: a few short questions, answered by whoever drives the thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codex_plugin_sdk import Choice, Question, ToolCall, ToolContext, ToolDefinition, ToolFailed, ToolOutput

NAME = "request_user_input"
MAX_QUESTIONS = 3

DESCRIPTION = """\
Asks the user one to three short questions and waits for the answers. Use it only where the answer changes what you \
do and you cannot find it out yourself. Nobody may be there to answer: then decide by yourself, and say how."""

OPTION: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "description": {"type": "string", "description": "What choosing it means, in one short sentence."},
        "label": {"type": "string", "description": "One to five words."},
    },
    "required": ["label", "description"],
    "additionalProperties": False,
}
QUESTION: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "header": {"type": "string", "description": "A label of at most twelve characters."},
        "id": {"type": "string", "description": "By which you find the answer, in snake_case."},
        "options": {
            "type": "array",
            "description": "Two or three that exclude each other, the one you advise first. The user can always "
            "write something else: offer no option for that.",
            "items": OPTION,
        },
        "question": {"type": "string", "description": "One sentence."},
    },
    "required": ["id", "header", "question", "options"],
    "additionalProperties": False,
}
PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "questions": {"type": "array", "description": "One if that will do, at most three.", "items": QUESTION}
    },
    "required": ["questions"],
    "additionalProperties": False,
}
DEFINITION = ToolDefinition(name=NAME, description=DESCRIPTION, parameters=PARAMETERS)


class RequestUserInputTool:
    """Implements the `Tool` contract."""

    @property
    def definition(self) -> ToolDefinition:
        """A function with the questions as its argument."""
        return DEFINITION

    @property
    def parallel_safe(self) -> bool:
        """No: what comes after may depend on the answer."""
        return False

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Ask. Raises `ToolFailed` for arguments that are no questions, `PolicyDenied` where nobody answers."""
        questions = parse_questions(call.arguments)
        answers = await ctx.ask(questions)
        import orjson

        told = {id: {"answers": list(texts)} for id, texts in answers.items()}
        return ToolOutput(output=orjson.dumps({"answers": told}).decode())

    async def aclose(self) -> None:
        """Nothing outlives a call."""


def parse_questions(arguments: Mapping[str, Any]) -> tuple[Question, ...]:
    """The questions. Raises `ToolFailed` naming the first member that does not fit."""
    given = arguments.get("questions")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_QUESTIONS:
        raise _unfit(f"`questions` must be a list of 1 to {MAX_QUESTIONS} questions")
    questions = tuple(_question(entry, f"questions[{at}]") for at, entry in enumerate(given))
    if len({question.id for question in questions}) < len(questions):
        raise _unfit("every question needs an `id` of its own")
    return questions


def _question(given: object, where: str) -> Question:
    if not isinstance(given, dict):
        raise _unfit(f"`{where}` must be an object")
    options = given.get("options", [])
    if not isinstance(options, list) or not options:
        raise _unfit(f"`{where}.options` must be a list of at least one option")
    return Question(
        id=_text(given, "id", where),
        header=_text(given, "header", where),
        question=_text(given, "question", where),
        options=tuple(_option(entry, f"{where}.options[{at}]") for at, entry in enumerate(options)),
    )


def _option(given: object, where: str) -> Choice:
    if not isinstance(given, dict):
        raise _unfit(f"`{where}` must be an object with `label` and `description`")
    return Choice(label=_text(given, "label", where), description=_text(given, "description", where))


def _text(given: Mapping[str, Any], name: str, where: str) -> str:
    found = given.get(name)
    if not isinstance(found, str) or not found.strip():
        raise _unfit(f"`{where}.{name}` must be a text")
    return found


def _unfit(reason: str) -> ToolFailed:
    return ToolFailed(f"failed to parse function arguments: {reason}")
