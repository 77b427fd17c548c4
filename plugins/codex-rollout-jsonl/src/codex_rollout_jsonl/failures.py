"""From operating-system errors to `StoreError`s that say what to try."""

from __future__ import annotations

import errno

from codex_plugin_sdk import StoreError

_ELSEWHERE = "set CODEX_HOME to a folder that can be written, or record nothing with --ephemeral"
_FULL = "free some space or set CODEX_HOME to another disk; what was recorded before is kept"
_HINTS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the file has reached the size limit of this process (ulimit -f) or of its file system",
    errno.EROFS: f"the file system is read-only: {_ELSEWHERE}",
    errno.EACCES: f"check the owner and the mode of the folder: {_ELSEWHERE}",
    errno.EPERM: f"check the owner and the attributes of the folder: {_ELSEWHERE}",
    errno.ENOTDIR: f"a file stands where a folder belongs: {_ELSEWHERE}",
    errno.EEXIST: "it is there already: resume it instead of beginning it",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.EIO: "the disk reports a fault: look at the system log",
}


def store_error(error: OSError, operation: str, path: str) -> StoreError:
    """A `StoreError` for a failed `operation` (a verb phrase, such as "append to the rollout")."""
    reason = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0, "")
    return StoreError(f"cannot {operation} {path}: {reason}", path=path, operation=operation, hint=hint)
