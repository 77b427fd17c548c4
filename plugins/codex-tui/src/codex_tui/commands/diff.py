"""/diff: what is not committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_plugin_sdk import UserError

from ..measures import counted
from .git import ALWAYS, Output, checked, run

if TYPE_CHECKING:
    from .ui import Ui

GIT = " ".join(ALWAYS)
DIFF = f"{GIT} diff --no-ext-diff --no-textconv --no-color"
MAX_UNTRACKED = 200
LIST_BYTES = 100_000
FILE = "diff --git "
# Each program in the sandbox costs a tenth of a second: one that tells all, and one for the new files. Before the first
# commit, the comparison is with an empty tree.
LOOK = f"""
top=$({GIT} rev-parse --show-toplevel) || {{ printf %s "$top"; exit 3; }}
cd "$top" || exit 3
{GIT} rev-parse --verify --quiet HEAD >/dev/null && base=HEAD || base=$({GIT} hash-object -t tree /dev/null)
printf '%s\\0' "$top"
{GIT} ls-files --others --exclude-standard -z | head -c {LIST_BYTES}
printf '\\0\\0'
{DIFF} "$base" || exit 4
"""
NEW = f'cd "$1" || exit 3; shift; for file do {DIFF} --no-index -- /dev/null "$file"; done; exit 0'


async def diff(ui: Ui, arguments: str) -> None:
    """Show staged and unstaged changes, and files that git does not know, of the whole repository."""
    found = checked(ui, await run(ui, "/bin/sh", "-c", LOOK))
    if found.code:
        raise UserError(f"git does not work in {ui.session.status.cwd}: {found.text.rpartition(chr(0))[2].strip()}")
    top, paths, tracked = _read(found)
    shown = paths[:MAX_UNTRACKED]
    new = Output(code=0, text="", cut=False)
    if shown:
        new = await run(ui, "/bin/sh", "-c", NEW, "sh", top, *shown)
    text = _whole_files(tracked) + _whole_files(new)
    if not text.strip():
        ui.say("info", "nothing has changed since the last commit")
        return
    ui.show_diff("Changes that are not committed", text)
    if tracked.cut or new.cut:
        ui.say("warning", "there is more than is shown", "git diff in a terminal shows all of it")
    if len(paths) > len(shown):
        more = counted(len(paths) - len(shown), "untracked file")
        ui.say("warning", f"{more} more are not shown", "a .gitignore keeps files out")


def _read(found: Output) -> tuple[str, list[str], Output]:
    """The folder of the repository, paths of files that git neither knows nor ignores, and the diff."""
    top, _, rest = found.text.partition("\0")
    listed, _, text = rest.partition("\0\0")
    paths = listed.split("\0") if listed else []
    if text.startswith("\0"):  # the list ended behind a path
        text = text[1:]
    elif paths:  # it was cut, in the middle of the last one
        del paths[-1]
    return top, paths, Output(code=0, text=text, cut=found.cut)


def _whole_files(found: Output) -> str:
    """The diff without a file that it ends in the middle of."""
    if not found.cut:
        return found.text
    place = found.text.rfind("\n" + FILE)
    return found.text[: place + 1] if place > 0 else found.text[: found.text.rfind("\n") + 1]
