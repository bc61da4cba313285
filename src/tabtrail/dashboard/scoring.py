"""An uploaded file scored by the product's own scorer, every row accounted for: predicted, or set aside with its reason."""

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.metadata import layout_of
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import ScoredFile, score_file
from tabtrail.errors import TabtrailError
from tabtrail.system.temporary import scratch_folder

_SHOWN = 20
ENDINGS = ("csv", "tsv", "txt", "parquet", "xlsx", "xlsm", "jsonl", "ndjson", "gz", "zst")
MEDIA = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet", "jsonl": "application/x-ndjson"}


@dataclass(frozen=True)
class Scored:
    """What became of an uploaded file: the account, the predictions and the rejects as files (b"" where there are none), and the
    first rejects (row, reason). `problem` says why nothing was scored, with account and files empty then.
    """

    name: str
    account: ScoredFile
    predictions: bytes = b""
    rejects: bytes = b""
    first_rejects: pl.DataFrame | None = None
    problem: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every row that was read is either predicted or set aside."""
        return self.account.rows == self.account.scored + self.account.rejected


def score_upload(predictor: Predictor, name: str, data: bytes, *, ending: str = "csv", keep: tuple[str, ...] = ()) -> Scored:
    """Predict every row of an uploaded file, with the bounds of the intervals, into a file of the wanted ending.

    The file lies as those did that the model learned from. Temporary files are removed before this returns.
    """
    try:
        return _scored(predictor, name, data, ending, keep)
    except OSError as error:
        return Scored(name, ScoredFile(), problem=f"{name} cannot be kept while it is scored: {error.strerror}")


def _scored(predictor: Predictor, name: str, data: bytes, ending: str, keep: tuple[str, ...]) -> Scored:
    with scratch_folder() as folder:
        source = Path(folder, "upload", _plain(name))
        source.parent.mkdir()
        source.write_bytes(data)
        target = Path(folder, f"predictions.{ending}")
        try:
            file = InputFile(source, layout_of(predictor.metadata), keep=keep)
            account = score_file(predictor, file, output_at(target, None), intervals=True)
        except TabtrailError as error:
            return Scored(name, ScoredFile(), problem=str(error).replace(str(source), name).replace("--input ", ""))
        rejects = target.with_name(f"predictions_rejects.{ending}")
        first = _read(rejects) if account.rejected else None
        return Scored(name, account, target.read_bytes(), rejects.read_bytes() if account.rejected else b"", first)


def _plain(name: str) -> str:
    """Return a name that is safe in a folder, with the ending that says the kind of the file."""
    return re.sub(r"[^\w.-]", "_", Path(name).name)[-80:].lstrip(".") or "upload.csv"


def _read(path: Path) -> pl.DataFrame:
    if path.suffix == ".csv":
        return pl.read_csv(path, n_rows=_SHOWN)
    return pl.read_parquet(path, n_rows=_SHOWN) if path.suffix == ".parquet" else pl.read_ndjson(path, n_rows=_SHOWN)
