"""A whole agent session, offline: `codex exec` makes a failing test pass in a scratch repository.

Only the model is replaced, by the answers in session.json. The program, its loop, tools, sandbox and rollout are
those that you use. Exits with 0 if the agent finished, changed something, and the tests pass afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
TIME_LIMIT_S = 120
PROMPT = "The tests fail. Find out why and make them pass."
TESTS = ("python3", "-m", "unittest", "-q")
CONFIG = """\
model = "scripted"
model_provider = "demo"

[model_providers.demo]
name = "Answers from a file"
wire_api = "replay"
script = "session.json"
"""
PROJECT = {
    "basket.py": '''\
"""A shopping basket. Prices are in cents."""


def total(prices, discount_percent=0):
    """The sum of all prices less the discount, in whole cents."""
    return round(sum(prices) * discount_percent / 100)
''',
    "test_basket.py": """\
import unittest

from basket import total


class TotalTest(unittest.TestCase):
    def test_without_discount_everything_is_paid(self):
        self.assertEqual(total([1000, 250]), 1250)

    def test_discount_is_taken_off(self):
        self.assertEqual(total([1000, 250], discount_percent=10), 1125)
""",
    ".gitignore": "__pycache__/\n",
}


class DemoError(Exception):
    """The demo cannot go on, or did not end as it should."""


def main() -> int:
    """Run the demo; returns the exit code."""
    options = parse_arguments()
    folder = Path(tempfile.mkdtemp(prefix="codex-demo-"))
    project, home = folder / "project", folder / "home"
    environ = environment(home)
    try:
        run_demo(project, home, options.script, environ)
    except DemoError as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        clean_up(folder, project, keep=options.keep)
    return 0


def clean_up(folder: Path, project: Path, *, keep: bool) -> None:
    """Remove the scratch repository unless it is wanted. The recorded session stays, and we say where."""
    if not keep:
        shutil.rmtree(project, ignore_errors=True)
    left = sorted(entry.name for entry in folder.iterdir())
    if left:
        print(f"\n{folder} ({' and '.join(left)}) stays until you remove it.", flush=True)
    else:
        folder.rmdir()


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make demo", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="keep the scratch repository, too")
    parser.add_argument(
        "--script", type=Path, default=HERE / "session.json", help="play this script or recorded rollout instead"
    )
    return parser.parse_args()


def run_demo(project: Path, home: Path, script: Path, environ: Mapping[str, str]) -> None:
    """All steps, each under its heading. Raises `DemoError`."""
    codex = program("codex", str(BIN), "run `make demo`, which installs it")
    git = program("git", environ["PATH"], "install git")

    heading("1. A scratch repository with a bug", str(project))
    make_project(project, git, environ)
    show_indented((project / "basket.py").read_text(encoding="utf-8"))
    if run_tests(project, environ).returncode == 0:
        raise DemoError("the tests pass before anything was done")
    print("   `python3 -m unittest` fails.")

    heading("2. The agent at work", "only the model's answers come from a file; commands and edits are real")
    make_home(home, script)
    mode, why = sandbox_mode(codex, environ)
    print(f"   {why}")
    command = [codex, "exec", "-s", mode, PROMPT]
    print(f'   $ codex exec -s {mode} "{PROMPT}"\n', flush=True)
    run_agent(command, project, environ)

    heading("3. What it changed", "git diff")
    diff = run([git, "diff", *(["--color=always"] if colored() else [])], project, environ).stdout
    print(diff, end="")

    heading("4. Is it right?", " ".join(TESTS))
    tests = run_tests(project, environ)
    show_indented(tests.stdout)

    heading("5. What was recorded")
    rollout = find_rollout(home)
    print(f"   tokens   {usage_line(rollout)}")
    print(f"   rollout  {rollout}")

    if not diff.strip():
        raise DemoError("the agent changed nothing")
    if tests.returncode != 0:
        raise DemoError("the tests are still red")


# -- the scratch project -------------------------------------------------------------------------------


def environment(home: Path) -> dict[str, str]:
    """The environment without the settings of whoever runs the demo: neither their git nor their codex."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("GIT_", "CODEX_"))}
    identity = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in _WHO.items()}
    return {
        **kept,
        **identity,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PAGER": "cat",
        "CODEX_HOME": str(home),
        # So that `python3` is this interpreter, for us and for the agent's commands.
        "PATH": os.pathsep.join((str(BIN), kept.get("PATH", os.defpath))),
    }


_WHO = {"NAME": "Demo", "EMAIL": "demo@example.invalid"}


def make_project(project: Path, git: str, environ: Mapping[str, str]) -> None:
    """The files, committed."""
    project.mkdir()
    for name, text in PROJECT.items():
        (project / name).write_text(text, encoding="utf-8")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "A basket")):
        done = run([git, *arguments], project, environ)
        if done.returncode != 0:
            raise DemoError(f"git {arguments[0]} failed: {done.stdout.strip()}")


def make_home(home: Path, script: Path) -> None:
    """A CODEX_HOME whose only provider is the script. Raises `DemoError` if there is none."""
    home.mkdir()
    (home / "config.toml").write_text(CONFIG, encoding="utf-8")
    try:
        shutil.copyfile(script, home / "session.json")
    except OSError as error:
        raise DemoError(f"{script} cannot be read: {error.strerror}") from error


def run_tests(project: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The project's own tests."""
    return run(TESTS, project, environ)


# -- the agent -----------------------------------------------------------------------------------------


def sandbox_mode(codex: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The mode for `-s`, and why in one line."""
    asked = run([codex, "sandbox", "status", "--json", "-s", "workspace-write"], Path.cwd(), environ, stderr=None)
    if asked.returncode == 0:
        return "workspace-write", f"Commands are confined to the repository by {json.loads(asked.stdout)['chosen']}."
    return (
        "danger-full-access",
        "No sandbox can work here (codex sandbox status), so the script's commands run unconfined.",
    )


def run_agent(command: list[str], project: Path, environ: Mapping[str, str]) -> None:
    """`codex exec`, its output shown as it comes. Raises `DemoError` unless it ends well."""
    # A terminal is left as it is; anything else would be read as a part of the prompt.
    stdin = None if sys.stdin.isatty() else subprocess.DEVNULL
    try:
        done = subprocess.run(
            command,
            cwd=project,
            env=environ,
            stdin=stdin,
            # One stream with what we print ourselves, so that the order holds in a pipe as well.
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"codex exec was not done after {TIME_LIMIT_S} s") from error
    if done.returncode != 0:
        raise DemoError(f"codex exec ended with {done.returncode}")


def find_rollout(home: Path) -> Path:
    """The one rollout of the session. Raises `DemoError`."""
    found = sorted((home / "sessions").rglob("rollout-*.jsonl"))
    if len(found) != 1:
        raise DemoError(f"expected one rollout below {home / 'sessions'}, found {len(found)}")
    return found[0]


def usage_line(rollout: Path) -> str:
    """The thread's total usage, from the last `token_count` of its rollout. Raises `DemoError`."""
    total: dict[str, int] | None = None
    with rollout.open(encoding="utf-8") as lines:
        for line in lines:
            payload = json.loads(line)["payload"]
            if payload.get("type") == "token_count" and payload.get("info"):
                total = payload["info"]["total_token_usage"]
    if total is None:
        raise DemoError(f"{rollout} holds no token count")
    return (
        f"{total['input_tokens']:,} in (of these {total['cached_input_tokens']:,} cached), "
        f"{total['output_tokens']:,} out, as the script says"
    )


# -- small things --------------------------------------------------------------------------------------


def run(
    command: list[str] | tuple[str, ...], cwd: Path, environ: Mapping[str, str], stderr: int | None = subprocess.STDOUT
) -> subprocess.CompletedProcess[str]:
    """Run to the end. stdout is kept, and stderr with it, or shown if that is None."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )


def program(name: str, path: str, cure: str) -> str:
    """Where a program is. Raises `DemoError` with the cure."""
    found = shutil.which(name, path=path)
    if found is None:
        raise DemoError(f"there is no `{name}`; {cure}")
    return found


def colored() -> bool:
    """Whether colour is wanted: on a terminal whose owner did not say otherwise."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def heading(title: str, note: str = "") -> None:
    """A heading, with a note behind it."""
    painted = f"\x1b[1m{title}\x1b[0m" if colored() else title
    print(f"\n== {painted}" + (f" ({note})" if note else ""), flush=True)


def show_indented(text: str) -> None:
    """Text of a file or of a program, set off."""
    print("".join(f"   | {line}\n" for line in text.rstrip().splitlines()), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
