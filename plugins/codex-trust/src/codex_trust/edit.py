"""Setting trust levels in config.toml; everything else in it stays as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping

from codex_plugin_sdk import StoreError, UserError, replace_file


def set_trust_levels(codex_home: str, levels: Mapping[str, str]) -> str:
    """Write `[projects."PATH"] trust_level` for each path; returns the file. Raises `UserError` where somebody
    else changed the file meanwhile, `StoreError` where it cannot be written."""
    import tomlkit  # late: most commands edit nothing

    path = os.path.join(codex_home, "config.toml")
    before, text = _read(path)
    document = tomlkit.parse(text)
    if "projects" not in document:
        document["projects"] = tomlkit.table(is_super_table=True)
    projects = document["projects"]
    for name, level in levels.items():
        if name not in projects:
            projects[name] = tomlkit.table()
        projects[name]["trust_level"] = level
    if _read(path)[0] != before:
        raise UserError(f"{path} was changed by somebody else just now", hint="run the command again")
    try:
        os.makedirs(codex_home, mode=0o700, exist_ok=True)
        replace_file(path, tomlkit.dumps(document).encode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", path=path, operation="write") from error
    return path


def _read(path: str) -> tuple[object, str]:
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            return (found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns), file.read().decode()
    except FileNotFoundError:
        return None, ""
