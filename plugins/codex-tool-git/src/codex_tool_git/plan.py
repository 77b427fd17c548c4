"""From a shell command to what is run in its place, or to nothing."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from codex_plugin_sdk import ExecRequest, RunIntent, SandboxPolicy, ToolContext, Value, value

from .commands import Command, Kind, read_command
from .configuration import SYSTEM, find_program, harmless, search_path
from .repository import Repository, find_repository, within
from .words import split_chain

WHY = "git keeps its repository read-only in the sandbox; this writes it from outside, with hooks off"
NESTED = (
    "git: this repository holds other repositories (submodules), whose configuration a confined command may have"
    " written. It was not touched. Ask to run the command outside the sandbox instead."
)
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "diff.ignoreSubmodules=all",
    "protocol.allow=never",
    "log.showSignature=false",
    "maintenance.auto=false",
    "gc.auto=0",
)
"""Given to every git. The first two and `protocol.allow` close known ways; those about submodules and bare
repositories are a second line behind the look at the index and `GIT_DIR`."""
_KEPT = (
    "EMAIL",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_NAME",
    "GNUPGHOME",
    "HOME",
    "LOGNAME",
    "SSH_AUTH_SOCK",
    "TZ",
    "USER",
    "XDG_CONFIG_HOME",
)
"""What git gets of the environment: who the user is, and where the keys for signing are."""
_FIXED = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ASKPASS": "true",
    "GIT_CONFIG_SYSTEM": SYSTEM,
    "GIT_EDITOR": "true",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
}


@value
class Plan(Value):
    """What is run, and what policies and people are told of it."""

    request: ExecRequest
    intent: RunIntent


def real_roots(ctx: ToolContext, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The writable roots by their real paths; the working directory is one in any case, since what lies there
    is never trusted."""
    roots = ctx.sandbox_policy.anchored(ctx.cwd).roots(ctx.cwd, environ.get("TMPDIR"))
    return tuple(dict.fromkeys(os.path.realpath(root) for root in roots))


def is_protected(own: Repository, ctx: ToolContext, environ: Mapping[str, str]) -> bool:
    """Whether the sandbox keeps the repository read-only: it does so for writable roots, and in them only for
    the topmost `.git`. Elsewhere a command may write it, or shall not."""
    return not ctx.sandbox_policy.unconfined and own.toplevel in real_roots(ctx, environ)


def make_plan(
    shell: tuple[str, str, str], folder: str, own: Repository, ctx: ToolContext, environ: Mapping[str, str]
) -> Plan | None:
    """The plan for a shell command that is nothing but git commands on the thread's own repository; None for
    every other one, and where it would not be safe. `shell` is the whole command line, `folder` where it runs."""
    words = split_chain(shell[2])
    commands = [read_command(each) for each in words] if words else []
    chain = [command for command in commands if command is not None]
    if len(chain) != len(commands) or all(command.kind is not Kind.WRITES for command in chain):
        return None
    untrusted = tuple(dict.fromkeys((*real_roots(ctx, environ), own.toplevel)))
    if not _may_read(chain, ctx.sandbox_policy) or not harmless(own, environ, untrusted):
        return None
    path = search_path(environ, untrusted)
    programs = [find_program(name, path, untrusted) for name in ("git", "grep")]
    folders = _folders(chain, folder, own)
    if folders is None or None in programs:
        return None
    script = _script(chain, folders, [program for program in programs if program is not None])
    env = {name: environ[name] for name in _KEPT if environ.get(name)}
    env |= {**_FIXED, "PATH": path, "GIT_DIR": own.gitdir, "GIT_WORK_TREE": own.toplevel}
    assert words is not None
    intent = RunIntent(
        # A single command is told as it is, so that rules for it match; of a chain policies read the script.
        argv=tuple(words[0]) if len(words) == 1 else shell,
        cwd=folder,
        display=shell[2],
        escalated=True,
        justification=WHY,
    )
    return Plan(request=ExecRequest(argv=("/bin/sh", "-c", script), cwd=folder, env=env), intent=intent)


def _may_read(chain: Sequence[Command], policy: SandboxPolicy) -> bool:
    """Where the sandbox keeps files from being read, git outside of it must not fetch their contents."""
    if not policy.denied_reads and "/" in policy.readable_roots:
        return True
    return not any(command.takes_files or command.kind is Kind.LOOKS for command in chain)


def _folders(chain: Sequence[Command], folder: str, own: Repository) -> list[str] | None:
    """The folder of each command; None if one is not in the repository's own work tree."""
    found = []
    here = folder
    for command in chain:
        there = os.path.realpath(os.path.join(here, command.folder))
        if command.kind is Kind.MOVES:
            here = there
        if not os.path.isdir(there) or not within(there, (own.toplevel,)) or find_repository(there) != own:
            return None
        found.append(there)
    return found


def _script(chain: Sequence[Command], folders: Sequence[str], programs: Sequence[str]) -> str:
    """The commands, each behind a look for nested repositories: git runs itself in those, where it obeys their
    configuration. The index can name one only if it was added, so it cannot appear between look and command.
    """
    git, grep = programs
    hardened = shlex.join([git, *(word for setting in _SETTINGS for word in ("-c", setting))])
    lines = [
        "alone() {",
        f"  if {hardened} ls-files --stage | {shlex.quote(grep)} -q '^160000 '; then",
        f"    printf '%s\\n' {shlex.quote(NESTED)} >&2; return 128",
        "  fi",
        "}",
    ]
    steps = [
        f"alone && cd {shlex.quote(folder)} && {hardened} {shlex.join(command.arguments)}"
        for command, folder in zip(chain, folders, strict=True)
        if command.kind is not Kind.MOVES
    ]
    return "\n".join([*lines, " &&\n".join(steps)])
