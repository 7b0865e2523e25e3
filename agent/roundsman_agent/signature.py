"""Whether a steering document is the hub's own: Ed25519, checked by the OpenSSL that `ssl` has loaded for the broker's TLS already.

A library of its own for this one question would be another 7 MB in a process that is to live in 64 (measured).
"""

from __future__ import annotations

import _ssl
import ctypes
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_void_p
from functools import cache
from typing import Final

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_ED25519: Final = 1087
"""`EVP_PKEY_ED25519` of `openssl/evp.h`."""
_CALLS: Final = {
    "EVP_PKEY_new_raw_public_key": (c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
    "EVP_PKEY_free": (None, (c_void_p,)),
    "EVP_MD_CTX_new": (c_void_p, ()),
    "EVP_MD_CTX_free": (None, (c_void_p,)),
    "EVP_DigestVerifyInit": (c_int, (c_void_p, POINTER(c_void_p), c_void_p, c_void_p, c_void_p)),
    "EVP_DigestVerify": (c_int, (c_void_p, c_char_p, c_size_t, c_char_p, c_size_t)),
    "ERR_clear_error": (None, ()),
}
"""What is called: result, parameters."""


@cache
def _openssl() -> ctypes.CDLL:
    """The library under `ssl`: asked for through the module that links it, so that there are never two in one process."""
    library = ctypes.CDLL(getattr(_ssl, "__file__", None))  # None: a Python that holds both inside itself
    for name, (result, parameters) in _CALLS.items():
        call = getattr(library, name)
        call.restype, call.argtypes = result, parameters
    return library


def is_genuine(key: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether `signature` over `signed` was made with the private half of `key` (RFC 8032). Anything malformed is not genuine."""
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    openssl = _openssl()
    held = openssl.EVP_PKEY_new_raw_public_key(_ED25519, None, key, len(key))
    context = openssl.EVP_MD_CTX_new()
    try:
        return bool(
            held
            and context
            and openssl.EVP_DigestVerifyInit(context, None, None, None, held) == 1
            and openssl.EVP_DigestVerify(context, signature, len(signature), signed, len(signed)) == 1
        )
    finally:
        openssl.EVP_MD_CTX_free(context)
        openssl.EVP_PKEY_free(held)
        openssl.ERR_clear_error()  # what is left in the thread's queue would be taken for a fault of its next TLS connection
