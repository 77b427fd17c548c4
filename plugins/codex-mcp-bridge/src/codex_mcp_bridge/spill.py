"""Files for what is too large for the model, or no text: readable by their owner only."""

from __future__ import annotations

import os

MAX_SPILL_BYTES = 256 * 1024 * 1024


class Spill:
    """Writes into one folder, which is made when it is first needed."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def write(self, data: bytes, suffix: str) -> str:
        """Keep `data` in a new file and say where, for the model; or why it could not be kept."""
        path = os.path.join(self._folder, f"mcp-{os.urandom(6).hex()}{suffix}")
        kept = memoryview(data)[:MAX_SPILL_BYTES]
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0), 0o600)
            with open(fd, "wb") as file:
                file.write(kept)
        except OSError as error:
            return f"which could not be saved: {error.strerror or error}"
        if len(kept) < len(data):
            return f"the first {len(kept):,} of {len(data):,} bytes are in {path}"
        return f"saved as {path}"
