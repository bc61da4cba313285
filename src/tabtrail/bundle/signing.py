"""Signatures of bundles: the holder of the private key vouches for a bundle, the holder of the public key can check it."""

from pathlib import Path
from types import ModuleType

from tabtrail.errors import BundleError, ConfigError, require_extra

_PURPOSE = b"tabtrail bundle\0"  # so that a signature of something else never passes for one of a bundle


def sign(message: bytes, private_key: Path) -> tuple[str, str]:
    """Return public key and signature, both in hex. Raises `ConfigError` unless the file is an unencrypted Ed25519 key."""
    public_key, signature = _ed25519().sign(_PURPOSE + message, private_key)
    return public_key, signature


def verify(message: bytes, signature: str, public_key: Path) -> None:
    """Raise `BundleError` unless the holder of the key signed this message, `ConfigError` for a file that is not a public key."""
    if not _ed25519().is_signed(_PURPOSE + message, signature, public_key):
        raise BundleError(f"the signature of the bundle is not of the key {public_key.name}; do not use it")


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


def _ed25519() -> ModuleType:
    require_extra("sign", "cryptography")
    from tabtrail.bundle import ed25519  # needs cryptography, an optional extra

    return ed25519
