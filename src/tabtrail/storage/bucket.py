"""One bucket of an object store: the only importer of obstore. Every failure is one message that repeats no key.

Names are those of whole objects. An ETag stands for the contents of an object at one time.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from tabtrail.errors import ConfigError, ConflictError, StorageError, require_extra
from tabtrail.storage.access import NO_KEYS, Access, read_access
from tabtrail.storage.address import Address
from tabtrail.storage.profile_keys import NOT_RENEWED, ProfileKeys

# Longer than the minute that a store may ask for before it answers again (503 SlowDown).
PATIENCE_SECONDS = 90.0
_PART = 16 << 20  # bytes that are sent at once, of larger files several at a time
_PARTS = 4
_BLOCK = 8 << 20
_STATUS, _CODE = re.compile(r"status code: (\d{3})"), re.compile(r"<Code>(\w+)</Code>")
_EXPIRED = ("ExpiredToken", "TokenRefreshRequired", "RequestExpired")
_UNKNOWN_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure")


class NoObjectError(StorageError):
    """There is no object of a name."""


class ChangedError(StorageError):
    """An object is not the one that was meant: its ETag changed."""


@dataclass(frozen=True)
class Listed:
    """An object as a bucket lists it."""

    name: str
    size: int
    etag: str
    written: datetime


@dataclass(frozen=True)
class Bucket:
    """A bucket by its name. A call that the store does not answer is repeated for `patience` seconds."""

    name: str
    access: Access
    patience: float = PATIENCE_SECONDS

    @classmethod
    def of(cls, address: Address, patience: float = PATIENCE_SECONDS) -> "Bucket":
        """Return the bucket of an address; nothing is sent yet. Raises `ConfigError` without credentials, `MissingExtraError`."""
        require_extra("s3", "obstore")
        return cls(address.bucket, read_access(), patience)

    def read(self, name: str, *, unless: str = "") -> tuple[bytes, str] | None:
        """Return an object with its ETag; None where that is still `unless`. Raises `NoObjectError`."""
        with self._errors("read", name):
            try:
                found = self._store.get(name, options={"if_none_match": unless} if unless else None)
                return bytes(found.bytes()), str(found.meta["e_tag"])
            except self._exceptions.NotModifiedError:
                return None

    def read_range(self, name: str, etag: str, start: int, length: int) -> bytes:
        """Return a part of an object, if it still has the ETag. Raises `ChangedError`, also for one that is gone."""
        with self._errors("read", name):
            options = {"if_match": etag, "range": (start, start + length)}
            return bytes(self._store.get(name, options=options).bytes())

    def stream(self, name: str, size: int) -> Iterator[bytes]:
        """Yield so many bytes of an object, some megabytes at a time, each by a request of its own: one that fails is repeated.

        Raises `NoObjectError`.
        """
        for start in range(0, size, _BLOCK):
            with self._errors("read", name):
                yield bytes(self._store.get_range(name, start=start, end=min(start + _BLOCK, size)))

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects whose names begin with a prefix and a slash, in the order of their names."""
        with self._errors("list", prefix):
            for page in self._store.list(prefix):
                for each in page:
                    yield Listed(each["path"], each["size"], each["e_tag"] or "", each["last_modified"])

    def put(self, name: str, contents: bytes | Path) -> str:
        """Write an object, whole or not at all, and return its ETag."""
        with self._errors("write", name):
            return self._sent(self._store.put(name, contents, chunk_size=_PART, max_concurrency=_PARTS))

    def replace(self, name: str, contents: bytes, known: str) -> str:
        """Write an object if it is still the one of the ETag `known` ("": if there is none), and return the new ETag.

        Raises `ConflictError` where another process wrote it first.
        """
        with self._errors("write", name):
            mode = {"e_tag": known} if known else "create"
            try:
                return self._sent(self._store.put(name, contents, mode=mode, use_multipart=False))
            except (self._exceptions.PreconditionError, self._exceptions.AlreadyExistsError, FileNotFoundError) as error:
                if "NoSuchBucket" in str(error):
                    raise
                raise ConflictError(f"{self._where(name)} was written by another process meanwhile") from None

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store."""
        with self._errors("write", target):
            self._store.copy(source, target)

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; those that are gone already are no matter."""
        for name in names:
            with self._errors("delete", name):
                self._store.delete(name)

    @cached_property
    def _library(self) -> Any:
        import obstore  # an optional extra, which only a project with an address needs

        return obstore

    @property
    def _exceptions(self) -> Any:
        return self._library.exceptions

    @cached_property
    def _store(self) -> Any:
        seconds = timedelta(seconds=1)
        return self._library.store.S3Store(
            self.name,
            config=dict(self.access.settings),
            credential_provider=ProfileKeys() if self.access.of_profile else None,
            client_options={"allow_http": self.access.is_plain, "connect_timeout": 5 * seconds, "timeout": 300 * seconds},
            retry_config={
                "max_retries": 1000,  # the time is what bounds them
                "retry_timeout": self.patience * seconds,
                "backoff": {"init_backoff": 0.1 * seconds, "max_backoff": 5 * seconds, "base": 2},
            },
        )

    @staticmethod
    def _sent(result: Any) -> str:
        return str(result["e_tag"])

    def _where(self, name: str) -> str:
        return f"s3://{self.name}/{name}"

    @contextmanager
    def _errors(self, action: str, name: str) -> Iterator[None]:
        """Turn what the client raises into one message, by the status and the code of the answer: its text may hold anything."""
        try:
            yield
        except (FileNotFoundError, self._exceptions.BaseError) as error:
            raise self._explained(action, name, error) from None

    def _explained(self, action: str, name: str, error: Exception) -> Exception:
        text, where, endpoint = str(error), self._where(name), self.access.endpoint
        status = int(found[1]) if (found := _STATUS.search(text)) else 0
        code = found[1] if (found := _CODE.search(text)) else ""
        if code == "NoSuchBucket":
            return ConfigError(f"there is no bucket '{self.name}' at {endpoint}; correct the address, or create it")
        if isinstance(error, self._exceptions.PreconditionError):
            return ChangedError(f"{where} changed while it was read; run the command again when nobody writes to it")
        if isinstance(error, FileNotFoundError) or status == 404:
            return NoObjectError(f"there is no {where}")
        if NOT_RENEWED in text:
            return StorageError(f"{where}: the session of the profile has ended; renew it (`aws sso login`), and run it again")
        if "169.254.1" in text:  # where the machines and containers of AWS ask for the keys of their role
            return ConfigError(NO_KEYS)
        return StorageError(f"{where} cannot be {_DONE[action]}: {self._reason(text, status, code, _ACTION[action])}")

    def _reason(self, text: str, status: int, code: str, action: str) -> str:
        endpoint, region = self.access.endpoint, self.access.settings["region"]
        if code in _EXPIRED:
            return "the credentials have expired; renew them, and run the command again"
        if code in _UNKNOWN_KEYS or status == 401:
            return f"{endpoint} does not know these credentials; check AWS_ACCESS_KEY_ID and its secret"
        if code == "RequestTimeTooSkewed":
            return "the clock of this machine is wrong; set it, and run the command again"
        if status == 501:
            return (
                f"{endpoint} does not know what this needs: conditional writes (If-Match), ranges, copies; take a store that does"
            )
        if status == 403:
            return f"these credentials lack the permission ({code or 'AccessDenied'}); allow them {action}"
        if status == 301 or "incorrectly configured region" in text or code == "AuthorizationHeaderMalformed":
            return f"the bucket is in another region than {region}; set AWS_REGION"
        if status >= 500:
            return f"{endpoint} answered {status} for {self.patience:.0f} s; run the command again when it is well"
        if status:
            return f"{endpoint} refused it ({f'{status} {code}'.strip()})"
        return f"{endpoint} cannot be reached; check AWS_ENDPOINT_URL and the network"


_DONE = {"read": "read", "list": "listed", "write": "written", "delete": "deleted"}
_ACTION = {"read": "s3:GetObject", "list": "s3:ListBucket", "write": "s3:PutObject", "delete": "s3:DeleteObject"}
