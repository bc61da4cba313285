"""The leaderboard: what people read, what the JSON holds and what is logged are the same rounded numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tabtrail.config.section import Parameter
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.modeling.metrics import METRICS, Metric, Scores


@dataclass(frozen=True)
class CoverageRow:
    """The share (0 to 1) of the test rows of a slice whose interval holds the actual value; width in units of the target."""

    by: str
    value: str
    rows: int
    coverage: float
    mean_width: float


@dataclass(frozen=True)
class Refit:
    """The champion as it is deployed, fitted again on all `rows` once it was chosen: the number of boosting rounds of each part
    of it that stops early, the bytes of its ONNX graph, and the largest difference that its own proof found, in standard
    deviations of the target.
    """

    rows: int
    rounds: dict[str, int]
    model_bytes: int
    parity_max_difference: float | None

    def said(self, champion: str, training_rows: int) -> str:
        """Say in two sentences what is measured, and what is deployed."""
        counts = ", ".join(f"{count:,}" for count in self.rounds.values())
        rounds = f", number of rounds ({counts})" if self.rounds else ""
        found = self.parity_max_difference
        proof = "" if found is None else f" (largest difference {found:.1g} standard deviations of the target)"
        return (
            f"Every figure is of models that learned from the {training_rows:,} rows of the training part, or from its folds."
            f" {champion} as it is deployed was fitted again on all {self.rows:,} rows after that (split.refit: all), with the"
            f" same parameters{rounds} and a proof of its own{proof}."
        )


@dataclass(frozen=True)
class HeldOut:
    """The champion on the rows from the day `since` on (YYYY-MM-DD), on which nothing else was ever scored: every metric, the
    share (0 to 1) of them whose interval holds the actual value, and the mean width of the intervals, in units of the target.
    """

    since: str
    rows: int
    metrics: dict[str, float | None]
    interval_coverage: float | None
    interval_width: float | None


@dataclass(frozen=True)
class Row:
    """One candidate.

    `cv` has the mean of each metric over the folds, `cv_std` its standard deviation, `test` the metric on the test part, which
    chose nothing; None where one is not defined. `difference` says by how much the candidate is worse than the best one in the
    metric of the choice (mean over the folds, above zero is worse), with its corrected 95 % interval; None where the metric is
    not defined for it. The folds cannot tell an `indistinguishable` candidate from the champion.
    `interval_coverage` is the share (0 to 1) of test rows whose interval holds the actual value, `interval_width` its mean
    width in units of the target; None where there were too few rows to calibrate. `parity_max_difference` is the largest
    difference of the ONNX graph and the Python model, in standard deviations of the target; one that is not within the
    configured tolerance is not `deployable`, and never champion. `row_us` is the CPU time
    [microseconds] that the graph takes for a row by itself, `batch_row_us` for one of a batch, `over_budget` says what of size
    or time is more than the choice allows.
    """

    candidate: str
    family: str
    params: dict[str, Parameter]
    target_transform: str
    cv: Mapping[str, float | None]
    cv_std: Mapping[str, float | None]
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    indistinguishable: bool
    test: Mapping[str, float | None]
    cv_by_stratum: dict[str, dict[str, float | None]]
    test_by_stratum: dict[str, Scores]
    interval_coverage: float | None
    interval_width: float | None
    model_bytes: int
    row_us: float | None
    batch_row_us: float | None
    over_budget: str | None
    deployable: bool
    parity_max_difference: float | None
    iterations: int | None
    fit_seconds: float
    cv_fit_seconds: float
    run_id: str

    @property
    def metrics(self) -> dict[str, float | None]:
        """Every metric as JSON, SQL tables and bundles name it: `cv_rmse`, `cv_rmse_std`, …, `test_rmse`, …"""
        cv = {
            key: value
            for name in self.cv
            for key, value in ((f"cv_{name}", self.cv[name]), (f"cv_{name}_std", self.cv_std[name]))
        }
        return cv | {f"test_{name}": value for name, value in self.test.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, in which every metric is a key of its own."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("cv", "cv_std", "test")}
        head = ("candidate", "family", "params", "target_transform")
        strata = {name: scores.to_dict() for name, scores in self.test_by_stratum.items()}
        return {**{name: values[name] for name in head}, **self.metrics, **values, "test_by_stratum": strata}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Row":
        """Rebuild a row from its JSON form; a metric that it does not have is None."""
        keys = {f"{prefix}_{name}{suffix}" for name in METRICS for prefix, suffix in (("cv", ""), ("cv", "_std"), ("test", ""))}
        rest = {name: each for name, each in value.items() if name not in keys}
        return cls(
            **{
                **dict.fromkeys(("row_us", "batch_row_us", "over_budget")),  # not in those of before
                **rest,
                "cv": {name: value.get(f"cv_{name}") for name in METRICS},
                "cv_std": {name: value.get(f"cv_{name}_std") for name in METRICS},
                "test": {name: value.get(f"test_{name}") for name in METRICS},
                "test_by_stratum": {name: Scores.from_dict(each) for name, each in value["test_by_stratum"].items()},
            }
        )


@dataclass(frozen=True)
class Leaderboard:
    """All candidates, the best by `metric` over the folds first; `champion` is the one that the rule `chosen_by` took.

    `weights` are those of the champion where it is a blend, `dropped` says of each candidate that is not in the table why
    ("dropped after …"), `findings` is what the leakage audit found (`left_out`: on columns that the config leaves out),
    `coverage` how often the champion's intervals (of `interval_level`) hold on the test part. Every figure is of models that
    learned from the training part or its folds; `refit` is what is deployed of the champion where that learned from all rows
    (None: the one measured is).
    """

    model: str
    target: str
    currency: str
    synthetic: bool
    data_sha256: str
    rows: int
    train_rows: int
    test_rows: int
    split: dict[str, Any]
    metric: str
    chosen_by: str
    champion: str
    best: str
    weights: dict[str, float]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    interval_level: float
    coverage: tuple[CoverageRow, ...]
    baseline: str
    parent_run_id: str
    candidates: tuple[Row, ...]
    refit: Refit | None = None
    held_out: HeldOut | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[Finding, ...] = ()

    @property
    def champion_row(self) -> Row:
        """The row of the champion."""
        return self.row(self.champion)

    def row(self, candidate: str) -> Row:
        """Return the row of a candidate."""
        return next(row for row in self.candidates if row.candidate == candidate)

    @property
    def deployed_text(self) -> str:
        """What is deployed beside what was measured, for people; empty where it is the model that was measured."""
        return "" if self.refit is None else self.refit.said(self.champion, self.train_rows)

    @property
    def parts_text(self) -> str:
        """Which days are learned from, tested on and held out, of a split that names them; else empty."""
        first, last = self.split.get("train_before"), self.split.get("evaluate_before")
        if first is None:
            return ""
        tested = f"from {first} on" if last is None else f"from {first} until before {last}"
        held = "" if last is None else f", from {last} on held out to the end"
        return f"learned from and chosen on before {first}, tested {tested}{held}"

    @property
    def chosen_metric(self) -> Metric:
        """The metric that the candidates were compared by."""
        return METRICS[self.metric]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        lists = {"candidates": [row.to_dict() for row in self.candidates], "findings": [each.to_dict() for each in self.findings]}
        lists["left_out"] = [each.to_dict() for each in self.left_out]
        return {**asdict(self), **lists}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Leaderboard":
        """Rebuild a leaderboard from its JSON form. Raises `KeyError` or `TypeError` for that of another version."""
        lists = {
            "candidates": tuple(Row.from_dict(row) for row in value["candidates"]),
            "notes": tuple(value["notes"]),
            "findings": tuple(Finding.from_dict(each) for each in value["findings"]),
            "left_out": tuple(Finding.from_dict(each) for each in value.get("left_out", ())),
            "coverage": tuple(CoverageRow(**each) for each in value["coverage"]),
            "refit": None if value.get("refit") is None else Refit(**value["refit"]),
            "held_out": None if value.get("held_out") is None else HeldOut(**value["held_out"]),
        }
        return cls(**{**value, **lists})
