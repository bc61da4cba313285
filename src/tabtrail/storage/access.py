"""How a bucket is reached: what the usual variables and files of AWS say, and nothing else.

Sources: the AWS SDKs and Tools Reference Guide, "Settings reference". Keys of the environment go before those of a profile.
"""

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tabtrail.errors import ConfigError, nearest
from tabtrail.storage.profile_keys import can_fetch

# Where a container or a pod is given a role, the client fetches its keys itself.
_ROLES = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)  # fmt: skip
_ELSEWHERE = ("role_arn", "sso_session", "sso_start_url", "credential_process", "credential_source", "login_session")
NO_KEYS = (
    "no credentials are found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or write a profile 'default' into"
    " ~/.aws/credentials"
)


@dataclass(frozen=True)
class Access:
    """Settings of the client by its own names; a representation shows none of them. `endpoint` is what to call the store.

    With `of_profile` the keys are those that boto3 fetches for the profile.
    """

    settings: Mapping[str, str] = field(repr=False)
    endpoint: str
    of_profile: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the store is spoken to without TLS, as on this machine."""
        return self.settings.get("endpoint", "").startswith("http://")


def read_access(environment: Mapping[str, str] = os.environ) -> Access:
    """Return how the store is reached. Raises `ConfigError` where no keys are found, or a profile is missing or has none."""
    profile = _profile(environment)
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or profile.get("endpoint_url", "")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or profile.get("region") or "us-east-1"
    keys = _keys(environment, profile, endpoint)
    settings = {"region": region, **({"endpoint": endpoint} if endpoint else {}), **(keys or {})}
    return Access(settings, _shown(endpoint) or f"Amazon S3 in {region}", keys is None)


def _keys(environment: Mapping[str, str], profile: Mapping[str, str], endpoint: str) -> dict[str, str] | None:
    """Return the keys; {} where the client fetches those of its machine, None where boto3 is to fetch those of the profile."""
    for source, names in (
        (environment, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")),
        (profile, ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")),
    ):
        key, secret, token = (source.get(name, "").strip() for name in names)
        if key and secret:
            return {"access_key_id": key, "secret_access_key": secret, **({"session_token": token} if token else {})}
        if key or secret:
            raise ConfigError(f"{names[0]} and {names[1]} go together, and one of them is missing; set both")
    if environment.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true"):
        return {"skip_signature": "true"}
    if other := next((name for name in _ELSEWHERE if name in profile), None):
        if can_fetch():
            return None
        raise ConfigError(
            f"the profile that AWS_PROFILE names has {other} and no keys; install boto3 to fetch them (pip install boto3), or"
            ' put them into the environment: eval "$(aws configure export-credentials --format env)"'
        )
    # The keys of a machine of EC2 come from an address of its own, which no store beside Amazon's has anything to do with.
    on_ec2 = not endpoint and environment.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true" and _is_ec2()
    if any(environment.get(name) for name in _ROLES) or on_ec2:
        return {}
    raise ConfigError(NO_KEYS)


def _is_ec2() -> bool:
    """Tell whether this is a machine of EC2, as its firmware says: asking for its role takes a minute elsewhere."""
    for file, sign in (("class/dmi/id/sys_vendor", "Amazon EC2"), ("hypervisor/uuid", "ec2")):
        try:
            if (Path("/sys") / file).read_text(encoding="utf-8").startswith(sign):
                return True
        except OSError:
            continue
    return False


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of the profile in use, those of the credentials file over those of the config file; {} for none."""
    wanted = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    name, home = wanted or "default", Path("~/.aws")
    config = _sections(environment.get("AWS_CONFIG_FILE") or home / "config")
    shared = _sections(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials")
    profiles = {key.removeprefix("profile "): value for key, value in config.items()}
    if wanted and name not in profiles and name not in shared:
        advice = nearest(name, sorted({*profiles, *shared})) or "; write one, or unset it"
        raise ConfigError(f"AWS_PROFILE: there is no profile '{name}' in ~/.aws{advice}")
    return {**profiles.get(name, {}), **shared.get(name, {})}


def _sections(path: str | Path) -> dict[str, dict[str, str]]:
    file, parser = Path(path).expanduser(), configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error):
        raise ConfigError(f"{file} cannot be read as a file of AWS's settings; check it with `aws configure list`") from None
    return {name: dict(parser[name]) for name in parser.sections()}


def _shown(endpoint: str) -> str:
    """Return an endpoint without what may be secret in it."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}" if parts.hostname else ""
