"""Where everything lies that a project leaves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tabtrail.bundle.metadata import metadata_path
from tabtrail.config.data import Paths
from tabtrail.config.tree import Config

SHAP_FILE = "shap_values.parquet"


@dataclass(frozen=True)
class Artifacts:
    """The files that the commands leave in the folders of a project: `name` is the model's."""

    paths: Paths
    name: str

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return the artifacts of a project by its config."""
        return cls(config.paths, config.model.name)

    @property
    def metrics(self) -> Path:
        """Folder of the benchmark's figures."""
        return self.paths.output_dir / "metrics"

    @property
    def leaderboard(self) -> Path:
        """JSON of the last benchmark: every candidate with its figures."""
        return self.metrics / f"{self.name.removesuffix('_regressor')}_regression_metrics.json"

    @property
    def leaderboard_csv(self) -> Path:
        """The leaderboard as a table, a row for each candidate."""
        return self.leaderboard.with_suffix(".csv")

    @property
    def demand_leaderboard(self) -> Path:
        """JSON of the last training on many series: every model with its scores."""
        return self.metrics / f"{self.name}_demand_metrics.json"

    @property
    def demand_leaderboard_csv(self) -> Path:
        """The models of many series as a table, a row for each."""
        return self.demand_leaderboard.with_suffix(".csv")

    @property
    def demand_importance(self) -> Path:
        """JSON of what moves a forecast of many series: mean absolute Shapley value of each group of features."""
        return self._explanations / "demand_global_importance.json"

    @property
    def demand_explained(self) -> Path:
        """Parquet of the Shapley values of the explained forecasts, with their features."""
        return self._explanations / "demand_shap_values.parquet"

    @property
    def demand_uplift(self) -> Path:
        """JSON of what each flag that is known ahead does to the forecasts."""
        return self.metrics / "demand_uplift.json"

    @property
    def input_examples(self) -> Path:
        """Folder of the input example of every candidate, where the MLflow store is on this disk."""
        return self.paths.output_dir / "mlflow_input_examples"

    @property
    def pipelines(self) -> Path:
        """Folder of the fitted pipeline of every candidate, where the MLflow store is on this disk."""
        return self.paths.output_dir / "mlflow_models"

    @property
    def importance(self) -> Path:
        """JSON of the mean absolute Shapley value of each column."""
        return self._explanations / "shap_global_importance.json"

    @property
    def shap(self) -> Path:
        """Parquet of the Shapley values of the explained rows, with the rows themselves."""
        return self._explanations / SHAP_FILE

    @property
    def effects(self) -> Path:
        """JSON of the partial dependence of the most important columns."""
        return self._explanations / "partial_dependence.json"

    @property
    def curve(self) -> Path:
        """JSON of the champion's learning curve."""
        return self.metrics / "learning_curve.json"

    @property
    def loaded(self) -> Path:
        """JSON of what the warehouse was loaded with: the rows of each table, and the data."""
        return self.paths.output_dir / "warehouse" / "load.json"

    @property
    def verdict(self) -> Path:
        """JSON of what the gate found after the last training, and whether that was deployed."""
        return self.metrics / f"{self.name}_promotion.json"

    @property
    def page(self) -> Path:
        """The page for people."""
        return self.paths.output_dir / "report.html"

    @property
    def plots(self) -> Path:
        """Folder of the pictures."""
        return self.paths.output_dir / "plots"

    @property
    def tuned(self) -> Path:
        """JSON of the parameters that `tabtrail tune` found."""
        return self.paths.output_dir / "tuning" / f"{self.name}.json"

    @property
    def graph(self) -> Path:
        """The ONNX file of the deployed model."""
        return self.paths.models_dir / f"{self.name}.onnx"

    @property
    def metadata(self) -> Path:
        """The metadata of the deployed bundle."""
        return metadata_path(self.paths.models_dir, self.name)

    def listed(self) -> dict[str, Path]:
        """Return the folders and files that a person may want to open, by what they are."""
        return {
            "parquet": self.paths.processed_dir,
            "rejects": self.paths.rejects,
            "database": self.paths.duckdb_file,
            "summaries": self.paths.output_dir / "summary",
            "plots": self.plots,
            "report": self.page,
            "leaderboard": self.leaderboard,
            "importance": self.importance,
            "demand": self.demand_leaderboard,
            "forecasts": self.metrics / "demand_forecasts.parquet",
            "bundle": self.metadata,
        }

    @property
    def _explanations(self) -> Path:
        return self.paths.output_dir / "explainability"
