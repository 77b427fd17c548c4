"""The tool `update_plan`: the model states its steps, people see them as a list that fills up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import (
    TodoEntry,
    TodoListItem,
    ToolCall,
    ToolContext,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
    TurnId,
)

if TYPE_CHECKING:
    from anyio import Lock

NAME = "update_plan"

STATUSES = ("pending", "in_progress", "completed")

DESCRIPTION = """\
Shows your plan for the task to the user, or replaces the plan shown before. Always give the whole list, done steps \
included, each with its status; at most one step is `in_progress` at a time.
Use it for work of several steps, and update it whenever a step is done or the plan changes; say why it changed in \
`explanation`. A task of one step needs no plan."""

PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "explanation": {"type": "string"},
        "plan": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "status": {"type": "string", "enum": list(STATUSES)},
                    "step": {"type": "string"},
                },
                "required": ["step", "status"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["plan"],
    "additionalProperties": False,
}

DEFINITION = ToolDefinition(name=NAME, description=DESCRIPTION, parameters=PARAMETERS)


class UpdatePlanTool:
    """Implements the `Tool` contract.

    One turn has one list: its item begins with the turn's first call, whose id it bears, and every further
    call is an update of it. Nothing here completes the item: the kernel does when the turn ends, since no
    call knows to be the last one.
    """

    def __init__(self) -> None:
        self._turn_id: TurnId | None = None
        self._item_id = ""
        self._showing: Lock | None = None  # of two calls in one response, the second waits until the list has begun

    @property
    def definition(self) -> ToolDefinition:
        """A function with the plan as its argument."""
        return DEFINITION

    @property
    def parallel_safe(self) -> bool:
        """Yes: a plan changes nothing that another call could depend on."""
        return True

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Show the plan. Raises `ToolFailed` when the arguments are not a plan; the old one stays then."""
        plan = parse_plan(call.arguments, call.call_id)
        if self._showing is None:
            import anyio

            self._showing = anyio.Lock()
        async with self._showing:
            if self._turn_id == ctx.turn_id:
                await ctx.item_updated(plan.replace(id=self._item_id))
            else:
                await ctx.item_started(plan)
                self._turn_id, self._item_id = ctx.turn_id, call.call_id
        return ToolOutput(output="Plan updated")

    async def aclose(self) -> None:
        """Nothing outlives a call."""


def parse_plan(arguments: Mapping[str, Any], item_id: str) -> TodoListItem:
    """The plan as an item with this id. Raises `ToolFailed` naming the first member that does not fit."""
    _no_others(arguments, ("explanation", "plan"), "")
    explanation = arguments.get("explanation")
    if explanation is not None and not isinstance(explanation, str):
        raise _unfit("`explanation` must be a string")
    plan = arguments.get("plan")
    if not isinstance(plan, list):
        raise _unfit("`plan` must be a list of steps")
    entries = tuple(_entry(given, f"plan[{index}]") for index, given in enumerate(plan))
    return TodoListItem(id=item_id, items=entries, explanation=explanation or "")


def _entry(given: object, where: str) -> TodoEntry:
    if not isinstance(given, dict):
        raise _unfit(f"`{where}` must be an object with `step` and `status`")
    _no_others(given, ("step", "status"), f" in `{where}`")
    for name in ("step", "status"):
        if name not in given:
            raise _unfit(f"missing field `{name}` in `{where}`")
    step, status = given["step"], given["status"]
    if not isinstance(step, str):
        raise _unfit(f"`{where}.step` must be a string")
    if status not in STATUSES:
        raise _unfit(f"`{where}.status` must be one of {', '.join(STATUSES)}, not {status!r}")
    return TodoEntry(text=step, status=status)


def _no_others(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    others = [name for name in given if name not in known]
    if others:
        raise _unfit(f"unknown field `{others[0]}`{where}, expected {' or '.join(f'`{name}`' for name in known)}")


def _unfit(reason: str) -> ToolFailed:
    return ToolFailed(f"failed to parse function arguments: {reason}")
