"""What a benchmark depends on: sections of the config, and the candidates that a search added."""

from pathlib import Path
from typing import Any

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


DEMAND_SECTIONS = ("source", "cleaning", "contract", "parquet", "demand", "leakage", "export")


def tuned_candidates(file: Path) -> dict[str, Any]:
    """Return the candidates that `tabtrail tune` found and wrote into a file, by name."""
    return dict((read_json(file) or {}).get("candidates", {}))
