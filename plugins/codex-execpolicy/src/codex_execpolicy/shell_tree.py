"""Walks the syntax tree of a shell script and collects the simple commands in it.

tree-sitter gives the structure; words are read by `shell_words`. Everything in between has to be accounted for:
a node that is not known here, or text between two nodes that is not a blank, counts as not understood.
The script is handled as one character per byte of its UTF-8 form, because the tree counts bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from .shell_heredoc import lift
from .shell_segments import Collector, Dialect, Word, names
from .shell_words import Command, Hole, WordReader

if TYPE_CHECKING:
    from tree_sitter import Language, Node

MAX_SCRIPT = 64 * 1024
"""Longer scripts are not parsed."""
MAX_TREE_DEPTH = 80

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_GAP = re.compile(r"(?:[ \t\n]|\\\n)*\Z")
_EXPANDS = re.compile(r"[$`]|[<>]\(")
_HARMLESS_TEST = re.compile(r"\[\[[^\[\]$`\\]*\]\]")
_EVALUATES = re.compile(r"-(?:eq|ne|[lg][te]|v)\b|[<>]\(")
_OPERATORS = re.compile(r"[^\n;|&()]+")
_LOOP_VARIABLE = re.compile(r"[a-z][a-z0-9_]*\Z")
# `path` and its kin are tied to PATH in zsh.
_SPECIAL_VARIABLES = frozenset({"path", "cdpath", "fpath", "manpath", "mailpath", "module_path", "histchars"})

_TOKENS = names("; & && || | |& ;; ;& ;;& ( ) { } ! if then elif else fi for in do done while until case esac") | {"\n"}
_KEYWORDS = names("{ } ! if then elif else fi for in do done while until case esac")
_BOUNDS = frozenset({"", *" \t\n;&|()"})
_BLOCKS = names(
    "program list compound_statement subshell do_group if_statement elif_clause else_clause while_statement "
    "negated_command pipeline"
)
_OPEN_ENDED = frozenset({"list", "pipeline", "negated_command"})
_SIMPLE = names("command variable_assignment variable_assignments declaration_command unset_command")
_HOLES = {
    "command_substitution": "command substitution",
    "process_substitution": "process substitution",
    "expansion": "variable expansion",
    "simple_expansion": "variable expansion",
    "arithmetic_expansion": "arithmetic expansion",
    "translated_string": "a translated string",
}

Emit = Callable[[Command, int, str], None]
"""Is told each simple command, its pipeline (-1: none) and its source."""


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


@cache
def _language() -> Language:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Language(tree_sitter_bash.language())


def _root(source: str) -> Node:
    """The tree of a script whose characters are its bytes.

    The grammar's scanner looks characters up in tables of bytes and can crash on others (tree-sitter-bash #337), so it
    is shown `%` for every byte that is not ASCII: like those, a character of words and never one of names.
    """
    from tree_sitter import Parser

    shown = _NOT_ASCII.sub("%", source)
    return Parser(_language()).parse(shown.encode("ascii")).root_node


def walk_script(script: str, dialect: Dialect, found: Collector, emit: Emit, pipe: int = -1) -> None:
    """Hand every simple command of `script` to `emit`, and report to `found` what is not understood."""
    try:
        data = script.encode()
    except UnicodeEncodeError:
        found.opaque("text that is not UTF-8")
        data = script.encode("utf-8", "replace")
    if len(data) > MAX_SCRIPT:
        found.opaque(f"a script longer than {MAX_SCRIPT} bytes")
        data = data[:MAX_SCRIPT]
    source = data.decode("latin-1")
    if _CONTROL.search(source):
        found.opaque("a control character in the script")
    lifted = lift(source)
    if lifted.failure:
        found.opaque(lifted.failure)
    walk = _Walk(lifted.script, dialect, found, emit, pipe)
    walk.script(_root(lifted.script))
    for body in lifted.bodies:
        found.opaque("expansion in a here-document", _text(body))
        walk_expansions(body, dialect, found, emit, pipe)


def walk_expansions(body: str, dialect: Dialect, found: Collector, emit: Emit, pipe: int) -> None:
    """Collect the commands that a here-document's body would run when it is expanded."""
    quoted = ': "' + body.replace('"', "'") + '"'
    walk = _Walk(quoted, dialect, found, lambda command, number, text: None, pipe)
    walk.holes_of(_root(quoted))
    walk.emit = emit
    for start in sorted(walk.holes):
        walk.enter(start)


def _text(source: str) -> str:
    return source.encode("latin-1").decode("utf-8", "replace")


class _Walk:
    """One script on its way through the tree."""

    def __init__(self, source: str, dialect: Dialect, found: Collector, emit: Emit, pipe: int) -> None:
        self.source, self.dialect, self.found, self.emit, self.pipe = source, dialect, found, emit, pipe
        self.holes: dict[int, Hole] = {}
        self.nodes: dict[int, Node] = {}
        self.depth = 0
        self.reader = WordReader(source, self.holes, dialect, self.report, self.enter)

    def report(self, why: str, source: str) -> None:
        """Note what is not understood."""
        self.found.opaque(why, _text(source))

    def script(self, root: Node) -> None:
        """Walk the whole tree."""
        if root.has_error:
            self.found.opaque("shell syntax that could not be parsed", _text(_error_text(root, self.source)))
        if _EXPANDS.search(self.source):
            self.holes_of(root)
        before = self.source[: root.start_byte]
        if not _GAP.match(before):
            self.report("text outside of the parsed script", before)
        after = self.source[root.end_byte :]
        if not _GAP.match(after):
            self.report("text outside of the parsed script", after)
        self.statement(root, root.end_byte)
        if root.has_error:
            self._guess()

    def _guess(self) -> None:
        """After a syntax error commands may be lost in the tree: take what lies between operators for commands,
        so that rules and tables still see them."""
        seen = {segment.words for segment in self.found.segments}
        for chunk in _OPERATORS.finditer(self.source):
            command = self.reader.command(chunk.start(), chunk.end())
            words = [_decoded(word) for word in command.words]
            if words and tuple(word.text for word in words) not in seen:
                self.emit(Command(words, [], ()), self.pipe, _text(chunk.group()))

    def holes_of(self, root: Node) -> None:
        """Find the outermost expansions, to be met again while words are read."""
        pending = [root]
        while pending:
            node = pending.pop()
            why = _HOLES.get(node.type)
            if why is None or node.end_byte <= node.start_byte:
                pending.extend(node.children)
            else:
                self.holes[node.start_byte] = Hole(node.end_byte, why)
                self.nodes[node.start_byte] = node

    def statement(self, node: Node, end: int) -> None:
        """Walk one node; its redirections reach up to `end`."""
        self.depth += 1
        if self.depth > MAX_TREE_DEPTH:
            self.report("a script that is nested too deeply", self.source[node.start_byte : end])
        else:
            self._dispatch(node, end)
        self.depth -= 1

    def _dispatch(self, node: Node, end: int) -> None:
        kind = node.type
        if kind in _SIMPLE:
            self._simple(node.start_byte, end)
        elif kind in _OPEN_ENDED:
            self._open_ended(node, end)
        elif kind == "redirected_statement":
            body = node.child_by_field_name("body")
            if body is None or body.start_byte != node.start_byte:
                self._simple(node.start_byte, end)
            else:
                self.statement(body, end)
        elif kind == "test_command":
            self._test(node, end)
        else:
            first = len(self.found.segments)
            self._compound(node)
            if end > node.end_byte:
                self._redirect_all(first, node.end_byte, end)

    def _compound(self, node: Node) -> None:
        kind = node.type
        if kind in _BLOCKS:
            self._children(node, node.end_byte)
        elif kind == "for_statement":
            self._for(node)
        elif kind == "case_statement":
            self._case(node)
        elif kind == "function_definition":
            self.report("a function definition", self.source[node.start_byte : node.end_byte])
            self.found.add([Word(_text(self.source[node.start_byte : node.end_byte]))], (), self.pipe)
            for child in node.named_children:
                if child.type in _BLOCKS:
                    self.statement(child, child.end_byte)
        elif kind == "comment":
            self._comment(node)
        else:
            self.report(f"shell syntax that is not followed ({kind})", self.source[node.start_byte : node.end_byte])
            for child in node.named_children:
                if child.type in _BLOCKS or child.type in _SIMPLE or child.type == "redirected_statement":
                    self.statement(child, child.end_byte)

    def _children(self, node: Node, end: int) -> None:
        """Walk a node that consists of statements, keywords and operators only."""
        at = node.start_byte
        children = node.children
        open_ended = node.type in _OPEN_ENDED
        for child in children:
            self._gap(at, child.start_byte)
            at = child.end_byte
            if child.is_named:
                self.statement(child, end if open_ended and child is children[-1] else child.end_byte)
            elif not self._is_token(child):
                self.report("shell syntax that is not followed", self.source[node.start_byte : node.end_byte])
        if not open_ended:
            self._gap(at, end)

    def _open_ended(self, node: Node, end: int) -> None:
        """A pipeline or list. What redirects it, in the tree, redirects its last command, in a shell."""
        joined = node.type == "pipeline" and self.pipe < 0
        if joined:
            self.pipe = self.found.new_pipe()
        self._children(node, end)
        if joined:
            self.pipe = -1

    def _is_token(self, node: Node) -> bool:
        """Whether a token of the grammar is one that is followed here, and stands where a shell sees it, too."""
        if node.is_missing or node.type not in _TOKENS:
            return False
        if node.type not in _KEYWORDS:
            return True
        before, after = self.source[max(0, node.start_byte - 1) : node.start_byte], self.source[node.end_byte :][:1]
        escaped = self.source[max(0, node.start_byte - 2) : node.start_byte - 1] == "\\"
        return before in _BOUNDS and after in _BOUNDS and not escaped

    def _gap(self, start: int, end: int) -> None:
        if start < end and not _GAP.match(self.source[start:end]):
            self.report("text that the parser skipped", self.source[start:end])

    def _simple(self, start: int, end: int) -> None:
        outer, entered = self.pipe, len(self.found.segments)
        if self.holes and self.pipe < 0 and any(start <= hole < end for hole in self.holes):
            self.pipe = self.found.new_pipe()  # what a substitution prints goes into this command
        command = self.reader.command(start, end)
        pipe = self.pipe if outer >= 0 or len(self.found.segments) > entered else -1
        self.pipe = outer
        decoded = Command(
            [_decoded(word) for word in command.words],
            [_decoded(word) for word in command.assignments],
            tuple(_text(path) for path in command.writes),
        )
        self.emit(decoded, pipe, _text(self.source[start:end]))

    def enter(self, start: int) -> None:
        """Walk the commands inside of the expansion that begins at `start`."""
        pending = [self.nodes[start]]
        while pending:
            node = pending.pop()
            if node.type in ("command_substitution", "process_substitution"):
                for child in node.named_children:
                    self.statement(child, child.end_byte)
            else:
                pending.extend(node.children)

    def _test(self, node: Node, end: int) -> None:
        """`[ … ]` is a command like any other; `[[ … ]]` is syntax, and may evaluate arithmetic."""
        inside = self.source[node.start_byte : node.end_byte]
        if inside.startswith("[["):
            if not _HARMLESS_TEST.fullmatch(inside) or _EVALUATES.search(inside) or self.dialect.name != "bash":
                self.report("a test that may evaluate what it compares", inside)
                for start in [hole for hole in self.holes if node.start_byte <= hole < node.end_byte]:
                    self.enter(start)
            self.found.add([Word("[["), Word(_text(inside[2:-2].strip())), Word("]]")], (), self.pipe)
            if end > node.end_byte:
                self._redirect_all(len(self.found.segments) - 1, node.end_byte, end)
        else:
            self._simple(node.start_byte, end)

    def _redirect_all(self, first: int, start: int, end: int) -> None:
        """Redirections behind a compound command hold for all commands in it."""
        command = self.reader.command(start, end)
        if command.words or command.assignments:
            self.report("words behind a compound command", self.source[start:end])
        writes = tuple(_text(path) for path in command.writes)
        if writes and first == len(self.found.segments):
            self.found.add([Word(":")], writes, self.pipe)
        for index in range(first, len(self.found.segments)):
            segment = self.found.segments[index]
            self.found.segments[index] = segment.replace(writes=segment.writes + writes)

    def _for(self, node: Node) -> None:
        variable = node.child_by_field_name("variable")
        name = self.source[variable.start_byte : variable.end_byte] if variable else ""
        if not _LOOP_VARIABLE.match(name) or name in _SPECIAL_VARIABLES:
            self.report("a loop over a variable that programs may heed", name)
        at = node.start_byte
        for child in node.children:
            self._gap(at, child.start_byte)
            at = child.end_byte
            if child.type in ("do_group", "compound_statement"):
                self.statement(child, child.end_byte)
            elif child.is_named and child.type != "variable_name":
                self.reader.command(child.start_byte, child.end_byte)
            elif not child.is_named and not self._is_token(child):
                self.report("shell syntax that is not followed", self.source[node.start_byte : node.end_byte])

    def _case(self, node: Node) -> None:
        at = node.start_byte
        labelled = False
        for child in node.children:
            self._gap(at, child.start_byte)
            at = child.end_byte
            if child.type == "case_item":
                self._case(child)
            elif child.is_named and node.type == "case_item" and labelled:
                self.statement(child, child.end_byte)
            elif child.is_named and child.type != "comment":
                text = self.source[child.start_byte : child.end_byte]
                if re.search(r"[^\w./*?:@%+,=\x80-\xff-]", text, re.ASCII):
                    self.report("a case pattern that is not plain", text)
            elif child.type == "comment":
                self._comment(child)
            elif not self._is_token(child):
                self.report("shell syntax that is not followed", self.source[node.start_byte : node.end_byte])
            labelled |= child.type == ")"

    def _comment(self, node: Node) -> None:
        start, source = node.start_byte, self.source
        at_word_start = start == 0 or source[start - 1] in " \t\n;&|()"
        escaped = start > 1 and source[start - 2] == "\\"
        text = source[start : node.end_byte]
        ends = node.end_byte == len(source) or source[node.end_byte] == "\n"
        if not at_word_start or escaped or not ends or "\n" in text or not text.startswith("#"):
            self.report("a doubtful comment", text)
        elif self.dialect.name == "zsh":
            self.report("a comment, which zsh may read as words", text)


def _decoded(word: Word) -> Word:
    return word if word.text.isascii() else word._replace(text=_text(word.text))


def _error_text(root: Node, source: str) -> str:
    """The source at the first error."""
    pending = [root]
    while pending:
        node = pending.pop()
        if node.is_error or node.is_missing:
            return source[node.start_byte : max(node.end_byte, node.start_byte + 12)]
        pending.extend(child for child in reversed(node.children) if child.has_error or child.is_missing)
    return source
