"""What a benchmark depends on: sections of the config, and the candidates that a search added."""

from pathlib import Path
from typing import Any

from tabtrail.config.tree import Config
from tabtrail.system.files import read_json
from tabtrail.system.hashes import sha256_json

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


def benchmark_digest(config: Config) -> str:
    """Return the sha256 of all settings that the result of a benchmark depends on."""
    sections, final = config.digest(*BENCHMARK_SECTIONS), config.engine.final
    return sections if final is None else sha256_json([sections, final])


DEMAND_SECTIONS = ("source", "cleaning", "contract", "parquet", "demand", "leakage", "export")


def tuned_candidates(file: Path) -> dict[str, Any]:
    """Return the candidates that `tabtrail tune` found and wrote into a file, by name."""
    return dict((read_json(file) or {}).get("candidates", {}))
