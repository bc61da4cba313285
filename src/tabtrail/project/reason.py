"""Why a stage is stale."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "never", "input", "data", "config", "code", "missing", "altered", "store", "bundle", "before", "refused", "interrupted"
]


@dataclass(frozen=True)
class Reason:
    """What kind of thing changed, and which."""

    kind: Kind
    what: str

    def __str__(self) -> str:
        return self.what
