"""Cases of the sandbox kit: `.git`, `.codex` and `.agents` of writable roots."""

# ruff: noqa: ASYNC230, ASYNC240 - what is seen outside is looked at at once, while nothing else runs

from __future__ import annotations

import os
from collections.abc import Mapping

from .sandbox_bench import Bench, difference, differences, equal, expect, snapshots
from .sandbox_cases import WRITING, Verdicts, cases, scenario

NAMES = (".git", ".codex", ".agents")

_SCRIPTS: Mapping[str, tuple[str, str]] = {
    "protected.write": (
        "files that are there",
        "echo x >> .git/config; echo x > .codex/config.toml; echo x > .agents/a",
    ),
    "protected.create-in": ("new files in them", "echo x > .git/new; mkdir .codex/new; ln -s /etc .agents/new"),
    "protected.hook": (
        "a new git hook",
        "printf '#!/bin/sh\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit",
    ),
    "protected.commondir": ("a file that sends git to another configuration", 'echo "$PWD/own" > .git/commondir'),
    "protected.delete": ("", "rm -rf .git .codex .agents"),
    "protected.rename-away": ("", "mv .git a; mv .codex b; mv .agents c"),
    "protected.replace": (
        "moved aside and made anew",
        "mv .git a && mkdir .git && echo x > .git/config; rm -r .agents; mkdir .agents",
    ),
    "protected.replace-by-link": ("", "mkdir own; ln -sfn own .git; mv -T own .codex; ln -sfT own .agents"),
    "protected.exchange": (
        "moved onto one another",
        "mkdir own; mv -T own .git; mv -T .codex .git; mv --exchange own .git",
    ),
    "protected.chmod": ("", "chmod 777 .git .git/config; chmod -R 777 .codex; touch -d 2000-01-01 .agents"),
    "protected.link-to-inside": ("a hard link to a file in them, then written", "ln .git/config own && echo x >> own"),
    "protected.through-proc": (
        "",
        "echo x >> /proc/self/root$PWD/.git/config; echo x >> /proc/self/cwd/.codex/config.toml",
    ),
    "protected.unmount": ("", "umount .git; umount -l .codex; mount -o remount,rw,bind .git; echo x >> .git/config"),
}


_POINTERS = """
cd "$1"; echo gitdir: /evil > .git; rm .git; mv .git away
cd store/worktrees/one; echo x > new; echo /evil > commondir
cd ../..; echo x >> config; cd ..; mv store away; rm -rf store
cd "$2"; echo x >> .git/config; mv repository away; rm -rf repository; mkdir own; ln -sfn own .git
echo end > beside
"""
_MAKES_THEM = """
echo ready; read line
for name in .git .codex .agents; do mkdir "$1/$name" "$name"; echo x > "$name/config"; done
echo end
"""


def _repository(bench: Bench, root: str) -> None:
    bench.write("[core]\n\tbare = false\n", root, ".git", "config")
    bench.write("ref: refs/heads/main\n", root, ".git", "HEAD")
    for name in ("hooks", "refs", "objects"):
        bench.made(root, ".git", name)
    bench.write("", root, ".codex", "config.toml")
    bench.write("", root, ".agents", "a")


def _protected(root: str) -> dict[str, dict[str, tuple[object, ...]]]:
    return snapshots({name: os.path.join(root, name) for name in NAMES})


@scenario(
    cases("protected-folders", {id: words for id, (words, _) in _SCRIPTS.items()}, modes=WRITING),
    cases("", {"protected.beside": "what lies beside them can be written"}, modes=WRITING),
)
async def existing(bench: Bench, say: Verdicts) -> None:
    """Each script has a writable root of its own; the first is the workspace."""
    roots = {id: bench.made("roots", id) for id in _SCRIPTS}
    for root in roots.values():
        _repository(bench, root)
    before = {id: _protected(root) for id, root in roots.items()}
    lines = [f"(cd '{root}' || exit; {_SCRIPTS[id][1]}; echo end > beside)" for id, root in roots.items()]
    policy = bench.policy(writable_roots=tuple(roots.values())[1:])
    await bench.sh("\n".join(lines), cwd=roots["protected.write"], policy=policy)
    for id, root in roots.items():
        changed = differences(before[id], {name: os.path.join(root, name) for name in NAMES})
        say(id, *changed.values(), expect(os.path.exists(os.path.join(root, "beside")), "the script did not end"))
    say("protected.beside", expect(all("beside" in os.listdir(root) for root in roots.values()), "it could not"))


@scenario(
    cases(
        "protected-folders",
        {
            "protected.worktree-file": "the .git file of a worktree",
            "protected.worktree-folder": "the folder that it points to, in the same root",
            "protected.shared-folder": "the repository that this folder shares",
            "protected.linked": "the folder that a .git symlink leads to",
            "protected.link": "the .git symlink itself",
        },
        modes=WRITING,
    )
)
async def pointers(bench: Bench, say: Verdicts) -> None:
    """A `.git` that is not a folder."""
    tree, other = bench.made("tree"), bench.made("other")
    shared = bench.made("tree", "store")
    bench.write("[core]\n", shared, "config")
    data = bench.made("tree", "store", "worktrees", "one")
    bench.write("../..\n", data, "commondir")
    bench.write(f"gitdir: {data}\n", tree, ".git")
    linked = bench.made("other", "repository")
    bench.write("[core]\n", linked, "config")
    os.symlink("repository", os.path.join(other, ".git"))
    before = snapshots({"tree": tree, "linked": linked})
    await bench.sh(_POINTERS, tree, other, cwd=tree, policy=bench.policy(writable_roots=(other,)))
    here = {"tree": tree, "linked": linked}
    after = {name: snapshots({name: path})[name] for name, path in here.items() if os.path.isdir(path)}
    ended = expect(os.path.exists(os.path.join(other, "beside")), "the script did not end")

    def below(path: str, name: str) -> str:
        def part(found: Mapping[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
            return {each: state for each, state in found.items() if each == path or each.startswith(path + "/")}

        return difference(part(before[name]), part(after.get(name, {})))

    say("protected.worktree-file", ended, below(os.path.join(tree, ".git"), "tree"))
    say("protected.worktree-folder", ended, below(data, "tree"))
    say("protected.shared-folder", ended, below(os.path.join(shared, "config"), "tree"))
    say("protected.linked", ended, below(linked, "linked"))
    link = os.path.join(other, ".git")
    say("protected.link", ended, equal(os.path.islink(link) and os.readlink(link), "repository"))


@scenario(
    cases(
        "protected-folders",
        {
            "protected.no-stub": "nothing is put where a missing one would be, neither while a command runs nor after",
            "protected.appeared": "one that a command made is not there afterwards",
            "protected.no-stub-after-kill": "nor after a command was killed",
            "protected.parent-moved": "a folder between two roots moved aside and made anew with another .git",
        },
        modes=WRITING,
    )
)
async def missing(bench: Bench, say: Verdicts) -> None:
    """Roots without any of them."""
    outer, second = bench.made("outer"), bench.made("second")
    policy = bench.policy(writable_roots=(second,))
    waiting = bench.request("/bin/sh", "-c", _MAKES_THEM, "sh", second, stdin_pipe=True)
    async with bench.running(waiting, policy) as process:
        assert await process.read() == b"ready\n", "the command did not start"
        during = [os.listdir(bench.workspace), os.listdir(second)]
        await process.write(b"go\n")
        while await process.read():
            pass
        await process.wait()
    after = [os.listdir(bench.workspace), os.listdir(second)]
    say("protected.no-stub", equal(during, [[], []]))
    say("protected.appeared", equal(after, [[], []]))
    async with bench.running(bench.request("/bin/sh", "-c", "echo ready; sleep 600"), policy) as process:
        await process.read()
        await process.kill_tree()
    say("protected.no-stub-after-kill", equal([os.listdir(bench.workspace), os.listdir(second)], [[], []]))
    inner = bench.made("outer", "between", "inner")
    _repository(bench, inner)
    script = "cd ..; cd ..; mv between away; mkdir -p between/inner/.git; echo evil > between/inner/.git/config"
    await bench.sh(script, cwd=inner, policy=bench.policy(writable_roots=(outer,)))
    config = os.path.join(inner, ".git", "config")
    found = ""
    if os.path.exists(config):
        with open(config, encoding="utf-8") as file:
            found = file.read()
    say("protected.parent-moved", expect("evil" not in found, f"{config} is another"))


@scenario(cases("protected-folders", {"protected.home-is-root": "a .codex that is the agent's home"}, modes=WRITING))
async def home(bench: Bench, say: Verdicts) -> None:
    """The workspace is the user's home."""
    bench.write("", bench.workspace, ".codex", "config.toml")
    before = snapshots({"home": os.path.join(bench.workspace, ".codex")})
    script = "echo x > .codex/config.toml; echo x > .codex/auth.json; rm -r .codex; echo end > beside"
    await bench.sh(script, env={"HOME": bench.workspace, "CODEX_HOME": os.path.join(bench.workspace, ".codex")})
    changed = differences(before, {"home": os.path.join(bench.workspace, ".codex")})
    beside = os.path.exists(os.path.join(bench.workspace, "beside"))
    say("protected.home-is-root", *changed.values(), expect(beside, "the script did not end"))
