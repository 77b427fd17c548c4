"""The check `home`: `CODEX_HOME` there, ours, writable, private, with room."""

from __future__ import annotations

import os
import shutil
import stat

from codex_plugin_sdk import CheckSetup, Finding, Health

FULL_BYTES = 16 * 1024 * 1024
LOW_BYTES = 512 * 1024 * 1024
_PRIVATE_FILES = ("auth.json", "config.toml")
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class HomeCheck:
    """`CODEX_HOME`: there, ours, writable, private, with room."""

    def __init__(self, setup: CheckSetup) -> None:
        self._home = setup.codex_home

    async def run(self) -> tuple[Finding, ...]:
        """One finding for the folder, one for each file that others may read or change, one for room."""
        return self._all()

    def _all(self) -> tuple[Finding, ...]:
        home = self._home
        if not os.path.lexists(home):
            return (self._missing(), *self._room(_existing_parent(home)))
        if not os.path.isdir(home):
            return (self._finding(Health.FAILED, f"{home} is not a folder", "move it away, or set CODEX_HOME"),)
        return (self._folder(), *self._exposed(), *self._room(home))

    def _missing(self) -> Finding:
        parent = _existing_parent(self._home)
        if os.access(parent, os.W_OK | os.X_OK):
            return self._finding(Health.OK, f"{self._home} does not exist yet; it is made when it is first needed")
        return self._finding(
            Health.FAILED,
            f"{self._home} does not exist and cannot be made in {parent}",
            "make it, or set CODEX_HOME to a folder of yours",
        )

    def _folder(self) -> Finding:
        found = os.stat(self._home)
        if not os.access(self._home, os.R_OK | os.W_OK | os.X_OK):
            return self._finding(
                Health.FAILED, f"{self._home} cannot be written by this user", f"chown or chmod u+rwx {self._home}"
            )
        if found.st_mode & _OTHERS_WRITE:
            return self._finding(
                Health.WARNING,
                f"{self._home} may be written by others (mode {stat.S_IMODE(found.st_mode):04o}), who could change "
                "what is confined and what is run",
                f"chmod go-w {self._home}",
            )
        if hasattr(os, "getuid") and found.st_uid not in (os.getuid(), 0):
            return self._finding(
                Health.WARNING, f"{self._home} belongs to user {found.st_uid}", "chown it, or set CODEX_HOME"
            )
        return self._finding(Health.OK, f"{self._home} is there and can be written")

    def _exposed(self) -> list[Finding]:
        """Files with keys that others may read, and settings that others may write."""
        findings = []
        for name in _PRIVATE_FILES:
            path = os.path.join(self._home, name)
            forbidden = _OTHERS_WRITE | (_OTHERS_READ if name == "auth.json" else 0)
            try:
                mode = os.stat(path).st_mode
            except OSError:
                continue
            if mode & forbidden:
                findings.append(
                    self._finding(
                        Health.WARNING,
                        f"{path} may be read or written by others (mode {stat.S_IMODE(mode):04o})",
                        f"chmod go-rw {path}",
                        name=f"home {name}",
                    )
                )
        return findings

    def _room(self, folder: str) -> tuple[Finding, ...]:
        usage = shutil.disk_usage(folder)
        free = f"{usage.free / 1024 / 1024:,.0f} MiB are free at {folder}"
        details: dict[str, object] = {"free_bytes": usage.free, "total_bytes": usage.total}
        if usage.free >= LOW_BYTES:
            return (self._finding(Health.OK, free, name="disk", details=details),)
        health = Health.FAILED if usage.free < FULL_BYTES else Health.WARNING
        cure = "make room: sessions and their logs are kept there"
        return (self._finding(health, f"only {free}", cure, name="disk", details=details),)

    def _finding(
        self, health: Health, message: str, cure: str = "", name: str = "home", details: dict[str, object] | None = None
    ) -> Finding:
        return Finding(name=name, health=health, message=message, cure=cure, details=details or {})


def _existing_parent(path: str) -> str:
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path
