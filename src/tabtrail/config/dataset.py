"""What functions on the dataset take instead of the whole config: where it lies, and the rules that its rows passed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from tabtrail.config.aliases import plain_table
from tabtrail.config.cleaning import Chosen, Cleaning
from tabtrail.config.columns import Columns
from tabtrail.config.data import Contract, Source
from tabtrail.contract.aliases import ContextAliases, build_tables
from tabtrail.contract.cells import CellReading
from tabtrail.contract.dates import DateFormat, contradict
from tabtrail.contract.numbers import NumberFormat, NumberRule


@dataclass(frozen=True)
class Dataset:
    """Where the rows that ingest keeps lie: a folder with Parquet files, in folders by the values of `keys` (column → dtype),
    and nothing else; beside it their manifest, the file of the rejected rows,
    and that of the rows for which the last ingest was `refused`, if it was.
    """

    folder: Path
    manifest: Path
    rejects: Path
    refused: Path
    keys: Mapping[str, str]


@dataclass(frozen=True)
class Database:
    """The DuckDB file: a cache of the dataset, as the table `table`, and of the tables of results below `output_dir`."""

    file: Path
    table: str
    dataset: Dataset
    output_dir: Path


@dataclass(frozen=True)
class TableRules:
    """How rows of the source become rows of the dataset, or are rejected. The `target` must never be missing where it
    is `needed`: rows of a plan have none.

    `proven_formats` are the formats of dates that the data has, by column, where it has not all that the config names;
    `last_dates` are the last ones of the dataset that rows are appended to. `melted` are the long columns of a wide file with the
    patterns of their wide ones; the columns are then those of the long rows.
    """

    source: Source
    cleaning: Cleaning
    contract: Contract
    columns: Columns
    target: str
    proven_formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    last_dates: Mapping[str, date] = field(default_factory=dict)
    needed: bool = True
    melted: Mapping[str, str] = field(default_factory=dict)

    @property
    def never_missing(self) -> tuple[str, ...]:
        """The columns of the dataset that have a value in every row, by contract or because gaps are filled."""
        columns, filled = self.columns, self.cleaning.fill_unknown_columns
        target = (self.target,) if self.needed else ()
        return tuple(name for name in columns.dataset if not columns.rule(name).nullable or name in filled or name in target)

    def reading(self, name: str) -> CellReading:
        """How the cells of a column of the source are read: here, and by the model that is trained on them."""
        cleaning, source, rule = self.cleaning, self.source, self.columns.rule(name)
        dtype = rule.dtype
        return CellReading(
            nulls=source.null_values.get(name, ()),
            trim=dtype == "string" and _is_chosen(cleaning.trim, name),
            fold_case=dtype == "string" and _is_chosen(cleaning.fold_case, name),
            aliases=plain_table(cleaning.aliases.get(name, {})),
            fill=cleaning.fill_value if name in cleaning.fill_unknown_columns else None,
            number=(rule.number or NumberRule()).over(source.decimal, source.thousands)
            if dtype in ("int", "float")
            else NumberFormat(),
            date=self.date_format(name) if rule.is_date else DateFormat(),
        ).spelled()

    @property
    def aliases(self) -> tuple[ContextAliases, ...]:
        """The tables of other spellings that have a context, in the order in which they are applied."""
        return build_tables(self.cleaning.stated_tables, self.reading)

    def date_format(self, name: str) -> DateFormat:
        """How the dates of a column are written."""
        cleaning = self.cleaning
        formats = self.proven_formats.get(name, cleaning.formats_of(name))
        written = DateFormat(formats, cleaning.plausible_years, cleaning.time_zone)
        given_up = [form for form in cleaning.formats_of(name) if form not in formats]
        disproven = tuple(form for form in given_up if any(contradict(form, each, written) for each in formats))
        return replace(written, disproven=disproven)


def _is_chosen(columns: Chosen, name: str) -> bool:
    return columns if isinstance(columns, bool) else name in columns
