"""What the leakage audit finds."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal[
    "copy",
    "rescaled",
    "monotone",
    "binned",
    "predicts_alone",
    "computed",
    "looked_up",
    "identifier",
    "nearly_unique",
    "duplicates_across_split",
    "groups_across_split",
    "dates_across_split",
    "unit_change",
]
Evidence = tuple[Kind, str]  # what was found, and the figures that show it
GIVES_TARGET_AWAY: frozenset[str] = frozenset(
    ("copy", "rescaled", "monotone", "binned", "predicts_alone", "computed", "looked_up")
)
UNIT_CHANGE: Kind = "unit_change"


@dataclass(frozen=True)
class Finding:
    """Something that makes the benchmark's figures too good, or a unit that changes within the data.

    `column` is None for the split as a whole, `evidence` has the figures.

    `partners` are the columns that it gives the target away with. `cv_rmse_with` and `cv_rmse_without` are the cross-validated
    RMSE of a quick model with all columns and without this one and its partners, in units of the target; None where that makes
    no sense.
    """

    column: str | None
    kind: Kind
    evidence: str
    cv_rmse_with: float | None
    cv_rmse_without: float | None
    partners: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What sort of finding it is, as a word before it."""
        return "UNIT" if self.kind == UNIT_CHANGE else "LEAKAGE"

    @property
    def text(self) -> str:
        """What was found and its worth, without the column."""
        worth = ""
        if self.cv_rmse_with is not None and self.cv_rmse_without is not None:
            them = "them" if self.partners else "it"
            worth = f" (RMSE {self.cv_rmse_with:,.7g} with {them}, {self.cv_rmse_without:,.7g} without)"
        together = f" with {', '.join(self.partners)}" if self.partners else ""
        return f"{self.kind.replace('_', ' ')}{together}: {self.evidence.rstrip('.')}{worth}"

    def __str__(self) -> str:
        return f"{self.column or 'split'}: {self.text}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; a column that needs none has no partners in it."""
        return {name: value for name, value in asdict(self).items() if name != "partners" or value}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Finding":
        """Rebuild a finding from its JSON form."""
        return cls(**{**value, "partners": tuple(value.get("partners", ()))})


def columns_to_drop(findings: Iterable[tuple[str | None, str]]) -> set[str]:
    """Return the columns that `leakage.policy: drop` leaves out, of (column, kind): not those whose unit changes."""
    return {column for column, kind in findings if column is not None and kind != UNIT_CHANGE}
