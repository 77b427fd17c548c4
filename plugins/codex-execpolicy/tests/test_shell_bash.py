"""What `parse` understands is compared with what a real bash executes.

A bash with an empty PATH calls `command_not_found_handle` for every program, which records the words; so many
scripts run in one process, and nothing is executed. Files that redirections write are seen in an empty folder.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter

import pytest

from codex_execpolicy.shell_parse import parse_fully

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="there is no bash to compare with")

_DRIVER = r"""
command_not_found_handle() { printf '%s\0' "${@/#/W}" E >&3; [[ $1 != no* ]]; }
PATH=/nonexistent
index=0
while IFS= read -r -d '' script <&4; do
    printf 'S%s\0' "$index" >&3
    cd "$TOP/$index" || exit 9
    # Whatever the script leaves in the background holds descriptor 6; the loop ends when all of it has ended.
    { ( exec 4<&-; eval "$script" ) 6>&1 </dev/null >/dev/null 2>&1; } | while read -r _; do :; done
    index=$((index + 1))
done
printf 'D\0' >&3
"""


def executed(scripts: list[str], folder: str) -> list[tuple[Counter, set[str]]]:
    """For each script, the words of every program that bash started, and the files that it wrote."""
    for index in range(len(scripts)):
        os.mkdir(f"{folder}/{index}")
    source, target = os.path.join(folder, "scripts"), os.path.join(folder, "record")
    with open(source, "wb") as out:
        out.write(b"".join(script.encode() + b"\0" for script in scripts))
    # `eval` reads a script as `-c` does: one complete command after the other.
    subprocess.run(
        [BASH, "--norc", "-c", f"exec 4<'{source}' 3>'{target}'\n{_DRIVER}"],
        env={"TOP": folder, "LANG": "C.UTF-8"},
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    with open(target, "rb") as record:
        fields = record.read().split(b"\0")
    assert fields[-2:] == [b"D", b""], "bash did not reach the last script"
    found: list[tuple[Counter, set[str]]] = []
    words: list[str] = []
    for field in fields[:-2]:
        text = field[1:].decode("utf-8", "surrogateescape")
        if field[:1] == b"S":
            found.append((Counter(), set()))
        elif field[:1] == b"W":
            words.append(text)
        else:
            found[-1][0][tuple(words)] += 1
            words = []
    for index, (_, files) in enumerate(found):
        files.update(os.listdir(f"{folder}/{index}"))
    return found


_PIECES = [
    "a",
    "b1",
    "é",
    "日",
    "x-y",
    "--o=v",
    "'q r'",
    '"d e"',
    '"\\$k"',
    "'$n'",
    "\\ ",
    "\\;",
    "$'t\\tu'",
    "''",
    "=",
    ",",
    "{}",
    "@{0}",
    "%",
    "'#'",
    "x#y",
    "\\\n",
    '"!"',
    "':'",
]


def _word(rng: random.Random) -> str:
    return "".join(rng.choice(_PIECES) for _ in range(rng.randint(1, 3)))


def _command(rng: random.Random) -> str:
    words = [rng.choice(["ok", "ok2", "'ok3'", "o\\k4", "ok-5"])] + [_word(rng) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.3:
        words.insert(
            rng.randint(1, len(words)), rng.choice(["2>&1", ">out", "2>>err", "&>all", ">|'o u'", "</dev/null", "<<<x"])
        )
    return rng.choice([" ", "  ", "\t", " \\\n "]).join(words)


def _script(rng: random.Random, depth: int = 0) -> str:
    kind = rng.random()
    if depth > 2 or kind < 0.35:
        return _command(rng)
    one, two = _script(rng, depth + 1), _script(rng, depth + 1)
    forms = [
        f"{one} && {two}", f"{one} | {two}", f"{one}; {two}", f"{one}\n{two}", f"( {one} )", f"{{ {one}; }}",
        f"{one} & {two}", f"if {one}; then {two}; fi", f"for i in x; do {one}; done", f"if ! no; then {one}; fi",
        f"{{ {one}; }} >grp 2>&1", f"{one} # note 'x", f"( {one}\n{two} ) 2>/dev/null", f"case w in w) {one};; esac",
        f"while {one} && no; do {two}; done" if "|" not in one else one,
    ]  # fmt: skip
    return rng.choice(forms)


def test_bash_executes_exactly_the_words_that_were_understood(tmp_path):
    rng = random.Random(20)
    scripts = [_script(rng) for _ in range(600)]
    heredocs = [
        "ok <<A b\nx 'y\nA\nok2", "ok <<'A B' | ok2 >f\n$x `y` \"\nA B\n", "ok <<-A && ok2\n\tx\n\tA\nok3 a", "ok <<A <<B; ok2\n1\nA\n2\nB\nok3",
        "if ok <<A; then\nb\nA\nok2; fi", "ok 'a <<X' b\nok2", "ok a # <<X\nok2", 'ok "<<X"\nok2', "ok <<A\n\\\nA\nok",
    ]  # fmt: skip
    scripts += heredocs
    parsed = [parse_fully(["bash", "-c", script]) for script in scripts]
    understood = [index for index, one in enumerate(parsed) if not one.opaque]
    assert len(understood) > len(scripts) * 0.75
    for index, (ran, files) in zip(understood, executed([scripts[i] for i in understood], str(tmp_path)), strict=True):
        script, result = scripts[index], parsed[index]
        named = Counter(segment.words for segment in result.segments if segment.words[0] not in (":", "no"))
        if "while" in script:
            assert set(ran) - {("no",)} <= set(named), script
        else:
            assert Counter({words: n for words, n in ran.items() if words != ("no",)}) == named, (script, result)
        assert files <= {target for segment in result.segments for target in segment.writes}, script


_TOKENS = [
    "a", "b", "ok", "no", "1", "2", "'", '"', "\\", "$", "'", '"', " ", " ", " ", "\t", "\n", "\n", ";", "&", "|", "(", ")",
    "{", "}", "<", ">", "#", "!", "*", "?", "[", "]", "~", "=", "-", ",", "..", "if ", "then ", " fi", "for a in ", " do ",
    " done", "<<E", "\nE\n", "<<'E'", "é", "\u00a0", "\u2003", "case ", " esac", " in ", ";;", "&&", "||", ">&", "<&", "&>", "|&", "<<<", "$'", "[[ ", " ]]",
    "function ", "coproc ", "time ", "while ", "select ", "until ", "((", "))", "a=", "^", "%", ":", ">|", "<>", "{a}>", "ok ", "a ", "; ", " && ", "echo ", "\\\n",
]  # fmt: skip


def _noise(rng: random.Random) -> str:
    return "".join(rng.choice(_TOKENS) for _ in range(rng.randint(1, 12)))


@pytest.mark.parametrize("seed", [1, 2])
def test_bash_never_executes_or_writes_what_was_not_reported(tmp_path, seed):
    rng = random.Random(seed)
    scripts = [text for text in (_noise(rng) for _ in range(3_000)) if "while" not in text and "until" not in text]
    parsed = [parse_fully(["bash", "-c", script]) for script in scripts]
    understood = [index for index, one in enumerate(parsed) if not one.opaque]
    assert len(understood) > 60
    for index, (ran, files) in zip(understood, executed([scripts[i] for i in understood], str(tmp_path)), strict=True):
        known = [segment.words for segment in parsed[index].segments]
        loose = [segment for segment in parsed[index].segments if segment.loose]
        for words in ran:
            started = words[words[0] == "time" and words not in known :]  # the program, where it is not the keyword
            assert started in known or any(started[0] == segment.words[0] for segment in loose), (
                scripts[index],
                words,
                known,
            )
        written = {target for segment in parsed[index].segments for target in segment.writes}
        assert files <= written, (scripts[index], files, written)
