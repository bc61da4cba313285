"""What the dates of a file to score say of the whole file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.projects import Project
from tests.support.small_project import small
from tests.support.stages import run_ingest, run_train
from tests.support.table_files import write_excel, write_json_lines

from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.outputs import Period, output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import ScoredFile, score_file
from tabtrail.errors import DataError

HEADER = ["a", "d", "s"]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Predictor:
    """A model of rows whose dates prove %d/%m/%Y; the model takes `d`, and not the date column `s`."""
    root = tmp_path_factory.mktemp("dated")
    project: Project = small(root, empty_store)
    days = [f"{1 + n % 28}/{1 + n % 12}/2021" for n in range(200)]
    (root / "rows.csv").write_text("a,d,s,y\n" + "".join(f"{n},{day},{day},{n + n * 7 % 11}\n" for n, day in enumerate(days)))
    both = "['%m/%d/%Y', '%d/%m/%Y']"
    config = project.config(
        "model={name: m, target: y, numeric_features: [a], derived_features: {M: month(d)}}",
        f"cleaning={{date_column: s, date_formats: {both}, dates: {{d: {both}}}}}",
        "candidates={LinearRegression: {}}",
    )
    run_ingest(config)
    run_train(config)
    return Predictor(load_bundle(config.paths.models_dir, "m"))


def score(predictor: Predictor, path: Path, by: Period | None = None) -> ScoredFile:
    output = path.with_name("out.parquet" if by is None else "out")
    return score_file(predictor, InputFile(path), output_at(output, by), intervals=False)


def csv_of(folder: Path, *rows: tuple[str, str]) -> Path:
    (folder / "rows.csv").write_text("a,d,s\n" + "".join(f"1,{d},{s}\n" for d, s in rows))
    return folder / "rows.csv"


def parquet_of(folder: Path, *rows: tuple[str, str]) -> Path:
    pq.write_table(pa.Table.from_pylist([{"a": 1.0, "d": d, "s": s} for d, s in rows]), folder / "rows.parquet")
    return folder / "rows.parquet"


def sheet_of(folder: Path, *rows: tuple[str, str]) -> Path:
    return write_excel(folder / "rows.xlsx", HEADER, [[1, d, s] for d, s in rows])


def lines_of(folder: Path, *rows: tuple[str, str]) -> Path:
    return write_json_lines(folder / "rows.jsonl", HEADER, [[1, d, s] for d, s in rows])


@pytest.mark.parametrize("write", [csv_of, parquet_of, sheet_of, lines_of])
def test_a_file_in_the_format_that_the_training_disproved_is_refused_whole_with_the_rows_that_decide(
    predictor: Predictor, tmp_path: Path, write: object
) -> None:
    assert callable(write)
    path = write(tmp_path, ("1/2/2021", ""), ("1/13/2021", ""), ("3/4/2021", ""), ("12/31/2021", ""))
    message = (
        r"the dates of d are %d/%m/%Y in the training, and only %m/%d/%Y fits row 2 \('1/13/2021'\), row 4 \('12/31/2021'\);"
    )
    with pytest.raises(DataError, match=message):
        score(predictor, path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_so_is_one_of_which_only_the_date_that_parts_the_output_contradicts(predictor: Predictor, tmp_path: Path) -> None:
    path = csv_of(tmp_path, ("1/2/2021", "1/2/2021"), ("1/2/2021", "1/13/2021"))
    with pytest.raises(DataError, match=r"the dates of s are %d/%m/%Y .* row 2 \('1/13/2021'\); a date"):
        score(predictor, path, by="month")
    assert score(predictor, path).scored == 2  # the column is not read


def test_a_date_of_no_format_is_a_rejected_row_as_ever(predictor: Predictor, tmp_path: Path) -> None:
    found = score(predictor, csv_of(tmp_path, ("1/2/2021", ""), ("31/31/2021", ""), ("13.1.2021", ""), ("1/13/1021", "")))
    assert (found.scored, found.rejected, found.notes) == (1, 3, ())


def test_dates_later_than_a_year_after_the_last_of_the_training_are_a_counted_note(predictor: Predictor, tmp_path: Path) -> None:
    assert predictor.metadata["last_dates"] == {"d": "2021-12-28", "s": "2021-12-28"}
    path = csv_of(tmp_path, ("28/12/2022", "29/12/2022"), ("29/12/2022", "1/1/2021"), ("2031-01-01", "1/1/2021"))
    words = "dated more than a year after 2021-12-28, the last date of the training"
    assert score(predictor, path).notes == (f"d: 2 rows are {words}",)
    assert score(predictor, path, by="year").notes == (f"d: 2 rows are {words}", f"s: 1 row is {words}")
