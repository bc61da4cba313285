"""Ed25519 signatures (RFC 8032) of bundles: who holds the private key vouches, who has the public key can tell."""

from pathlib import Path
from typing import TYPE_CHECKING

from tabtrail.errors import BundleError, ConfigError, require_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PURPOSE = b"tabtrail bundle\0"
_MOST_KEY_BYTES = 10_000


def sign(message: bytes, private_key: Path) -> tuple[str, str]:
    """Return public key and signature, both in hex. Raises `ConfigError` for a file that is no unencrypted Ed25519 key."""
    key = _private(private_key)
    return key.public_key().public_bytes_raw().hex(), key.sign(_PURPOSE + message).hex()


def verify(message: bytes, signature: str, public_key: Path) -> None:
    """Raise `BundleError` unless the holder of the key signed this message, `ConfigError` for a file that is no public key."""
    key = _public(public_key)
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(bytes.fromhex(signature), _PURPOSE + message)
    except (InvalidSignature, ValueError):
        raise BundleError(f"the signature of the bundle is not of the key {public_key.name}; do not use it") from None


def require_key_pair(private_key: Path | None, public_key: Path | None) -> None:
    """Raise `ConfigError` where what would be signed now could not be verified: before work is spent on it."""
    if public_key is not None and private_key is None:
        raise ConfigError("bundle.public_key is set, so that only signed models are deployed: training needs bundle.signing_key")
    if private_key is None:
        return
    _, signature = sign(b"", private_key)
    try:
        if public_key is not None:
            verify(b"", signature, public_key)
    except BundleError:
        raise ConfigError("bundle.public_key is not the public key of bundle.signing_key") from None


def _private(path: Path) -> "Ed25519PrivateKey":
    require_extra("sign", "cryptography")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is not an unencrypted Ed25519 private key in PEM form; {_MAKE}")
    return key


def _public(path: Path) -> "Ed25519PublicKey":
    require_extra("sign", "cryptography")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} is not an Ed25519 public key in PEM form; {_MAKE}")
    return key


_MAKE = "`openssl genpkey -algorithm ed25519` makes a private key, `openssl pkey -pubout` its public one"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_KEY_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot read the key {path}: {error.strerror}") from None
