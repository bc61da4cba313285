"""The files of a dataset in parts of about as many rows, each of which a worker reads by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tabtrail.data.dataset import hive_dtypes

_ROWS = 1 << 18  # of a part: a file of the dataset has no more
_EACH = 4  # parts for each worker at least, where there are files enough: so they come to hold about as much


@dataclass(frozen=True)
class Part:
    """Parquet files of a dataset with their bytes, by their names within it, and the number of their rows."""

    files: Mapping[str, int]
    rows: int

    def scan(self, folder: Path, keys: Mapping[str, str]) -> pl.LazyFrame:
        """Scan the files in the folder of the dataset, or in a copy of it; `keys` are its partition columns (column → dtype)."""
        dtypes = hive_dtypes(keys)
        paths = [folder / name for name in self.files]
        return pl.scan_parquet(paths, hive_partitioning=bool(dtypes), hive_schema=dtypes or None)


def parts_of(folder: Path, workers: int) -> list[Part]:
    """Return all files of a dataset for so many workers, those of a few rows together. No row is read."""
    counts = {
        path: int(pl.scan_parquet(path, hive_partitioning=False).select(pl.len()).collect().item())
        for path in sorted(folder.rglob("*.parquet"))
    }
    most = min(_ROWS, sum(counts.values()) // (_EACH * workers))
    parts, files, rows = list[Part](), dict[str, int](), 0
    for path, own in counts.items():
        if files and rows + own > most:
            parts.append(Part(files, rows))
            files, rows = {}, 0
        files[path.relative_to(folder).as_posix()] = path.stat().st_size
        rows += own
    return [*parts, Part(files, rows)] if files else parts
