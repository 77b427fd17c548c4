"""Rules that approvals add: what may be proposed, and how it is written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from codex_plugin_sdk import Decision, NetworkIntent, PolicyAmendment, StoreError, UserError, replace_file

from .judging import SOURCE, Judged, Judgement
from .literal import network_rule_line, prefix_rule_line
from .shell_segments import names

FILE = "default.rules"

_WRAPPERS = names(
    "sudo doas su env xargs nohup nice ionice timeout time stdbuf setsid chroot unshare nsenter exec eval command "
    "builtin watch parallel run0 pkexec systemd-run strace ltrace gdb script flock busybox"
)
"""Programs that run whatever follows them: a rule about them would be a rule about everything."""

_RUNNERS = {
    "docker": ("run", "exec"),
    "podman": ("run", "exec"),
    "kubectl": ("run", "exec"),
    "npm": ("exec", "x"),
    "pnpm": ("exec", "dlx"),
    "uv": ("run",),
    "poetry": ("run",),
    "pipx": ("run",),
    "deno": ("eval", "repl"),
    "bun": ("repl", "x"),
}
"""Subcommands of which the same is true, until it is said what they run."""

_HUNGRY = names("rm rmdir unlink shred truncate dd mv cp ln tee install chmod chown chgrp kill pkill find fd")
"""Programs that do the same to whatever is named next: `rm -rf build` is also the beginning of
`rm -rf build /`, and `find .` that of `find . -delete`."""

_SHELLS = names("bash sh zsh dash ash ksh mksh fish csh tcsh rbash pwsh powershell cmd cmd.exe")
_INTERPRETER = re.compile(
    r"(?:python|pypy|perl|ruby|node|nodejs|php|lua|luajit|deno|bun|osascript|tclsh|awk|gawk)[\d.]*"
)
_CODE = re.compile(r"-|-[A-Za-z]*[cepi]|-[cep].+|--eval(?:=.*)?|--print(?:=.*)?|--command(?:=.*)?")
_ALONE = names(
    "git npm npx pnpm yarn bunx uv uvx pip pipx poetry cargo go rustup make cmake ninja gradle mvn dotnet "
    "apt apt-get brew dnf yum gh aws gcloud az terraform ansible curl wget docker podman kubectl "
    "ssh"
)
"""Programs whose name alone says nothing about what they will do."""


def rules_file(codex_home: str) -> str:
    """Where approved rules are written."""
    return os.path.join(codex_home, "rules", FILE)


def may_be_allowed(words: Sequence[str]) -> bool:
    """Whether a rule with this prefix allows a recognisable kind of command, not everything."""
    if not words or not words[0]:
        return False
    name = os.path.basename(words[0])
    if (
        name in _WRAPPERS
        or name in _HUNGRY
        or (len(words) == 2 and (words[1] in _RUNNERS.get(name, ()) or name == "ssh"))
    ):
        return False
    runs_code = name in _SHELLS or _INTERPRETER.fullmatch(name) is not None
    if len(words) == 1:
        return not runs_code and name not in _ALONE
    if not runs_code:
        return True
    # `python -m pytest x` and `bash build.sh` name what is run; `python -c`, `bash -lc` and `python -` do not.
    options = [word for word in words[1:] if word.startswith("-") and word != "-m"]
    if any(_CODE.fullmatch(option) for option in options) or words[1] in _RUNNERS.get(name, ()):
        return False
    return len(words) > 1 + len(options) and words[-1] != "-m"


def propose_prefixes(judgement: Judgement, file: str, wish: Sequence[str] = ()) -> tuple[PolicyAmendment, ...]:
    """One rule for each part that is not allowed by a rule yet; none at all unless they would settle it.

    `wish` is the prefix that the model asks for; it stands in for the words of a single part that begins with it.
    """
    if judgement.opaque:
        return ()
    missing = [part for part in judgement.parts if not (part.by_rule and part.decision is Decision.ALLOW)]
    if not all(_curable(part) for part in missing):
        return ()
    prefixes = list(dict.fromkeys(part.segment.words for part in missing))
    if len(prefixes) == 1 and len(wish) > 1 and prefixes[0][: len(wish)] == tuple(wish) and may_be_allowed(wish):
        prefixes = [tuple(wish)]
    try:
        lines = [prefix_rule_line(prefix) for prefix in prefixes]
    except ValueError:
        return ()  # bytes that are not text cannot be written in a rules file
    return tuple(
        PolicyAmendment(source=SOURCE, text=line, file=file, prefix=prefix)
        for line, prefix in zip(lines, prefixes, strict=True)
    )


def _curable(part: Judged) -> bool:
    """Whether a permission that begins with these words settles the question, and is safe to give: what
    destroys is approved once at a time."""
    segment = part.segment
    undecided = part.decision is None or part.decision is Decision.ALLOW
    return undecided and not segment.loose and not segment.writes and may_be_allowed(segment.words)


def propose_host(intent: NetworkIntent, file: str) -> tuple[PolicyAmendment, ...]:
    """The rule that allows this host with this protocol."""
    from .hosts import PROTOCOLS, normal_host

    try:
        host = normal_host(intent.host)
        text = network_rule_line(host, intent.protocol)
    except ValueError:
        return ()
    if intent.protocol not in PROTOCOLS:
        return ()
    return (PolicyAmendment(source=SOURCE, text=text, file=file, host=host),)


def append_rule(amendment: PolicyAmendment, file: str, home: str = "") -> None:
    """Write a proposed rule to the end of `file`, whose content stays as it is; a line that is there already is
    not repeated. The new content takes the old one's place at once, and only if it can be evaluated.

    Raises `UserError` if the rule is not one line of a proposal for this file or the file has errors,
    `StoreError` if it cannot be read or written.
    """
    if amendment.file != file or amendment.source != SOURCE:
        raise UserError(f"{amendment.text!r} is not a rule for {file}")
    _require_one_rule(amendment.text)
    try:
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        with _locked(file):
            _append(amendment.text, file, home)
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
        hint = (
            "correct it, or move it away" if isinstance(error, UnicodeDecodeError) else "check the folder's permissions"
        )
        raise StoreError(f"cannot add a rule to {file}: {why}", path=file, operation="add a rule", hint=hint) from error


def _append(line: str, file: str, home: str) -> None:
    from .load import parse_rules

    old = b""
    with suppress(FileNotFoundError), open(file, "rb") as reader:
        old = reader.read()
    text = old.decode("utf-8")
    if line in (known.strip() for known in text.split("\n")):
        return
    if text and not text.endswith("\n"):
        text += "\n"
    text += f"{line}\n"
    parse_rules(text, file, home)
    replace_file(file, text.encode("utf-8"), mode=None if old else 0o600)


def _require_one_rule(text: str) -> None:
    from .load import RulesError, parse_rules

    if "\n" in text or "\r" in text:
        raise UserError("a rule that is added has to be one line")
    try:
        rules = parse_rules(text, "the rule")
    except RulesError as error:
        raise UserError(f"{text!r} is not a rule: {error.cause}") from error
    if len(rules.prefix_rules) + len(rules.network_rules) != 1 or rules.hosts:
        raise UserError(f"{text!r} is not exactly one rule")


@contextmanager
def _locked(file: str) -> Iterator[None]:
    """Keep other processes that add rules out. The lock is a file of its own, since the rules are replaced."""
    fd = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        try:
            import fcntl
        except ImportError:  # no such locks on this platform; the replacement is atomic all the same
            yield
            return
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
