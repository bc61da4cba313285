"""One thing that `tabtrail doctor` looked at."""

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Check:
    """What was found. A `note` is worth knowing and harms nothing; `remedy` is what to type or do."""

    name: str
    state: State
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)
