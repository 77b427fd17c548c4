"""The documentation says what the code does."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

from codex_kernel.errors import ExitCode
from codex_kernel.hookspecs import HOOK_KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("kernel/*.md"), *ROOT.glob("plugin-sdk/*.md")]
)
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def reference_pages() -> dict[str, str]:
    """What docs/reference/ must hold, from the generator."""
    spec = importlib.util.spec_from_file_location("generate_reference", ROOT / "tools/generate_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    pages: dict[str, str] = module.pages(ROOT)
    return pages


@pytest.mark.parametrize("name", reference_pages())
def test_reference_is_what_the_code_says(name: str) -> None:
    assert (ROOT / name).read_text() == reference_pages()[name], "run `make docs`"


@pytest.mark.parametrize("hook", HOOK_KINDS)
def test_hook_has_a_section_for_authors(hook: str) -> None:
    assert f"\n## {hook}\n" in (ROOT / "docs/reference/hooks.md").read_text()
    assert hook in (ROOT / "docs/plugins.md").read_text()


@pytest.mark.parametrize("page", ["README.md", "docs/users.md"])
def test_exit_codes_are_all_listed_and_no_others(page: str) -> None:
    rows = re.findall(r"^\| (\d+) \| `([A-Z]+)` \|", (ROOT / page).read_text(), re.MULTILINE)
    assert {int(code): name for code, name in rows} == {int(code): code.name for code in ExitCode}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_named_in_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named - targets == set()


def test_readme_names_every_target_that_ci_runs() -> None:
    ran = re.findall(r"^make ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert "test" in ran
    assert [target for target in ran if f"make {target}" not in README] == []


def test_readme_lists_exactly_the_plugins_that_are_there() -> None:
    there = {folder.parent.name for folder in ROOT.glob("plugins/*/pyproject.toml")}
    listed = set(re.findall(r"^\| \[`(codex-[a-z-]+)`\]\(plugins/", README, re.MULTILINE))
    assert listed == there


def test_python_blocks_of_the_hand_written_pages_compile() -> None:
    checked = 0
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            ast.parse(block)
            checked += 1
    assert checked


def test_toml_blocks_of_the_hand_written_pages_parse() -> None:
    checked = 0
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            tomllib.loads(block)
            checked += 1
    assert checked
