"""The prompt: the argument, stdin, or both."""

from __future__ import annotations

import contextlib
import sys
from typing import BinaryIO

from codex_plugin_sdk import UserError

NO_PROMPT = "No prompt provided. Either specify one as an argument or pipe the prompt into stdin."


def read_prompt(argument: str | None) -> str:
    """The whole prompt. `-` or no argument reads stdin; with an argument, piped stdin is appended as a block.

    Raises `UserError` when there is none, or when stdin is not UTF-8 text.
    """
    if argument is None or argument == "-":
        if argument is None and _is_terminal():
            raise UserError(NO_PROMPT, hint='codex exec "what to do"')
        prompt = _stdin_text()
        if not prompt.strip():
            raise UserError("No prompt provided via stdin.", hint='codex exec "what to do"')
        return prompt
    if _is_terminal():
        return argument
    with contextlib.suppress(OSError):  # a notice is not worth the prompt
        sys.stderr.write("Reading additional input from stdin...\n")
    more = _stdin_text()
    if not more.strip():
        return argument
    return f"{argument}\n\n<stdin>\n{more.removesuffix(chr(10))}\n</stdin>"


def _is_terminal() -> bool:
    # A closed stdin (None) has nothing to say either.
    return sys.stdin is None or sys.stdin.closed or sys.stdin.isatty()


def _stdin_text() -> str:
    if sys.stdin is None or sys.stdin.closed:
        return ""
    source: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if source is None:
        return sys.stdin.read()
    data = source.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"stdin is not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x})",
            hint="convert it first, for instance with iconv -t UTF-8",
        ) from error
