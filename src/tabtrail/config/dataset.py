"""What functions on the dataset take instead of the whole config: where it lies, and the rules that its rows passed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tabtrail.config.columns import Columns
from tabtrail.config.data import Cleaning, Contract, Source


@dataclass(frozen=True)
class Dataset:
    """Where the rows that ingest keeps lie: Parquet files in folders by the values of `keys` (column → dtype), with their
    manifest, and the file of the rejected rows.
    """

    folder: Path
    manifest: Path
    rejects: Path
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
    """How rows of the source become rows of the dataset, or are rejected. The `target` must never be missing."""

    source: Source
    cleaning: Cleaning
    contract: Contract
    columns: Columns
    target: str
