"""Where secrets begin and end in encoded JSON: the rules behind `redact`.

Each rule has an anchor, a rare byte or word that is found at memory speed, and a close look that runs only
where an anchor was found. Positions are those of encoded JSON, so a look must never start or end within an
escape sequence such as `\\n` or `\\u003d`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Span = tuple[int, int, str]
"""Start, end and kind of a secret."""

RULES = (
    "api-key",
    "authorization",
    "aws-access-key",
    "github-token",
    "gitlab-token",
    "google-key",
    "jwt",
    "npm-token",
    "password",
    "private-key",
    "secret",
    "slack-token",
    "url-password",
)
"""All kinds but those of variables, which are `env:NAME`."""

# Anchors begin with one literal byte each: that is what the regex engine searches for at about 3 GB/s,
# while an alternation of beginnings runs forty times slower.
_DASH = re.compile(rb"-(?:(?<=sk-)|(?<=glpat-)|(?<=xox[abeprs]-)|BEGIN )")
_UNDERSCORE = re.compile(rb"_(?<=[pousrmt]_)(?:(?<=gh[pousr]_)|(?<=npm_)|(?<=_pat_))")
_CAPITAL = re.compile(rb"A(?:[KS]IA|Iza)")
_KEY_OR_TOKEN = re.compile(rb"k(?:en(?<=token)|ey(?<=[_ipset-]key))(?=[\\\"'=:]| [:=])")

_TAIL = rb"(?![A-Za-z0-9_-])"
_TOKENS: tuple[tuple[bytes, str, bytes], ...] = (
    (b"sk-", "api-key", rb"(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}"),
    (b"glpat-", "gitlab-token", rb"[A-Za-z0-9_-]{20,}"),
    (b"github_pat_", "github-token", rb"[A-Za-z0-9_]{30,}"),
    (b"npm_", "npm-token", rb"[A-Za-z0-9]{36,}" + _TAIL),
    (b"AKIA", "aws-access-key", rb"[0-9A-Z]{16}" + _TAIL),
    (b"ASIA", "aws-access-key", rb"[0-9A-Z]{16}" + _TAIL),
    (b"AIza", "google-key", rb"[A-Za-z0-9_-]{35}" + _TAIL),
    (b"eyJ", "jwt", rb"[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){2,4}"),
    *((b"gh%c_" % c, "github-token", rb"[A-Za-z0-9]{30,}" + _TAIL) for c in b"pousr"),
    *((b"xox%c-" % c, "slack-token", rb"(?=[A-Za-z-]*[0-9])[A-Za-z0-9-]{10,}") for c in b"abeprs"),
)

# Close looks stay strings: `re` compiles and caches those that are needed, and most runs need none.
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_UNICODE_ESCAPE = rb"\\u[0-9A-Fa-f]{4}"
_OUTSIDE_STRINGS = rb"[-+0-9.eE,:\[\]{} truefalsn]+"
_STRING = rb'"(?:[^"\\]|\\.)*"'


def find_spans(data: bytes, secrets: Sequence[tuple[bytes, str]]) -> list[Span]:
    """The secrets in `data`, in order and disjoint. `secrets` are known texts with their kinds."""
    found = [*_tokens(data), *_assignments(data), *_urls(data), *_known(data, secrets)]
    if not found:
        return found
    merged: list[Span] = []
    for start, end, kind in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
        else:
            merged.append((start, end, kind))
    return merged


# -- keys by their look ---------------------------------------------------------------------------------


def _tokens(data: bytes) -> Iterator[Span]:
    for anchor, length in ((_DASH, 1), (_UNDERSCORE, 1), (_CAPITAL, 4)):
        for match in anchor.finditer(data):
            if match.end() - match.start() > 1 and length == 1:
                yield from _private_key(data, match.start() - 4)
            else:
                yield from _token(data, match.start() + length)
    at = data.find(b"J")
    while at >= 0:
        if data[at - 2 : at] == b"ey":
            yield from _token(data, at + 1)
        at = data.find(b"J", at + 1)


def _token(data: bytes, end: int) -> Iterator[Span]:
    """The key whose prefix ends at `end`."""
    for prefix, kind, rest in _TOKENS:
        start = end - len(prefix)
        if data.startswith(prefix, start) and _begins_word(data, start):
            match = re.compile(rest).match(data, end)
            if match is not None:
                yield start, match.end(), kind


def _private_key(data: bytes, start: int) -> Iterator[Span]:
    head = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----").match(data, max(start, 0))
    if head is None:
        return
    # Line ends are escaped, and escaped again in JSON within JSON. Without its end line (cut output, say)
    # the key goes as far as it looks like one.
    body = re.compile(rb"(?:[A-Za-z0-9+/=:,. \t\r\n]|\\+[nrt]|-(?!----))*").match(data, head.end())
    assert body is not None  # it may be empty
    if body.end() - body.start() < 40:
        return  # only mentioned
    tail = re.compile(rb"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----").match(data, body.end())
    yield head.start(), tail.end() if tail else body.end(), "private-key"


def _begins_word(data: bytes, start: int) -> bool:
    """Whether a word begins here: after something that is no part of one, or after an escape sequence (which
    ends in a letter or a digit; in JSON within JSON its backslash is doubled)."""
    if start <= 0:
        return start == 0
    before = data[start - 1]
    if before == 0x5C:
        return not _escaped(data, start)
    if before not in _WORD or (before in b"nrtbf" and data[start - 2 : start - 1] == b"\\"):
        return True
    return re.fullmatch(_UNICODE_ESCAPE, data[max(start - 6, 0) : start]) is not None


def _escaped(data: bytes, at: int) -> bool:
    """Whether an odd number of backslashes stands before `at`."""
    count = 0
    while at > count and data[at - count - 1] == 0x5C:
        count += 1
    return count % 2 == 1


# -- assignments ----------------------------------------------------------------------------------------

_LOGIN_NAMES = r"(?:.*[_-])?(?:password|passwd)|[a-z]*(?:password|passwd)"
_KEY_NAMES = (
    r"(?:.*[_-])?(?:api|access|account|admin|auth|encryption|master|private|secret|service|signing)[_-]?key"
    r"|(?:.*[_-])?(?:access|api|auth|bearer|bot|deploy|github|gitlab|hf|id|npm|personal|refresh|secret|session|slack)"
    r"[_-]?token"
    r"|token|secret|(?:.*[_-])?(?:app|auth|client|consumer|jwt|session|shared|signing|webhook)[_-]?secret"
)
_VARIABLE_NAMES = r"[A-Z][A-Z0-9_]*_(?:KEY|TOKEN|SECRET)"
_HARMLESS_NAMES = r"(?i).*(?:cache|foreign|primary|public|sort|partition|routing|host|page|cancel)_\w+"
_PLACEHOLDER = rb"[$<{%*\[]|(?i:your|example|placeholder|changeme|redacted)|(.)\1*$"


def _assignments(data: bytes) -> Iterator[Span]:
    low = data.lower()
    for match in _KEY_OR_TOKEN.finditer(low):
        yield from _assigned(data, match.end())
    for word in (b"passw", b"secret"):
        at = low.find(word)
        while at >= 0:
            end = at + len(word)
            if word == b"passw":
                end += 3 if low.startswith(b"ord", end) else 1
            yield from _assigned(data, end)
            at = low.find(word, end)
    at = low.find(b"authorization")
    while at >= 0:
        yield from _authorization(data, at + 13)
        at = low.find(b"authorization", at + 13)


_VALUE = (
    rb"(?P<closing>\\*[\"'])?(?P<sign> ?[:=] ?)"
    rb"(?:(?P<opening>\\*[\"'])(?P<quoted>[^\s\"'\\\0]{6,512})(?=\\*[\"'])"
    rb"|(?P<bare>[^\s\"'\\\0,;&<>(){}\[\]|`]{8,512}))"
)


def _assigned(data: bytes, end: int) -> Iterator[Span]:
    """The value that is assigned to the name which ends at `end`."""
    if data[end : end + 1] not in (b'"', b"'", b"\\", b"=", b":", b" "):
        return
    match = re.compile(_VALUE).match(data, end)
    if match is None or not _same_string(match["closing"], match["opening"]):
        return
    kind = "quoted" if match["bare"] is None else "bare"
    found = match[kind]
    if re.match(_PLACEHOLDER, found) or (kind == "bare" and not _bare_value(data, match)):
        return
    name = _name_before(data, end)
    if re.fullmatch(_LOGIN_NAMES, name.lower()):
        if found.lower() not in (b"string", b"password", b"required", b"optional"):
            yield *match.span(kind), "password"
    elif _names_secret(name, bare=kind == "bare") and len(found) >= 12 and _varied(found):
        yield *match.span(kind), "secret"


def _name_before(data: bytes, end: int) -> str:
    # Not with the letter of an escape sequence: the line feed before `key=` must not make it `nkey=`.
    name = re.search(rb"(?:\\(?:[nrtbf]|u[0-9A-Fa-f]{4}))?([A-Za-z0-9_-]{1,60})$", data[max(end - 66, 0) : end])
    return name[1].decode("ascii") if name else ""


def _same_string(closing: bytes | None, opening: bytes | None) -> bool:
    """Whether the quotes around a name and its value belong together: both are the JSON's own, or both stand
    within one string. A number in the place of a string, or the end of a string, must not be replaced."""
    own = closing is not None and closing[-1:] == b'"' and len(closing) % 2 == 1
    if own:
        return opening == b'"'
    if opening is None:
        return closing is None
    return opening[-1:] == b"'" or len(opening) % 2 == 0


def _names_secret(name: str, *, bare: bool) -> bool:
    if re.fullmatch(_HARMLESS_NAMES, name):
        return False
    return bool(re.fullmatch(_KEY_NAMES, name.lower()) or (bare and re.fullmatch(_VARIABLE_NAMES, name)))


def _bare_value(data: bytes, match: re.Match[bytes]) -> bool:
    """Whether a value without quotes is one, and no code such as `token = read(1)`."""
    found = match["bare"]
    if match["sign"] not in (b"=", b":", b": ") and not (len(found) >= 16 and re.search(rb"[A-Z]", found)):
        return False
    called = data[match.end() : match.end() + 1] in (b"(", b"[", b"{")
    dotted = re.fullmatch(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", found)
    return _varied(found) and not called and dotted is None


def _varied(found: bytes) -> bool:
    """Whether letters and digits mix, as they do in what is random and rarely do in words."""
    return bool(re.search(rb"[0-9]", found)) and bool(re.search(rb"[A-Za-z]", found))


_CREDENTIALS = (
    rb"(?P<closing>\\*[\"'])? ?[:=] ?(?P<opening>\\*[\"'])?"
    rb"(?P<scheme>(?i:bearer|basic|token|digest|apikey) +)?(?P<value>[^\s\"'\\\0,;`]{8,})"
)


def _authorization(data: bytes, end: int) -> Iterator[Span]:
    match = re.compile(_CREDENTIALS).match(data, end)
    if match is None or not _same_string(match["closing"], match["opening"]) or re.match(_PLACEHOLDER, match["value"]):
        return
    found = match["value"]
    if (_varied(found) or found.endswith(b"=")) and (match["scheme"] or len(found) >= 16):
        yield *match.span("value"), "authorization"


# -- URLs, and values that are known --------------------------------------------------------------------


def _urls(data: bytes) -> Iterator[Span]:
    at = data.find(b"@")
    while at >= 0:
        begin = data.rfind(b"://", max(at - 300, 0), at)
        if begin >= 0:
            match = re.compile(rb"[^\s\"'\\\0:/@?#<>]*:([^\s\"'\\\0/@<>]+)").fullmatch(data, begin + 3, at)
            if match is not None and not re.match(_PLACEHOLDER, match[1]):
                yield *match.span(1), "url-password"
        at = data.find(b"@", at + 1)


def _known(data: bytes, secrets: Sequence[tuple[bytes, str]]) -> Iterator[Span]:
    for form, kind in secrets:
        at = data.find(form)
        while at >= 0:
            end = at + len(form)
            whole = not _within_escape(data, at) and not _member_name(data, at, end)
            if whole and (re.fullmatch(_OUTSIDE_STRINGS, form) is None or _within_string(data, at)):
                yield at, end, kind
            at = data.find(form, at + 1)


def _within_escape(data: bytes, at: int) -> bool:
    """Whether `at` lies inside an escape sequence."""
    if _escaped(data, at):
        return True
    begin = data.rfind(b"\\u", max(at - 5, 0), at)
    return begin >= 0 and not _escaped(data, begin)


def _member_name(data: bytes, start: int, end: int) -> bool:
    """Whether the text is the whole name of a member: `"password":`."""
    return data[start - 1 : start] == b'"' and data[end : end + 2] == b'":'


def _within_string(data: bytes, at: int) -> bool:
    """Whether `at` lies in a JSON string rather than in a number or between values."""
    for match in re.finditer(_STRING, data):
        if match.end() > at:
            return match.start() < at
    return False
