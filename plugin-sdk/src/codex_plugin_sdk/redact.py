"""Takes secrets out of encoded JSON without breaking it: for rollouts, exports and logs.

Two kinds of secrets are found: texts that look like one (keys of known providers, JSON web tokens, private
keys, passwords in URLs, assignments such as `password=…`), and the exact values of environment variables
whose names say that they are secret. Each becomes `[REDACTED:kind]`; `kind` names the rule or the variable.

What must come back unchanged is left alone: base64 data of images, `encrypted_content`, ids, and the words
that the protocol itself uses. If the input is valid JSON, so is the output, and redacting twice changes
nothing more. It is a net, not a proof: a secret in a form that nobody has described passes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

import orjson

from ._redact_rules import RULES, Span, find_spans

MIN_SECRET_LENGTH = 8
"""Shorter values of variables are too likely to be ordinary words."""

_PLAIN_WORD = r"[a-z][a-z_.-]{0,14}"
_LARGE = 32 * 1024

# What is held back while rules run. A zero byte stands in for each: JSON never holds one.
_IMAGE = rb";base64,[A-Za-z0-9+/=]{64,}"
_IDS = rb"(?:call|item|message|parent_turn|previous_window|response|root_turn|session|thread|turn|window)_id"
_MARK = rb"\[REDACTED:(?:env:[A-Za-z0-9_]+|%s)\]" % b"|".join(sorted(rule.encode() for rule in RULES))
_HELD_SOURCE = rb'%s|"(?:encrypted_content|type|role|id|%s)":\s*"[^"\\\0]+"|%s' % (_IMAGE, _IDS, _MARK)


class Redactor:
    """Redacts with the rules and with the secrets of an environment. Cheap to keep, safe to share between
    threads."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._secrets = tuple(_secret_forms(environ or {}))

    def redact_bytes(self, data: bytes) -> bytes:
        """Encoded JSON without secrets; the same object if there is nothing to take out."""
        while True:
            done = self._pass(data)
            if done is data:
                return data
            data = done  # a replacement can lay bare a neighbour that was glued to it: until nothing changes

    def redact_text(self, text: str) -> str:
        """Plain text without secrets."""
        import json

        # As a JSON string, so that one set of rules serves both; `json` takes lone surrogates as well.
        encoded = json.dumps(text).encode("ascii")
        done = self.redact_bytes(encoded)
        return text if done is encoded else str(json.loads(done))

    def _pass(self, data: bytes) -> bytes:
        quick = _hold(_IMAGE, data)[0] if len(data) >= _LARGE and b";base64," in data else data
        if not find_spans(quick, self._secrets):
            return data
        text, held = _hold(_HELD_SOURCE, data)
        spans = find_spans(text, self._secrets)
        if not spans:
            return data
        return _restore(_replaced(text, spans), held)


def redact_bytes(data: bytes) -> bytes:
    """Encoded JSON without what looks like a secret; see `Redactor` for values of the environment too."""
    return _RULES_ONLY.redact_bytes(data)


def redact_text(text: str) -> str:
    """Plain text without what looks like a secret."""
    return _RULES_ONLY.redact_text(text)


def _hold(pattern: bytes, data: bytes) -> tuple[bytes, list[bytes]]:
    if b"\0" in data:  # no JSON: nothing can stand in, so nothing is held back
        return data, []
    held: list[bytes] = []
    kept: list[bytes] = []
    at = 0
    for match in re.compile(pattern).finditer(data):  # compiled once, and only where something was found
        kept.append(data[at : match.start()])
        held.append(match.group())
        at = match.end()
    return b"\0".join((*kept, data[at:])), held


def _restore(text: bytes, held: list[bytes]) -> bytes:
    if not held:
        return text
    pieces = text.split(b"\0")
    woven = [pieces[0]]
    for kept, piece in zip(held, pieces[1:], strict=True):
        woven += (kept, piece)
    return b"".join(woven)


def _replaced(text: bytes, spans: list[Span]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for start, end, kind in spans:
        parts += (text[at:start], b"[REDACTED:", kind.encode("ascii"), b"]")
        at = end
    return b"".join((*parts, text[at:]))


def _secret_forms(environ: Mapping[str, str]) -> Iterator[tuple[bytes, str]]:
    """The secrets of an environment as they stand within JSON strings, the longest first."""
    forms: dict[bytes, str] = {}
    for name, value in environ.items():
        if _holds_secret(name, value):
            for form in _encodings(value):
                forms.setdefault(form, f"env:{name}")
    for form in sorted(forms, key=len, reverse=True):
        yield form, forms[form]


def _holds_secret(name: str, value: str) -> bool:
    upper = name.upper()
    short = upper.endswith(("_KEY", "_TOKEN")) or upper in ("APIKEY", "TOKEN")
    named = short or any(word in upper for word in ("SECRET", "PASSWORD", "PASSWD"))
    if len(value) < MIN_SECRET_LENGTH or not named or not re.fullmatch(r"[A-Za-z0-9_]+", name):
        return False
    if short and re.fullmatch(_PLAIN_WORD, value):
        return False  # SORT_KEY=created_at
    # A variable that names a key file is no secret, and hiding the path would hide it everywhere.
    return not (value.startswith(("/", "./", "~/")) and os.path.exists(os.path.expanduser(value)))


def _encodings(value: str) -> Iterator[bytes]:
    try:
        plain = orjson.dumps(value)[1:-1]
    except TypeError:  # lone surrogates, from undecodable bytes: valid JSON cannot hold them as they are
        return
    yield plain
    if b"\\" in plain:  # JSON within a JSON string, as in the arguments of a call
        yield orjson.dumps(plain.decode("utf-8"))[1:-1]
    if not value.isascii():
        import json

        yield json.dumps(value)[1:-1].encode("ascii")


_RULES_ONLY = Redactor()
