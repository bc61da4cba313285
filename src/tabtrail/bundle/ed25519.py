"""Ed25519 signatures (RFC 8032) with keys in PEM files. The only importer of `cryptography`, an optional extra."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from tabtrail.errors import ConfigError

_MOST_KEY_BYTES = 10_000  # a key takes about 120
_ADVICE = "`openssl genpkey -algorithm ed25519` makes a private key, `openssl pkey -pubout` its public one"


def sign(message: bytes, private_key: Path) -> tuple[str, str]:
    """Return public key and signature, both in hex. Raises `ConfigError` unless the file is an unencrypted Ed25519 key."""
    key = _private_key(private_key)
    return key.public_key().public_bytes_raw().hex(), key.sign(message).hex()


def is_signed(message: bytes, signature: str, public_key: Path) -> bool:
    """Whether the holder of the key signed the message. Raises `ConfigError` unless the file is an Ed25519 public key."""
    key = _public_key(public_key)
    try:
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is not an unencrypted Ed25519 private key in PEM form; {_ADVICE}")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} is not an Ed25519 public key in PEM form; {_ADVICE}")
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_KEY_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read the key {path}: {error.strerror}") from None
