"""Where the rows of a scored file go: Parquet, CSV or JSON lines, into one file or a file a period; each is whole or absent."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from tabtrail.bundle.arrow_arrays import to_arrow
from tabtrail.bundle.columnar import Array
from tabtrail.errors import UsageError
from tabtrail.system.files import atomic_file

Period = Literal["day", "month", "quarter", "year"]
PERIODS: dict[Period, Callable[[str], str]] = {
    "day": lambda day: day,
    "month": lambda day: day[:7],
    "quarter": lambda day: f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}",
    "year": lambda day: day[:4],
}
"""What a period is called, from its days, YYYY-MM-DD."""
NO_PERIOD = "without_date"
ENDINGS = (".parquet", ".csv", ".jsonl")
_MOST_FILES = 400  # more than a year of days; each is open until the end, and a process may have 1,024 open by default


class TableWriter(Protocol):
    def write_table(self, table: Any) -> None: ...


@dataclass(frozen=True)
class Output:
    """One file, or with `by` a folder of a file a period, all of the format that the `ending` says."""

    path: Path
    ending: str
    by: Period | None = None

    @property
    def rejects(self) -> Path:
        """Path of the file for the refused rows, beside the output and of its format."""
        return self.path.with_name(f"{self.path.stem if self.by is None else self.path.name}_rejects{self.ending}")

    def file_of(self, period: str) -> Path:
        """Path of the rows of a period; of all rows where there are none."""
        return self.path if self.by is None else self.path / f"{period}{self.ending}"


def output_at(path: Path, by: Period | None) -> Output:
    """Return the output that a path names. Raises `UsageError` for a format that is not written.

    With `by` the path is that of a folder; an ending of its name says the format of the files (Parquet where there is none).
    """
    ending = path.suffix.lower()
    if ending in ENDINGS:
        return Output(path if by is None else path.with_suffix(""), ending, by)
    if by is not None and not ending:
        return Output(path, ENDINGS[0], by)
    raise UsageError(f"--output {path}: the name must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")


class OutputFile:
    """A file of rows that is created with its first ones."""

    def __init__(self, files: ExitStack, path: Path) -> None:
        self._files, self._path = files, path
        self._writer: TableWriter | None = None

    def write(self, table: Any) -> None:
        """Add the rows of a table."""
        if self._writer is None:
            temporary = self._files.enter_context(atomic_file(self._path))
            self._writer = self._files.enter_context(_WRITERS[self._path.suffix.lower()](temporary, table.schema))
        self._writer.write_table(table)


class OutputFiles:
    """The files of an output, by period."""

    def __init__(self, files: ExitStack, output: Output) -> None:
        self._files, self._output = files, output
        self._open: dict[str, OutputFile] = {}

    def write(self, table: Any, days: Array) -> None:
        """Add rows and their days, YYYY-MM-DD or None. Raises `UsageError` for more periods than files can be open."""
        by = self._output.by
        if by is None:
            self._file("").write(table)
            return
        names = np.array([NO_PERIOD if day is None else PERIODS[by](day) for day in days], dtype=object)
        for name in dict.fromkeys(names):
            self._file(name).write(table.filter(to_arrow(names == name)))

    def _file(self, period: str) -> OutputFile:
        if period not in self._open:
            if len(self._open) == _MOST_FILES:
                raise UsageError(f"--by {self._output.by} makes more than {_MOST_FILES} files; take a longer period")
            self._open[period] = OutputFile(self._files, self._output.file_of(period))
        return self._open[period]


class _JsonLines:
    def __init__(self, path: Path, _: Any) -> None:
        self._file = path.open("w", encoding="utf-8")

    def __enter__(self) -> "_JsonLines":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write_table(self, table: Any) -> None:
        for row in table.to_pylist():
            self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False, default=str) + "\n")


class _Csv:
    def __init__(self, path: Path, schema: Any) -> None:
        self._schema = pa.schema([pa.field(each.name, _plain_type(each.type)) for each in schema])
        if nested := [each.name for each in self._schema if pa.types.is_nested(each.type)]:
            raise UsageError(f"--id {nested[0]}: a column of lists or structs does not go into a CSV; write .parquet or .jsonl")
        self._writer = pcsv.CSVWriter(path, self._schema)

    def __enter__(self) -> "_Csv":
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()

    def write_table(self, table: Any) -> None:
        self._writer.write_table(table.cast(self._schema))


def _plain_type(kind: Any) -> Any:
    """Return the type of a dictionary's values, which Arrow does not write into a CSV by itself."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _parquet(path: Path, schema: Any) -> Any:
    return pq.ParquetWriter(path, schema, compression="zstd")


_WRITERS: dict[str, Callable[[Path, Any], Any]] = {".parquet": _parquet, ".csv": _Csv, ".jsonl": _JsonLines}
