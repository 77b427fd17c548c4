"""Cases of the sandbox kit: files and metadata outside, what must not be read, and what must work."""

# ruff: noqa: ASYNC240 - what is seen outside is looked at at once, while nothing else runs

from __future__ import annotations

import os
from typing import Any

from .sandbox_bench import Bench, differences, equal, expect, snapshot, snapshots
from .sandbox_cases import BOTH, READING, WRITING, Verdicts, cases, scenario
from .sandbox_victims import victim_process

_OUTSIDE = cases(
    "write-outside",
    {
        "files.create": "a new file outside",
        "files.overwrite": "",
        "files.append": "",
        "files.truncate": "",
        "files.truncate-while-reading": "O_TRUNC without O_WRONLY",
        "files.unlink": "",
        "files.mkdir": "",
        "files.rmdir": "",
        "files.mkfifo": "",
        "files.rename": "",
        "files.rename-out-of-it": "an outside file is moved into the workspace",
        "files.rename-into-it": "a workspace file takes the place of an outside one",
        "files.rename-exchange": "renameat2 with RENAME_EXCHANGE",
        "files.symlink": "",
        "files.hard-link-into-it": "",
        "files.hard-link-out-of-it": "a hard link in the workspace to an outside file, then written",
        "files.nameless-file": "O_TMPFILE and a link",
        "files.shared-mapping": "mmap with MAP_SHARED",
        "files.reopen-for-writing": "a descriptor for reading, opened again through /proc/self/fd",
        "files.through-symlink": "a folder's symlink in the workspace",
        "files.through-symlinked-file": "a file's symlink in the workspace",
        "files.dot-dot": "a path with ..",
        "files.open-at-folder": "openat of a folder's descriptor",
        "files.own-root-in-proc": "/proc/self/root",
        "files.root-of-init": "/proc/1/root",
        "files.root-of-another": "/proc/PID/root",
        "files.folder-of-another": "/proc/PID/cwd",
        "files.inherited-descriptor": "a descriptor that the agent forgot to close",
        "files.bind-mount": "",
        "files.remount": "the root for writing",
        "files.private-mounts": "unshare(CLONE_NEWNS) and a remount",
        "files.private-users-and-mounts": "unshare(CLONE_NEWUSER | CLONE_NEWNS) and a remount",
        "files.new-mount-calls": "open_tree and mount_setattr",
        "files.pivot-root": "",
        "files.chroot": "the way out of a chroot",
        "files.by-handle": "open_by_handle_at",
        "files.home-dotfile": "a line added to ~/.bashrc",
        "files.home-new-dotfile": "a new ~/.profile",
        "files.codex-home": "the configuration of the agent",
    },
)
_METADATA = cases(
    "metadata-outside",
    (
        *("metadata.chmod", "metadata.chmod-folder", "metadata.chmod-open-file", "metadata.chmod-through-proc"),
        *("metadata.chmod-through-symlink", "metadata.chown", "metadata.times", "metadata.attribute"),
        "metadata.file-flags",
    ),
)
_READ_ONLY = cases("write-outside", ("files.workspace-while-read-only",), modes=READING)


def _prepared(bench: Bench) -> dict[str, Any]:
    """Files in the workspace that attacks need."""
    for number in (1, 2, 3):
        bench.write("ours", bench.workspace, f"own-{number}")
    bench.made("workspace", "mount-point")
    return {"own": os.path.join(bench.workspace, "own")}


def _named(name: str, thing: Any) -> dict[str, Any]:
    return {name: thing}


@scenario(_OUTSIDE, _READ_ONLY)
async def files_outside(bench: Bench, say: Verdicts) -> None:
    """Each attack has a folder of its own outside."""
    given = _prepared(bench)
    ids = [id for id in say.wanted if id != "files.workspace-while-read-only"]
    victims = bench.victims(ids, "outside")
    if not bench.writes:
        victims |= bench.victims(["files.workspace-while-read-only"], "workspace", "part")
    links = {"link": "files.through-symlink", "file-link": "files.through-symlinked-file"}
    for name, id in links.items():
        target = victims.get(id, bench.outside)
        given[name] = os.path.join(bench.workspace, name)
        os.symlink(target if name == "link" else os.path.join(target, "new"), str(given[name]))
    home = bench.write("", victims.get("files.home-dotfile", bench.home), ".bashrc")
    env = {"HOME": os.path.dirname(home), "CODEX_HOME": victims.get("files.codex-home", bench.home)}
    before = snapshots(victims)
    held = os.path.join(victims.get("files.inherited-descriptor", bench.outside), "file")
    forgotten = os.open(held, os.O_RDWR) if os.path.exists(held) else -1
    try:
        if forgotten >= 0:
            os.set_inheritable(forgotten, True)
        with victim_process(bench.outside, bench.secret, bench.mark) as process:
            outcomes = await bench.attack(
                "files", {id: id for id in victims}, options={"env": env}, victims=victims, pid=process.pid, **given
            )
    finally:
        if forgotten >= 0:
            os.close(forgotten)
    bench.judge(say, outcomes, outside=differences(before, victims))


@scenario(_METADATA)
async def metadata_outside(bench: Bench, say: Verdicts) -> None:
    """Each attack has a folder of its own outside."""
    victims = bench.victims(say.wanted, "outside")
    link = os.path.join(bench.workspace, "link")
    os.symlink(os.path.join(victims.get("metadata.chmod-through-symlink", bench.outside), "file"), link)
    before = snapshots(victims)
    outcomes = await bench.attack("files", {id: id for id in victims}, victims=victims, **_named("metadata-link", link))
    bench.judge(say, outcomes, outside=differences(before, victims))


# -- what must not be read -------------------------------------------------------------------------------

_READS = cases(
    "denied-reads",
    (
        *("reads.file", "reads.folder", "reads.folder-listing", "reads.glob", "reads.through-symlink"),
        *("reads.through-proc-root", "reads.through-root-of-another", "reads.hard-link", "reads.chmod-first"),
        *("reads.chmod-folder-first", "reads.unmount-first", "reads.child-program", "reads.private-mounts"),
    ),
)
_MOVED = cases(
    "denied-reads",
    ("reads.rename-of-the-parent", "reads.rename-of-the-file", "reads.file-in-workspace"),
    modes=BOTH,
    may_refuse=True,
)
_WHOLE_FOLDERS = ("reads.folder", "reads.folder-listing", "reads.chmod-folder-first")


@scenario(_READS)
async def denied_reads(bench: Bench, say: Verdicts) -> None:
    """Files, folders and globs outside the workspace."""
    victims = bench.victims(say.wanted, "outside")
    denied = [folder if id in _WHOLE_FOLDERS else f"{folder}/secret" for id, folder in victims.items()]
    link = os.path.join(bench.workspace, "read-link")
    os.symlink(os.path.join(victims.get("reads.through-symlink", bench.outside), "secret"), link)
    policy = bench.policy(denied_reads=(*denied, f"{bench.outside}/*.pem"))
    with victim_process(bench.outside, bench.secret, bench.mark) as process:
        outcomes = await bench.attack(
            "reads",
            {id: id for id in victims},
            policy=policy,
            victims=victims,
            pid=process.pid,
            **_named("read-link", link),
        )
    bench.judge(say, outcomes)


@scenario(_MOVED)
async def denied_reads_in_workspace(bench: Bench, say: Verdicts) -> None:
    """What must not be read lies in a folder that may be written."""
    victims = bench.victims(say.wanted, "workspace")
    policy = bench.policy(denied_reads=tuple(f"{folder}/secret" for folder in victims.values()))
    attacks = {id: id for id in victims}
    if "reads.file-in-workspace" in attacks:
        attacks["reads.file-in-workspace"] = "reads.file"
    bench.judge(say, await bench.attack("reads", attacks, policy=policy, victims=victims))


@scenario(cases("denied-reads", {"readable.only-what-is-named": "readable roots without /"}))
async def readable_roots(bench: Bench, say: Verdicts) -> None:
    """Programs start, what is named can be read, and nothing else of the user's."""
    shown = bench.write("to be read", "shown", "file")
    hidden = bench.write(bench.secret, "outside", "file")
    script = 'cat "$1"; echo; cat "$2" && echo leaked; ls "$3" && echo listed; echo end'
    policy = bench.policy(readable_roots=(os.path.dirname(shown), bench.workspace))
    ended = await bench.sh(script, shown, hidden, bench.outside, policy=policy)
    say(
        "readable.only-what-is-named",
        expect("to be read" in ended.text and "end" in ended.text, f"it did not run: {ended.text[:200]!r}"),
        expect(bench.secret not in ended.text and "leaked" not in ended.text, "an unnamed file was read"),
        expect("listed" not in ended.text, "an unnamed folder was listed"),
    )


# -- writable roots --------------------------------------------------------------------------------------

_ROOT_WORK = """
import os, subprocess, sys, tempfile
for root in sys.argv[1:]:
    os.chdir(root)
    with open("made", "w") as file:
        file.write("made inside")
    os.rename("made", "renamed")
    os.mkdir("folder"); os.mkdir("folder/inner"); os.rmdir("folder/inner")
    os.symlink("renamed", "symlink"); os.link("renamed", "hard-link"); os.mkfifo("fifo")
    with open("script", "w") as file:
        file.write("#!/bin/sh\\necho ran\\n")
    os.chmod("script", 0o755)
    assert subprocess.check_output("./script") == b"ran\\n"
    assert open("symlink").read() == "made inside"
    os.unlink("script"); os.utime("renamed"); os.truncate("renamed", 4)
    open("gone", "w").close(); os.unlink("gone")
print("all worked")
"""
_AFTER = ["fifo", "folder", "hard-link", "renamed", "symlink"]
_ROOTS = cases(
    "",
    {
        "roots.workspace": "create, rename, remove, run, link and truncate in the workspace",
        "roots.second": "a further root",
        "roots.nested": "a root in a root",
        "roots.symlinked": "a root that is named by a symlink",
        "roots.odd-name": "a root with spaces, a line break and bytes that are no UTF-8",
        "roots.missing": "a root that does not exist harms nothing",
    },
    modes=WRITING,
)


@scenario(_ROOTS)
async def writable_roots(bench: Bench, say: Verdicts) -> None:
    """Work is done in every root, and seen outside."""
    named = {"roots.workspace": bench.workspace, "roots.second": bench.made("second")}
    named |= {"roots.nested": bench.made("second", "deep", "nested"), "roots.symlinked": bench.made("real")}
    named["roots.odd-name"] = bench.made("a b\n\udcff'\"$")
    link = os.path.join(bench.folder, "link")
    os.symlink(named["roots.symlinked"], link)
    roots = [*named.values()]
    roots[3] = link
    missing = os.path.join(bench.folder, "missing")
    policy = bench.policy(writable_roots=(*roots, missing))
    ended = await bench.run(*bench.python(_ROOT_WORK, *roots), policy=policy)
    for id, root in named.items():
        seen = sorted(set(os.listdir(root)) & set(_AFTER))
        say(id, equal(seen, _AFTER), equal(ended.text.strip(), "all worked"))
    say("roots.missing", expect(not os.path.lexists(missing), "it was made"), equal(ended.code, 0))


@scenario(
    cases("write-outside", {"roots.beside-the-cwd": "cwd_writable=False: only named roots"}, modes=WRITING),
    cases(
        "write-outside",
        {"roots.read-only-path": "a read-only path in a writable root"},
        modes=WRITING,
        may_refuse=True,
    ),
)
async def less_than_a_root(bench: Bench, say: Verdicts) -> None:
    """Parts of what would be writable are not."""
    second = bench.made("second")
    script = 'echo x > "$1/made" && echo written; echo y > "$2/made" || exit 9'
    policy = bench.policy(writable_roots=(second,), cwd_writable=False)
    ended = await bench.sh(script, bench.workspace, second, policy=policy)
    seen = [os.listdir(bench.workspace), os.listdir(second), ended.code]
    say("roots.beside-the-cwd", equal(seen, [[], ["made"], 0]))
    kept = bench.made("workspace", "kept")
    bench.write("as it was", kept, "file")
    before = snapshot(kept)
    script = 'cd "$1"; echo x > kept/file; echo x > kept/new; rm -r kept; mv kept away; echo y > beside && echo end'
    ended = await bench.sh(script, bench.workspace, policy=bench.policy(read_only_paths=(kept,)))
    after = snapshot(kept) if os.path.isdir(kept) else {}
    say("roots.read-only-path", equal(after, before), expect(ended.text.endswith("end\n"), ended.text[-200:]))


@scenario(
    cases(
        "write-outside",
        {"roots.thousands": "4,096 writable roots: they work, or are refused"},
        modes=WRITING,
        may_refuse=True,
    )
)
async def many_roots(bench: Bench, say: Verdicts) -> None:
    """All of them work and nothing else, or it is refused in words."""
    roots = [bench.made("many", str(number)) for number in range(4096)]
    script = 'echo x > "$1/made" && echo x > "$2/made"; echo x > "$3/made" || echo kept'
    policy = bench.policy(writable_roots=tuple(roots))
    ended = await bench.sh(script, roots[0], roots[-1], bench.outside, policy=policy)
    seen = [os.listdir(roots[0]), os.listdir(roots[-1]), os.listdir(bench.outside)]
    say("roots.thousands", equal(seen, [["made"], ["made"], []]), expect(ended.text.endswith("kept\n"), ended.text))


# -- temporary files -------------------------------------------------------------------------------------

_TMP = 'echo x > "$1" && echo written; f=$(mktemp) && echo y > "$f" && cat "$f" <<END && echo usable\nhere\nEND\n'


@scenario(
    cases("write-outside", {"tmp.excluded": "/tmp and TMPDIR stay as they are where the policy excludes them"}),
    cases("", {"tmp.usable": "mktemp and here-documents work without a writable /tmp"}),
    cases("", {"tmp.granted": "/tmp and TMPDIR can be written where the policy grants them"}, modes=WRITING),
)
async def temporary_files(bench: Bench, say: Verdicts) -> None:
    """TMPDIR is a folder of ours, and so is a file in /tmp."""
    folder = bench.made("tmpdir")
    path = f"/tmp/{bench.mark}"
    try:
        ended = await bench.sh(_TMP, path, env={"TMPDIR": folder})
        seen = [os.path.exists(path), os.listdir(folder)]
        say("tmp.excluded", equal(seen, [False, []]))
        say("tmp.usable", expect("usable" in ended.text, ended.text))
        if bench.writes:
            policy = bench.policy(exclude_slash_tmp=False, exclude_tmpdir_env_var=False)
            ended = await bench.sh(_TMP, path, env={"TMPDIR": folder}, policy=policy)
            seen = [os.path.exists(path), len(os.listdir(folder)), "usable" in ended.text]
            say("tmp.granted", equal(seen, [True, 1, True]))
    finally:
        if os.path.exists(path):
            os.unlink(path)
