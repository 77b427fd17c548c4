"""When a call of a server's tool needs somebody's consent, and how the gate gets to know.

A `ToolIntent` alone says nothing of a server's approval mode, so ours carries the reason why it must be asked about,
and `ApprovalModes` is the policy that answers such an intent with a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import (
    ApprovalPolicy,
    Category,
    Decision,
    PolicyDenied,
    SandboxMode,
    ToolIntent,
    Value,
    Verdict,
    field,
    value,
)

if TYPE_CHECKING:
    from mcp.types import ToolAnnotations

    from codex_plugin_sdk import Intent, PolicyContext, PolicySetup, ToolContext


@value
class McpIntent(ToolIntent, Value):
    """A server's tool, or a server itself, is about to act. `must_ask` says why somebody has to consent, empty if
    nobody has to; `judged` is filled by the policy that heeds it."""

    must_ask: str = ""
    judged: list[str] = field(factory=list, repr=False, eq=False)


def must_ask(mode: str, annotations: ToolAnnotations | None) -> str:
    """Why a call has to be asked about in an approval mode (auto, prompt, writes, approve); empty if it has not.

    The hints are the server's own claims. In `auto`, what claims nothing counts as destructive, and so does what
    claims to be both read-only and destructive.
    """
    read_only = annotations is not None and annotations.read_only_hint is True
    destructive = None if annotations is None else annotations.destructive_hint
    open_world = None if annotations is None else annotations.open_world_hint
    match mode:
        case "approve":
            return ""
        case "writes":
            return "" if read_only else "the tool may change something"
        case "auto":
            if destructive is True:
                return "the tool may destroy something"
            if read_only or (destructive is False and open_world is False):
                return ""
            return "the tool may change something"
        case _:
            return "every call of this tool is to be confirmed"


def asks_nobody(approval_policy: ApprovalPolicy, mode: SandboxMode) -> bool:
    """Whether the user has given everything free: never asked, and nothing confined."""
    return approval_policy is ApprovalPolicy.NEVER and mode is SandboxMode.DANGER_FULL_ACCESS


class ApprovalModes:
    """Turns `McpIntent.must_ask` into a question. Implements the `ExecPolicy` contract."""

    def __init__(self, setup: PolicySetup | None = None) -> None:
        """Nothing of the setup is needed: what matters stands in the intent."""

    def evaluate(self, intent: Intent, context: PolicyContext) -> Verdict | None:
        """`prompt` for an intent that says why; None for every other one."""
        if not isinstance(intent, McpIntent):
            return None
        intent.judged.append("mcp")
        if not intent.must_ask or asks_nobody(context.approval_policy, context.sandbox_policy.mode):
            return None
        return Verdict(
            decision=Decision.PROMPT,
            reason=intent.must_ask,
            source="the approval mode of its server",
            category=Category.ELICITATION,
        )


async def authorize(ctx: ToolContext, intent: McpIntent) -> None:
    """Pass the gate. Raises `PolicyDenied`, also where the policy that would ask is not there: then nobody can have
    consented."""
    await ctx.authorize(intent)
    if intent.must_ask and not intent.judged:
        raise PolicyDenied(f"refused: {intent.must_ask}, and the policy `mcp` that asks about it is not loaded")


def approval_arguments(arguments: Any) -> dict[str, object]:
    """Arguments as they are shown to whoever consents, each text bounded and escaped."""
    from .safe_text import shown_data

    found = shown_data(arguments, 2_000)
    return found if isinstance(found, dict) else {}
