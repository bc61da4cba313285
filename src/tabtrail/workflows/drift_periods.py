"""Periods of the dataset itself as reference and as windows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl

from tabtrail.config.columns import Columns
from tabtrail.config.model import Model
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.dates import to_doubles
from tabtrail.data.manifest import verify_dataset
from tabtrail.data.outliers import sequential_fences
from tabtrail.data.result_files import benchmark_table_files
from tabtrail.errors import DataError, UsageError
from tabtrail.modeling.split import Mask
from tabtrail.modeling.two_samples import tell_apart
from tabtrail.monitor.calendar import made_of_date
from tabtrail.monitor.outcome import Together
from tabtrail.monitor.plain_psi import PlainPsi, plain_psi
from tabtrail.monitor.reference import Reference, make_reference
from tabtrail.monitor.sketch import ERROR, PREDICTION, Array, Column, Kind, Values
from tabtrail.monitor.spans import Span
from tabtrail.project.paths import Artifacts
from tabtrail.project.summary import read_leaderboard
from tabtrail.workflows.drift_job import Job
from tabtrail.workflows.reference import outcome_columns


@dataclass(frozen=True)
class Periods:
    """The rows of the dataset by column, their days, and which lie within the fences of the outlier rule.

    With a benchmark of these very rows there are its predictions too, each of a model that did not learn from the row: out of
    fold for the training part. `run_id` is that of the champion whose they are. `groups` names what stays together when rows are
    split, None where single rows are.
    """

    columns: tuple[Column, ...]
    values: Mapping[str, Values]
    groups: Values | None
    days: Array
    usual: Mask
    apart: Mapping[str, str]
    run_id: str | None
    synthetic: bool

    def require(self, span: Span) -> None:
        """Raise `UsageError` for a span without rows."""
        if not span.holds(self.days).any():
            first, last = (np.datetime64(int(each), "D") for each in (np.nanmin(self.days), np.nanmax(self.days)))
            raise UsageError(f"no row of the dataset is of {span.name}; its rows are of {first} to {last}")

    def reference(self, span: Span) -> Reference:
        """Return the sketches of the rows of a span; columns that follow from the date in the whole dataset are set apart."""
        self.require(span)
        mask = span.holds(self.days)
        made = make_reference(self.columns, self.taken(mask), days=self.days[mask])
        return replace(made, apart={**made.apart, **self.apart})

    def taken(self, mask: Mask) -> dict[str, Values]:
        """Return some of the rows by column."""
        return {name: values[mask] for name, values in self.values.items()}

    def plain(self, reference: Span, window: Span) -> dict[str, PlainPsi]:
        """Return the plain PSI of each number column of the rows within the fences."""
        before, after = reference.holds(self.days) & self.usual, window.holds(self.days) & self.usual
        numbers = [
            each.name for each in self.columns if each.kind == "number" and each.role == "input" and each.name not in self.apart
        ]
        found = {name: plain_psi(self.values[name][before], self.values[name][after]) for name in numbers}
        return {name: each for name, each in found.items() if each is not None}

    def together(self, reference: Span, window: Span, apart: Collection[str], seed: int) -> Together | None:
        """Tell whether a model can tell the rows of two spans apart; None where one of them has too few."""
        own = [each.name for each in self.columns if each.role == "input" and each.name not in apart]
        masks = reference.holds(self.days), window.holds(self.days)
        before, after = ({name: self.values[name][mask] for name in own} for mask in masks)
        groups = None if self.groups is None else (self.groups[masks[0]], self.groups[masks[1]])
        found = tell_apart(before, after, seed=seed, groups=groups)
        return None if found is None else Together(**vars(found))

    @classmethod
    def of(cls, job: Job) -> Self:
        """Read the dataset. Raises `DataError` where there is none, or it has no date column."""
        config = job.config
        manifest = verify_dataset(config.dataset, config.ingest_digest())
        date, target = config.cleaning.date_column, config.model.target
        if date is None:
            raise DataError("the dataset has no date column, so it has no periods; set cleaning.date_column")
        columns = _watched(config.model, config.columns)
        group = config.split.group_key
        names = list(dict.fromkeys([*(each.name for each in columns), *config.outlier_columns, date, *filter(None, [group])]))
        frame = scan_dataset(config.dataset).select(names).collect()
        values = {each.name: _values(frame.get_column(each.name), each.kind) for each in columns}
        days = to_doubles(frame.get_column(date).cast(pl.Date))
        found = None if config.is_demand_only else _predictions(job.artifacts, manifest.data_sha256, frame.height)
        if found is not None:
            values |= {PREDICTION: found[1], ERROR: np.asarray(values[target] - found[1])}
            columns = [*columns, *outcome_columns()]
        return cls(
            columns=tuple(columns),
            values=values,
            groups=None if group is None else _values(frame.get_column(group), "category"),
            days=days,
            usual=_usual(frame, config.outlier_columns, config.profile.outliers.factor),
            apart=made_of_date(days, {name: values[name] for name in config.model.inputs}),
            run_id=found and found[0],
            synthetic=manifest.synthetic,
        )


def _watched(model: Model, columns: Columns) -> list[Column]:
    """The target first: it is what a period is asked about most."""
    return [Column(name, _kind(columns.kind(name)), rule=columns.rule(name)) for name in (model.target, *model.inputs)]


def _kind(dtype: str) -> Kind:
    if dtype in ("date", "datetime"):
        return "date"
    return "number" if dtype in ("int", "float") else "category"


def _values(column: pl.Series, kind: Kind) -> Values:
    if kind != "category":
        return to_doubles(column)
    texts = column.cast(pl.String)
    return np.array([text or None for text in texts.to_list()], dtype=object)


def _usual(frame: pl.DataFrame, columns: tuple[str, ...], factor: float) -> Mask:
    """Tell which rows the outlier rule keeps, whether or not ingest rejects the others."""
    fences = sequential_fences(frame.lazy(), columns, factor)
    outside = frame.select(pl.any_horizontal([*fences.rules.values(), pl.lit(False)]).alias("outside")).to_series()
    return ~outside.to_numpy()


def _predictions(artifacts: Artifacts, data_sha256: str, rows: int) -> tuple[str, Array] | None:
    """Return run and predictions [rows] of the last benchmark's champion, None where it was not of these very rows."""
    file = benchmark_table_files(artifacts.paths.output_dir)["predictions"]
    if not file.is_file() or not artifacts.leaderboard.is_file():
        return None
    board = read_leaderboard(artifacts)
    if board.data_sha256 != data_sha256:
        return None
    table = pl.read_parquet(file, columns=["row", "predicted"])
    predicted = np.full(rows, np.nan)
    predicted[table.get_column("row").to_numpy()] = table.get_column("predicted").to_numpy()
    return board.champion_row.run_id, predicted
