"""A static command line, remembered from one `codex sandbox` to the next, with all that it depends on.

What is compared is everything that could lead to another command line: the options, the folder, the environment,
the configuration file, what is installed, the user, the kernel and its namespaces. Whatever differs sends the next
run the ordinary way. On the way of every short command: imports `os` and `sys` alone.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FORMAT = b"codex-sandbox-plan 1"
_VOLATILE = frozenset({b"_", b"SHLVL", b"OLDPWD", b"PWD"})
_NAMESPACES = ("user", "mnt", "pid", "net")


class Plan:
    """A command line without the command: `argv` up to it, changes of the environment (None: unset), the folder,
    and descriptors by number with their content; `status` is the number of the one that is written to."""

    def __init__(
        self,
        argv: Sequence[bytes],
        env: Mapping[bytes, bytes | None],
        cwd: bytes,
        fds: Mapping[int, bytes],
        status: int,
    ) -> None:
        self.argv, self.env, self.cwd, self.fds, self.status = list(argv), dict(env), cwd, dict(fds), status


def state_path(codex_home: str) -> str:
    """Where the plan is kept."""
    return os.path.join(codex_home, "kernel", "sandbox", "plan")


def facts(options: Iterable[str], codex_home: str, files: Iterable[bytes]) -> bytes:
    """All that a plan depends on. `files` are the code that made it, the program that it runs, and configuration."""
    system = os.uname()
    parts = [FORMAT, sys.version.encode(), os.fsencode(sys.prefix), *(os.fsencode(word) for word in options), b""]
    parts += [text.encode() for text in (system.release, system.version, system.machine)]
    parts += [str((os.getresuid(), os.getresgid(), sorted(os.getgroups()))).encode()]
    parts += [_link(f"/proc/self/ns/{name}") for name in _NAMESPACES]
    parts += [_content("/proc/sys/kernel/random/boot_id"), os.getcwdb(), _stamp(b".")]
    parts += [b"%s=%s" % pair for pair in sorted(os.environb.items()) if pair[0] not in _VOLATILE]
    parts += [b"%s %s" % (path, _stamp(path)) for path in (*(os.fsencode(p) for p in sys.path), *files)]
    return b"\n".join(part.replace(b"\n", b"\\n") for part in parts)


def loaded_modules() -> list[bytes]:
    """The files of our own code that are loaded now, plugins included."""
    files = (
        getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name.startswith("codex_")
    )
    return sorted(os.fsencode(path) for path in files if path)


def recall(codex_home: str, options: Sequence[str]) -> Plan | None:
    """The plan for these options, if nothing that it depends on has changed."""
    path = state_path(codex_home)
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            if found.st_uid != os.geteuid() or found.st_mode & 0o022:
                return None
            fields = [bytes.fromhex(line.decode("ascii")) for line in file.read().split(b"\n")]
        if fields[0] != facts(options, codex_home, fields[1].split(b"\0")):
            return None
        return _decoded(fields[2:])
    except (OSError, ValueError, IndexError):
        return None


def remember(codex_home: str, options: Sequence[str], plan: Plan, configuration: Iterable[str]) -> None:
    """Keep a plan, in place of the last one. `configuration` are the files that settings come from, or would. A
    folder that cannot be written is only slower."""
    files = [*loaded_modules(), *plan.argv[:1], *map(os.fsencode, configuration)]
    fields = [facts(options, codex_home, files), b"\0".join(files), *_encoded(plan)]
    path = state_path(codex_home)
    beside = f"{path}.{os.getpid()}"
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(fd, "wb") as file:
            file.write(b"\n".join(field.hex().encode() for field in fields))
        os.rename(beside, path)
    except OSError:
        return


def forget(codex_home: str) -> None:
    """Drop the plan: it did not do."""
    try:
        os.unlink(state_path(codex_home))
    except OSError:
        return


def _encoded(plan: Plan) -> list[bytes]:
    env = [b"%s%s" % (name, b"" if text is None else b"=" + text) for name, text in plan.env.items()]
    fds = [field for number, content in plan.fds.items() for field in (str(number).encode(), content)]
    counts = [str(number).encode() for number in (plan.status, len(plan.argv), len(env))]
    return [*counts, plan.cwd, *plan.argv, *env, *fds]


def _decoded(fields: list[bytes]) -> Plan:
    status, words, changes = (int(field) for field in fields[:3])
    rest = fields[4:]
    env: dict[bytes, bytes | None] = {}
    for entry in rest[words : words + changes]:
        name, equals, text = entry.partition(b"=")
        env[name] = text if equals else None
    pairs = rest[words + changes :]
    fds = {int(number): content for number, content in zip(pairs[::2], pairs[1::2], strict=True)}
    return Plan(rest[:words], env, fields[3], fds, status)


def _stamp(path: bytes) -> bytes:
    try:
        found = os.stat(path)
    except OSError:
        return b"-"
    return b"%d %d %d %d %d %d" % (
        found.st_dev,
        found.st_ino,
        found.st_mode,
        found.st_size if not _is_folder(found) else 0,
        found.st_mtime_ns if path != b"." else 0,
        found.st_ctime_ns if path != b"." else 0,
    )


def _is_folder(found: os.stat_result) -> bool:
    return found.st_mode & 0o170000 == 0o040000


def _link(path: str) -> bytes:
    try:
        return os.fsencode(os.readlink(path))
    except OSError:
        return b"-"


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b"-"
