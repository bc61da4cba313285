"""The names that tables and files of the data have where the config gives none: taken from what the rows come from."""

import re
from pathlib import PurePosixPath
from typing import Any

from tabtrail.config.summaries import BENCHMARK_TABLES, DEMAND_TABLES, DRIFT_TABLE, PROMOTIONS_TABLE, RISK_TABLE

NAME = "data"
"""What they are called where nothing in the config names the rows: those of a query."""
_RESULTS = (*BENCHMARK_TABLES, *DEMAND_TABLES, DRIFT_TABLE, PROMOTIONS_TABLE, RISK_TABLE)  # tables beside that of the rows
_ENDINGS = re.compile(r"(?i)(\.[a-z0-9]{1,8})?(\.(gz|zst|bz2|xz|zip))?$")
_LONGEST = 40  # letters of a name


def with_names_of_data(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a config with `paths.processed_dir`, `paths.duckdb_file` and `duckdb.table` named after the rows where
    none is given.
    """
    paths, source, duckdb = ({} if tree.get(name) is None else tree[name] for name in ("paths", "source", "duckdb"))
    if not (isinstance(paths, dict) and isinstance(source, dict) and isinstance(duckdb, dict)):
        return tree  # refused where the section itself is read
    name = name_of_data(paths.get("raw_csv"), source.get("table"))
    places = {"processed_dir": f"data/processed/{name}_parquet", "duckdb_file": f"duckdb/{name}.duckdb"}
    return {**tree, "paths": {**places, **paths}, "duckdb": {"table": name, **duckdb}}


def name_of_data(raw_csv: object, table: object) -> str:
    """Return a name for tables and files after a source file, a pattern of files (its folder where it begins with the pattern),
    an address, or a table.
    """
    if isinstance(raw_csv, str) and raw_csv:
        path = PurePosixPath(raw_csv.replace("\\", "/"))
        written = (_plain(_ENDINGS.sub("", part)) for part in (path.name, path.parent.name))
        name = next(filter(None, written), NAME)
    else:
        name = _plain(str(table).rpartition(".")[2]) if isinstance(table, str) else ""
    name = name or NAME
    name = f"data_{name}" if name[0].isdigit() else name
    return f"{name}_rows" if name.lower() in _RESULTS else name


def _plain(text: str) -> str:
    """A text up to the sign of a pattern, as letters and digits of ASCII and underscores."""
    begins = re.split(r"[*?\[]", text)[0]
    return re.sub(r"[^A-Za-z0-9]+", "_", begins).strip("_")[:_LONGEST].strip("_")
