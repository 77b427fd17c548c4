"""The tool `apply_patch`: every hunk is checked before the first write; the kernel judges and writes."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from codex_plugin_sdk import (
    FileChangeItem,
    ItemStatus,
    PolicyDenied,
    ToolCall,
    ToolContext,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
)

from .apply import resolve, summary
from .definition import DEFINITION
from .hunks import InvalidPatch, Patch, PatchError
from .parser import parse
from .plan import Change, kept, plan
from .reading import read_text

if TYPE_CHECKING:
    from .following import FollowedPatch

SHELL_TOOL = "exec_command"
"""The tool through which models write `apply_patch <<'EOF' …` as a command, by the name that they know."""


class ApplyPatchTool:
    """Implements the `Tool` contract.

    The patch is the input of a freeform call, or the argument `input` where a provider offers the tool as a
    function. An argument `workdir` moves the start of relative paths (`cd DIR && apply_patch …` in a shell).
    With `followed`, frontends may show a patch while the model still writes it.
    """

    def __init__(self, *, followed: bool = False) -> None:
        self._followed = followed

    @property
    def definition(self) -> ToolDefinition:
        """Freeform, with a grammar."""
        return DEFINITION

    @property
    def parallel_safe(self) -> bool:
        """No: two patches of one response may be about the same file."""
        return False

    def follow_input(self) -> FollowedPatch | None:
        """What takes an input that still streams and tells its changes; None unless that is wanted."""
        if not self._followed:
            return None
        from .following import FollowedPatch

        return FollowedPatch()

    def claim(self, call: ToolCall, ctx: ToolContext | None = None) -> ToolCall | None:
        """Take over a shell command that is only an `apply_patch` here-document: people then see file changes,
        and policy judges them as such."""
        script = call.arguments.get("cmd") if call.name == SHELL_TOOL else None
        if not isinstance(script, str) or "apply" not in script:
            return None
        from .shell_form import extract_patch

        found = extract_patch(script)
        if found is None:
            return None
        folder = os.path.join(str(call.arguments.get("workdir") or "."), found.folder or ".")
        return call.replace(name=self.definition.name, input=found.patch, freeform=True, arguments={"workdir": folder})

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Check, show, write. A patch that does not fit shows nothing and changes nothing."""
        began = time.monotonic()
        cwd = resolve(ctx.cwd, str(call.arguments.get("workdir") or "."))
        try:
            patch = _parse(call)
            refusal = _refusal(patch)
            if refusal:
                return ToolOutput(output=refusal, success=False)
            changes = plan(patch, cwd, read_text)
        except PatchError as error:
            return ToolOutput(output=f"apply_patch verification failed: {error.for_model}", success=False)
        return await _write(call.call_id, patch, changes, ctx, began)

    async def aclose(self) -> None:
        """Nothing outlives a call."""


def _parse(call: ToolCall) -> Patch:
    given = call.arguments.get("input")
    text = call.input if call.freeform or not isinstance(given, str) else given
    try:
        text.encode()
    except UnicodeEncodeError as error:  # JSON can spell half a character, a file cannot hold it
        raise InvalidPatch(f"the text holds half a character at position {error.start}") from error
    return parse(text)


def _refusal(patch: Patch) -> str | None:
    if patch.environment_id is not None:
        return "apply_patch environment selection is unavailable for this turn"
    return None if patch.hunks else "patch rejected: empty patch"


async def _write(call_id: str, patch: Patch, changes: tuple[Change, ...], ctx: ToolContext, began: float) -> ToolOutput:
    shown = sorted((change.shown for change in changes), key=lambda change: change.path)
    item = FileChangeItem(id=call_id, changes=tuple(shown), status=ItemStatus.IN_PROGRESS)
    await ctx.item_started(item)
    written = summary(patch.hunks)
    try:
        done = await ctx.edit_files(
            [change.edit for change in changes], summary=written.partition("\n")[2].rstrip("\n")
        )
    except PolicyDenied as error:
        await ctx.item_completed(item.replace(status=ItemStatus.DECLINED, stderr=f"{error}\n"))
        raise
    except ToolFailed as error:
        await ctx.item_completed(item.replace(status=ItemStatus.FAILED, stderr=f"{error}\n"))
        return ToolOutput(output=_report(1, began, f"{error}\n"), success=False)
    if list(done) != [change.edit for change in changes]:  # who approved it has left out or changed some of it
        pairs = kept(patch.hunks, changes, done)
        written = summary(hunk for hunk, _ in pairs)
        item = item.replace(changes=tuple(sorted((shown for _, shown in pairs), key=lambda change: change.path)))
    await ctx.item_completed(item.replace(status=ItemStatus.COMPLETED, stdout=written))
    return ToolOutput(output=_report(0, began, written))


def _report(exit_code: int, began: float, text: str) -> str:
    seconds = f"{time.monotonic() - began:.1f}"
    return f"Exit code: {exit_code}\nWall time: {seconds} seconds\nOutput:\n{text}"
