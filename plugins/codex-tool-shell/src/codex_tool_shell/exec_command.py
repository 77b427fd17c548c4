"""The tool `exec_command`."""

from __future__ import annotations

import os
from typing import Any

import anyio

from codex_plugin_sdk import (
    ApprovalPolicy,
    CommandExecutionItem,
    ConfigError,
    Denial,
    ExecRequest,
    ItemStatus,
    NetworkMode,
    PolicyDenied,
    RunIntent,
    ToolCall,
    ToolContext,
    ToolDefinition,
    ToolFailed,
    ToolOutput,
    ToolSetup,
)

from .arguments import ExecArguments, parse_exec
from .definitions import EXEC_COMMAND, with_additional_permissions
from .environment import apply_policy, command_environment
from .session import Session
from .sessions import Sessions
from .shells import command_line, default_shell, named_shell

_RETRYING = (ApprovalPolicy.ON_FAILURE, ApprovalPolicy.UNTRUSTED)
"""Where the user is asked about a command that its sandbox made fail; elsewhere the model may ask."""
NEVER_RAN = -1
"""The exit code, in its item, of a command that was refused or could not be started; as in Codex."""
INTERRUPTED = "interrupted before it ran"


class ExecCommandTool:
    """Starts commands. Made once per thread."""

    def __init__(self, setup: ToolSetup, sessions: Sessions) -> None:
        """Raises `ConfigError` for settings that do not fit."""
        self._sessions = sessions
        self._environ = setup.environ
        self._base_environment = apply_policy(setup.environ, _table(setup.config, "shell_environment_policy"))
        self._allow_login = setup.config.get("allow_login_shell", True)
        if not isinstance(self._allow_login, bool):
            raise ConfigError(f"allow_login_shell must be true or false, not {self._allow_login!r}")
        self._shell = default_shell(setup.environ)
        wide = _table(setup.config, "features").get("exec_permission_approvals") is True
        self._definition = with_additional_permissions() if wide else EXEC_COMMAND

    @property
    def definition(self) -> ToolDefinition:
        """How the model sees it."""
        return self._definition

    @property
    def parallel_safe(self) -> bool:
        """Yes, as in Codex: a model that sends several commands at once wants them at once; one that needs an
        order joins them with `&&` or sends them one by one."""
        return True

    async def run(self, call: ToolCall, ctx: ToolContext) -> ToolOutput:
        """Start the command and wait for it."""
        arguments = parse_exec(call.arguments)
        argv = self._command_line(arguments)
        cwd = _folder(ctx.cwd, arguments.workdir)
        item = CommandExecutionItem(id=call.call_id, command=argv, cwd=cwd, status=ItemStatus.IN_PROGRESS)
        output, denial = await self._run(item, arguments, ctx)
        if denial is None or ctx.approval_policy not in _RETRYING:
            return output
        return await self._retry(item, arguments, ctx, output, denial)

    async def _run(
        self, item: CommandExecutionItem, arguments: ExecArguments, ctx: ToolContext
    ) -> tuple[ToolOutput, Denial | None]:
        number, notice = await self._sessions.reserve()
        item = item.replace(process_id=str(number))
        try:
            session = await self._start(number, item, arguments, ctx)
        finally:
            self._sessions.release(number)
        return await self._wait(session, arguments, notice), session.denial

    async def _retry(
        self,
        item: CommandExecutionItem,
        arguments: ExecArguments,
        ctx: ToolContext,
        output: ToolOutput,
        denial: Denial,
    ) -> ToolOutput:
        """The command once more, outside the sandbox, if the user approves; else what it has said so far."""
        again = arguments.replace(escalated=True, additional=None, justification=denial.in_words())
        try:
            return (await self._run(item.replace(id=f"{item.id}_retry"), again, ctx))[0]
        except PolicyDenied as error:
            if error.abort:
                raise
            return output.replace(output=f"{output.output}\n[not run again outside the sandbox: {error}]")

    async def _start(
        self, number: int, item: CommandExecutionItem, arguments: ExecArguments, ctx: ToolContext
    ) -> Session:
        await ctx.item_started(item)
        try:
            process = await ctx.exec(self._request(item, arguments, ctx), _intent(item, arguments))
        except BaseException as error:
            await _never_ran(ctx, item, error)
            raise
        confined = not ctx.sandbox_policy.unconfined and not arguments.escalated
        policy = ctx.sandbox_policy.extended(arguments.additional) if confined else None
        return self._sessions.start(number, process, item, ctx, tty=arguments.tty, confinement=policy)

    async def _wait(self, session: Session, arguments: ExecArguments, notice: str) -> ToolOutput:
        limits = self._sessions.limits
        session.calls += 1
        try:
            output = await session.report(
                limits.exec_wait_s(arguments.yield_time_ms), limits.budget_bytes(arguments.max_output_tokens), notice
            )
        except BaseException:
            await session.interrupt()  # interrupted, or what it prints cannot be told: it must not run on unseen
            self._sessions.forget(session)
            raise
        finally:
            session.calls -= 1
        if session.ended.is_set():
            self._sessions.forget(session)
        return output

    def _command_line(self, arguments: ExecArguments) -> tuple[str, ...]:
        if arguments.login and not self._allow_login:
            raise ToolFailed("allow_login_shell = false forbids login shells: leave `login` out, or set it to false")
        shell = self._shell if arguments.shell is None else named_shell(arguments.shell, self._environ)
        login = self._allow_login if arguments.login is None else arguments.login
        return command_line(shell, arguments.cmd, login=login)

    def _request(self, item: CommandExecutionItem, arguments: ExecArguments, ctx: ToolContext) -> ExecRequest:
        policy = ctx.sandbox_policy.extended(arguments.additional)
        confined = not policy.unconfined and not arguments.escalated
        env = command_environment(
            self._base_environment,
            thread_id=ctx.thread_id,
            call_id=item.id,
            network_disabled=confined and policy.network is NetworkMode.OFF,
        )
        return ExecRequest(argv=item.command, cwd=item.cwd, env=env, tty=arguments.tty)

    async def aclose(self) -> None:
        """End all sessions of the thread."""
        await self._sessions.aclose()


def _intent(item: CommandExecutionItem, arguments: ExecArguments) -> RunIntent:
    return RunIntent(
        argv=item.command,
        cwd=item.cwd,
        display=arguments.cmd,
        escalated=arguments.escalated,
        justification=arguments.justification,
        prefix_rule=arguments.prefix_rule,
        additional=arguments.additional,
    )


async def _never_ran(ctx: ToolContext, item: CommandExecutionItem, error: BaseException) -> None:
    """Complete the item of a command that was refused, could not be started, or was waiting for an answer when
    the turn was interrupted."""
    status = ItemStatus.DECLINED if isinstance(error, PolicyDenied) else ItemStatus.FAILED
    why = str(error) if isinstance(error, Exception) else INTERRUPTED
    with anyio.CancelScope(shield=True):
        await ctx.item_completed(item.replace(status=status, exit_code=NEVER_RAN, aggregated_output=why))


def _folder(cwd: str, workdir: str | None) -> str:
    path = os.path.normpath(os.path.join(cwd, workdir)) if workdir else cwd
    if not os.path.isdir(path):
        raise ToolFailed(f"exec_command failed: the working directory {path} is not an existing folder")
    return path


def _table(config: Any, key: str) -> Any:
    found = config.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{key} must be a table, not {found!r}")
    return found
