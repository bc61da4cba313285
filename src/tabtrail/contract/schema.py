"""The one place that says what a column is: ingest, training, the request model, ONNX inputs and docs derive from it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from tabtrail.contract.aliases import ContextAliases
from tabtrail.contract.cells import CellReading
from tabtrail.contract.expressions import Node, columns_of, date_text, moment_text, parse_expression
from tabtrail.contract.numbers import NumberRule

Dtype = Literal["int", "float", "string", "date", "datetime"]
_STRICT: dict[str, str] = {"extra": "forbid"}
_ON = ("true", "yes", "y", "t", "on", "ja", "j", "wahr", "oui", "vrai", "si", "sí", "sì", "sim")
_OFF = ("false", "no", "n", "f", "off", "nein", "falsch", "non", "faux", "não")
FLAG_WORDS = dict.fromkeys(_ON, 1) | dict.fromkeys(_OFF, 0)
"""What the words mean in a column of flags, whatever their case: they stand for 1 and 0 where a contract has nothing else."""


def flag_meanings(words: Iterable[str]) -> str:
    """Return what each word stands for in a column of flags, for people."""
    return " and ".join(f"{word} is {FLAG_WORDS[word.strip().lower()]}" for word in dict.fromkeys(words))


@dataclass(frozen=True)
class ColumnRule:
    """What the values of one column must be.

    A `date` is a day, a `datetime` keeps its time of day too. `min` and `max` bound numbers, inclusive. `allowed` lists the only
    texts or numbers that may stand there. `number` says how the numbers are written, where not as everywhere in the source.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    dtype: Dtype
    nullable: bool = True
    min: float | None = None
    max: float | None = None
    allowed: tuple[str | float, ...] | None = None
    number: NumberRule | None = None
    description: str = ""

    @property
    def is_date(self) -> bool:
        """Whether the values are dates, with their time of day or without."""
        return self.dtype in ("date", "datetime")

    @property
    def is_flag(self) -> bool:
        """Whether the values are whole numbers between 0 and 1, so that true and false may stand for them."""
        return self.dtype == "int" and (self.min, self.max) == (0, 1)


@dataclass(frozen=True)
class RowRule:
    """A comparison of columns that holds in every good row; a row where it is false is set aside or only counted."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT

    name: str
    check: str
    action: Literal["reject", "warn"] = "reject"

    @property
    def tree(self) -> Node:
        return parse_expression(self.check)


@dataclass(frozen=True)
class Feature:
    """One input of the model: what it must be (`rule`), how its cells are read, what the model has seen of it in training.

    `seen_min` and `seen_max` are the range of the training rows (numbers; dates as days since 1970-01-01, their time of day as
    a fraction), `categories` their texts. A date is given as YYYY-MM-DD, one with its time (`rule.dtype` datetime) as
    YYYY-MM-DDTHH:MM:SS. An `optional` text column may be left out of rows and files, which is the same as null.
    """

    name: str
    kind: Literal["numeric", "categorical", "date"]
    rule: ColumnRule
    example: float | str | None = None
    seen_min: float | None = None
    seen_max: float | None = None
    categories: tuple[str, ...] = ()
    reading: CellReading = field(default_factory=CellReading)
    optional: bool = False

    @property
    def seen_range(self) -> str | None:
        """The range of the training rows, as people read it; None where nothing was seen, or for texts."""
        if self.seen_min is None or self.seen_max is None:
            return None
        if self.kind == "date":
            shown = moment_text if self.rule.dtype == "datetime" else date_text
            return f"{shown(self.seen_min)} to {shown(self.seen_max)}"
        return f"{self.seen_min:g} to {self.seen_max:g}"

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Feature":
        """Rebuild a feature from the JSON form that `dataclasses.asdict` gives."""
        rule = dict(value["rule"])
        rule["allowed"] = None if rule["allowed"] is None else tuple(rule["allowed"])
        rule["number"] = None  # what it says stands in the feature's reading
        reading = CellReading.from_dict(value["reading"]) if "reading" in value else CellReading()
        return cls(**{**value, "rule": ColumnRule(**rule), "categories": tuple(value["categories"]), "reading": reading})


@dataclass(frozen=True)
class ModelSchema:
    """The raw columns that a model takes, in order, the row rules that can be checked from them alone, and the tables of other
    spellings that are told by several of them, in the order in which they are applied to what was read.
    """

    target: str
    features: tuple[Feature, ...]
    row_rules: tuple[RowRule, ...] = field(default=())
    aliases: tuple[ContextAliases, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @property
    def required(self) -> list[str]:
        """The columns that every row has."""
        return [feature.name for feature in self.features if not feature.optional]

    @property
    def example(self) -> dict[str, float | str | None]:
        """A row that can be predicted, of the columns that every row has."""
        return {feature.name: feature.example for feature in self.features if not feature.optional}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, in which tables are left out where there are none."""
        stated = asdict(self)
        return stated if self.aliases else {name: value for name, value in stated.items() if name != "aliases"}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "ModelSchema":
        """Rebuild a schema from its JSON form."""
        return cls(
            target=value["target"],
            features=tuple(Feature.from_dict(feature) for feature in value["features"]),
            row_rules=tuple(RowRule(**rule) for rule in value["row_rules"]),
            aliases=tuple(map(ContextAliases.from_dict, value.get("aliases", ()))),
        )


def rules_over(rules: tuple[RowRule, ...], names: set[str]) -> tuple[RowRule, ...]:
    """Return the rejecting rules that read none but the named columns."""
    return tuple(rule for rule in rules if rule.action == "reject" and columns_of(rule.tree) <= names)
