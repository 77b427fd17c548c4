"""A `ToolContext` without a kernel: programs really run, files are really written, and a test sees all of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import anyio

from codex_plugin_sdk import (
    ApprovalPolicy,
    EditIntent,
    ElicitationAnswer,
    ExecRequest,
    FileEdit,
    Grant,
    Intent,
    PolicyDenied,
    Process,
    Question,
    ResponseItem,
    RunIntent,
    SandboxMode,
    SandboxPolicy,
    ThreadId,
    ThreadItem,
    TodoListItem,
    ToolFailed,
    ToolIntent,
    TurnId,
    remove_file,
    replace_file,
    spawn_process,
)

MARK_VARIABLE = "CODEX_FAKE_CONTEXT"
"""Stands in the environment of every program that a context starts, and of all that those start."""

THREAD_ID = ThreadId("01990000-0000-7000-8000-000000000001")
TURN_ID = TurnId("01990000-0000-7000-8000-000000000002")
_FULL_ACCESS = SandboxPolicy(mode=SandboxMode.DANGER_FULL_ACCESS)


class FakeToolContext:
    """Stands for the contexts of all calls of one turn. Implements the `ToolContext` contract.

    Nothing is judged and nothing is confined: `sandbox_policy` and `approval_policy` are only what a tool
    reads of them. `deny` is raised by `exec`, `edit_files`, `authorize` and `ask`, after the intent was noted.
    `environ` holds variables that every program gets over those of its request; `answers` are those to
    questions, by id, and without one for each of them `ask` raises `PolicyDenied`, as it does where nobody is.

    Everything is kept, oldest first: items in `started`, `updated` and `completed`, output in `deltas`,
    what was asked for in `intents`, `questions` and
    `elicitations` (server and message), programs in `requests` and `processes`. `spoke` is set by the
    first output. Leaving the `async with` block ends what still runs.
    """

    def __init__(
        self,
        cwd: str,
        *,
        environ: Mapping[str, str] | None = None,
        deny: PolicyDenied | None = None,
        answers: Mapping[str, str] | None = None,
        sandbox_policy: SandboxPolicy = _FULL_ACCESS,
        approval_policy: ApprovalPolicy = ApprovalPolicy.NEVER,
        thread_id: ThreadId = THREAD_ID,
        turn_id: TurnId = TURN_ID,
    ) -> None:
        self.cwd = cwd
        self.sandbox_policy = sandbox_policy
        self.approval_policy = approval_policy
        self.thread_id = thread_id
        self.turn_id = turn_id
        self.deny = deny
        self.answers = dict(answers or {})
        self.environ = dict(environ or {})
        self.mark = secrets.token_hex(8)
        self.started: list[ThreadItem] = []
        self.updated: list[ThreadItem] = []
        self.completed: list[ThreadItem] = []
        self.deltas: list[tuple[str, bytes]] = []
        self.intents: list[Intent] = []
        self.questions: list[Question] = []
        self.elicited: dict[str, ElicitationAnswer] = {}
        self.elicitations: list[tuple[str, str]] = []
        self.sampled: list[ResponseItem] = []
        self.requests: list[ExecRequest] = []
        self.processes: list[Process] = []
        self.spoke = anyio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self.processes:
            await process.kill_tree()

    # -- acting ----------------------------------------------------------------------------------------

    async def exec(self, request: ExecRequest, intent: RunIntent) -> Process:
        """Run the program unconfined. Raises `deny`, or `ToolFailed` when it cannot be started."""
        self._judge(intent)
        self.requests.append(request)
        env = {**request.env, **self.environ, MARK_VARIABLE: self.mark}
        try:
            process = await spawn_process(request, env=env)
        except FileNotFoundError as error:
            raise ToolFailed(f"no such program or folder: {error.filename or request.argv[0]}") from error
        except OSError as error:
            raise ToolFailed(f"{request.argv[0]} cannot be started: {error.strerror or error}") from error
        self.processes.append(process)
        return process

    async def edit_files(self, edits: Sequence[FileEdit], *, summary: str = "") -> Sequence[FileEdit]:
        """Write the files, and give the edits. Raises `deny`, `ToolFailed` naming the file whose write failed and those
        already written, or `AssertionError` for a path that is not absolute, which no kernel would take."""
        paths = [edit.path for edit in edits] + [edit.move_from for edit in edits if edit.move_from]
        relative = [path for path in paths if not os.path.isabs(path)]
        assert not relative, f"the paths of edits are absolute, these are not: {relative}"
        self._judge(EditIntent(paths=tuple(dict.fromkeys(paths)), cwd=self.cwd, summary=summary))
        written: list[str] = []
        for edit in edits:
            try:
                _apply(edit)
            except OSError as error:
                done = f"; already written: {', '.join(written)}" if written else ""
                raise ToolFailed(f"Failed to write file {edit.path}: {error.strerror or error}{done}") from error
            written.append(edit.path)
        return edits

    async def authorize(self, intent: ToolIntent) -> Grant | None:
        """Note the intent, and grant the permissions that it asks for. Raises `deny`."""
        self._judge(intent)
        return None if intent.permissions is None else Grant(permissions=intent.permissions)

    async def ask(self, questions: Sequence[Question]) -> Mapping[str, tuple[str, ...]]:
        """The answers that the test gave. Raises `deny`, or `PolicyDenied` when one is missing."""
        self.questions += questions
        if self.deny is not None:
            raise self.deny
        missing = [question.id for question in questions if question.id not in self.answers]
        if missing:
            raise PolicyDenied(f"nobody is there to answer ({', '.join(missing)})")
        return {question.id: (self.answers[question.id],) for question in questions}

    async def elicit(
        self,
        server: str,
        message: str,
        *,
        schema: Mapping[str, Any] | None = None,
        url: str | None = None,
        raw: Mapping[str, Any] | None = None,
    ) -> ElicitationAnswer:
        """What the test put into `elicited` for this server. Raises `deny`, or `PolicyDenied` for others."""
        self.elicitations.append((server, message))
        if self.deny is not None:
            raise self.deny
        if server not in self.elicited:
            raise PolicyDenied(f"nobody is there to answer {server}")
        return self.elicited[server]

    async def sample(self, items: Sequence[ResponseItem], *, instructions: str = "") -> Sequence[ResponseItem]:
        """What the test put into `sampled`. Raises `deny`, or `ToolFailed` without any."""
        if self.deny is not None:
            raise self.deny
        if not self.sampled:
            raise ToolFailed("no model answers here")
        return self.sampled

    def _judge(self, intent: Intent) -> None:
        self.intents.append(intent)
        if self.deny is not None:
            raise self.deny

    # -- telling ---------------------------------------------------------------------------------------

    async def item_started(self, item: ThreadItem) -> None:
        """Keep an item that begins."""
        self.started.append(item)

    async def item_updated(self, item: ThreadItem) -> None:
        """Keep a new state of an item."""
        self.updated.append(item)

    async def item_completed(self, item: ThreadItem) -> None:
        """Keep an item's final state."""
        self.completed.append(item)

    async def output_delta(self, item_id: str, chunk: bytes) -> None:
        """Keep output."""
        self.deltas.append((item_id, chunk))
        self.spoke.set()

    # -- looking ---------------------------------------------------------------------------------------

    def open_items(self) -> list[ThreadItem]:
        """Items that began and were not completed. Plans are left out: the kernel completes them."""
        ended = {item.id for item in self.completed}
        return [item for item in self.started if item.id not in ended and not isinstance(item, TodoListItem)]

    def living(self) -> list[int]:
        """Ids of the processes that run and came from this context, however far they went from their parents.
        Where there is no `/proc`, only the programs that were started directly."""
        if not os.path.isdir("/proc/self"):
            return [process.pid for process in self.processes if process.returncode is None]
        return marked_processes(self.mark)


def marked_processes(mark: str) -> list[int]:
    """The running processes that were started with `MARK_VARIABLE` set to the mark; needs `/proc`."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    variables = file.read().split(b"\0")
            except OSError:  # it has ended meanwhile, or is another user's
                continue
            if wanted in variables:
                found.append(int(name))
    return found


def _apply(edit: FileEdit) -> None:
    if edit.content is None:
        remove_file(edit.path)
        return
    replace_file(edit.path, edit.content)
    if edit.move_from is not None:
        remove_file(edit.move_from)
