"""A project as its stages see it: what each reads and leaves. The declarations in `pipeline` name these methods."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabtrail.bundle.load import Bundle, load_bundle
from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest, dataset_files, read_manifest, verify_dataset
from tabtrail.data.origin import find_origin
from tabtrail.data.result_files import (
    benchmark_table_files,
    demand_table_files,
    drift_table_file,
    profile_files,
    summary_files,
    summary_tables,
)
from tabtrail.errors import BundleError, ConfigError, DatabaseError, NotTrainedError, TabtrailError, require_extra
from tabtrail.project.paths import Artifacts
from tabtrail.project.reason import Reason
from tabtrail.project.training import tuned_candidates
from tabtrail.reading.postgres import Relation, require_relation
from tabtrail.storage.copies import no_model_in
from tabtrail.storage.known import stored_sha256
from tabtrail.storage.objects import StoredFile
from tabtrail.storage.postgres import Server
from tabtrail.storage.tables import missing_tables
from tabtrail.system.hashes import known_sha256, sha256_json
from tabtrail.tracking import sqlite_file


@dataclass(frozen=True)
class Project:
    """The folder of a config. Inputs are sha256 by a name for people; outputs are files."""

    config: Config

    @property
    def artifacts(self) -> Artifacts:
        """Where the results lie."""
        return Artifacts.of(self.config)

    # ingest

    def require_sources(self) -> None:
        """Raise `ConfigError` where there are no source files, or no such table, `DatabaseError` where its server is away."""
        for each in self.sources().values():
            if isinstance(each, Relation):
                require_relation(each)

    def sources(self) -> dict[str, StoredFile | Relation]:
        """Return the source files, or the table, by name. Raises `ConfigError` where there are no files."""
        return find_origin(self.config.paths, self.config.source, self.config.root)

    def files(self) -> list[StoredFile]:
        """Return the source files; none where the rows come from a table. Raises `ConfigError` where there are no such files."""
        return [each for each in self.sources().values() if not isinstance(each, Relation)]

    def source_inputs(self) -> dict[str, str]:
        """Return the source files as they lie there, or the rows that the table has now."""
        try:
            return {self._sources: sha256_json({name: self._sha256(each) for name, each in self.sources().items()})}
        except (ConfigError, DatabaseError, OSError):
            return {self._sources: sha256_json({})}

    def ingested_inputs(self) -> dict[str, str]:
        """Return the source files, or the table, as the last ingest read them."""
        return {self._sources: sha256_json({each.name: each.sha256 for each in read_manifest(self.config.dataset).sources})}

    def _sha256(self, source: StoredFile | Relation) -> str:
        return source.fingerprint() if isinstance(source, Relation) else stored_sha256(source, self.config.paths.cache_dir)

    @property
    def _sources(self) -> str:
        return "the source files" if self.config.paths.raw_csv is not None else f"the rows of {self.config.origin}"

    def column_settings(self) -> dict[str, Any]:
        """Return what ingest takes from the sections of others: the columns that must be there, and the outliers to drop."""
        config, outliers = self.config, self.config.profile.outliers
        columns = config.columns
        inputs = {name: columns.rule(name).dtype for name in config.model.inputs}
        dropped = {"profile": {"outliers": {**outliers.model_dump(mode="json"), "columns": list(config.outlier_columns)}}}
        return {
            "model": {"target": config.model.target, "inputs": inputs},
            "split": {"group_key": config.split.group_key},
            **(dropped if outliers.action == "drop" else {}),
            **({"demand": {"melt": dict(config.melted)}} if config.melted else {}),
        }

    def ingest_outputs(self) -> list[Path]:
        """Return the Parquet files, their manifest and the rejects."""
        return dataset_files(self.config.dataset)

    # eda and profile

    def require_dataset(self) -> Manifest:
        """Return the accounting of the dataset. Raises `DataError` for one that is missing or altered, or that this config would
        not make.
        """
        return verify_dataset(self.config.dataset, self.config.ingest_digest())

    def dataset_inputs(self) -> dict[str, str]:
        """Return what stands for the dataset. Raises `DataError` where there is none."""
        manifest = read_manifest(self.config.dataset)
        return {"the dataset": sha256_json([manifest.data_sha256, manifest.synthetic])}

    def eda_outputs(self) -> list[Path]:
        """Return the database and the files of the summaries."""
        return [self.config.paths.duckdb_file, *self._summaries()]

    def profile_outputs(self) -> list[Path]:
        """Return the files that describe the data."""
        return profile_files(self.config.paths.output_dir)

    # load

    def has_warehouse(self) -> bool:
        """Tell whether there are tables of a warehouse to load."""
        return self.config.warehouse.is_configured

    def require_warehouse(self) -> None:
        """Raise `ConfigError` where the address of the warehouse is not set, `MissingExtraError` without its driver."""
        require_extra("postgres", "psycopg")
        self._warehouse.read()

    def loaded_inputs(self) -> dict[str, str]:
        """Return the dataset, and the summaries that are loaded with it. Raises `DataError` where there is no dataset."""
        files = self._loaded_summaries() if self.config.warehouse.summaries else []
        known = {str(path): known_sha256(path) for path in files if path.is_file()}
        return self.dataset_inputs() | ({"the summaries": sha256_json(known)} if files else {})

    def load_outputs(self) -> list[Path]:
        """Return the note of what was loaded; the tables themselves are looked for by `load_complaints`."""
        return [self.artifacts.loaded]

    def load_complaints(self) -> Iterator[Reason]:
        """Yield the tables that are gone. A server that is away is none: what it was loaded with, it still has."""
        with suppress(TabtrailError):
            yield from (Reason("missing", f"the table {name} is gone") for name in self.missing_tables())

    def missing_tables(self) -> list[str]:
        """Return the tables of the warehouse that are not there. Raises `ConfigError` or `DatabaseError`."""
        return missing_tables(self._warehouse, self.warehouse_tables())

    def warehouse_tables(self) -> list[str]:
        """Return the names of the tables that are loaded."""
        warehouse, summaries = self.config.warehouse, self.config.aggregations
        own = [warehouse.table] if warehouse.table else []
        return own + ([f"{warehouse.summaries}.{each.name}" for each in summaries] if warehouse.summaries else [])

    def _loaded_summaries(self) -> list[Path]:
        return [summary_tables(each.name, self.config.paths.output_dir)[1] for each in self.config.aggregations]

    @property
    def _warehouse(self) -> Server:
        return Server(self.config.warehouse.address_variable, "warehouse.address_variable")

    # train

    def check_names(self) -> None:
        """Raise `ConfigError` for families, parameters and metrics that are not known."""
        from tabtrail.project.names import check_names  # a second of imports that an unchanged run does not need

        check_names(self.config)

    def training_inputs(self) -> dict[str, str]:
        """Return the dataset, and the candidates that a search added. Raises `DataError` where there is no dataset."""
        tuned = tuned_candidates(self.artifacts.tuned)
        return {**self.dataset_inputs(), "the candidates of `tabtrail tune`": sha256_json(tuned)}

    def training_outputs(self) -> list[Path]:
        """Return the figures of the benchmark. What is deployed is not among them, so that a promotion or rollback stands."""
        tables = benchmark_table_files(self.config.paths.output_dir).values()
        artifacts = self.artifacts
        return [artifacts.leaderboard, artifacts.leaderboard_csv, artifacts.importance, artifacts.shap, *tables]

    def training_complaints(self) -> Iterator[Reason]:
        """Yield a store that is gone or damaged, and a deployed bundle that cannot be read: a training puts both back."""
        file = self.config.mlflow.sqlite_file
        if file is not None and (complaint := sqlite_file.complaint(file)):
            yield Reason("store", complaint)
        try:
            self.require_bundle()
        except BundleError as error:
            yield Reason("bundle", str(error))

    def has_model(self) -> bool:
        """Tell whether single rows are predicted."""
        return not self.config.is_demand_only

    def has_demand(self) -> bool:
        """Tell whether series are forecast."""
        return self.config.demand is not None

    def of_demand(self) -> "Project":
        """Return the project as the model of series sees it."""
        return Project(self.config.for_demand())

    def demand_outputs(self) -> list[Path]:
        """Return the figures of a training on many series."""
        artifacts = self.of_demand().artifacts
        boards = [artifacts.demand_leaderboard, artifacts.demand_leaderboard_csv]
        tables = demand_table_files(self.config.paths.output_dir).values()
        return [*boards, artifacts.demand_importance, artifacts.demand_uplift, *tables]

    def demand_complaints(self) -> Iterator[Reason]:
        """Yield what `training_complaints` does, of the model of series."""
        return self.of_demand().training_complaints()

    def require_bundle(self) -> Bundle:
        """Return the deployed model. Raises `BundleError` for one that is missing or altered."""
        paths = self.config.paths
        try:
            return load_bundle(paths.models_dir, self.config.model.name, self.config.bundle.public_key)
        except NotTrainedError:
            if paths.models_copy is None or paths.models_copy.known() is not None:
                raise
            raise no_model_in(paths.models_copy.address) from None

    # report

    def shown_inputs(self) -> dict[str, str]:
        """Return the results that the page shows."""
        output_dir = self.config.paths.output_dir
        shown = [self.artifacts.leaderboard, self.artifacts.shap, self.config.paths.manifest, profile_files(output_dir)[0]]
        shown.append(drift_table_file(output_dir))
        if self.has_demand():
            own = self.of_demand().artifacts
            shown += [own.demand_leaderboard, own.demand_importance, own.demand_uplift, own.verdict]
            shown += demand_table_files(output_dir).values()
        shown += [*benchmark_table_files(output_dir).values(), *sorted((output_dir / "timeseries").glob("*.json"))]
        return {"what it shows": sha256_json({str(path): known_sha256(path) for path in shown if path.is_file()})}

    def drawing_settings(self) -> dict[str, Any]:
        """Return what the page takes from the section of the forecasts: how it draws their volatility."""
        return {"risk": {"ewma_decay": self.config.risk.ewma_decay}}

    def report_outputs(self) -> list[Path]:
        """Return the page and its pictures: those that no summary drew."""
        return [self.artifacts.page, *sorted(set(self.artifacts.plots.glob("*.png")) - set(self._summaries()))]

    def _summaries(self) -> list[Path]:
        return summary_files(self.config.aggregations, self.config.paths.output_dir)
