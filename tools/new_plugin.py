"""Make a plugin from contrib/plugin-template: `make new-plugin NAME=codex-tool-foo`.

Nothing has to be listed anywhere: the workspace, the set-up, the import rules and the tests find plugins by
looking into `plugins/`. Only a plugin that belongs to the default set is added to the root pyproject.toml.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "contrib/plugin-template"
NAME = re.compile(r"codex(-[a-z][a-z0-9]*)+")


def replacements(name: str) -> dict[str, str]:
    """What the template's words become; the longer ones first."""
    plugin = name.removeprefix("codex-")
    words = plugin.removeprefix("tool-").split("-")
    return {
        "codex-tool-sample": name,
        "codex_tool_sample": name.replace("-", "_"),
        "tool-sample": plugin,
        "Sample": "".join(word.capitalize() for word in words),
        "sample": "_".join(words),
    }


def rename(text: str, words: dict[str, str]) -> str:
    """Text with the template's words replaced, each place once."""
    pattern = re.compile("|".join(map(re.escape, words)))
    return pattern.sub(lambda match: words[match[0]], text)


def create(name: str) -> Path:
    """Write plugins/NAME and return it. Raises `ValueError` for a name that does not fit or is taken."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a plugin's name: codex-KIND-WORD, in small letters, such as codex-tool-clock"
        )
    if len(replacements(name)["sample"]) > 64:
        raise ValueError(f"{name!r} is too long: the tool's name may have 64 characters, which model servers require")
    target = ROOT / "plugins" / name
    if target.exists():
        raise ValueError(f"plugins/{name} exists already")
    words = replacements(name)
    for source in sorted(path for path in TEMPLATE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        file = target / rename(str(source.relative_to(TEMPLATE)), words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(rename(source.read_text(), words))
    tidy(target)
    return target


def tidy(folder: Path) -> None:
    """Put imports in order and lines in shape, which depend on how long the name is and where it sorts."""
    for command in (["check", "--fix", "--select", "I"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", str(folder)], check=True)


def main(arguments: list[str]) -> int:
    """Create, then say what to do next."""
    try:
        (name,) = [argument for argument in arguments if argument] or [""]
        target = create(name).relative_to(ROOT)
    except ValueError as error:
        print(f"error: {error}\n  usage: make new-plugin NAME=codex-tool-foo", file=sys.stderr)
        return 2
    package = name.replace("-", "_")
    print(f"Made {target}, a tool that works. Next:")
    print(f"  {target}/src/{package}/tool.py     what it does")
    print(f"  {target}/src/{package}/plugin.py   which hooks it offers; docs/reference/hooks.md lists them all")
    print(f'  make test ARGS="{target}"   its tests')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
