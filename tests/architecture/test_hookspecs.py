"""Every hook is documented, its example works, and something uses it."""

from __future__ import annotations

import ast
import importlib.util
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from codex_kernel import specs
from codex_kernel.hookspecs import HOOK_KINDS, CodexHookspecs

ROOT = Path(__file__).resolve().parents[2]
HOOKS: dict[str, Callable[..., object]] = {
    name: function for name, function in vars(CodexHookspecs).items() if name.startswith("codex_")
}
WORDS = ("When called: ", "Who selects: ", "May raise: ", "Example::")


def load_tool(name: str) -> ModuleType:
    """A script of `tools/`, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


reference = load_tool("generate_reference")


def declared_spec(hook: str) -> type:
    """The class whose instances a hook yields, from its annotation."""
    returned = typing.get_type_hints(HOOKS[hook], vars(specs) | {"Iterable": Iterable})["return"]
    (spec,) = typing.get_args(returned)
    return spec


def run_example(hook: str) -> dict[str, object]:
    """The names that a hook's example defines, run as the body of a plugin module."""
    import attrs

    import codex_plugin_sdk

    _, code = reference.split_example(reference.docstring(function_node(hook)))
    names: dict[str, object] = {
        name: getattr(codex_plugin_sdk, name) for name in codex_plugin_sdk.__all__ if name in code
    }
    names["attrs"] = attrs
    exec(compile(code, f"<example of {hook}>", "exec"), names)
    return names


def function_node(hook: str) -> ast.FunctionDef:
    """A hookspec in the source."""
    tree = ast.parse((ROOT / "kernel/src/codex_kernel/hookspecs.py").read_text())
    return next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == hook)


def implementations() -> Iterator[tuple[str, Path]]:
    """Functions named like a hook, and hooks given by keyword (`plugin(codex_tools=…)` of the testing kit): in
    plugins, in what the kernel offers itself, in examples and in tests."""
    for folder in ("kernel", "plugin-sdk", "plugins", "contrib", "tests"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name == "hookspecs.py" or file == Path(__file__):
                continue
            text = file.read_text(errors="replace")
            if not any(hook in text for hook in HOOKS):
                continue  # parsing all there is takes seconds
            for node in ast.walk(ast.parse(text)):
                named = node.name if isinstance(node, ast.FunctionDef) else None
                named = node.arg if isinstance(node, ast.keyword) else named
                if named in HOOKS:
                    yield named, file


def test_there_are_hooks_and_each_has_a_kind() -> None:
    assert sorted(HOOKS) == sorted(HOOK_KINDS)
    assert len(HOOKS) >= 10


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_says_when_who_what_and_shows_how(hook: str) -> None:
    text = HOOKS[hook].__doc__ or ""
    assert [word for word in WORDS if word not in text] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_example_of_a_hook_yields_what_the_hook_declares(hook: str) -> None:
    implementation = run_example(hook)[hook]
    assert hasattr(implementation, "codex_impl"), "the example is not marked with @hookimpl"
    yielded = list(implementation())  # type: ignore[operator]
    assert [type(spec) for spec in yielded] == [declared_spec(hook)]


def test_every_hook_is_used_by_a_plugin_an_example_or_a_test() -> None:
    assert set(HOOKS) - {name for name, _ in implementations()} == set()


def test_hooks_are_collecting_and_synchronous() -> None:
    for name, function in HOOKS.items():
        options = getattr(function, "codex_spec")  # noqa: B009 - set by pluggy
        assert not options["firstresult"], name
        assert not isinstance(function_node(name), ast.AsyncFunctionDef)
        assert function_node(name).args.args[0].arg == "self"
        assert len(function_node(name).args.args) == 1, name
