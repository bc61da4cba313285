"""What a benchmark depends on: sections of the config, and the candidates that a search added."""

from typing import Any

from tabtrail.config.tree import Config
from tabtrail.project.paths import Artifacts
from tabtrail.system.files import read_json

# Two benchmarks of the same data with the same values of these come out the same, wherever their files lie.
BENCHMARK_SECTIONS = (
    "source",
    "cleaning",
    "contract",
    "parquet",
    "model",
    "split",
    "choice",
    "leakage",
    "intervals",
    "slices",
    "candidates",
    "explain",
    "export",
)


def tuned_candidates(config: Config) -> dict[str, Any]:
    """Return the candidates that `tabtrail tune` found, by name."""
    return dict((read_json(Artifacts.of(config).tuned) or {}).get("candidates", {}))
