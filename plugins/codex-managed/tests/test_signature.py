"""No change of a byte is accepted, neither in the bundle nor in its signature."""

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_managed.bundle import BundleRefused
from codex_managed.signing import encode, load_key, new_key, verify
from codex_plugin_sdk import ConfigError

PEM, PUBLIC = new_key()
KEY = load_key(PEM, "memory")
RAW = b'version = 1\nissued_at = 2027-01-01T00:00:00Z\n[config]\nmodel = "m"\n'
SIGNATURE = encode(KEY.sign(RAW)).encode() + b"\n"


def accepted(raw, signature):
    try:
        verify(PUBLIC, raw, signature)
    except BundleRefused:
        return False
    return True


def test_what_was_signed_is_accepted():
    assert accepted(RAW, SIGNATURE)
    assert accepted(RAW, SIGNATURE.strip())
    assert accepted(RAW, base64.encodebytes(KEY.sign(RAW)))  # broken into lines, as base64 prints it


def test_no_change_of_one_byte_of_the_signature_is_accepted():
    changed = (
        SIGNATURE[:at] + bytes([byte]) + SIGNATURE[at + 1 :]
        for at in range(len(SIGNATURE))
        for byte in range(256)
        if byte != SIGNATURE[at]
    )
    assert [text for text in changed if accepted(RAW, text)] == []


def test_no_change_of_one_bit_of_the_bundle_is_accepted():
    changed = (RAW[:at] + bytes([RAW[at] ^ 1 << bit]) + RAW[at + 1 :] for at in range(len(RAW)) for bit in range(8))
    assert [raw for raw in changed if accepted(raw, SIGNATURE)] == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_change_of_one_byte_of_the_files_gets_into_the_configuration(org, data):
    raw = org.bundle()
    signature = org.signature(raw)
    both = bytearray(raw + signature)
    at = data.draw(st.integers(0, len(both) - 1))
    both[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != both[at]))
    org.publish(bytes(both[: len(raw)]), bytes(both[len(raw) :]))
    with pytest.raises(ConfigError, match="signature"):
        org.load()
    org.publish(raw)
    assert org.load().bundle.version == 1
    org.copies[0].unlink()


def test_another_key_and_half_a_signature_are_refused():
    other, _ = new_key()
    assert not accepted(RAW, encode(load_key(other, "memory").sign(RAW)).encode())
    assert not accepted(RAW, SIGNATURE[:40])
    assert not accepted(RAW, b"")
    assert not accepted(RAW, KEY.sign(RAW))  # bare bytes, not base64
    assert not accepted(RAW + b"\n", SIGNATURE)
