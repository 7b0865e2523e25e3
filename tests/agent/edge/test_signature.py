"""Signatures of steering documents, as the van checks them: a van obeys its hub and nobody else."""

from __future__ import annotations

import ctypes
import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, strategies as st

from roundsman_agent.signature import _openssl, is_genuine

# RFC 8032, section 7.1: key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_standards_own_examples_hold_and_a_flipped_bit_does_not(key: str, message: str, signature: str) -> None:
    at, said, sealed = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert is_genuine(at, sealed, said)
    assert not is_genuine(at, sealed, said + b"\0")
    assert not is_genuine(at, sealed[:-1] + bytes([sealed[-1] ^ 1]), said)
    assert not is_genuine(bytes([at[0] ^ 1]) + at[1:], sealed, said)


@given(message=st.binary(max_size=2_000), flip=st.integers(0, 95 * 8))
def test_what_the_hub_signs_is_believed_and_nothing_that_differs_in_a_bit(message: bytes, flip: int) -> None:
    """Against the hub's own library, which makes the signature: no bit of key or signature may be another."""
    private = Ed25519PrivateKey.generate()
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert is_genuine(key, signature, message)
    both = bytearray(key + signature)
    both[flip // 8] ^= 1 << flip % 8
    assert not is_genuine(bytes(both[:32]), bytes(both[32:]), message)


@pytest.mark.parametrize(
    ("key", "signature"), [(b"", bytes(64)), (bytes(32), b""), (bytes(31), bytes(64)), (b"\xff" * 32, bytes(64)), (bytes(32), bytes(65))]
)
def test_nonsense_is_not_genuine_and_ends_nothing(key: bytes, signature: bytes) -> None:
    assert not is_genuine(key, signature, b"plan")


def test_refused_document_leaves_no_fault_behind_for_the_brokers_connection() -> None:
    """OpenSSL's queue of errors is the thread's: what a forged document left there would end the next TLS read."""
    openssl = _openssl()
    openssl.ERR_peek_error.restype = ctypes.c_ulong
    openssl.EVP_PKEY_new_raw_public_key(1087, None, b"short", 5)
    assert openssl.ERR_peek_error() != 0
    assert not is_genuine(bytes.fromhex(RFC_8032[0][0]), bytes(64), b"plan")
    assert openssl.ERR_peek_error() == 0


def test_it_is_the_library_that_tls_uses() -> None:
    """Two OpenSSLs in one process would be two sets of faults to mend."""
    openssl = _openssl()
    openssl.OpenSSL_version_num.restype = ctypes.c_ulong
    assert openssl.OpenSSL_version_num() == ssl.OPENSSL_VERSION_NUMBER
