"""Reads the words and redirections of one simple command, as a shell would.

tree-sitter finds the structure of a script; the exact value of a word is decided here, strictly: whatever is
not known to be literal is reported. Text is handled as one character per byte (see `shell_tree`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .shell_segments import Dialect, Word

_PLAIN = re.compile(r"[A-Za-z0-9_./,:@%+=^\]\x80-\xff-]+")
_BLANKS = re.compile(r"(?:[ \t]|\\\n)+")
_REDIRECT = re.compile(r"\d*(?:[<>]&-|<<<|<>|<&|>>|>\||>&|<|>)|&>>?")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^]]*\])?\+?=", re.ASCII)
_FD_WORD = re.compile(r"\{\w+\}\Z", re.ASCII)
_DUPLICATE = re.compile(r"\d+-?\Z|-\Z", re.ASCII)
_ANSI = re.compile(r"\\(?:([abeEfnrtv\\'\"?])|x([0-7][0-9A-Fa-f]|[0-9A-Fa-f](?![0-9A-Fa-f]))|([01]?[0-7]{1,2}))")
_ANSI_NAMED = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))


class Hole(NamedTuple):
    """A range of the source whose value is known only when it runs; it ends before `end`."""

    end: int
    why: str


class Command(NamedTuple):
    """A simple command: the words, the assignments before them (`NAME=value`), and the files it writes."""

    words: list[Word]
    assignments: list[Word]
    writes: tuple[str, ...]


class WordReader:
    """Reads one region of `source`; `holes` maps the start of each expansion to its extent. `report` is told what is
    not literal, `enter` the start of each hole."""

    def __init__(
        self,
        source: str,
        holes: Mapping[int, Hole],
        dialect: Dialect,
        report: Callable[[str, str], None],
        enter: Callable[[int], None],
    ) -> None:
        self.source, self.holes, self.dialect = source, holes, dialect
        self.report, self.enter = report, enter
        self.end = 0

    def command(self, start: int, end: int) -> Command:
        """The simple command in `source[start:end]`."""
        outer, self.end = self.end, end  # a hole in this command reads commands of its own
        words: list[Word] = []
        assignments: list[Word] = []
        writes: list[str] = []
        at = start
        while (at := self._skip_blanks(at)) < end:
            redirect = _REDIRECT.match(self.source, at, end)
            if redirect and self.source[at : at + 2] not in ("<(", ">("):
                at = self._redirect(redirect, writes)
            elif self.source[at] in "\n;&|()<>" and at not in self.holes:
                self.report("a control operator where a word belongs", self.source[at:end])
                at += 1
            else:
                begin = at
                word, at = self._word(at)
                text = self.source[begin:at]
                if at < end and self.source[at] in "<>" and _FD_WORD.match(text):
                    self.report("a redirection to a descriptor variable", text)
                is_assignment = not words and _ASSIGNMENT.match(text.replace("\\\n", ""))
                (assignments if is_assignment else words).append(word)
        self.end = outer
        return Command(words, assignments, tuple(writes))

    def _skip_blanks(self, at: int) -> int:
        blanks = _BLANKS.match(self.source, at, self.end)
        return blanks.end() if blanks else at

    def _redirect(self, operator: re.Match[str], writes: list[str]) -> int:
        if operator.group().endswith("&-"):  # closes the descriptor; what follows is a word of its own
            return operator.end()
        at = self._skip_blanks(operator.end())
        if at >= self.end or (self.source[at] in "\n;&|()<>" and at not in self.holes):
            self.report("a redirection without a target", operator.group())
            return at
        begin = at
        word, at = self._word(at)
        kind = operator.group().lstrip("0123456789")
        if kind == "<<<":
            return at
        if kind in (">&", "<&") and _DUPLICATE.match(word.text) and not word.loose:
            return at
        # bash removes quotes twice from the target of `>&`.
        if word.loose or (kind in (">&", "<&", "&>", "&>>") and re.search(r"[\\'\"]", self.source[begin:at])):
            self.report("a redirection whose target is not literal", self.source[begin:at])
        if word.text.startswith(("/dev/tcp/", "/dev/udp/")):
            self.report("a redirection to the network", word.text)
        if kind not in ("<", "<&"):
            writes.append(word.text)
        return at

    def _word(self, at: int) -> tuple[Word, int]:
        """The word at `at` and where it ends."""
        begin, pieces = at, []
        unknown = glob = tilde = False
        openings: list[int] = []
        while at < self.end:
            plain = _PLAIN.match(self.source, at, self.end)
            if plain:
                pieces.append(plain.group())
                at = plain.end()
                continue
            char = self.source[at]
            if at in self.holes:
                unknown, at = True, self._hole(at, pieces)
            elif char in " \t\n;&|()<>":
                break
            elif char == "'":
                at = self._single_quoted(at, pieces)
            elif char == '"':
                unquoted, at = self._double_quoted(at + 1, pieces)
                unknown |= unquoted
            elif char == "\\":
                at = self._escape(at, pieces)
            elif char == "$":
                literal, at = self._dollar(at, pieces)
                unknown |= not literal
            else:
                glob |= char in "*?"
                openings += [at] if char in "[{" else []
                tilde |= char == "~" and (at == begin or self.source[at - 1] in "=:")
                self._special(char, at, begin)
                pieces.append(char)
                at += 1
        source = self.source[begin:at]
        for opening in openings:
            rest = self.source[opening:at]
            glob |= rest[0] == "[" and "]" in rest
            if rest[0] == "{" and rest[1:2] != "}" and ("," in rest or ".." in rest):
                self.report("brace expansion", rest)
        if self.dialect.name == "zsh" and (source.startswith("=") or source in ("{", "}")):
            self.report("a word with a meaning of its own in zsh", source)
        loose = unknown or glob or tilde
        return Word(source if unknown else "".join(pieces), loose, glob), at

    def _hole(self, at: int, pieces: list[str]) -> int:
        hole = self.holes[at]
        self.report(hole.why, self.source[at : hole.end])
        self.enter(at)
        pieces.append(self.source[at : hole.end])
        return hole.end

    def _special(self, char: str, at: int, begin: int) -> None:
        """Reports an unquoted character that makes the word something else than its text."""
        rest = self.source[at : self.end]
        if char == "#" and at == begin:
            self.report("a comment where a word belongs", rest)
        elif char == "`":
            self.report("command substitution", rest)
        elif char == "!" and self.dialect.interactive:
            self.report("history expansion", rest)
        elif char not in "{}#!*?[~":
            self.report("an unexpected character", rest)

    def _single_quoted(self, at: int, pieces: list[str]) -> int:
        close = self.source.find("'", at + 1, self.end)
        if close < 0:
            self.report("an unclosed quote", self.source[at : self.end])
            close = self.end
        pieces.append(self.source[at + 1 : close])
        return close + 1 if close < self.end else self.end

    def _double_quoted(self, at: int, pieces: list[str]) -> tuple[bool, int]:
        """Reads on behind the opening quote. Whether something in it was not literal, and where it ends."""
        unknown, begin = False, at
        while at < self.end:
            char = self.source[at]
            if at in self.holes:
                unknown, at = True, self._hole(at, pieces)
            elif char == '"':
                return unknown, at + 1
            elif char == "\\":
                escaped = self.source[at + 1 : at + 2]
                pieces.append({"\n": ""}.get(escaped, escaped) if escaped in '$`"\\\n' else char + escaped)
                at += 2
            elif char == "`" or (char == "$" and self.source[at + 1 : at + 2] not in (" ", '"', "/", "|", ")")):
                self.report("an expansion", self.source[at : self.end])
                unknown = True
                pieces.append(char)
                at += 1
            else:
                if char == "!" and self.dialect.interactive:
                    self.report("history expansion", self.source[at : self.end])
                pieces.append(char)
                at += 1
        self.report("an unclosed quote", self.source[begin - 1 : self.end])
        return unknown, self.end

    def _escape(self, at: int, pieces: list[str]) -> int:
        escaped = self.source[at + 1 : min(at + 2, self.end)]
        if not escaped:
            self.report("a backslash at the end", self.source[at : self.end])
        elif escaped != "\n":
            pieces.append(escaped)
        return min(at + 2, self.end)

    def _dollar(self, at: int, pieces: list[str]) -> tuple[bool, int]:
        """An unquoted `$`: whether its word is still literal, and where to read on."""
        following = self.source[at + 1 : min(at + 2, self.end)]
        if following == "'" and self.dialect.name != "posix":
            text, close = self._ansi(at + 2)
            if text is not None:
                pieces.append(text)
                return True, close
        elif not following or following in " \t\n;&|)":
            pieces.append("$")
            return True, at + 1
        self.report("an expansion", self.source[at : self.end])
        pieces.append("$")
        return False, at + 1

    def _ansi(self, at: int) -> tuple[str | None, int]:
        """The text of `$'…'`, or None where shells or locales disagree about an escape."""
        pieces: list[str] = []
        while at < self.end:
            char = self.source[at]
            if char == "'":
                return "".join(pieces), at + 1
            if char == "\\":
                escape = _ANSI.match(self.source, at, self.end)
                if escape is None:
                    return None, at
                named, hexadecimal, octal = escape.groups()
                char = _ANSI_NAMED[named] if named else chr(int(hexadecimal, 16) if hexadecimal else int(octal, 8))
                if char == "\0":
                    return None, at
                at = escape.end()
            else:
                at += 1
            pieces.append(char)
        return None, at
