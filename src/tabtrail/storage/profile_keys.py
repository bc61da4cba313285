"""Keys of a profile of AWS that has none of its own (a role, single sign-on, a process): boto3 fetches and renews them."""

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

from tabtrail.errors import ConfigError
from tabtrail.system.optional import load_optional

_FRESH = timedelta(minutes=10)  # boto3 renews keys 15 minutes before their end; asking it takes no time
NOT_RENEWED = "tabtrail could not renew the keys of the profile"


def can_fetch() -> bool:
    """Tell whether boto3 is installed."""
    return find_spec("boto3") is not None


class ProfileKeys:
    """What the client asks for keys when it has none that are fresh. A representation shows none."""

    def __init__(self) -> None:
        """Fetch them once. Raises `ConfigError` where that fails, without what the service said: it may repeat anything."""
        boto3 = load_optional("boto3", "s3")  # it takes half a second, and few need it
        try:
            self._found = boto3.Session().get_credentials()
            self._found.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - botocore's classes have no common base; None has no keys
            raise ConfigError(
                f"the keys of the profile that AWS_PROFILE names are not given out ({_kind(error)}); renew the session"
                " (`aws sso login`), or check the role with `aws sts get-caller-identity`"
            ) from None

    def __call__(self) -> dict[str, Any]:
        """Return keys that hold for some minutes, by the client's names."""
        try:
            keys = self._found.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 - as above
            raise RuntimeError(f"{NOT_RENEWED} ({_kind(error)})") from None
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": datetime.now(UTC) + _FRESH,
        }


def _kind(error: Exception) -> str:
    """Return the code of an answer of AWS, or the class of another failure."""
    answer = getattr(error, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return str(code or type(error).__name__)
