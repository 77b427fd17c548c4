"""Redaction: finds what it should, leaves what it must, never breaks JSON, and does nothing the second time."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_plugin_sdk.redact import Redactor, redact_bytes, redact_text

LETTERS = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7jKl0n"

# Kind -> secrets of that kind. Built from parts, so that scanners of this repository find nothing.
SECRETS = {
    "api-key": ["sk-" + LETTERS, "sk-" + "proj-" + LETTERS + "_-" + LETTERS, "sk-" + "ant-api03-" + LETTERS],
    "github-token": ["ghp" + "_" + LETTERS[:36], "ghs" + "_" + LETTERS[:36], "github" + "_pat_11AA" + LETTERS],
    "gitlab-token": ["glpat" + "-" + LETTERS[:20]],
    "slack-token": ["xoxb" + "-123456789012-" + LETTERS[:24], "xoxp" + "-1-2-3-" + LETTERS[:20]],
    "aws-access-key": ["AKIA" + "IOSFODNN7ABCDEFG", "ASIA" + "IOSFODNN7ABCDEFG"],
    "google-key": ["AIza" + LETTERS[:35]],
    "npm-token": ["npm" + "_" + LETTERS[:36]],
    "jwt": ["eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJ" + "zdWIiOiIxMjM0In0." + LETTERS],
    "private-key": [
        "-----BEGIN " + "RSA PRIVATE KEY-----\n" + (LETTERS + "+/\n") * 4 + "-----END " + "RSA PRIVATE KEY-----",
        "-----BEGIN " + "PRIVATE KEY-----\r\n" + (LETTERS + "\r\n") * 2 + "-----END " + "PRIVATE KEY-----",
    ],
}
ALL = [(kind, secret) for kind, secrets in SECRETS.items() for secret in secrets]
AROUND = ["{}", "x {} y", "\n{}\n", "\t{},", "KEY='{}'", '"{}"', "a\\{}", "é{}é", "={}&b=1", "<{}>", "C:\\new\\{}"]


@pytest.mark.parametrize(("kind", "secret"), ALL)
@pytest.mark.parametrize("around", AROUND)
def test_key_by_its_look_is_replaced_at_every_depth_of_encoding(kind: str, secret: str, around: str) -> None:
    text = around.replace("{}", secret)
    expected = around.replace("{}", f"[REDACTED:{kind}]")
    assert redact_text(text) == expected
    for encode in (orjson.dumps, lambda value: json.dumps(value).encode()):
        assert orjson.loads(redact_bytes(encode({"output": text}))) == {"output": expected}
        nested = orjson.loads(redact_bytes(encode({"arguments": encode({"cmd": text}).decode()})))
        assert orjson.loads(nested["arguments"]) == {"cmd": expected}


def test_private_key_without_its_end_is_replaced_as_far_as_it_goes() -> None:
    cut = "cat key\n-----BEGIN " + "OPENSSH PRIVATE KEY-----\n" + (LETTERS + "\n") * 3
    assert redact_text(cut + "(cut)") == "cat key\n[REDACTED:private-key](cut)"


ASSIGNED = {
    "OPENAI_" + "API_KEY=abc123def456ghi": "OPENAI_API_KEY=[REDACTED:secret]",
    "export DB_" + "PASSWORD=hunter22": "export DB_PASSWORD=[REDACTED:password]",
    'password: "correct-horse"': 'password: "[REDACTED:password]"',
    "password='hunter2'": "password='[REDACTED:password]'",
    "api_" + "key: zx81spectrum48k": "api_key: [REDACTED:secret]",
    "client_" + 'secret = "zx81-spectrum-48k"': 'client_secret = "[REDACTED:secret]"',
    "aws_" + "secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfi": "aws_secret_access_key = [REDACTED:secret]",
    "?access_" + "token=abc123def456&x=1": "?access_token=[REDACTED:secret]&x=1",
    "STRIPE_" + "KEY=abc123def456": "STRIPE_KEY=[REDACTED:secret]",
    "curl -H 'Authorization: Bearer abc123def456'": "curl -H 'Authorization: Bearer [REDACTED:authorization]'",
    "authorization: Basic dXNlcjpwYXNzd29yZA==": "authorization: Basic [REDACTED:authorization]",
    "postgres://me:s3cret@db/x": "postgres://me:[REDACTED:url-password]@db/x",
    "https://:tok3n@host/": "https://:[REDACTED:url-password]@host/",
}


@pytest.mark.parametrize("text", ASSIGNED)
def test_assigned_secret_loses_its_value_and_keeps_its_name(text: str) -> None:
    assert redact_text(text) == ASSIGNED[text]
    assert orjson.loads(redact_bytes(orjson.dumps([f"\n{text}\n"]))) == [f"\n{ASSIGNED[text]}\n"]


@pytest.mark.parametrize("nested", [False, True])
def test_members_of_the_json_itself_are_replaced_when_they_are_strings(nested: bool) -> None:
    given_value: Any = {
        "password": "hunter2",
        "api_key": "abc123def456",
        "accessToken": "abc123def456",
        "Authorization": "Bearer abc123def456",
    }
    wanted: Any = {
        "password": "[REDACTED:password]",
        "api_key": "[REDACTED:secret]",
        "accessToken": "[REDACTED:secret]",
        "Authorization": "Bearer [REDACTED:authorization]",
    }
    if nested:
        given_value, wanted = ({"a": orjson.dumps(value).decode()} for value in (given_value, wanted))
    assert orjson.loads(redact_bytes(orjson.dumps(given_value))) == wanted


HARMLESS = [
    "password = getpass.getpass()",
    "def login(password: str, token: Optional[str] = None) -> bool:",
    "password=password, token=token, secret=settings.SECRET_KEY2",
    "api_key=os.environ['API_KEY']",
    "api_key: ${API_KEY_2} token: <token-1234567890>",
    "max_output_tokens: 10000, Original token count: 123456789",
    "Authorization: Bearer $TOKEN_123456",
    "the task-1234567890abcdef12 is done, disk-1234567890abcdef",
    "sk-loading-spinner-container",
    "grep -r 'BEGIN RSA PRIVATE KEY' and -----BEGIN " + "PRIVATE KEY----- alone",
    "cache_key=abc123def456ghi public_key=abc123def456ghi",
    "git@github.com:a/b.git http://localhost:8080/@scope/x me@example.org https://user@host/",
    "snake_case_words_that_are_long_enough npm_config_registry ghp_short",
    "postgres://user:${PASS}@host postgres://user:<password>@host",
    "token = response_token(2) secret_key = load_2_keys()",
    "password: ********",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_code_and_prose_stay_as_they_are(text: str) -> None:
    data = orjson.dumps({"output": text, "password": 12345678, "token": None, "authorization": 1234567890123456e10})
    assert redact_bytes(data) is data


def test_images_ids_and_encrypted_reasoning_are_never_touched() -> None:
    secret = "AKIA" + "IOSFODNN7ABCDEFG"
    known = "abcdefgh" * 2
    image = "data:image/png;base64," + (known + secret) * 10 + "AAAA=="
    body = {
        "type": "reasoning",
        "id": f"rs_{known}",
        "call_id": f"call_{secret}",
        "thread_id": known,
        "encrypted_content": "sk-" + LETTERS + "-" + known,
        "image_url": image,
        "text": f"{known} and {secret}",
    }
    redactor = Redactor({"MY_TOKEN": known})
    done = orjson.loads(redactor.redact_bytes(orjson.dumps(body)))
    assert done == {**body, "text": "[REDACTED:env:MY_TOKEN] and [REDACTED:aws-access-key]"}


def test_large_image_beside_a_secret_is_kept() -> None:
    image = "data:image/png;base64," + "QUJD" * 50_000
    body = {"a": image, "b": "npm" + "_" + LETTERS[:36], "c": image}
    assert orjson.loads(redact_bytes(orjson.dumps(body))) == {**body, "b": "[REDACTED:npm-token]"}


# -- the environment ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "gh_token", "MY_SECRET_2", "PGPASSWORD", "TOKEN"])
def test_value_of_a_variable_that_names_a_secret_is_replaced(name: str) -> None:
    redactor = Redactor({name: 'Quite ordinary, é "quoted" \\ 1', "PATH": "/usr/local/bin"})
    text = 'echo Quite ordinary, é "quoted" \\ 1; echo /usr/local/bin'
    wanted = f"echo [REDACTED:env:{name}]; echo /usr/local/bin"
    assert redactor.redact_text(text) == wanted
    assert orjson.loads(redactor.redact_bytes(orjson.dumps([text]))) == [wanted]
    nested = orjson.loads(redactor.redact_bytes(orjson.dumps([orjson.dumps([text]).decode()])))
    assert orjson.loads(nested[0]) == [wanted]


@pytest.mark.parametrize(
    ("name", "value"),
    [("A_KEY", "short"), ("SORT_KEY", "created_at"), ("PATH", "abcdefgh12"), ("KEYBOARD", "abcdefgh12")],
)
def test_value_that_is_too_short_or_no_secret_is_left(name: str, value: str) -> None:
    text = f"value {value} end"
    assert Redactor({name: value}).redact_text(text) == text


def test_variable_that_names_an_existing_file_is_left(tmp_path) -> None:
    file = tmp_path / "server.pem"
    file.touch()
    text = f"open {file}"
    assert Redactor({"TLS_KEY": str(file)}).redact_text(text) == text
    assert Redactor({"TLS_KEY": f"{file}.gone"}).redact_text(f"{text}.gone") == "open [REDACTED:env:TLS_KEY]"


def test_secret_made_of_digits_is_replaced_in_strings_and_never_in_numbers() -> None:
    redactor = Redactor({"PIN_TOKEN": "12345678"})
    data = b'{"at":12345678,"text":"pin 12345678","list":[12345678]}'
    assert redactor.redact_bytes(data) == b'{"at":12345678,"text":"pin [REDACTED:env:PIN_TOKEN]","list":[12345678]}'


def test_secret_equal_to_a_word_of_the_protocol_does_not_rename_members() -> None:
    redactor = Redactor({"MY_PASSWORD": "function_call_output"})
    data = b'{"type":"function_call_output","function_call_output":1,"text":"function_call_output"}'
    wanted = data.replace(b'"text":"function_call_output"', b'"text":"[REDACTED:env:MY_PASSWORD]"')
    assert redactor.redact_bytes(data) == wanted


@pytest.mark.parametrize(
    ("value", "text"),
    [("nsecret1", "a\nsecret1"), ("00e9abcd", "\u00e9abcd"), ("u00e9abc", "\u00e9abc"), ("9abcdefg", "\u00e9abcdefg")],
)
def test_secret_that_begins_like_the_rest_of_an_escape_does_not_cut_it(value: str, text: str) -> None:
    data = json.dumps([text, value]).encode()
    assert value.encode() in data.split(b'", "')[0]
    assert json.loads(Redactor({"A_SECRET": value}).redact_bytes(data)) == [text, "[REDACTED:env:A_SECRET]"]


def test_line_feed_before_what_would_complete_a_key_is_kept() -> None:
    data = orjson.dumps("\n" + "pm" + "_" + LETTERS[:36])  # in JSON the escape's letter stands before it
    assert redact_bytes(data) is data


def test_undecodable_variable_does_no_harm() -> None:
    assert Redactor({"A_SECRET": "abcdefgh\udcff"}).redact_text("abcdefgh") == "abcdefgh"


# -- properties -----------------------------------------------------------------------------------------

EXAMPLES = int(os.environ.get("REDACT_EXAMPLES", "300"))

ENVIRON = {
    "A_SECRET": "nsecret1",  # begins like the end of an escape
    "B_SECRET": "00e9abcd",  # hexadecimal, as in \\u00e9abcd
    "C_SECRET": "12345678",
    "D_SECRET": 'x"y\\zé/1',
    "E_SECRET": "[REDACTED:jwt]abcd",
    "F_SECRET": "}}],[{1,",
    "G_SECRET": "REDACTED",
    "H_SECRET": "truefalse",
}
PIECES = st.sampled_from(
    [
        *[secret for _, secret in ALL],
        *ASSIGNED,
        *HARMLESS[:6],
        *ENVIRON.values(),
        *["password", "token", "secret", "authorization", "api_key", ":", "=", '"', "'", "\\", "\n", "é", "\u2028"],
        *["n", "u00", "é0", "@", "://", "-", "_", "[REDACTED:jwt]", "[REDACTED:", ";base64,", "A" * 70, "\0", " "],
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    TEXTS | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS | st.sampled_from(["password", "id", "type", "token"]), inner, max_size=4)
        | inner.map(json.dumps)
    ),
    max_leaves=8,
)


def skeleton(value: Any) -> Any:
    """Parsed JSON with its texts blanked out: what redaction must not change. Objects come as lists of values,
    because two redacted names may coincide."""
    if isinstance(value, str):
        return ""
    return [skeleton(entry) for entry in value] if isinstance(value, list) else value


def parsed(data: bytes) -> Any:
    return skeleton(json.loads(data, object_pairs_hook=lambda pairs: [entry for _, entry in pairs]))


@settings(max_examples=EXAMPLES, deadline=None)
@given(value=VALUES, plain=st.booleans())
def test_json_stays_json_of_the_same_shape_and_a_second_pass_changes_nothing(value: Any, plain: bool) -> None:
    redactor = Redactor(ENVIRON)
    data = orjson.dumps(value) if plain else json.dumps(value).encode()
    once = redactor.redact_bytes(data)
    assert parsed(once) == parsed(data)
    assert redactor.redact_bytes(once) == once


@settings(max_examples=EXAMPLES, deadline=None)
@given(before=TEXTS, pair=st.sampled_from(ALL), after=TEXTS)
def test_secret_between_any_neighbours_does_not_survive(before: str, pair: tuple[str, str], after: str) -> None:
    secret = pair[1]
    data = json.dumps({"output": f"{before} {secret}\n{after}"}).encode()
    text = json.loads(redact_bytes(data))["output"]
    if ";base64," not in before:
        assert f" {secret}\n" not in text


def test_cost_of_clean_text_is_linear() -> None:
    line = "The quick brown fox keeps 12 snake_case names, api tokens and 3 e-mail @ signs; key by key.\n"
    small, large = (orjson.dumps({"output": line * count}) for count in (500, 8_000))

    def best(data: bytes) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            assert redact_bytes(data) is data
            times.append(time.perf_counter() - start)
        return min(times)

    assert best(large) < 16 * best(small) * 8  # quadratic would be 256 times
