"""Where everything lies that a run leaves."""

from pathlib import Path

from tabtrail.bundle.metadata import metadata_path
from tabtrail.config.tree import Config


def leaderboard_path(config: Config) -> Path:
    """Return where the leaderboard's JSON lies."""
    return config.paths.output_dir / "metrics" / f"{config.model.name.removesuffix('_regressor')}_regression_metrics.json"


def importance_path(config: Config) -> Path:
    """Return where the global SHAP importance lies."""
    return config.paths.output_dir / "explainability" / "shap_global_importance.json"


def shap_path(config: Config) -> Path:
    """Return where the Shapley values of the explained rows lie, with the rows themselves."""
    return config.paths.output_dir / "explainability" / "shap_values.parquet"


def effects_path(config: Config) -> Path:
    """Return where the partial dependence of the most important columns lies."""
    return config.paths.output_dir / "explainability" / "partial_dependence.json"


def curve_path(config: Config) -> Path:
    """Return where the champion's learning curve lies."""
    return config.paths.output_dir / "metrics" / "learning_curve.json"


def report_path(config: Config) -> Path:
    """Return where the page for people lies."""
    return config.paths.output_dir / "report.html"


def tuned_path(config: Config) -> Path:
    """Return where the parameters lie that `tabtrail tune` found."""
    return config.paths.output_dir / "tuning" / f"{config.model.name}.json"


def promotion_path(config: Config) -> Path:
    """Return where it lies what the gate said after the last training."""
    return config.paths.output_dir / "metrics" / f"{config.model.name}_promotion.json"


def artifact_paths(config: Config) -> dict[str, Path]:
    """Return where everything lies that a run leaves, by what it is."""
    paths = config.paths
    return {
        "parquet": paths.processed_dir,
        "rejects": paths.rejects,
        "database": paths.duckdb_file,
        "summaries": paths.output_dir / "summary",
        "plots": paths.output_dir / "plots",
        "report": report_path(config),
        "leaderboard": leaderboard_path(config),
        "importance": importance_path(config),
        "bundle": metadata_path(paths.models_dir, config.model.name),
    }
