"""The SDK's three lists of names (late, typed, documented) are one list."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

import codex_plugin_sdk
from codex_plugin_sdk._exports import MODULES

INIT = Path(codex_plugin_sdk.__file__ or "")


def typed_names() -> dict[str, set[str]]:
    """What the TYPE_CHECKING block imports, by module, with `X as X` checked."""
    tree = ast.parse(INIT.read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    found: dict[str, set[str]] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom), ast.unparse(node)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name} is not exported for type checkers"
            found.setdefault(node.module or "", set()).add(alias.name)
    return found


def test_late_names_and_typed_names_agree() -> None:
    assert {module: set(names) for module, names in MODULES.items()} == typed_names()


def test_no_name_is_offered_twice() -> None:
    names = [name for listed in MODULES.values() for name in listed]
    assert len(names) == len(set(names))
    assert sorted(names) == codex_plugin_sdk.__all__


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_module_resolves_to_what_it_defines(module: str) -> None:
    for name in MODULES[module]:
        assert getattr(codex_plugin_sdk, name) is getattr(import_module(module), name)


@pytest.mark.parametrize("module", MODULES)
def test_public_classes_and_functions_have_docstrings(module: str) -> None:
    for name in MODULES[module]:
        found = getattr(codex_plugin_sdk, name)
        if isinstance(found, type) or (callable(found) and hasattr(found, "__code__")):
            assert (found.__doc__ or "").strip(), name


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = codex_plugin_sdk.Nonsense
