"""The command lines of `codex replay`, `codex bug-capsule` and `codex debug trace`."""

from __future__ import annotations

from typing import Any

import click

_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_REPLAY_EPILOG = """\b
Examples:
  codex replay 01a1fefc                     the session whose id begins so
  codex replay --json rollout.jsonl         a file, also one that Codex wrote
  codex replay bug-01a1fefc.tar.gz          a capsule from another machine
  codex replay 01a1fefc --what-if -m gpt-5.5 --at 2
\b
Exit code: 0 without a divergence, 12 with one."""


@click.command("replay", context_settings=_SETTINGS, epilog=_REPLAY_EPILOG)
@click.argument("session", metavar="ROLLOUT|ID|CAPSULE")
@click.option(
    "-s", "--sandbox", metavar="MODE", help="read-only, workspace-write or danger-full-access; confined by default."
)
@click.option("--until", type=click.IntRange(min=1), metavar="N", help="Stop after N replies of the model.")
@click.option("--workspace", metavar="DIR", help="Begin with a copy of this folder.")
@click.option("--live-mcp", is_flag=True, help="Start MCP servers and run their tools.")
@click.option("--keep", is_flag=True, help="Leave the scratch copy of the workspace and say where it is.")
@click.option("--what-if", is_flag=True, help="Ask the real model from a turn on; the fork is kept as a session.")
@click.option("--at", type=click.IntRange(min=1), metavar="N", help="With --what-if: the turn, by default the last.")
@click.option("-m", "--model", metavar="NAME", help="With --what-if: the model to ask.")
@click.option(
    "-c", "--config", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a configuration value (TOML)."
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_obj
def replay(invocation: Any, /, **given: Any) -> int:
    """Run a recorded session again and name the first step that diverges.

    The model's replies come from the recording, its tools run for real in a scratch copy of the workspace. MCP tools,
    hooks and tools that use the network are not run: their recorded results are used.
    """
    from .replaying import run_replay

    return run_replay(invocation, given)


@click.command("bug-capsule", context_settings=_SETTINGS)
@click.argument("session", metavar="ID")
@click.option("-o", "--output", metavar="FILE", help="Where to write it; by default bug-ID.tar.gz here.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.pass_obj
def bug_capsule(invocation: Any, /, **given: Any) -> int:
    """Pack a session with its trace, so that it replays elsewhere.

    The archive holds the rollout, the trace, the files that patches changed as they were before, the effective
    configuration, plugin versions and platform facts. Secrets are taken out; look it through before you send it.
    """
    from .capsule import write_capsule

    return write_capsule(invocation, given)


@click.command("trace", context_settings=_SETTINGS)
@click.argument("session", metavar="ROLLOUT|ID|CAPSULE", required=False)
@click.option("--html", metavar="FILE", help="Write one self-contained page instead.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--sweep", is_flag=True, help="Instead: remove traces of deleted sessions, and bodies nobody names.")
@click.pass_obj
def trace(invocation: Any, /, **given: Any) -> int:
    """Draw a recorded session as a tree: turns, requests with tokens and time, calls, decisions, results."""
    if given["sweep"]:
        from .sweeping import sweep

        return sweep(invocation)
    if given["session"] is None:
        raise click.UsageError("Missing argument 'ROLLOUT|ID|CAPSULE'.")
    from .tree import print_tree

    return print_tree(invocation, given)
