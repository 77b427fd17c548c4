"""The kernel stays small, and knows nothing that touches the world."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "kernel/src").rglob("*.py"))
NEVER = {"httpx", "mcp", "opentelemetry", "sqlite3", "textual"}
VOCABULARY = ("protocol", "contracts")
MAX_LINES = 6100
MAX_VOCABULARY = 1900
"""Of the engine, and of the words that it shares with plugins: declarations, which grow with what plugins can do."""
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def imported(source: str) -> Iterator[str]:
    """Top-level names of everything that a module imports, by statement or by string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (
                str(argument.value).partition(".")[0] for argument in node.args if isinstance(argument, ast.Constant)
            )


def code_lines(source: str) -> int:
    """Lines that hold code: no blank line, comment or docstring counts, so that none of them is saved on."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_kernel_is_at_most_about_six_thousand_lines_of_code() -> None:
    lines = {file: code_lines(file.read_text()) for file in SOURCES}
    words = sum(count for file, count in lines.items() if file.parent.name in VOCABULARY)
    assert 0 < words <= MAX_VOCABULARY
    assert 0 < sum(lines.values()) - words <= MAX_LINES, sorted(lines.items(), key=lambda item: -item[1])[:5]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT / "kernel/src")))
def test_kernel_module_never_imports_a_library_of_the_plugins(file: Path) -> None:
    names = set(imported(file.read_text()))
    assert sorted(names & NEVER) == []
    assert sorted(name for name in names if name.startswith("codex_") and name != "codex_kernel") == []


@pytest.mark.parametrize(
    "source",
    [
        "import sqlite3",
        "def f():\n    from httpx import Client",
        "import_module('mcp.client')",
        "__import__('textual')",
    ],
)
def test_each_way_to_import_is_seen(source: str) -> None:
    assert set(imported(source)) & NEVER


def test_only_code_is_counted() -> None:
    assert code_lines('"""Doc."""\n\n# why\ndef f():\n    """Doc\n    more."""\n    return """a\nb"""\n') == 3
