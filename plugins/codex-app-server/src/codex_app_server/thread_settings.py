"""What a thread's turns are carried out with, as clients are told when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codex_plugin_sdk.remote.items import wire_sandbox

from .items import wire_approval

if TYPE_CHECKING:
    from .loaded import LoadedThread


def settings_of(loaded: LoadedThread) -> dict[str, Any]:
    """The settings as they stand."""
    settings = loaded.state.settings
    mode = {"model": settings.model, "reasoning_effort": settings.effort, "developer_instructions": None}
    return {
        "model": settings.model,
        "modelProvider": settings.provider_id,
        "serviceTier": settings.service_tier,
        "cwd": loaded.state.cwd,
        "approvalPolicy": wire_approval(settings.approval_policy, settings.granular),
        "approvalsReviewer": "user" if settings.approvals_reviewer is None else "auto_review",
        "sandboxPolicy": wire_sandbox(settings.sandbox_policy),
        "activePermissionProfile": None,
        "effort": settings.effort,
        "summary": settings.summary,
        "personality": None,
        "collaborationMode": {"mode": "default", "settings": mode},
    }
