"""Addresses in a bucket, as the config has them: `s3://bucket/prefix`."""

import re
from dataclasses import dataclass
from typing import Self

# Two letters at least, so that a drive of Windows is a path. One slash is what remains of two where a path was made of them.
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/")
# The rules of S3's general purpose buckets, and the dots and underscores of older ones and of other stores.
_BUCKET = re.compile(r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$")
_SECRETS = re.compile(r"(?i)[?&;][\w.-]*(key|secret|token|password|signature|credential)[\w.-]*=")
NO_SECRETS = (
    "credentials do not belong in a config; take them out of the address and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
    " or AWS_PROFILE"
)


@dataclass(frozen=True)
class Address:
    """A bucket, and the beginning of names in it; `key` neither begins nor ends with a slash."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `s3://bucket/prefix`. Raises `ValueError` that says how it is written; no secret is repeated."""
        scheme, _, rest = text.partition("://")
        if _SECRETS.search(text) or "@" in rest.partition("/")[0]:
            raise ValueError(NO_SECRETS)
        if scheme != "s3":
            near = "s3://" + text.partition(":")[2].lstrip("/") if text.lower().startswith(("s3:", "s3a:", "s3n:")) else ""
            raise ValueError(f"'{text}' is not read; write {near or 's3://BUCKET/PREFIX, or a path of this machine'}")
        bucket, _, key = rest.partition("/")
        if not _BUCKET.match(bucket):
            raise ValueError(f"'{bucket}' cannot be the name of a bucket; write s3://BUCKET/PREFIX")
        key = key.strip("/")
        if not key:
            raise ValueError(f"s3://{bucket} is a whole bucket; name a place in it, as s3://{bucket}/tabtrail")
        if any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"'{text}' has an empty part, '.' or '..' in it; remove that")
        return cls(bucket, key)

    @property
    def name(self) -> str:
        """The last part."""
        return self.key.rpartition("/")[2]

    def with_name(self, name: str) -> Self:
        """Return the address beside this one that has another name."""
        return type(self)(self.bucket, "/".join((*self.key.split("/")[:-1], name)))

    def contains(self, other: "Address") -> bool:
        """Tell whether another address is this one, or in it."""
        return self.bucket == other.bucket and f"{other.key}/".startswith(f"{self.key}/")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def is_address(value: object) -> bool:
    """Tell whether the value of a config is meant for an address, of whatever scheme."""
    return isinstance(value, str) and _SCHEME.match(value) is not None
