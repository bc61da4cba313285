"""A share of the traffic for a challenger. One key always gets one model, so that a customer does not see two prices in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from starlette.requests import Request

from tabtrail.config.operation import Serve
from tabtrail.serving.models import Served, Watched

_WHOLE = 2**64


@dataclass(frozen=True)
class RowShare:
    """The rows of a request that one model answers (from 1), and the hash of each row's key, None where it has none."""

    served: Served
    rows: list[int]
    keys: list[str | None]


@dataclass(frozen=True)
class Traffic:
    """How rows are parted: by the hash of an input or of a header of the request, a `share` (0 to 1) for the challenger."""

    key: str
    share: float
    challenger: Watched

    @classmethod
    def of(cls, settings: Serve, challenger: Watched | None) -> "Traffic | None":
        """Return how the settings part the rows; None where the champion answers all."""
        key = settings.challenger_key
        return (
            None
            if challenger is None or key is None or not settings.challenger_share
            else cls(key, settings.challenger_share, challenger)
        )

    def parted(self, champion: Served, rows: Sequence[Mapping[str, Any]], request: Request) -> list[RowShare]:
        """Return which model answers which of the rows, as the champion has read them.

        The champion answers rows without a key, and all where the challenger cannot be used or takes other columns.
        """
        header = None if self.key in champion.schema.names else request.headers.get(self.key, "")
        keys = [_hash(row.get(self.key) if header is None else header) for row in rows]
        other = self.challenger.served
        shares = {False: RowShare(champion, [], []), True: RowShare(other or champion, [], [])}
        for place, key in enumerate(keys, 1):
            share = shares[other is not None and _are_alike(champion, other) and key is not None and self.takes(key)]
            share.rows.append(place)
            share.keys.append(key)
        return [share for share in shares.values() if share.rows]

    def takes(self, hashed: str) -> bool:
        """Tell whether rows of a key are for the challenger."""
        return int(hashed, 16) < self.share * _WHOLE


def _hash(key: object) -> str | None:
    return None if key is None or key == "" else blake2b(str(key).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _are_alike(champion: Served, challenger: Served) -> bool:
    """Whether a row for the one is a row for the other."""
    return challenger.schema.names == champion.schema.names and challenger.schema.target == champion.schema.target
