"""docs/tui.md says what there is: its tables are written from the code, with CODEX_TUI_UPDATE_SNAPSHOTS=1."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from codex_tui.commands.table import COMMANDS, SECTIONS
from codex_tui.keymap import shown
from codex_tui.keys_default import DEFAULTS
from codex_tui.render.palettes import PALETTES
from codex_tui.render.theme import ROLES
from codex_tui.screen.statusline import DEFAULT_FIELDS, NAMES

DOCS = Path(__file__).resolve().parents[3] / "docs"
CONTEXTS = {
    "global": "anywhere",
    "composer": "while you write",
    "list": "in lists and forms",
    "approval": "in approvals",
    "pager": "in the transcript and other overlays",
}


def commands() -> str:
    rows = ["| command | what it does | during a turn |", "|---|---|---|"]
    for section in SECTIONS:
        rows.append(f"| **{section}** | | |")
        for command in COMMANDS:
            if command.section == section:
                names = ", ".join(f"`/{name}`" for name in (command.name, *command.aliases))
                hint = command.hint.replace("|", "\\|")
                arguments = f" `{hint}`" if hint else ""
                rows.append(f"| {names}{arguments} | {command.help} | {'yes' if command.while_running else 'no'} |")
    return "\n".join(rows)


def keys() -> str:
    rows = ["| action | keys |", "|---|---|"]
    for context, actions in DEFAULTS.items():
        rows.append(f"| **`{context}`**: {CONTEXTS[context]} | |")
        for action, bound in actions.items():
            rows.append(f"| `{action}` | {', '.join(_code(shown(key)) for key in bound) or 'none'} |")
    return "\n".join(rows)


def _code(key: str) -> str:
    return f"`{key}`" if "|" not in key else f"`{key}`".replace("|", "\\|")


def themes() -> str:
    rows = ["| theme | |", "|---|---|", "| `auto` | dark or light, as the terminal is |"]
    return "\n".join([*rows, *(f"| `{name}` | {palette.description} |" for name, palette in PALETTES.items())])


def roles() -> str:
    return ", ".join(f"`{role}`" for role in ROLES) + "."


def fields() -> str:
    usual = ", ".join(f"`{name}`" for name in DEFAULT_FIELDS)
    others = ", ".join(f"`{name}`" for name in NAMES if name not in DEFAULT_FIELDS)
    return f"Usual are {usual}. There are also {others}."


@pytest.mark.parametrize("part", [commands, keys, themes, roles, fields], ids=lambda part: part.__name__)
def test_each_table_of_the_page_is_that_of_the_code(part) -> None:
    page = DOCS / "tui.md"
    found = re.compile(rf"<!-- {part.__name__} -->\n(.*?)<!-- end -->", re.DOTALL)
    text = page.read_text(encoding="utf-8")
    match = found.search(text)
    assert match is not None
    if os.environ.get("CODEX_TUI_UPDATE_SNAPSHOTS"):
        page.write_text(text[: match.start(1)] + part() + "\n" + text[match.end(1) :], encoding="utf-8")
        return
    assert match[1] == part() + "\n"


def test_each_picture_of_the_page_is_there_and_no_other() -> None:
    shown_there = set(re.findall(r"\(images/tui/([\w-]+\.svg)\)", (DOCS / "tui.md").read_text(encoding="utf-8")))
    assert shown_there == {path.name for path in (DOCS / "images" / "tui").iterdir()}
    assert "(tui.md)" in (DOCS / "index.md").read_text(encoding="utf-8")
