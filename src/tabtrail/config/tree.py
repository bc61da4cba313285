"""The typed tree behind `config_v2.yaml`: all its sections, and whether they go together.

Functions below `workflows` take the sections that they need, not the whole `Config`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from tabtrail.config.alerts import Alerts, check_alerts
from tabtrail.config.cleaning import Cleaning, check_cleaning, check_deduplicate
from tabtrail.config.columns import Columns
from tabtrail.config.coordinates import check_coordinates
from tabtrail.config.data import (
    Contract,
    Parquet,
    Paths,
    Source,
    check_contract,
    check_numbers,
    check_origin,
    check_parquet,
    check_paths,
    check_source,
)
from tabtrail.config.dataset import Database, Dataset, TableRules
from tabtrail.config.default_names import with_names_of_data
from tabtrail.config.demand import Demand, check_demand
from tabtrail.config.drift import Drift, check_drift
from tabtrail.config.file import KeyPath, Places, dotted
from tabtrail.config.forecast import Risk, check_risk
from tabtrail.config.model import (
    Choice,
    Explain,
    Export,
    Intervals,
    Leakage,
    Model,
    Slices,
    Split,
    check_candidates,
    check_choice,
    check_formulas,
    check_intervals,
    check_model,
    check_split,
)
from tabtrail.config.operation import BundleKeys, Engine, Mlflow, Promotion, Serve, check_engine, check_mlflow, check_serve
from tabtrail.config.quality import Quality, check_quality
from tabtrail.config.section import Parameter, Problems, SafeName, Section
from tabtrail.config.summaries import Aggregation, DuckDB, Page, Profile, check_aggregations, check_profile, check_table
from tabtrail.config.texts import check_alias_columns, check_contexts_are_taken, check_literals, check_texts
from tabtrail.config.warehouse import Warehouse, check_warehouse
from tabtrail.contract.schema import ColumnRule
from tabtrail.contract.wide import made_columns
from tabtrail.errors import ConfigError
from tabtrail.system.alert import Channel
from tabtrail.system.hashes import sha256_json


def _model_of(demand: Demand) -> Model:
    """Return a model that gives the columns of a demand their roles."""
    texts = (*demand.series, *demand.static)
    return Model(
        name=demand.name,
        target=demand.target,
        currency=demand.currency,
        numeric_features=demand.known_ahead,
        categorical_features=texts,
        random_state=demand.random_state,
    )


class Config(Section):
    version: Literal[2]
    paths: Paths = Field(default_factory=lambda: Paths.model_validate({}))
    source: Source = Source()
    cleaning: Cleaning = Cleaning()
    contract: Contract = Contract()
    parquet: Parquet = Parquet()
    duckdb: DuckDB = DuckDB()
    aggregations: tuple[Aggregation, ...] = ()
    warehouse: Warehouse = Warehouse()
    model: Model
    demand: Demand | None = None
    split: Split = Split()
    choice: Choice = Choice()
    leakage: Leakage = Leakage()
    intervals: Intervals = Intervals()
    slices: Slices = Slices()
    profile: Profile = Profile()
    report: Page = Page()
    candidates: dict[SafeName, dict[str, Parameter]] = Field(
        {}, description="Candidates by name; the part before the first underscore is the model family."
    )
    mlflow: Mlflow = Mlflow()
    explain: Explain = Explain()
    export: Export = Export()
    bundle: BundleKeys = BundleKeys()
    promotion: Promotion = Promotion()
    serve: Serve = Serve()
    risk: Risk = Risk()
    drift: Drift = Drift()
    quality: Quality = Quality()
    engine: Engine = Engine()
    alerts: Alerts = Alerts()
    _root: Path = PrivateAttr(Path())
    _places: Places = PrivateAttr(Places())
    _whole: Self | None = PrivateAttr(None)
    _words: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="before")
    @classmethod
    def _columns_of_demand(cls, tree: Any) -> Any:
        """Without `model`, the columns of `demand` have the roles that a model's would: the stages before training need that."""
        tree = with_names_of_data(tree) if isinstance(tree, dict) else tree
        if not isinstance(tree, dict) or not tree.get("demand"):
            return tree
        try:
            demand = Demand.model_validate(tree["demand"])
        except ValidationError:  # which is reported with its keys where the section itself is read; the model is no second fault
            return {"model": Model.model_construct(target=""), **tree}
        if isinstance(given := tree.get("model"), dict):
            # What a run recorded of a config without `model` has that of the demand written out.
            if given.get("name", "model") == demand.name and given != _model_of(demand).model_dump(mode="json"):
                raise ValueError(f"model.name and demand.name are both '{demand.name}'; give one of them another")
            return tree
        if "model" in tree:
            return tree
        return {**tree, "demand": demand, "model": _model_of(demand)}

    @property
    def is_demand_only(self) -> bool:
        """Whether there are series to forecast and no model of single rows."""
        return self.demand is not None and self.model == _model_of(self.demand)

    def for_demand(self) -> Self:
        """Return the config as the model of series sees it: where there is one of rows too, that of series lies in a folder of
        its own beside, since a deployment replaces a folder as a whole.
        """
        if self.demand is None or self.is_demand_only:
            return self
        view = self.changed(model=_model_of(self.demand), paths=self.paths.of_demand())
        view._whole = self
        return view

    @property
    def keeps_plans(self) -> bool:
        """Whether rows without a target are kept: the plan that series are forecast with. A model of rows leaves them out."""
        return self.demand is not None and self.demand.target == self.model.target

    @property
    def is_view(self) -> bool:
        """Whether this is what `for_demand` made of a config with a model of rows too: tables of the project are not of it."""
        return self._whole is not None

    @property
    def is_of_series(self) -> bool:
        """Whether what is deployed by this config is a model of series."""
        return self.is_demand_only or self.is_view

    @property
    def whole(self) -> Self:
        """The config that this is a view of, itself where it is none."""
        return self._whole or self

    @property
    def root(self) -> Path:
        """The folder of the YAML file, where relative paths start."""
        return self._root

    @property
    def origin(self) -> str:
        """What the rows come from, for people: the file or pattern, or the table."""
        return str(self.paths.source) if self.paths.source is not None else self.source.table or "source.query"

    @property
    def words(self) -> tuple[str, ...]:
        """The words of a command line by which another process reads this config: its file and what was set over it."""
        return self._words

    def locate(self, key: KeyPath) -> str:
        """Place of a key, for messages: file and line of it or of its nearest parent, or the override that set it."""
        return self._places.locate(key)

    @property
    def overrides(self) -> dict[str, str]:
        """The keys that the environment or the command line set, each with the variable or flag that did."""
        return {dotted(key): origin for key, origin in self._places.origins.items()}

    def placed(self, root: Path, places: Places, words: tuple[str, ...] = ()) -> Self:
        """Return the config with the folder of its YAML file, where its keys stand, and the words that name both."""
        placed = self.model_copy()
        placed._root, placed._places, placed._words = root, places, words
        return placed

    def changed(self, **sections: Any) -> Self:
        """Return the config with other sections."""
        return self.model_copy(update=sections)

    def with_candidates(self, candidates: Mapping[str, dict[str, Parameter]]) -> Self:
        """Return the config with more candidates. Raises `ConfigError` where one does not go with the rest."""
        changed = self.changed(candidates={**self.candidates, **candidates})
        if candidates and (problem := next(inconsistencies(changed), None)):
            key, message = problem
            raise ConfigError(f"of `tabtrail tune`: {dotted(key)}: {message}; search again, or remove output/tuning")
        return changed

    def without_columns(self, columns: Iterable[str]) -> Self:
        """Return the config with a model that takes none of the columns (or derived features), nor what is derived from them.

        Raises `ConfigError` where nothing is left, or a candidate's target transform needs one of them.
        """
        gone = set(columns)
        changed = self.changed(model=self.model.without_columns(gone))
        if not changed.model.inputs:
            raise ConfigError("no column is left for the model: all give the target away; set leakage.policy: warn to keep them")
        if problems := list(inconsistencies(changed)):
            key, message = problems[0]
            raise ConfigError(f"without {', '.join(sorted(gone))} the config does not hold: {dotted(key)}: {message}")
        return changed

    @property
    def columns(self) -> Columns:
        """The columns of the source and the dataset. Computed at each call: take it once, outside of loops."""
        cleaning, derived = self.cleaning, self.cleaning.derived_columns
        named = (*self.declared_columns, *cleaning.alias_columns)
        required = tuple(dict.fromkeys(name for name in named if name not in derived))
        used = self.used_columns
        kept = [name for name in required if name in used or name not in cleaning.drop_columns]
        return Columns(required, derived, (*kept, *derived), self.column_rules)

    @property
    def declared_columns(self) -> tuple[str, ...]:
        """The columns that the config names, but those that only `cleaning.aliases` does."""
        cleaning = self.cleaning
        named = (
            *self.contract.columns,
            *self.source.null_values,
            *cleaning.drop_columns,
            *cleaning.fill_unknown_columns,
            *cleaning.spelled_columns,
            cleaning.date_column,
            *cleaning.dates,
            cleaning.year_check_column,
            cleaning.month_check_column,
            self.model.target,
            *self.model.inputs,
            self.split.group_key,
            *made_columns(self.melted),
        )
        return tuple(name for name in named if name is not None)

    @property
    def used_columns(self) -> tuple[str, ...]:
        """The columns that training reads."""
        named = (self.model.target, *self.model.inputs, self.split.group_key, self.cleaning.date_column)
        return tuple(name for name in named if name is not None)

    @property
    def column_rules(self) -> dict[str, ColumnRule]:
        """What columns must be that are not just text: as their contract says, else as their role in the model asks."""
        date = self.cleaning.date_column
        rules = dict(self.contract.columns)
        for name in (*self.model.numeric_features, self.model.target):
            rules.setdefault(name, ColumnRule("float"))
        if date is not None:
            rules.setdefault(date, ColumnRule("date"))
        for name in self.cleaning.dates:
            rules.setdefault(name, ColumnRule("date"))
        for name in self.cleaning.derived_columns:
            rules.setdefault(name, ColumnRule("int"))
        return rules

    @property
    def dataset(self) -> Dataset:
        """Paths of the dataset, and the columns that name its folders."""
        columns, paths = self.columns, self.paths
        keys = {name: columns.kind(name) for name in self.parquet.partition_by}
        return Dataset(paths.processed_dir, paths.manifest, paths.rejects, paths.refused, keys)

    @property
    def database(self) -> Database:
        """Path of the DuckDB file, and what it holds."""
        return Database(self.paths.duckdb_file, self.duckdb.table, self.dataset, self.paths.output_dir)

    @property
    def table_rules(self) -> TableRules:
        """How rows of the source become rows of the dataset."""
        return TableRules(
            self.source,
            self.cleaning,
            self.contract,
            self.columns,
            self.model.target,
            needed=not self.keeps_plans,
            melted=self.melted,
        )

    @property
    def melted(self) -> Mapping[str, str]:
        """The long columns of a wide file with the patterns of their wide ones; none where files are long."""
        return self.demand.melt.columns if self.demand is not None and self.demand.melt is not None else {}

    @property
    def outlier_columns(self) -> tuple[str, ...]:
        """The columns in which outliers are looked for."""
        own = (*self.model.numeric_features, self.model.target)
        return self.profile.outliers.columns or tuple(name for name in own if name not in self.cleaning.derived_columns)

    def alert_channel(self, kind: str) -> Channel | None:
        """Return where an event of a kind is told, None where it is not."""
        return self.alerts.channel(kind, root=self.root, output_dir=self.paths.output_dir)

    def ingest_digest(self) -> str:
        """Return the sha256 of all that the result of an ingest depends on: the rules of the columns, not what is learned."""
        columns = self.columns
        rules = {name: asdict(columns.rule(name)) for name in sorted(columns.required)}
        dropped = self.profile.outliers.model_dump() if self.profile.outliers.action == "drop" else None
        numbers = self.outlier_columns if dropped else None
        known = [self.digest("source", "cleaning", "contract", "parquet"), rules, self.model.target, dropped, numbers]
        plan = ["rows of a plan are kept"] if self.keeps_plans else []
        return sha256_json([*known, *plan, *([dict(self.melted)] if self.melted else [])])

    def digest(self, section: str, *more: str) -> str:
        """Return the sha256 of the values of the named sections, those of defaults included."""
        return sha256_json(json.loads(self.model_dump_json(include={section, *more})))


def inconsistencies(config: Config) -> Problems:
    """Yield key path and message of what the sections say against one another."""
    formula_problems = list(check_formulas(config.model, config.column_rules))
    yield from formula_problems
    if formula_problems:
        return  # without the formulas, the columns that the model needs are not known
    model, date, columns = config.model, config.cleaning.date_column, config.columns
    yield from check_paths(config.paths)
    yield from check_source(config.source)
    yield from check_origin(config.paths, config.source)
    if not config.is_demand_only:
        yield from check_model(model, columns)
        yield from check_coordinates(model.coordinates or (), model.numeric_features)
    if config.demand is not None:
        yield from check_demand(config.demand, date, columns)
    yield from _check_dropped(config.cleaning, config.used_columns)
    yield from check_texts(config.table_rules)
    yield from check_alias_columns(config.cleaning, config.declared_columns)
    if not config.is_demand_only:
        yield from check_contexts_are_taken(config.cleaning.stated_tables, model.inputs, "model.categorical_features")
    if config.demand is not None:
        series = (*config.demand.series, *config.demand.static)
        yield from check_contexts_are_taken(config.cleaning.stated_tables, series, "demand.static")
    yield from check_literals(_conditions(config), config.table_rules)
    yield from check_cleaning(config.cleaning, model.target, columns)
    yield from check_deduplicate(config.cleaning.deduplicate, columns, has_series=config.demand is not None)
    yield from check_contract(config.contract, columns)
    yield from check_numbers(config.source, config.contract)
    yield from check_candidates(config.candidates, model, config.split)
    yield from check_choice(config.choice)
    yield from check_parquet(config.parquet, columns)
    if not config.is_demand_only:
        yield from check_split(config.split, date)
    yield from check_engine(config.engine, config.split.max_rows)
    yield from check_alerts(config.alerts)
    yield from check_serve(config.serve, model.inputs)
    yield from check_quality(config.quality)
    yield from check_mlflow(config.mlflow)
    yield from check_intervals(config.intervals, model, columns)
    yield from check_profile(config.profile, columns)
    yield from check_risk(config.risk, columns)
    yield from check_drift(config.drift, columns)
    yield from check_table(config.duckdb)
    yield from check_aggregations(config.aggregations, columns)
    yield from check_warehouse(config.warehouse, columns, tuple(each.name for each in config.aggregations))


def _conditions(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Yield the expressions that may compare texts, by their keys."""
    for index, row in enumerate(config.contract.rows):
        yield ("contract", "rows", index, "check"), row.check
    for name, text in config.model.strata.items():
        yield ("model", "strata", name), text
    for name, text in config.model.derived_features.items():
        yield ("model", "derived_features", name), text


def _check_dropped(cleaning: Cleaning, used: tuple[str, ...]) -> Problems:
    for name in used:
        if name in cleaning.drop_columns:
            yield ("cleaning", "drop_columns"), f"'{name}' is both dropped and used"
