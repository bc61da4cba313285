"""The typed tree behind `config_v2.yaml`: frozen, unknown keys refused, paths resolved against the file."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from tabtrail.config.file import KeyPath, RawConfig, config_path, read_raw, resolve_path
from tabtrail.contract.expressions import (
    ExpressionError,
    Node,
    check_formula,
    check_kinds,
    columns_of,
    is_condition,
    parse_expression,
    replace_columns,
)
from tabtrail.contract.schema import ColumnRule, RowRule
from tabtrail.errors import ConfigError, nearest
from tabtrail.system.hashes import sha256_json

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Count = Annotated[int, Field(ge=0, le=12)]
_SAFE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
SafeName = Annotated[str, Field(pattern=_SAFE_NAME, max_length=100)]
FAMILY_NAMES = (
    "MeanBaseline",
    "LinearRegression",
    "RandomForest",
    "GradientBoosting",
    "XGBoost",
    "LightGBM",
    "CatBoost",
    "Blend",
)
MEASURES = ("sum", "avg", "min", "max", "median", "stddev", "count", "count_distinct")
_MEASURE = re.compile(rf"^({'|'.join(MEASURES)})(?:\((.+)\))?$")
_TRANSFORM = re.compile(r"^(none|log1p)$|^(ratio|log_ratio)\((.+)\)$")
_ADDRESS = re.compile(r"^(tcp|tls)://[^\s/]+:[0-9]{1,5}$")
_SQLITE = "sqlite:///"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Paths(Section):
    raw_csv: Path
    processed_dir: Path = Path("data/processed/sales_parquet")
    duckdb_file: Path = Path("duckdb/sales.duckdb")
    models_dir: Path = Path("models")
    output_dir: Path = Path("output")

    @property
    def rejects(self) -> Path:
        """The Parquet file of rejected rows, beside the processed folder."""
        return self.processed_dir.with_name(self.processed_dir.name.removesuffix("_parquet") + "_rejects.parquet")

    @property
    def manifest(self) -> Path:
        return self.processed_dir / "_manifest.json"


class Source(Section):
    encoding: str = Field("auto", description="A Python codec name, or auto: UTF-8 where it decodes, else detected.")
    delimiter: str = Field(",", min_length=1, max_length=1)
    null_values: dict[str, tuple[str, ...]] = Field({}, description="Texts that mean a missing value, by column.")


class Cleaning(Section):
    drop_columns: tuple[str, ...] = ()
    fill_unknown_columns: tuple[str, ...] = ()
    fill_value: str = "Unknown"
    date_column: str | None = None
    date_formats: Annotated[tuple[str, ...], Field(min_length=1)] = ("%Y-%m-%d",)
    year_check_column: str | None = Field(None, description="A column that must hold the year of the date.")
    month_check_column: str | None = Field(None, description="A column that must hold the month of the date.")


class Contract(Section):
    max_reject_share: Share = 0.01
    columns: dict[str, ColumnRule] = {}
    rows: tuple[RowRule, ...] = ()


class Parquet(Section):
    partition_by: tuple[str, ...] = ()


BENCHMARK_TABLES = ("runs", "folds", "error_slices", "predictions")
PROMOTIONS_TABLE = "promotions"
RISK_TABLE = "segment_risks"


class DuckDB(Section):
    table: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "sales"


class Aggregation(Section):
    """One summary. A measure is `count`, or `sum|avg|min|max|median|stddev|count_distinct` of a column in parentheses."""

    name: SafeName
    group_by: Annotated[tuple[str, ...], Field(min_length=1)]
    measures: Annotated[dict[str, str], Field(min_length=1)]
    order_by: str | None = Field(None, description="A measure or group column, optionally followed by asc or desc.")
    limit: Positive | None = None
    plot: Literal["bar"] | None = None


class Model(Section):
    name: SafeName = "model"
    target: str
    currency: str = ""
    numeric_features: tuple[str, ...] = ()
    categorical_features: tuple[str, ...] = ()
    derived_features: dict[SafeName, str] = Field(
        {}, description="Numeric columns computed from others, inside the model: arithmetic, log1p(x), date parts as month(DATE)."
    )
    frequency_encoded: tuple[str, ...] = Field(
        (), description="Text columns that enter as the share of the training rows with the same text."
    )
    target_encoded: tuple[str, ...] = Field(
        (), description="Text columns that enter as the mean target of their text, smoothed and cross-fitted."
    )
    max_categories: Annotated[int, Field(ge=2)] = Field(
        255, description="One-hot columns of a category at most; the rarest texts share the last."
    )
    strata: dict[str, str] = Field({}, description="Named conditions; every metric is also reported within each.")
    random_state: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42

    @property
    def text_features(self) -> tuple[str, ...]:
        """The text columns that the model takes, however they are encoded."""
        return tuple(dict.fromkeys(self.categorical_features + self.frequency_encoded + self.target_encoded))

    @property
    def formulas(self) -> dict[str, Node]:
        """The derived features as expressions of source columns alone, those that they are made of put in."""
        trees: dict[str, Node] = {}
        for name, text in self.derived_features.items():
            trees[name] = replace_columns(parse_expression(text), trees)
        return trees


class Split(Section):
    kind: Literal["group", "random", "time", "group_time"] = "group"
    group_key: str | None = None
    test_size: Annotated[float, Field(gt=0, lt=1)] = 0.2
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    repeats: Annotated[int, Field(ge=1, le=100)] = Field(1, description="How often the rows are cut into folds anew.")
    max_rows: Annotated[int, Field(ge=100)] | None = Field(
        None, description="The folds are cut from a sample of so many training rows at most; final fits take all of them."
    )
    gap_days: Annotated[int, Field(ge=0)] = Field(0, description="Days between what a time split learns from and what it scores.")
    allow_leaky: bool = Field(False, description="Let a random split stand although rows belong together or span dates.")

    @property
    def by_time(self) -> bool:
        """Whether the latest rows are held out, of `cleaning.date_column`."""
        return self.kind in ("time", "group_time")


class Choice(Section):
    rule: Literal["best", "one_standard_error"] = Field(
        "one_standard_error", description="The best, or the smallest model within one standard error of it."
    )


class Leakage(Section):
    policy: Literal["warn", "drop", "error"] = Field(
        "warn", description="What happens to columns that give the target away: a warning, left out, or exit code 4."
    )


class Intervals(Section):
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="The share of truths that an interval is to hold.")
    by: str | None = Field(None, description="Calibrated apart within each: `strata`, or a text column of the model.")
    coverage_by: tuple[str, ...] = Field((), description="Text columns of the model by which the coverage is also reported.")


class Slices(Section):
    min_rows: Positive = Field(30, description="A slice of fewer rows is not reported: its error is noise.")


class Outliers(Section):
    """Rows far outside the middle half of a column (Tukey's fences): below q1 - factor × IQR or above q3 + factor × IQR."""

    factor: Annotated[float, Field(gt=0)] = 1.5
    columns: tuple[str, ...] = Field((), description="Number columns; the target and the numeric features where none is named.")
    action: Literal["report", "drop"] = Field(
        "report", description="drop: ingest rejects them, column after column, each time among the rows that are left."
    )


class Profile(Section):
    outliers: Outliers = Outliers()
    group_by: tuple[str, ...] = Field((), description="Columns by which the target is described; the text features by default.")
    scatter: tuple[tuple[str, str], ...] = Field(
        (), description="Pairs of number columns drawn against one another; the first numeric features and the target by default."
    )
    boxes: tuple[tuple[str, str], ...] = Field(
        (), description="Number column and column that groups it; the target by the first text feature by default."
    )
    points: Positive = Field(1500, description="Rows drawn in a scatter plot at most; the picture says how many it leaves out.")


class Page(Section):
    top_features: Annotated[int, Field(ge=0, le=12)] = Field(4, description="Features whose dependence is drawn.")
    learning_curve_folds: Annotated[int, Field(ge=0, le=100)] = Field(3, description="Folds of the learning curve; 0: none.")


class Mlflow(Section):
    tracking_uri: str = "sqlite:///mlruns/mlflow.db"
    experiment: str = "tabtrail"

    @property
    def sqlite_file(self) -> Path | None:
        """The file of the store, None where it is a server."""
        uri = self.tracking_uri
        return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


class Explain(Section):
    max_rows: Positive = 500


class Export(Section):
    parity_tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-5, description="Largest allowed difference of ONNX and Python, in standard deviations of the target."
    )


class BundleKeys(Section):
    signing_key: Path | None = Field(None, description="An Ed25519 private key (PEM): bundles are signed with it.")
    public_key: Path | None = Field(None, description="Its public key (PEM): a bundle that is not signed with it is refused.")


class Promotion(Section):
    automatic: Literal["gate", "always", "never"] = Field(
        "gate", description="Whether a training replaces the deployed model: if the gate lets it, always, or never."
    )
    require: Literal["not_worse", "better"] = Field(
        "not_worse", description="What the interval of the RMSE difference to the champion must not exclude, or must show."
    )
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="The level of the gate's intervals.")
    max_worse: Annotated[float, Field(ge=0)] = Field(
        0.05, description="RMSE above the champion's that is refused however wide the interval is, as a share."
    )
    coverage_slack: Share = Field(0.02, description="How far below its level the coverage of the intervals may surely be.")


class Serve(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    workers: Positive = Field(1, description="Processes that share the port.")
    api_key_file: Path | None = Field(
        None,
        description="A file with the key that requests must carry; the environment variable TABTRAIL_API_KEY goes before it.",
    )
    max_body_bytes: Positive = Field(1_000_000, description="Of a body with one row.")
    max_batch_bytes: Positive = Field(16_000_000, description="Of a body with many rows.")
    max_batch_rows: Positive = 10_000
    max_in_flight: Positive = Field(1000, description="Requests that a worker works on; one more is answered 503.")
    max_connections: Positive = Field(10_000, description="Of a worker of `tabtrail serve`.")
    body_timeout_seconds: Seconds = Field(10, description="How long a client may take to send headers, and as long for the body.")
    drain_seconds: Seconds = Field(
        10, description="How long requests that are under way may take when the service is told to stop."
    )
    reload_seconds: Seconds = Field(0.2, description="How often the folder of the bundle is looked at.")
    access_log: bool = Field(True, description="Whether `tabtrail serve` writes a line of JSON for each request.")
    shadow_dir: Path | None = Field(None, description="A folder with another bundle that is scored beside the champion.")
    prediction_log_dir: Path | None = Field(None, description="Where predictions and their inputs are kept as Parquet.")
    prediction_log_rows: Positive = Field(10_000, description="Rows of a file of the prediction log.")
    prediction_log_seconds: Seconds = Field(60, description="After so long a file is written however few its rows are.")
    prediction_log_files: Positive = Field(1000, description="Files that are kept; the oldest go first.")


class SarimaOrder(Section):
    """A SARIMA(p, d, q)(P, D, Q) model; the length of the season is that of the frequency."""

    order: tuple[Count, Count, Count]
    seasonal: tuple[Count, Count, Count] = (0, 0, 0)
    trend: Literal["n", "c"] = Field("n", description="n for none, c for a constant.")


class Risk(Section):
    """The forecast of segments and its risk."""

    segments: dict[SafeName, str] = Field(
        {}, description="The columns that rows are told apart by, each under a name of its own."
    )
    value: str | None = Field(None, description="The column that is summed; the target where none is named.")
    frequency: Literal["MS", "W", "D"] = Field("MS", description="Months, weeks from Monday on, or days.")
    drop_incomplete: bool = Field(True, description="Leave out the last period where the data ends before it does.")
    lower_bound: float | None = Field(0, description="No forecast lies below; null for values that can be negative.")
    forecast_steps: Annotated[int, Field(ge=1, le=120)] = 6
    garch_horizon: Annotated[int, Field(ge=1, le=120)] = 6
    models: tuple[Literal["ets", "ets_damped"], ...] = ("ets",)
    sarima: tuple[SarimaOrder, ...] = (
        SarimaOrder(order=(1, 0, 0), trend="c"),
        SarimaOrder(order=(0, 1, 1)),
        SarimaOrder(order=(1, 0, 0), seasonal=(1, 0, 0), trend="c"),
        SarimaOrder(order=(0, 1, 1), seasonal=(0, 1, 1)),
    )
    max_origins: Annotated[int, Field(ge=8, le=500)] = Field(24, description="Origins of the evaluation, the latest ones.")
    hurdle: Annotated[float, Field(ge=0)] = Field(
        2.0, description="Standard errors by which a candidate must beat the default to be chosen."
    )
    intermittent_share: Share = Field(0.5, description="Share of periods without sales from which a series is intermittent.")
    interval_levels: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = (0.8, 0.95)
    returns: Literal["log", "simple"] = "log"
    ewma_decay: Annotated[float, Field(gt=0, lt=1)] = 0.94
    min_returns: Annotated[int, Field(ge=10)] = Field(24, description="No GARCH model is fitted to fewer returns.")
    var_levels: Annotated[tuple[Annotated[float, Field(gt=0.5, lt=1)], ...], Field(min_length=1)] = (0.95, 0.99)
    sweep_plots: Annotated[int, Field(ge=0)] = Field(12, description="Segments of a sweep that are drawn, the largest ones.")
    experiment: str = "tabtrail_risk"


class Engine(Section):
    kind: Literal["serial", "processes", "dask"] = Field(
        "processes", description="Where fits run: in this process, in processes of this machine, or on a Dask cluster."
    )
    workers: Positive = Field(2, description="Processes of this machine; no more are started than it has cores.")
    address: str | None = Field(
        None, description="Of the Dask scheduler, as tcp://127.0.0.1:8786; tls:// with Dask's own settings."
    )
    memory_limit_gib: Annotated[float, Field(gt=0)] | None = Field(
        None, description="What training may take on this machine; by default what is free when it starts."
    )
    lock_seconds: Annotated[float, Field(ge=0)] = Field(
        600, description="How long to wait for another process at work in the project; 0 is not at all."
    )


Parameter = bool | int | float | str | None


class Config(Section):
    version: Literal[2]
    paths: Paths
    source: Source = Source()
    cleaning: Cleaning = Cleaning()
    contract: Contract = Contract()
    parquet: Parquet = Parquet()
    duckdb: DuckDB = DuckDB()
    aggregations: tuple[Aggregation, ...] = ()
    model: Model
    split: Split = Split()
    choice: Choice = Choice()
    leakage: Leakage = Leakage()
    intervals: Intervals = Intervals()
    slices: Slices = Slices()
    profile: Profile = Profile()
    report: Page = Page()
    candidates: dict[SafeName, dict[str, Parameter]] = Field(
        {}, description="Candidates by name; what stands before the first underscore is the model family."
    )
    mlflow: Mlflow = Mlflow()
    explain: Explain = Explain()
    export: Export = Export()
    bundle: BundleKeys = BundleKeys()
    promotion: Promotion = Promotion()
    serve: Serve = Serve()
    risk: Risk = Risk()
    engine: Engine = Engine()
    _root: Path = PrivateAttr(Path())

    def changed(self, **sections: Any) -> "Config":
        """Return the config with other sections."""
        changed = self.model_copy(update=sections)
        changed._root = self._root
        return changed

    def with_candidates(self, candidates: Mapping[str, dict[str, Parameter]]) -> "Config":
        """Return the config with more candidates. Raises `ConfigError` where one does not go with the rest."""
        changed = self.changed(candidates={**self.candidates, **candidates})
        if candidates and (problem := next(_inconsistencies(changed), None)):
            key, message = problem
            raise ConfigError(f"of `tabtrail tune`: {_dotted(key)}: {message}; search again, or remove output/tuning")
        return changed

    def without_columns(self, columns: Iterable[str]) -> "Config":
        """Return the config with a model that takes none of the columns (or derived features), nor what is derived from them.

        Raises `ConfigError` where nothing is left, or a candidate's target transform needs one of them.
        """
        gone = set(columns)
        model = self.model
        derived = {
            name: text
            for name, text in model.derived_features.items()
            if name not in gone and not columns_of(model.formulas[name]) & gone
        }
        names = ("numeric_features", "categorical_features", "frequency_encoded", "target_encoded")
        kept = {key: tuple(name for name in getattr(model, key) if name not in gone) for key in names}
        changed = self.model_copy(update={"model": model.model_copy(update={**kept, "derived_features": derived})})
        changed._root = self._root
        if not changed.inputs:
            raise ConfigError("no column is left for the model: all give the target away; set leakage.policy: warn to keep them")
        if problems := list(_inconsistencies(changed)):
            key, message = problems[0]
            raise ConfigError(f"without {', '.join(sorted(gone))} the config does not hold: {_dotted(key)}: {message}")
        return changed

    @property
    def root(self) -> Path:
        """The folder of the YAML file, where relative paths start."""
        return self._root

    def column_rule(self, name: str) -> ColumnRule:
        """Return what a source column must be: as its contract says, else as its role asks, else text."""
        if name in self.contract.columns:
            return self.contract.columns[name]
        if name in (self.model.target, *self.model.numeric_features):
            return ColumnRule("float")
        if name == self.cleaning.date_column:
            return ColumnRule("date")
        return ColumnRule("int" if name in self.derived_columns else "string")

    def column_kind(self, name: str) -> str:
        """Return the dtype of a column of the dataset, the ones that ingest adds included."""
        return "int" if name in self.derived_columns else self.column_rule(name).dtype

    @property
    def required_columns(self) -> list[str]:
        """The columns that the CSV must have: every one that the config names, contract first."""
        cleaning = self.cleaning
        named = (
            *self.contract.columns,
            *self.source.null_values,
            *cleaning.drop_columns,
            *cleaning.fill_unknown_columns,
            cleaning.date_column,
            cleaning.year_check_column,
            cleaning.month_check_column,
            self.model.target,
            *self.inputs,
            self.split.group_key,
        )
        return list(dict.fromkeys(name for name in named if name is not None and name not in self.derived_columns))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The raw columns that the model takes: features, and what derived features are computed from."""
        model = self.model
        sources = sorted(frozenset[str]().union(*map(columns_of, model.formulas.values())))
        return tuple(dict.fromkeys((*model.numeric_features, *sources, *model.text_features)))

    @property
    def number_inputs(self) -> tuple[str, ...]:
        """The inputs that enter the model as numbers: numbers, and dates as days since 1970-01-01."""
        return tuple(name for name in self.inputs if name not in self.model.text_features)

    @property
    def outlier_columns(self) -> tuple[str, ...]:
        """The columns in which outliers are looked for."""
        own = (*self.model.numeric_features, self.model.target)
        return self.profile.outliers.columns or tuple(name for name in own if name not in self.derived_columns)

    @property
    def derived_columns(self) -> tuple[str, ...]:
        """The columns that ingest adds."""
        return ("YEAR", "MONTH") if self.cleaning.date_column else ()

    def ingest_digest(self) -> str:
        """Return the sha256 of all that the result of an ingest depends on: the rules of the columns, not what is learned."""
        rules = {name: asdict(self.column_rule(name)) for name in sorted(self.required_columns)}
        dropped = self.profile.outliers.model_dump() if self.profile.outliers.action == "drop" else None
        numbers = self.outlier_columns if dropped else None
        return sha256_json([self.digest("source", "cleaning", "contract", "parquet"), rules, self.model.target, dropped, numbers])

    def digest(self, *sections: str) -> str:
        """Return the sha256 of the named sections (all that a benchmark depends on for none), free of where the files lie."""
        # What is only looked at, or is of other results, is in the digest where it is asked for alone.
        apart = {"profile", "report", "risk", "aggregations", "duckdb"} - set(sections)
        tree = json.loads(self.model_dump_json(exclude={"paths", "mlflow", "bundle", "promotion", "serve", "engine", *apart}))
        return sha256_json({name: tree[name] for name in sections or tree})


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read, check and resolve the configuration; precedence flag > environment > file > default.

    Raises `ConfigError` with one line for each problem: file and line (or the override), key path, what is wrong.
    """
    raw = read_raw(config_path(path), overrides)
    try:
        config = Config.model_validate(raw.values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(raw, dict(detail)) for detail in error.errors())) from None
    problems = [f"{raw.locate(key)}: {_dotted(key)}: {message}" for key, message in _inconsistencies(config)]
    if problems:
        raise ConfigError("\n".join(problems))
    return _resolve(config, raw.root)


def config_from_run(tree: dict[str, Any], here: Config) -> Config:
    """Return the config that a run recorded, with the paths, the MLflow store and the engine of this project."""
    own = here.model_dump(mode="json", include={"paths", "mlflow", "bundle", "promotion", "engine"})
    try:
        config = Config.model_validate({**tree, **own})
    except ValidationError as error:
        raise ConfigError(f"the config that the run recorded cannot be read: {error.errors()[0]['msg']}") from None
    config._root = here._root
    return config


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of the YAML file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def parse_measure(text: str) -> tuple[str, str | None]:
    """Split a measure such as `sum(SALES)` or `count` into function and column (None for `count`); `ValueError` if it is none."""
    match = _MEASURE.match(text.strip())
    if match is None or (match[2] is None) != (match[1] == "count"):
        raise ValueError(f"'{text}' is not a measure; write count, or one of {', '.join(MEASURES)} with a column, as sum(SALES)")
    return match[1], match[2].strip() if match[2] else None


def parse_transform(text: object) -> tuple[str, str | None]:
    """Split a target transform such as `log1p` or `log_ratio(X)` into its kind and the reference; `ValueError` if it is none."""
    match = _TRANSFORM.match(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"'{text}' is not a target transform; write none, log1p, ratio(COLUMN) or log_ratio(COLUMN)")
    return match[1] or match[2], match[3].strip() if match[3] else None


def _resolve(config: Config, root: Path) -> Config:
    paths = {name: resolve_path(root, value) for name, value in config.paths}
    uri = config.mlflow.tracking_uri
    if config.mlflow.sqlite_file is not None:
        uri = _SQLITE + str(resolve_path(root, config.mlflow.sqlite_file))
    keys = {name: None if value is None else resolve_path(root, value) for name, value in config.bundle}
    serve = {name: resolve_path(root, value) for name, value in config.serve if isinstance(value, Path)}
    resolved = config.model_copy(
        update={
            "paths": Paths.model_validate(paths),
            "mlflow": config.mlflow.model_copy(update={"tracking_uri": uri}),
            "bundle": BundleKeys.model_validate(keys),
            "serve": config.serve.model_copy(update=serve),
        }
    )
    resolved._root = root
    return resolved


def _explain(raw: RawConfig, detail: dict[str, Any]) -> str:
    unknown = detail["type"] in ("extra_forbidden", "unexpected_keyword_argument")
    # Pydantic ends the path of a key that cannot be one with "[key]".
    key: KeyPath = detail["loc"] if unknown or detail["loc"][-1:] != ("[key]",) else detail["loc"][:-1]
    where = f"{raw.locate(key)}: {_dotted(key)}"
    if unknown:
        return f"{where}: unknown key{nearest(str(key[-1]), _fields_at(key[:-1]))}"
    if detail["type"] in ("missing", "missing_argument"):
        return f"{where}: this key is required"
    message = str(detail["msg"])
    if detail["type"] == "string_pattern_mismatch" and _SAFE_NAME in message:
        message = "a name has letters, digits, '_', '-' and '.', and begins with a letter, a digit or '_'"
    return f"{where}: {message[:1].lower()}{message[1:]}"


def _fields_at(key: KeyPath) -> list[str]:
    """Return the key names that are valid below a key path."""
    annotation: Any = Config
    for part in key:
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        elif get_origin(annotation) is tuple or get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "model_fields") and part in annotation.model_fields:
            annotation = annotation.model_fields[part].annotation
        else:
            return []
    return list(getattr(annotation, "model_fields", None) or getattr(annotation, "__dataclass_fields__", None) or {})


def _dotted(key: KeyPath) -> str:
    return ".".join(str(part) for part in key)


def _inconsistencies(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Yield key path and message of what the sections say against one another."""
    model, cleaning, split = config.model, config.cleaning, config.split
    formula_problems = list(_check_formulas(config))
    yield from formula_problems
    if formula_problems:
        return
    used = (model.target, *config.inputs, split.group_key, cleaning.date_column)
    kept = [name for name in config.required_columns if name in used or name not in cleaning.drop_columns]
    known = [*kept, *config.derived_columns]
    yield from _check_paths(config)
    yield from _check_columns(config)
    if not config.inputs:
        yield ("model",), "name at least one column in numeric_features or categorical_features"
    for name in used:
        if name is not None and name in cleaning.drop_columns:
            yield ("cleaning", "drop_columns"), f"'{name}' is dropped and used at once"
    features = (*model.numeric_features, *model.categorical_features)
    if len(set(features)) < len(features) or model.target in config.inputs:
        yield ("model",), "a column is named twice among target and features"
    for name in (model.target, *model.numeric_features):
        if name not in config.derived_columns and config.column_rule(name).dtype not in ("int", "float"):
            yield ("contract", "columns", name), "a target or numeric feature must be int or float"
    for name in model.text_features:
        if config.column_rule(name).dtype != "string":
            yield ("contract", "columns", name), "a categorical feature must be string"
    if cleaning.date_column is not None and config.column_rule(cleaning.date_column).dtype != "date":
        yield ("contract", "columns", cleaning.date_column), "the date column must be date"
    for name, rule in config.contract.columns.items():
        if name in config.derived_columns:
            yield ("contract", "columns", name), "ingest adds this column from the date; the source cannot have it"
        if rule.dtype == "date" and name != cleaning.date_column:
            yield ("contract", "columns", name), "only cleaning.date_column can be a date; keep others as string"
    names = [row.name for row in config.contract.rows]
    for index, row in enumerate(config.contract.rows):
        if names.index(row.name) < index:
            yield ("contract", "rows", index, "name"), f"another rule is called '{row.name}' too"
        yield from _check_condition(("contract", "rows", index, "check"), row.check, config, config.required_columns)
    for name, params in config.candidates.items():
        yield from _check_transform(("candidates", name, "target_transform"), params, config)
        if (family := name.partition("_")[0]) not in FAMILY_NAMES:
            known_families = f" (known: {', '.join(FAMILY_NAMES)})"
            yield ("candidates", name), f"unknown model family '{family}'{nearest(family, list(FAMILY_NAMES))}{known_families}"
    for name, text in model.strata.items():
        yield from _check_condition(("model", "strata", name), text, config, known)
    for name in config.parquet.partition_by:
        if name not in known:
            yield ("parquet", "partition_by"), _undeclared(name, known)
        if set(name) & set("/=%") or config.parquet.partition_by.count(name) > 1:
            yield ("parquet", "partition_by"), f"'{name}' cannot name folders: it stands twice, or has one of / = %"
    if split.kind in ("group", "group_time") and split.group_key is None:
        yield ("split", "group_key"), "a group split needs the column whose rows stay together"
    if split.by_time and cleaning.date_column is None:
        yield ("split", "kind"), "a time split needs cleaning.date_column"
    if split.by_time and split.repeats > 1:
        yield ("split", "repeats"), "a time split has one order only; there is nothing to repeat"
    if config.engine.kind == "dask" and config.engine.address is None:
        yield ("engine", "address"), "engine.kind dask needs the address of its scheduler, as tcp://127.0.0.1:8786"
    if config.engine.address is not None and not _ADDRESS.match(config.engine.address):
        yield ("engine", "address"), f"'{config.engine.address}' is no address; write tcp://HOST:PORT or tls://HOST:PORT"
    if split.gap_days and not split.by_time:
        yield ("split", "gap_days"), "only a time split has a gap"
    if config.intervals.by is not None and config.intervals.by not in ("strata", *model.text_features):
        known_by = ["strata", *model.text_features]
        yield ("intervals", "by"), f"write strata or a text column of the model{nearest(config.intervals.by, known_by)}"
    if config.intervals.by == "strata":
        if not model.strata:
            yield ("intervals", "by"), "there are no model.strata"
        for name, text in model.strata.items():
            unknown = sorted((_columns_read(text) - set(config.inputs)) & set(known))
            if unknown:
                yield ("model", "strata", name), f"intervals are apart by strata, and '{unknown[0]}' is not an input of the model"
    for name in config.intervals.coverage_by:
        if name not in model.text_features:
            message = f"'{name}' is not a text column of the model{nearest(name, list(model.text_features))}"
            yield ("intervals", "coverage_by"), message
    yield from _check_profile(config, known)
    yield from _check_risk(config, known)
    if config.duckdb.table.lower() in (own := (*BENCHMARK_TABLES, PROMOTIONS_TABLE, RISK_TABLE)):
        yield ("duckdb", "table"), f"tables of results are called {', '.join(own)}; choose another name"
    if len({aggregation.name for aggregation in config.aggregations}) < len(config.aggregations):
        yield ("aggregations",), "two aggregations have the same name"
    for index, aggregation in enumerate(config.aggregations):
        yield from _check_aggregation(("aggregations", index), aggregation, config, known)


def _check_risk(config: Config, known: list[str]) -> Iterator[tuple[KeyPath, str]]:
    risk = config.risk
    for name, column in risk.segments.items():
        if column not in known:
            yield ("risk", "segments", name), _undeclared(column, known)
        elif config.column_kind(column) not in ("string", "int"):
            yield ("risk", "segments", name), f"'{column}' is neither text nor int; rows cannot be told apart by it"
    if len(set(risk.segments.values())) < len(risk.segments):
        yield ("risk", "segments"), "a column is named twice"
    if risk.value is not None and risk.value not in known:
        yield ("risk", "value"), _undeclared(risk.value, known)
    elif risk.value is not None and config.column_kind(risk.value) not in ("int", "float"):
        yield ("risk", "value"), f"'{risk.value}' is no number; it cannot be summed"
    if len(set(risk.interval_levels)) < len(risk.interval_levels) or len(set(risk.var_levels)) < len(risk.var_levels):
        yield ("risk",), "a level is named twice"


def _check_profile(config: Config, known: list[str]) -> Iterator[tuple[KeyPath, str]]:
    profile = config.profile
    numbers = [
        *profile.outliers.columns,
        *(name for pair in profile.scatter for name in pair),
        *(pair[0] for pair in profile.boxes),
    ]
    for name in (*numbers, *profile.group_by, *(pair[1] for pair in profile.boxes)):
        if name not in known:
            yield ("profile",), _undeclared(name, known)
        elif name in numbers and config.column_kind(name) not in ("int", "float"):
            yield ("profile",), f"'{name}' is no number"
    for name in profile.outliers.columns:
        if name in config.derived_columns:
            yield ("profile", "outliers", "columns"), f"'{name}' is made of the date; it has no outliers of its own"


def _check_paths(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """The processed folder is replaced as a whole, so that nothing else may lie in it. Paths are still as written."""
    here, folder = Path(), config.paths.processed_dir
    inside = [name for name, path in config.paths if name != "processed_dir" and (here / path).is_relative_to(here / folder)]
    if folder == here or (folder.is_absolute() and not folder.name):
        yield ("paths", "processed_dir"), "this would replace the folder of the config file; name a folder in it"
    elif inside:
        yield ("paths", "processed_dir"), f"this folder is replaced as a whole, and paths.{inside[0]} lies in it"


def _check_columns(config: Config) -> Iterator[tuple[KeyPath, str]]:
    for name, rule in config.contract.columns.items():
        key = ("contract", "columns", name)
        if (rule.min is not None or rule.max is not None) and rule.dtype not in ("int", "float"):
            yield key, "min and max are for numbers (int or float)"
        wanted = str if rule.dtype == "string" else int | float
        if rule.allowed is not None and not all(isinstance(value, wanted) for value in rule.allowed):
            yield (*key, "allowed"), f"these are not all values of a {rule.dtype} column"
    for name in config.inputs:
        if name == "prediction" or name.startswith("tabtrail/"):
            yield ("model",), f"a feature cannot be called '{name}': the exported model uses that name"
    for name in config.cleaning.fill_unknown_columns:
        if config.column_rule(name).dtype != "string" or name == config.model.target:
            yield ("cleaning", "fill_unknown_columns"), f"'{name}' is not a text column, so it cannot hold a word"


def _columns_read(text: str) -> frozenset[str]:
    try:
        return columns_of(parse_expression(text))
    except ExpressionError:
        return frozenset()


def _check_formulas(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Derived features are arithmetic on declared columns, or on derived features that stand above them."""
    names = dict.fromkeys((*config.contract.columns, *config.model.numeric_features, config.cleaning.date_column))
    columns = [name for name in (*names, *config.derived_columns) if name is not None]
    kinds = {name: _KIND[config.column_rule(name).dtype] for name in columns}
    kinds.pop(config.model.target, None)
    for name, text in config.model.derived_features.items():
        key = ("model", "derived_features", name)
        try:
            tree = parse_expression(text)
            unknown = sorted(columns_of(tree) - set(kinds))
            if name in kinds or name == config.model.target:
                yield key, "there is already a column of this name"
            elif config.model.target in unknown:
                yield key, f"this is computed from the target {config.model.target}, which a prediction does not know"
            elif unknown and unknown[0] in config.model.derived_features:
                yield key, f"'{unknown[0]}' is a derived feature that stands below this one; move it above"
            elif unknown and unknown[0] in config.model.text_features:
                yield key, f"'{unknown[0]}' is text; a derived feature is arithmetic on numbers"
            elif unknown:
                yield key, _undeclared(unknown[0], list(kinds))
            elif not columns_of(tree):
                yield key, f"'{text}' is the same for every row"
            else:
                check_formula(tree, kinds)
        except ExpressionError as error:
            yield key, str(error)
        kinds[name] = "number"


def _check_transform(key: KeyPath, params: Mapping[str, Parameter], config: Config) -> Iterator[tuple[KeyPath, str]]:
    text = params.get("target_transform", "none")
    try:
        _, reference = parse_transform(text)
    except ValueError as error:
        yield key, str(error)
        return
    known = [*config.model.derived_features, *config.model.numeric_features]
    if reference is not None and reference not in known:
        yield key, f"'{reference}' is not a derived or numeric feature{nearest(reference, known)}"


_KIND = {"int": "number", "float": "number", "string": "text", "date": "date"}


def _check_condition(key: KeyPath, text: str, config: Config, known: list[str]) -> Iterator[tuple[KeyPath, str]]:
    try:
        tree = parse_expression(text)
    except ExpressionError as error:
        yield key, str(error)
        return
    if not is_condition(tree):
        yield key, f"'{text}' gives a number; write a comparison"
    undeclared = sorted(columns_of(tree) - set(known))
    for name in undeclared:
        yield key, _undeclared(name, known)
    if not undeclared:
        declared = {name: _KIND[config.column_rule(name).dtype] for name in config.required_columns}
        try:
            check_kinds(tree, declared | dict.fromkeys(config.derived_columns, "number"))
        except ExpressionError as error:
            yield key, str(error)


def _check_aggregation(key: KeyPath, aggregation: Aggregation, config: Config, known: list[str]) -> Iterator[tuple[KeyPath, str]]:
    for name in aggregation.group_by:
        if name not in known:
            yield (*key, "group_by"), _undeclared(name, known)
    for measure, text in aggregation.measures.items():
        try:
            function, column = parse_measure(text)
        except ValueError as error:
            yield (*key, "measures", measure), str(error)
            continue
        if column is not None and column not in known:
            yield (*key, "measures", measure), _undeclared(column, known)
        elif column is not None and config.column_kind(column) not in ("int", "float"):
            if function in ("sum", "avg", "median", "stddev"):
                yield (*key, "measures", measure), f"'{column}' is no number; it has no {function}"
            elif function in ("min", "max") and aggregation.plot:
                yield (*key, "plot"), f"'{text}' is no number that could be drawn"
    if aggregation.order_by is not None:
        name, _, direction = aggregation.order_by.partition(" ")
        outputs = [*aggregation.group_by, *aggregation.measures]
        if name not in outputs or direction not in ("", "asc", "desc"):
            yield (*key, "order_by"), f"write a measure or group column, then asc or desc{nearest(name, outputs)}"


def _undeclared(name: str, known: list[str]) -> str:
    return f"'{name}' is not a declared column{nearest(name, known) or '; declare it in contract.columns'}"
