"""The shape of a thread's settings."""

from __future__ import annotations

from .params import SANDBOX_POLICY
from .shapes import NULL, STRING, enum, named, nullable, record
from .wire_types import APPROVALS_REVIEWER, ASK_FOR_APPROVAL, REASONING_EFFORT, TEXT_OR_NULL

_EFFORT = nullable(REASONING_EFFORT)
THREAD_SETTINGS = named(
    "ThreadSettings",
    record(
        {
            "model": STRING,
            "modelProvider": STRING,
            "serviceTier": TEXT_OR_NULL,
            "cwd": STRING,
            "approvalPolicy": ASK_FOR_APPROVAL,
            "approvalsReviewer": APPROVALS_REVIEWER,
            "sandboxPolicy": SANDBOX_POLICY,
            "activePermissionProfile": NULL,
            "effort": _EFFORT,
            "summary": nullable(named("ReasoningSummary", enum("auto", "concise", "detailed", "none"))),
            "personality": NULL,
            "collaborationMode": named(
                "CollaborationMode",
                record(
                    {
                        "mode": named("ModeKind", enum("default")),
                        "settings": named(
                            "Settings",
                            record({"model": STRING, "reasoning_effort": _EFFORT, "developer_instructions": NULL}),
                        ),
                    }
                ),
                "There is one way of working together; its settings are those of the thread.",
            ),
        }
    ),
    "What the turns of a thread are carried out with, unless it is changed again.",
)
