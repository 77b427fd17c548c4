"""A report for whoever looks into a problem: one file, without secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from codex_plugin_sdk.redact import Redactor

MAX_ATTACHMENT_BYTES = 16 * 1024 * 1024
"""Of a longer file its end is kept."""


def save_report(path: str, report: Mapping[str, Any], attachments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Write a zip archive, mode 0600: report.json, and files under attachments/. Nothing is left behind when it
    fails. Raises `OSError`."""
    import tempfile
    from zipfile import ZIP_DEFLATED, ZipFile

    redactor = Redactor(environ)
    fd, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with os.fdopen(fd, "wb") as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
            archive.writestr("report.json", redactor.redact_bytes(orjson.dumps(report)))
            manifest = []
            for number, attachment in enumerate(attachments):
                name = f"attachments/{number:04}/{os.path.basename(attachment)}"
                archive.writestr(name, _redacted(redactor, attachment))
                manifest.append({"name": name, "source": attachment})
            archive.writestr("manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _redacted(redactor: Redactor, path: str) -> bytes:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - MAX_ATTACHMENT_BYTES))
        text = file.read(MAX_ATTACHMENT_BYTES).decode("utf-8", "surrogateescape")
    lines = (redactor.redact_text(line) for line in text.splitlines(keepends=True))
    return "".join(lines).encode("utf-8", "surrogateescape")
