"""A server without a process, a context that judges as the gate does, and what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mcp.types as t
import pytest

from codex_mcp_bridge.approval import ApprovalModes
from codex_mcp_bridge.config import ServerConfig
from codex_mcp_bridge.toolbox import ToolBox
from codex_plugin_sdk import (
    ApprovalPolicy,
    Decision,
    Notice,
    PolicyContext,
    PolicyDenied,
    SandboxMode,
    SandboxPolicy,
    ToolCall,
    ToolIntent,
    ToolSetup,
    ToolSourceSetup,
    Verdict,
)
from codex_plugin_sdk.testing.fake_context import THREAD_ID, FakeToolContext

Answer = Callable[[str, dict[str, Any], Any], Any]


class FakeServer:
    """What the toolbox knows of a server; calls are answered by `answer`, an async function."""

    def __init__(self, name: str, *tools: t.Tool, answer: Answer | None = None, **config: Any) -> None:
        self.name = name
        self.config = ServerConfig(name=name, transport="stdio", command="x", **config)
        self.status, self.error, self.instructions = "ready", "", ""
        self.tools = tuple(tools)
        self.capabilities: t.ServerCapabilities | None = None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answer = answer
        self.pages: dict[str | None, t.ListResourcesResult] = {}

    async def connected(self) -> None:
        """It is always there."""

    async def call_tool(self, name: str, arguments: dict[str, Any], *, timeout_s: Any, progress: Any = None) -> Any:
        self.calls.append((name, arguments))
        if self.answer is None:
            return text_result("done")
        return await self.answer(name, arguments, progress)

    async def list_resources(self, cursor: str | None = None) -> t.ListResourcesResult:
        return self.pages[cursor]


class JudgingContext(FakeToolContext):
    """Asks `ApprovalModes` as the gate does; `consent` is the user's answer to each question in `asked`."""

    def __init__(self, cwd: str, *, consent: bool = True, **options: Any) -> None:
        options.setdefault("approval_policy", ApprovalPolicy.ON_REQUEST)
        options.setdefault("sandbox_policy", SandboxPolicy(mode=SandboxMode.WORKSPACE_WRITE))
        super().__init__(cwd, **options)
        self.consent = consent
        self.asked: list[Verdict] = []

    async def authorize(self, intent: ToolIntent) -> None:
        await super().authorize(intent)
        context = PolicyContext(approval_policy=self.approval_policy, sandbox_policy=self.sandbox_policy, cwd=self.cwd)
        verdict = ApprovalModes().evaluate(intent, context)
        if verdict is not None and verdict.decision is Decision.PROMPT:
            self.asked.append(verdict)
            if self.approval_policy is ApprovalPolicy.NEVER or not self.consent:
                raise PolicyDenied("rejected by user")


def tool(name: str = "add", schema: Mapping[str, Any] | None = None, **more: Any) -> t.Tool:
    """A definition that only reads, unless `annotations` say otherwise."""
    more.setdefault("description", f"Does {name}.")
    more.setdefault("annotations", t.ToolAnnotations(read_only_hint=True))
    return t.Tool(name=name, input_schema=dict(schema or {"type": "object", "properties": {}}), **more)


def text_result(*texts: str, **more: Any) -> t.CallToolResult:
    return t.CallToolResult(content=[t.TextContent(text=text) for text in texts], **more)


class Bench:
    """One thread's toolbox over fake servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Notice] = []
        self.config: dict[str, Any] = {}
        self.answers_questions = True
        self.servers: dict[str, FakeServer] = {}
        self._box: ToolBox | None = None

    def serve(self, name: str, *tools: t.Tool, **options: Any) -> FakeServer:
        server = self.servers[name] = FakeServer(name, *tools, **options)
        return server

    @property
    def setup(self) -> ToolSourceSetup:
        tools = ToolSetup(
            thread_id=THREAD_ID,
            codex_home=str(self.folder / "home"),
            spill_dir=str(self.folder / "spill"),
            environ={},
            config=self.config,
        )
        return ToolSourceSetup(
            tools=tools,
            cwd=str(self.folder),
            tell=self.told.append,
            spawn=None,
            answers_questions=self.answers_questions,
        )

    @property
    def box(self) -> ToolBox:
        if self._box is None:
            self._box = ToolBox(self.servers, self.setup)
        return self._box

    def named(self, name: str) -> Any:
        return next(tool for tool in self.box.tools() if tool.definition.name == name)

    @property
    def names(self) -> list[str]:
        return [tool.definition.name for tool in self.box.tools()]

    def context(self, **options: Any) -> JudgingContext:
        return JudgingContext(str(self.folder), **options)

    async def call(self, name: str, ctx: FakeToolContext, /, **arguments: Any) -> Any:
        call = ToolCall(call_id="call_1", name=name, input="", arguments=arguments)
        return await self.named(name).run(call, ctx)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def make_tool() -> Callable[..., t.Tool]:
    return tool


@pytest.fixture
def make_text() -> Callable[..., t.CallToolResult]:
    return text_result
