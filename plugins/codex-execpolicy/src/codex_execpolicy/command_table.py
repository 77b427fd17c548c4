"""Judges simple commands by what they do: only read, destroy, or something that the table does not know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from codex_plugin_sdk import Value, value

from .shell_segments import Parsed, Segment, Word, names
from .shell_wrappers import program, unwrap
from .table_destructive import is_fork_bomb, rule_for
from .table_git import refusal as git_refusal
from .table_paths import HARMLESS_WRITES, Places, bad_write
from .table_safe import ANY, SAFE, VERSIONS

_UNKNOWN_VALUE = re.compile(r"[$`]|[<>]\(")
_MAX_CWDS = 8

_DOWNLOADERS = names("curl wget fetch aria2c http https xh nc ncat socat ftp lynx")
_SHELLS = names("sh bash dash zsh ksh ash fish csh tcsh rbash")
_INTERPRETERS = re.compile(r"(?:python|pypy|perl|ruby|node|php|lua|deno|bun|osascript|pwsh|tclsh)[\d.]*\Z")
_TAKES_CODE = ("-c", "-m", "-e", "-E", "-p", "-pe", "-ne", "--eval", "--print")
_RUNS_WORDS = names("eval source . trap")


class Kind(StrEnum):
    """What a command does to the machine."""

    SAFE = "safe"
    DESTRUCTIVE = "destructive"
    UNKNOWN = "unknown"


@value
class Judgement(Value):
    """`safe`: only reads. `destructive`: loses work, data or settings for good. `why` says by which argument."""

    kind: Kind
    why: str = ""


_SAFE = Judgement(kind=Kind.SAFE)


def judge_segment(segment: Segment, *, cwd: str, roots: Sequence[str], home: str) -> Judgement:
    """Judge one simple command that runs in `cwd`, may write below `cwd` and `roots`, for the user of `home`.

    All paths absolute. A segment of a command line that was not wholly understood is judged, too: `safe` then
    says nothing about the rest of the line.
    """
    return _judge(segment, Places.of(cwd, roots, home))


def judge_all(parsed: Parsed, *, cwd: str, roots: Sequence[str], home: str) -> tuple[Judgement, ...]:
    """Judge every segment of a command line, in their order; beyond `judge_segment`, a `cd` before a command and
    what is piped into an interpreter count."""
    places = Places.of(cwd, roots, home)
    folders = [places.cwd]
    judgements = []
    for index, segment in enumerate(parsed.segments):
        judgement = _worst([_judge(segment, places._replace(cwd=folder)) for folder in folders])
        if judgement.kind is Kind.SAFE and _is_git(segment) and not set(folders) <= set(places.bases):
            judgement = Judgement(kind=Kind.UNKNOWN, why="git obeys the settings of the folder that it runs in")
        if _runs_input(segment) and _download_before(parsed, index):
            judgement = Judgement(kind=Kind.DESTRUCTIVE, why="what was downloaded is executed unseen")
        judgements.append(judgement)
        target = _changes_folder(segment, home)
        if target is not None and len(folders) < _MAX_CWDS:
            # Whether the cd succeeds, or holds beyond a subshell, is not known: both folders count.
            folders += [new for old in folders if (new := places._replace(cwd=old).absolute(target)) not in folders]
    return tuple(judgements)


def _worst(judgements: list[Judgement]) -> Judgement:
    rank = {Kind.SAFE: 0, Kind.UNKNOWN: 1, Kind.DESTRUCTIVE: 2}
    return max(judgements, key=lambda judgement: rank[judgement.kind])


def _judge(segment: Segment, places: Places) -> Judgement:
    if not segment.words:
        return Judgement(kind=Kind.UNKNOWN, why="there is no command")
    destroys = _destroys(segment, places)
    if destroys:
        return Judgement(kind=Kind.DESTRUCTIVE, why=destroys)
    refusal = _refusal(segment)
    return Judgement(kind=Kind.UNKNOWN, why=refusal) if refusal else _SAFE


def _destroys(segment: Segment, places: Places) -> str:
    for target in segment.writes:
        why = bad_write(target, places)
        if why:
            return why
    words = segment.words
    rule = rule_for(words[0].rpartition("/")[2])
    if rule is not None and (why := rule(words[1:], places)):
        return why
    if len(words) == 1 and is_fork_bomb(words[0]):
        return "a function that starts itself over and over"
    for inner in unwrap([Word(word) for word in words]) or ():
        if inner.words and (why := _destroys(Segment(words=tuple(word.text for word in inner.words)), places)):
            return why
    return ""


def _refusal(segment: Segment) -> str:
    """Why the segment is not known to only read; empty if it is."""
    words = segment.words
    for target in segment.writes:
        if target not in HARMLESS_WRITES:
            return f"it writes {target}"
    for index in segment.loose:
        if index < len(words) and (not index or _UNKNOWN_VALUE.search(words[index])):
            return f"what {words[index]} stands for is not known"
    if words[0] == "[[" and words[2:] == ("]]",):  # syntax of the shell; there is no such program
        return ""
    name = program(words[0])
    if words[1:] in VERSIONS.get(name, ()):
        return ""
    if name == "git":
        return _loose_option(segment) or git_refusal(words[1:])
    safe = SAFE.get(name)
    if safe is None:
        return f"{words[0] or 'the command'} is not known to only read"
    if safe is not ANY and (why := _loose_option(segment)):
        return why
    if safe.positionals is not None and segment.loose:
        return "how many operands it has is not known"
    return safe.refusal(words[1:])


def _loose_option(segment: Segment) -> str:
    """A glob that could stand for a file named like an option."""
    for index in segment.loose:
        word = segment.words[index] if index < len(segment.words) else ""
        if word.startswith(("*", "?", "[", "-")) and not ("--" in segment.words[:index] and segment.words[0] == "git"):
            return f"{word} may stand for an option"
    return ""


def _is_git(segment: Segment) -> bool:
    return program(segment.words[0]) == "git" if segment.words else False


def _changes_folder(segment: Segment, home: str) -> str | None:
    """Where `cd` goes; None if the segment is none, or goes where it came from."""
    if segment.words[:1] not in (("cd",), ("pushd",)):
        return None
    operands = [word for word in segment.words[1:] if word == "-" or not word.startswith("-")]
    target = operands[0] if operands else home
    return None if target == "-" else target


def _runs_input(segment: Segment) -> bool:
    """Whether a segment executes what it reads, or what a substitution in its words printed."""
    if not segment.words:
        return False
    name = segment.words[0].rpartition("/")[2]
    arguments = segment.words[1:]
    if not (name in _SHELLS or name in _RUNS_WORDS or _INTERPRETERS.match(name)):
        return False
    if any(_UNKNOWN_VALUE.search(word) for word in arguments):
        return True
    if name in _RUNS_WORDS:
        return False
    if name in _SHELLS and any(re.match(r"-[a-z]*s", word) for word in arguments):
        return True
    if any(word in _TAKES_CODE for word in arguments):
        return False
    return not any(not word.startswith("-") or word == "--version" for word in arguments) or arguments[:1] == ("-",)


def _download_before(parsed: Parsed, index: int) -> bool:
    pipe = parsed.segments[index].pipe
    return pipe >= 0 and any(
        segment.pipe == pipe and segment.words and segment.words[0].rpartition("/")[2] in _DOWNLOADERS
        for segment in parsed.segments[:index]
    )
