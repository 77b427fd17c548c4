"""Evaluates rules files.

A file's functions are defined by a Starlark prelude and hand their arguments over as JSON, some hundred calls
at a time: every crossing between Starlark and Python costs as much as a dozen calls, and what stays in
Starlark's heap is copied again and again. Only when something is wrong the file is evaluated once more, with
functions that stop at the guilty declaration and so learn its place.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from codex_plugin_sdk import ExitCode, UserError

from .declare import ABSENT, BadDeclaration, build
from .literal import read_literals
from .rules import RuleFile

if TYPE_CHECKING:
    import starlark

TIME_LIMIT_S = 10.0
MAX_BYTES = 32 * 1024 * 1024

_NAME = "rules"
_OURS = "prelude"
_CANCELLED = "Evaluation cancelled"
_PRELUDE = """\
def _functions():
    encode, take, declared, absent = json.encode, _take, [], "\\0"

    def hand_over():
        take(",".join(declared))
        declared.clear()

    def prefix_rule(
            pattern: list[str | list[str]], decision: str = "allow", match: list[str | list[str]] = [],
            not_match: list[str | list[str]] = [], justification: str = absent):
        declared.append(encode(["prefix", pattern, decision, match, not_match, justification]))
        if len(declared) > 255:
            hand_over()

    def host_executable(name: str, paths: list[str]):
        declared.append(encode(["host", name, paths]))

    def network_rule(host: str, protocol: str, decision: str, justification: str = absent):
        declared.append(encode(["network", host, protocol, decision, justification]))

    return hand_over, prefix_rule, host_executable, network_rule

SECRET, prefix_rule, host_executable, network_rule = _functions()
"""
_STRICT_PRELUDE = """\
def _functions():
    fail, declared, absent = _fail, _declared, "\\0"

    def each(values, list_allowed, neither, inner):
        for given in values:
            if list_allowed and type(given) == "list":
                each(given, False, inner, "")
            elif type(given) != "string":
                fail("%s (got %s)" % (neither, type(given)))

    def prefix_rule(
            pattern: list, decision: str = "allow", match: list = [], not_match: list = [],
            justification: str = absent):
        kind = "invalid pattern element: pattern "
        each(pattern, True, kind + "element must be a string or list of strings", kind + "alternative must be a string")
        for examples in [match, not_match]:
            each(examples, True, "invalid example: example must be a string or list of strings",
                 "invalid example: example tokens must be strings")
        declared()

    def host_executable(name: str, paths: list):
        each(paths, False, "invalid rule: host_executable paths must be strings", "")
        declared()

    def network_rule(host: str, protocol: str, decision: str, justification: str = absent):
        declared()

    return prefix_rule, host_executable, network_rule

prefix_rule, host_executable, network_rule = _functions()
"""
assert ABSENT == "\0"

_FRAME = re.compile(rf"^  \* {_NAME}:(\d+), in ", re.MULTILINE)
_PLACE = re.compile(rf"^ *--> {_NAME}:(\d+):\d+$", re.MULTILINE)
_CAUSE = re.compile(r"^error: (.*?)(?:\n *--> .*)?\Z", re.MULTILINE | re.DOTALL)


class RulesError(UserError):
    """A rules file cannot be used. `line` counts from 1 and is 0 where no place is known."""

    def __init__(self, file: str, cause: str, *, line: int = 0, verb: str = "parse") -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(f"failed to {verb} policy at {place}: {cause}", exit_code=ExitCode.CONFIG)
        self.file, self.cause, self.line = file, cause, line


def load_rules(path: str, home: str = "") -> RuleFile:
    """Read and evaluate one file; `home` stands for `~` in it. Raises `RulesError`."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else None
        raise RulesError(path, cause or str(error), verb="read") from error
    if len(raw) > MAX_BYTES:
        raise RulesError(path, f"it is larger than {MAX_BYTES // 1024 // 1024} MiB", verb="read")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RulesError(path, "it is not UTF-8 text", line=line, verb="read") from error
    return parse_rules(text, path, home)


def parse_rules(text: str, file: str, home: str = "") -> RuleFile:
    """The rules in the text of a file; `file` names it in errors. Raises `RulesError`."""
    with _unhurried():
        declared = read_literals(text)
        if declared is not None:
            try:
                return build(declared, file, home)
            except BadDeclaration:
                pass  # told below, with its line
        return _evaluate(text, file, home)


@contextmanager
def _unhurried() -> Iterator[None]:
    """Without the garbage collector, which would look through ten thousand new rules again and again for the
    cycles that they do not have: a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _evaluate(text: str, file: str, home: str) -> RuleFile:
    import starlark

    try:
        return build(_declarations(text), file, home)
    except BadDeclaration as error:
        line = _locate(text, error.index)[0]
        raise RulesError(file, str(error), line=line) from error
    except starlark.StarlarkError as error:
        line, cause = _told(str(error))
        if cause == _CANCELLED:
            cause = f"it takes longer than {TIME_LIMIT_S:.0f} seconds to evaluate"
        else:
            strict = _locate(text, None)
            line, cause = strict if strict[1] else (line, cause)
        raise RulesError(file, cause, line=line) from error


def _declarations(text: str) -> list[list[Any]]:
    import starlark
    from orjson import loads

    parts: list[str] = []
    module = starlark.Module()
    module.add_callable("_take", parts.append)
    # What hands over the rest lies in the file's own module, under a name that the file cannot know.
    secret = f"_{os.urandom(8).hex()}"
    prelude = starlark.parse(_OURS, _PRELUDE.replace("SECRET", secret), _dialect())
    starlark.eval(module, prelude, starlark.Globals.extended_by([starlark.LibraryExtension.Json]))
    module["_take"] = module["_functions"] = None
    _run(module, text)
    starlark.eval(module, starlark.parse(_OURS, f"{secret}()", _dialect()), starlark.Globals.standard())
    found: list[list[Any]] = loads(f"[{','.join(part for part in parts if part)}]")
    return found


def _locate(text: str, index: int | None) -> tuple[int, str]:
    """Line and cause of the first error, or of the declaration with this index; (0, "") without any."""
    import starlark

    count = -1

    def declared() -> None:
        nonlocal count
        count += 1
        if count == index:
            raise ValueError

    def fail(cause: str) -> None:
        raise ValueError(cause)

    module = starlark.Module()
    module.add_callable("_fail", fail)
    module.add_callable("_declared", declared)
    starlark.eval(module, starlark.parse(_OURS, _STRICT_PRELUDE, _dialect()), starlark.Globals.standard())
    module["_fail"] = module["_declared"] = module["_functions"] = None
    try:
        _run(module, text)
    except starlark.StarlarkError as error:
        return _told(str(error))
    return 0, ""


def _run(module: starlark.Module, text: str) -> None:
    """Evaluate the file itself, for a limited time: a loop must not keep a session from starting."""
    from time import monotonic

    import starlark

    deadline = monotonic() + TIME_LIMIT_S
    options = starlark.EvalOptions(check_cancelled=lambda: monotonic() > deadline)
    # The value of the last line would be converted for Python, which most values do not survive.
    try:
        ast = starlark.parse(_NAME, f"{text}\n\nNone\n", _dialect())
    except starlark.StarlarkError:
        ast = starlark.parse(_NAME, text, _dialect())  # for an error that does not speak of our last line
    starlark.eval_with(options, module, ast, starlark.Globals.standard())


def _dialect() -> starlark.Dialect:
    import starlark

    dialect = starlark.Dialect.extended()
    dialect.enable_load = False
    dialect.enable_f_strings = True
    return dialect


def _told(message: str) -> tuple[int, str]:
    """The line in the file (the innermost call of it) and the cause, out of Starlark's own report."""
    frames = _FRAME.findall(message)
    places = _PLACE.findall(message)
    cause = _CAUSE.search(message)
    line = int((places or frames or ["0"])[-1]) if not frames or not places else int(frames[-1])
    text = cause[1].strip() if cause else message.strip()
    return line, text.removeprefix("ValueError: ").replace(f"{_OURS}.", "").replace("\n", " ")
