"""Ed25519: checking signatures, making keys, signing."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from codex_plugin_sdk import UserError

from .bundle import BundleRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE_BYTES = 64
KEY_BYTES = 32
MAX_SIGNATURE_TEXT = 4096


def decode(text: bytes, size_bytes: int) -> bytes | None:
    """The bytes behind base64, which may be broken into lines; None for what is not base64 of so many bytes.

    Only the one canonical spelling counts: spare bits in the last letter, which decoders overlook, would let two
    texts stand for one signature."""
    bare = text.replace(b"\n", b"")
    try:
        raw = binascii.a2b_base64(bare)
    except binascii.Error:
        return None
    return raw if len(raw) == size_bytes and encode(raw).encode() == bare else None


def encode(raw: bytes) -> str:
    """Base64 in one line."""
    return binascii.b2a_base64(raw, newline=False).decode()


def verify(public_key: str, raw: bytes, signature: bytes) -> None:
    """Raises `BundleRefused` unless `signature` (base64 text) is that of exactly these bytes by this key."""
    decoded = decode(signature, SIGNATURE_BYTES)
    if decoded is None:
        raise BundleRefused(
            "its signature is not one (88 base64 characters are)", hint="codex managed sign FILE --key KEY makes it"
        )
    from cryptography.exceptions import InvalidSignature  # 20 ms that a start without a bundle need not pay
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = decode(public_key.encode(), KEY_BYTES)
    assert key is not None  # the settings were checked
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(decoded, raw)
    except (InvalidSignature, ValueError) as error:
        raise BundleRefused(
            "its signature does not fit: it was changed on the way, or signed with another key",
            hint="the key to fit is public_key in managed.toml",
        ) from error


def new_key() -> tuple[bytes, str]:
    """A new pair: the private key as PEM, the public one as managed.toml wants it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, public_key_of(key)


def load_key(pem: bytes, path: str) -> Ed25519PrivateKey:
    """The private key in a PEM file. Raises `UserError` for what is not an unencrypted Ed25519 key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(f"{path} holds no private key in PEM form", hint="codex managed keygen makes one") from error
    except TypeError as error:  # what the library raises for an encrypted one
        raise UserError(
            f"the key in {path} is encrypted", hint="decrypt it: openssl pkey -in KEY -out PLAIN"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"the key in {path} is not an Ed25519 key", hint="codex managed keygen makes one")
    return key


def public_key_of(key: Ed25519PrivateKey) -> str:
    """The public key, as managed.toml wants it."""
    from cryptography.hazmat.primitives import serialization

    raw = serialization.Encoding.Raw
    return encode(key.public_key().public_bytes(raw, serialization.PublicFormat.Raw))
