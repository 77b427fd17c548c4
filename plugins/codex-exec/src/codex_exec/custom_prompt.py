"""`/prompts:NAME arguments`: a prompt from a Markdown file of the user or of a trusted project."""

from __future__ import annotations

import os
from collections.abc import Iterator

from codex_plugin_sdk import Config, UserError
from codex_plugin_sdk.context.agents_md import DEFAULT_MARKERS, project_root
from codex_plugin_sdk.prompts import expand_prompt, find_prompts

FOLDER = os.path.join(".codex", "prompts")


def expanded(text: str, cwd: str, config: Config) -> str:
    """What the text stands for. Nothing of a project that is not trusted is looked at. Raises `UserError` for an
    unknown prompt, a file that cannot be used, missing arguments, and for what expands to nothing."""
    folders = tuple(_project_folders(cwd, config)) if config.trusted else ()
    found = expand_prompt(text, find_prompts(config.codex_home, folders))
    if found is not None and not found.strip():
        name = text.split(maxsplit=1)[0]
        raise UserError(f"the prompt {name} is empty", hint="write into its file what is to be done")
    return text if found is None else found


def _project_folders(cwd: str, config: Config) -> Iterator[str]:
    """`.codex/prompts` of cwd and of the folders above it, up to the project's root."""
    markers = config.strings("project_root_markers") if "project_root_markers" in config.data else DEFAULT_MARKERS
    root, folder = project_root(cwd, markers), cwd
    yield os.path.join(folder, FOLDER)
    while folder != root:
        folder = os.path.dirname(folder)
        yield os.path.join(folder, FOLDER)
