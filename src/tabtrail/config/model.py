"""The sections on the model: its inputs, how it is tested, chosen, exported and explained, and the candidates."""

import re
from collections.abc import Mapping, Set
from datetime import date, datetime
from math import isfinite
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field

from tabtrail.config.budget import Budget, BudgetText, parse_budget
from tabtrail.config.columns import KIND, Columns, check_condition
from tabtrail.config.coordinates import named_coordinates
from tabtrail.config.section import Parameter, Positive, Problems, SafeName, Section, twins, undeclared
from tabtrail.contract.expressions import ExpressionError, Node, check_formula, columns_of, parse_expression, replace_columns
from tabtrail.contract.schema import ColumnRule
from tabtrail.errors import nearest

_TARGET_IS = {
    "string": "; this target is text, and tabtrail does regression only: it predicts numbers, not classes",
    "datetime": "; this target is a date, and tabtrail does regression only: name a number, such as the hours until then",
    "date": "; this target is a date, and tabtrail does regression only: name a number, such as the days until then",
}
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_TRANSFORM = re.compile(r"^(none|log1p|log)$|^(ratio|log_ratio)\((.+)\)$")


def _read_clip(value: object) -> object:
    if value is False or value in ("contract", "off"):  # YAML reads a bare off as false
        return value or "off"
    pair = tuple(value) if isinstance(value, list | tuple) and len(value) == 2 else ()
    known = [each for each in pair if isinstance(each, int | float) and not isinstance(each, bool) and isfinite(each)]
    if not known or len(known) + pair.count(None) != 2 or (len(known) == 2 and known[0] >= known[1]):
        raise ValueError("write contract, off, or the least and the largest prediction, such as [0, null] or [0, 100]")
    return pair


Clip = Annotated[Literal["contract", "off"] | tuple[float | None, float | None], BeforeValidator(_read_clip)]


DatePart = Literal["year", "month", "quarter", "season", "weekday", "days", "hour", "minute"]


class Model(Section):
    name: SafeName = "model"
    target: str
    currency: str = ""
    allow_binary_target: bool = Field(
        False, description="Predict a target of two values as a number; without it such a target is refused (regression only)."
    )
    numeric_features: tuple[str, ...] = ()
    categorical_features: tuple[str, ...] = ()
    derived_features: dict[SafeName, str] = Field(
        {},
        description="Numeric columns computed from others, inside the model: arithmetic, log1p(x), month(DATE), hour(MOMENT), …",
    )
    date_parts: dict[str, tuple[DatePart, ...]] = Field(
        {},
        description="Columns of dates, each with the parts that it enters as: year, month, weekday, days; of moments also hour.",
    )
    coordinates: tuple[tuple[str, str], ...] | None = Field(None, description="Pairs of numbers that are places (else by name).")
    frequency_encoded: tuple[str, ...] = Field((), description="Text columns that enter as their text's share of training rows.")
    target_encoded: tuple[str, ...] = Field(
        (), description="Text columns that enter as the mean target of their text, smoothed and cross-fitted."
    )
    max_categories: Annotated[int, Field(ge=2)] = Field(
        255, description="Most one-hot columns of a text column; its rarest texts share the last."
    )
    strata: dict[str, str] = Field({}, description="Named conditions; every metric is also reported within each.")
    clip: Clip = Field(
        "contract",
        description="Bounds of every prediction: the contract's for the target, [least, largest] (null: open), or off.",
    )
    random_state: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42

    @property
    def text_features(self) -> tuple[str, ...]:
        """The text columns that the model takes, however they are encoded."""
        return tuple(dict.fromkeys(self.categorical_features + self.frequency_encoded + self.target_encoded))

    @property
    def parts_of_dates(self) -> dict[str, str]:
        """The parts of dates as derived features: `ORDERDATE_year: year(col('ORDERDATE'))`."""
        return {_part_name(column, part): f"{part}(col({column!r}))" for column, part in self._dated}

    @property
    def _dated(self) -> list[tuple[str, str]]:
        return [(column, part) for column, parts in self.date_parts.items() for part in parts]

    @property
    def derived(self) -> dict[str, str]:
        """All derived features, those made of the parts of dates first."""
        return self.parts_of_dates | self.derived_features

    @property
    def pairs_of_coordinates(self) -> tuple[tuple[str, str], ...]:
        """The pairs of number columns that say where something is: as configured, else those that their names tell."""
        return named_coordinates(self.numeric_features) if self.coordinates is None else self.coordinates

    @property
    def formulas(self) -> dict[str, Node]:
        """The derived features as expressions of source columns alone; derived features in them are replaced by their own."""
        trees: dict[str, Node] = {}
        for name, text in self.derived.items():
            trees[name] = replace_columns(parse_expression(text), trees)
        return trees

    @property
    def inputs(self) -> tuple[str, ...]:
        """The raw columns that the model takes: features, and what derived features are computed from."""
        sources = sorted(frozenset[str]().union(*map(columns_of, self.formulas.values())))
        return tuple(dict.fromkeys((*self.numeric_features, *sources, *self.text_features)))

    @property
    def number_inputs(self) -> tuple[str, ...]:
        """The inputs that enter the model as numbers: numbers, and dates as days since 1970-01-01, their time as a fraction."""
        return tuple(name for name in self.inputs if name not in self.text_features)

    def without_columns(self, gone: Set[str]) -> Self:
        """Return the model without the named columns and derived features, and without what is derived from them."""
        names = ("numeric_features", "categorical_features", "frequency_encoded", "target_encoded")
        trees = self.formulas
        kept = {key: tuple(name for name in getattr(self, key) if name not in gone) for key in names}
        derived = {
            name: text for name, text in self.derived_features.items() if name not in gone and not columns_of(trees[name]) & gone
        }
        left = [(column, part) for column, part in self._dated if column not in gone and _part_name(column, part) not in gone]
        dates = {column: tuple(part for each, part in left if each == column) for column, _ in left}
        pairs = None if self.coordinates is None else tuple(pair for pair in self.coordinates if not gone & {*pair})
        return self.model_copy(update={**kept, "derived_features": derived, "date_parts": dates, "coordinates": pairs})


def _part_name(column: str, part: str) -> str:
    return f"{_UNSAFE.sub('_', column)}_{part}"


def _read_day(value: object) -> object:
    """Return a day; a number would be taken for seconds since 1970."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"'{value}' is not a day; write it as 2004-07-01")


Day = Annotated[date, BeforeValidator(_read_day)]


class Split(Section):
    kind: Literal["group", "random", "time", "group_time"] = "group"
    group_key: str | None = None
    test_size: Annotated[float, Field(gt=0, lt=1)] = 0.2
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    repeats: Annotated[int, Field(ge=1, le=100)] = Field(1, description="How many times the rows are cut into folds.")
    max_rows: Annotated[int, Field(ge=100)] | None = Field(
        None, description="Cut the folds from a sample of at most this many training rows; final fits take all of them."
    )
    gap_days: Annotated[int, Field(ge=0)] = Field(
        0, description="Days between the rows that a time split learns from and those it scores."
    )
    train_before: Day | None = Field(
        None,
        description="Of a time split: rows before this day are learned from and chosen on, later ones tested.",
    )
    evaluate_before: Day | None = Field(
        None, description="With train_before: rows from this day on are held out, and only the champion is scored on them, once."
    )
    allow_leaky: bool = Field(False, description="Accept a random split although rows belong together or span dates.")
    refit: Literal["all", "training"] = Field(
        "all", description="What the deployed model learns from once it is chosen and measured: all rows, or the training part."
    )

    @property
    def by_time(self) -> bool:
        """Whether the latest rows are held out, of `cleaning.date_column`."""
        return self.kind in ("time", "group_time")


class Choice(Section):
    metric: str = Field("rmse", description="The metric that candidates are compared by, over the folds.")
    rule: Literal["best", "one_standard_error"] = Field(
        "best", description="The best by the metric (in time, a blend within one standard error), or the smallest within one."
    )

    racing: bool | None = Field(
        None,
        description="Drop candidates that the folds tell from the best, one repeat after the other; the notes say whom and why."
        " null: where the config names no candidates.",
    )
    max_bundle_mb: Annotated[float, Field(gt=0)] = Field(
        100, description="Candidates whose graph has more megabytes are not chosen; a blend leaves members out to stay within."
    )
    # Bags of 5 × 400 to 600 trees take 100 to 140 µs each beside 60 for the call (bike sharing): a blend of two or three.
    max_row_us: Annotated[float, Field(gt=0)] = Field(
        300, description="Candidates whose graph takes more CPU time [microseconds] for one row are not chosen; likewise."
    )
    budget: BudgetText | None = Field(
        None, description="A time, as 30min, after which no further candidate is begun, or how many there are, as 3 trials."
    )

    @property
    def limit(self) -> Budget | None:
        """The budget, read."""
        return None if self.budget is None else parse_budget(self.budget)


class Leakage(Section):
    policy: Literal["warn", "drop", "error"] = Field(
        "warn", description="What happens to columns that give the target away: a warning, they are left out, or exit code 4."
    )


class Intervals(Section):
    level: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.9, description="Share of the actual values that the intervals should hold."
    )
    by: str | None = Field(
        None, description="Calibrate separately within each of `strata`, or each text of this column of the model."
    )
    coverage_by: tuple[str, ...] = Field((), description="Text columns of the model by which the coverage is also reported.")


class Slices(Section):
    # The standard error of an RMSE of n rows is about RMSE / sqrt(2n) for normal errors: 13 % at 30.
    min_rows: Positive = Field(30, description="Slices of fewer rows are left out: their error is noise.")


class Explain(Section):
    max_rows: Positive = 500


class Export(Section):
    parity_tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-5, description="Largest allowed difference of ONNX and Python, in standard deviations of the target."
    )


def check_choice(choice: Choice) -> Problems:
    """Yield where a race and a budget are asked for together."""
    if choice.racing and choice.budget is not None:
        yield ("choice", "budget"), "a race fits all candidates side by side, a budget one after the other; take one of them out"


def parse_transform(text: object) -> tuple[str, str | None]:
    """Split a target transform such as `log1p` or `log_ratio(X)` into its kind and the reference; `ValueError` if it is none."""
    match = _TRANSFORM.match(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"'{text}' is not a target transform; write none, log, log1p, ratio(COLUMN) or log_ratio(COLUMN)")
    return match[1] or match[2], match[3].strip() if match[3] else None


def check_formulas(model: Model, rules: Mapping[str, ColumnRule]) -> Problems:
    """Yield what is wrong with derived features: arithmetic on declared columns, or on derived features defined above them."""
    kinds = {name: KIND[rule.dtype] for name, rule in rules.items() if name != model.target}
    whole: dict[str, Node] = {}
    if len(model.parts_of_dates) < sum(map(len, model.date_parts.values())):
        yield (
            ("model", "date_parts"),
            "a part is named twice, or two columns differ in signs alone; write derived_features instead",
        )
    for name, text in model.derived.items():
        key = ("model", "derived_features" if name in model.derived_features else "date_parts", name)
        try:
            tree = parse_expression(text)
            whole[name] = replace_columns(tree, whole)
            if problem := _formula_problem(name, tree, model, kinds):
                yield key, problem
            elif not columns_of(tree):
                yield key, f"'{text}' is the same for every row"
            else:
                check_formula(tree, kinds)
        except ExpressionError as error:
            yield key, str(error)
        kinds[name] = "number"


def _formula_problem(name: str, tree: Node, model: Model, kinds: Mapping[str, str]) -> str | None:
    unknown = sorted(columns_of(tree) - set(kinds))
    if name in kinds or name == model.target:
        return "there is already a column of this name"
    if model.target in unknown:
        return f"this is computed from the target {model.target}, which a prediction does not know"
    if not unknown:
        return None
    if unknown[0] in model.derived:
        return f"'{unknown[0]}' is a derived feature that is defined below this one; move it above"
    if unknown[0] in model.text_features:
        return f"'{unknown[0]}' is text; a derived feature is arithmetic on numbers"
    return undeclared(unknown[0], kinds)


def check_model(model: Model, columns: Columns) -> Problems:
    """Yield what is wrong with target and features; the derived ones have been checked before."""
    if not model.inputs:
        yield ("model",), "name at least one column in numeric_features or categorical_features"
    features = (*model.numeric_features, *model.categorical_features)
    if len(set(features)) < len(features) or model.target in model.inputs:
        yield ("model",), "a column is named twice among target and features"
    for name in (model.target, *model.numeric_features):
        if not columns.is_number(name):
            reason = _TARGET_IS.get(columns.kind(name), "") if name == model.target else ""
            yield ("contract", "columns", name), "a target or numeric feature must be int or float" + reason
    for name in model.text_features:
        if columns.rule(name).dtype != "string":
            yield ("contract", "columns", name), "a categorical feature must be string"
    for name in model.inputs:
        if name == "prediction" or name.startswith("tabtrail/"):
            yield ("model",), f"a feature cannot be called '{name}': the exported model uses that name"
    for name, text in model.strata.items():
        yield from check_condition(("model", "strata", name), text, columns.dataset, columns)
    for name, earlier in twins(model.strata):
        yield ("model", "strata", name), f"'{name}' differs from '{earlier}' by case alone, and SQL takes {_SUCH}"
    for name, earlier in twins((model.target, *model.inputs, *model.derived_features)):
        if name in model.derived_features:
            yield ("model", "derived_features", name), f"'{name}' differs from '{earlier}' by case alone, and SQL takes {_SUCH}"


_SUCH = "such columns for one; choose another name"


def check_split(split: Split, date_column: str | None) -> Problems:
    """Yield what does not go together in the split."""
    if split.kind in ("group", "group_time") and split.group_key is None:
        yield ("split", "group_key"), "a group split needs the column whose rows stay together"
    if split.by_time and date_column is None:
        yield ("split", "kind"), "a time split needs cleaning.date_column"
    if split.by_time and split.repeats > 1:
        yield ("split", "repeats"), "a time split has one order only; there is nothing to repeat"
    if split.gap_days and not split.by_time:
        yield ("split", "gap_days"), "only a time split has a gap"
    yield from _check_days(split)


def _check_days(split: Split) -> Problems:
    first, last = split.train_before, split.evaluate_before
    if first is None:
        if last is not None:
            yield ("split", "evaluate_before"), "it ends what split.train_before begins; set that too"
        return
    if not split.by_time:
        yield ("split", "train_before"), f"a split by days is one by time; set split.kind: time or group_time, not {split.kind}"
    if last is not None and last <= first:
        yield ("split", "evaluate_before"), f"{last} is not after split.train_before ({first}), so that no day would be evaluated"
    if split.test_size != Split.model_fields["test_size"].default:
        yield ("split", "test_size"), "split.train_before says where the test part begins; leave test_size out"


def check_intervals(intervals: Intervals, model: Model, columns: Columns) -> Problems:
    """Yield what is wrong with the columns by which intervals are calibrated and their coverage is reported."""
    if intervals.by is not None and intervals.by not in ("strata", *model.text_features):
        known = ["strata", *model.text_features]
        yield ("intervals", "by"), f"write strata or a text column of the model{nearest(intervals.by, known)}"
    if intervals.by == "strata":
        yield from _check_strata_of_intervals(model, columns)
    for name in intervals.coverage_by:
        if name not in model.text_features:
            message = f"'{name}' is not a text column of the model{nearest(name, list(model.text_features))}"
            yield ("intervals", "coverage_by"), message


def _check_strata_of_intervals(model: Model, columns: Columns) -> Problems:
    if not model.strata:
        yield ("intervals", "by"), "model.strata is empty"
    for name, text in model.strata.items():
        unknown = sorted((_columns_read(text) - set(model.inputs)) & set(columns.dataset))
        if unknown:
            yield ("model", "strata", name), f"intervals.by is strata, and '{unknown[0]}' is not an input of the model"


def _columns_read(text: str) -> frozenset[str]:
    try:
        return columns_of(parse_expression(text))
    except ExpressionError:
        return frozenset()


_EARLY_MEMBERS = (
    "with a time split each fold's model learned from the days before it alone, so that their average knows little of the last"
    " ones; leave bag out"
)


def check_candidates(candidates: Mapping[str, Mapping[str, Parameter]], model: Model, split: Split) -> Problems:
    """Yield what is wrong with the target transforms of the candidates, and bags whose folds follow one another in time."""
    known = [*model.derived, *model.numeric_features]
    for name, params in candidates.items():
        key = ("candidates", name, "target_transform")
        if params.get("bag") is True and split.by_time:
            yield ("candidates", name, "bag"), _EARLY_MEMBERS
        try:
            _, reference = parse_transform(params.get("target_transform", "none"))
        except ValueError as error:
            yield key, str(error)
            continue
        if reference is not None and reference not in known:
            yield key, f"'{reference}' is not a derived or numeric feature{nearest(reference, known)}"
