"""A plan to score in the wide form that the model learned from is answered as the long one that it stands for."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.demand import CONFIG, demand_rows, write_project
from tests.support.projects import Project, Trained, once
from tests.support.table_files import FORMATS

from tabtrail import pipeline
from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import ScoredFile, score_file
from tabtrail.errors import DataError, UsageError

MELT = '  melt: {columns: {units: "units {store_id} {product_id}", price: "price {store_id} {product_id}"}}\n'
WIDE = (
    CONFIG[: CONFIG.index("  candidates:")].replace("  price: price\n", MELT)
    + "  candidates: {LinearRegression: {scale: level}}\n"
)
DAYS = ["2023-07-21", "2023-07-22"]
KEYS = [(store, product) for store in ("STORE_000", "STORE_001") for product in ("PROD_A", "PROD_B", "PROD_C")]
NAMES = ["date", "promotion", *(f"price {store} {product}" for store, product in KEYS)]
ROWS: list[list[Any]] = [[day, at, *(10.0 + place + at for place in range(6))] for at, day in enumerate(DAYS)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    with once(tmp_path_factory, "demand_wide") as root:
        project = Project(root)
        if not project.config_file.is_file():
            root.mkdir(parents=True)
            rows = demand_rows().with_columns(key=pl.concat_str("store_id", "product_id", separator=" "))
            rows = rows.with_columns(pl.col("promotion").max().over("date"))
            wide = rows.pivot("key", index=["date", "promotion"], values=["units", "price"], separator=" ").sort("date")
            write_project(root, wide, WIDE)
        return Trained(project, pipeline.run(project.config(), report=False))


@pytest.fixture(scope="module")
def predictor(trained: Trained) -> Predictor:
    return Predictor(load_bundle(trained.config.paths.models_dir, "shop_demand"))


def scored(predictor: Predictor, path: Path, **changed: Any) -> tuple[list[tuple[Any, ...]], ScoredFile]:
    out = path.with_name("out.parquet")
    found = score_file(predictor, InputFile(path, **changed), output_at(out, None), intervals=True)
    return pl.read_parquet(out).select("row", "store_id", "product_id", "prediction", "high").rows(), found


def long_answers(predictor: Predictor) -> list[tuple[Any, ...]]:
    """What single rows of the long form are answered, as rows of the output."""
    found = []
    for line, (day, promotion, *prices) in enumerate(ROWS, 1):
        for (store, product), price in zip(KEYS, prices, strict=True):
            asked = {"date": day, "store_id": store, "product_id": product, "promotion": promotion, "price": price}
            (answer,) = predictor.predict([asked])
            assert answer.interval is not None
            found.append((line, store, product, answer.value, answer.interval.high))
    return found


@pytest.mark.parametrize("ending", FORMATS)
def test_each_format_of_a_wide_plan_is_answered_as_the_long_one(predictor: Predictor, tmp_path: Path, ending: str) -> None:
    write: Callable[..., Any] = FORMATS[ending]
    write(tmp_path / f"plan{ending}", NAMES, ROWS)
    answers, found = scored(predictor, tmp_path / f"plan{ending}")
    assert answers == long_answers(predictor)
    assert (found.rows, found.scored, found.rejected) == (12, 12, 0)
    assert any("its columns of price make 6 rows a line, by store_id and product_id" in each for each in found.notes)


def test_many_lines_are_answered_in_blocks_and_columns_of_the_past_are_passed_over(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabtrail.bundle.wide_blocks._ROWS", 7)
    FORMATS[".csv"](tmp_path / "plan.csv", [*NAMES, "units STORE_000 PROD_A", "weather"], [[*row, "", "sun"] for row in ROWS])
    assert scored(predictor, tmp_path / "plan.csv")[0] == long_answers(predictor)


def test_a_line_that_is_broken_loses_all_its_rows_and_a_series_that_nobody_knows_its_own(
    predictor: Predictor, tmp_path: Path
) -> None:
    names = [*NAMES, "price STORE_999 PROD_A"]
    lines = [",".join(map(str, [*names])), ",".join(map(str, [*ROWS[0], 9])), "2023-07-22,1", ",".join(map(str, [*ROWS[1], 9]))]
    (tmp_path / "plan.csv").write_text("\n".join(lines) + "\n")
    answers, found = scored(predictor, tmp_path / "plan.csv")
    assert [(line, store, product) for line, store, product, *_ in answers] == [(line, *key) for line in (1, 3) for key in KEYS]
    assert (found.rows, found.scored, found.rejected) == (21, 12, 9)
    assert found.rejects is not None
    rejects = pl.read_parquet(found.rejects).rows()
    assert [line for line, _ in rejects] == [1, *[2] * 7, 3]
    assert "store_id: the series is not known" in rejects[0][1]
    assert "has 2 fields instead of 9" in rejects[1][1]


def test_a_long_plan_is_read_as_before_and_a_file_that_is_neither_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    row = {"date": DAYS[0], "store_id": "STORE_000", "product_id": "PROD_A", "promotion": 0, "price": 10.0}
    pl.DataFrame([row]).write_csv(tmp_path / "plan.csv")
    found = score_file(predictor, InputFile(tmp_path / "plan.csv"), output_at(tmp_path / "out.csv", None), intervals=False)
    assert found.notes == ()
    assert pl.read_csv(tmp_path / "out.csv").columns == ["row", "prediction", "warnings"]
    wrong: list[tuple[list[str], list[Any], str]] = [
        (["date", "promotion", "p 1"], [DAYS[0], 0, 9], r"neither the columns 'store_id' and 'product_id' of a long file nor"),
        ([*NAMES, "price"], [*ROWS[0], 9], r"is wide, by its columns of price, and has a column 'price' too"),
        (NAMES[1:], ROWS[0][1:], r"lacks the column 'date'"),
    ]
    for names, line, told in wrong:
        FORMATS[".csv"](tmp_path / "wrong.csv", names, [line])
        with pytest.raises(DataError, match=told):
            scored(predictor, tmp_path / "wrong.csv")
    FORMATS[".csv"](tmp_path / "plan.csv", NAMES, ROWS)
    with pytest.raises(UsageError, match="--id price STORE_000 PROD_A: the file is wide"):
        scored(predictor, tmp_path / "plan.csv", keep=("price STORE_000 PROD_A",))
    assert len(scored(predictor, tmp_path / "plan.csv", keep=("store_id", "promotion"))[0]) == 12


def test_a_wide_row_that_is_no_file_is_refused_with_what_to_send(predictor: Predictor) -> None:
    found = {each.column: each.message for each in predictor.problems({**dict(zip(NAMES, ROWS[0], strict=True)), "weather": 1})}
    assert found["price STORE_000 PROD_A"] == (
        "is a column of the wide form, which files may have; send a row for each series, with date, store_id, product_id,"
        " promotion, price"
    )
    assert found["weather"].startswith("unknown column")
    assert "date" not in found


def test_the_command_scores_wide_plans_without_the_library_that_ingest_needs(trained: Trained, tmp_path: Path) -> None:
    FORMATS[".csv"](tmp_path / "plan.csv", NAMES, ROWS)
    words = ["predict", "--config", str(trained.project.config_file), "--input", str(tmp_path / "plan.csv")]
    start = "import sys; sys.modules['polars'] = None; from tabtrail.cli.app import main; main()"
    words += ["--output", str(tmp_path / "out.csv")]
    done = subprocess.run([sys.executable, "-c", start, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "12 rows, 12 scored" in done.stderr
    assert pl.read_csv(tmp_path / "out.csv").columns == ["row", "store_id", "product_id", "prediction", "warnings"]


def test_no_file_of_any_format_makes_scoring_import_pandas(trained: Trained, tmp_path: Path) -> None:
    """Arrow imports it for many of its functions, where it is installed: as dear as a whole plan of some thousand rows."""
    long = ["date", "store_id", "product_id", "promotion", "price"]
    rows = [
        [DAYS[0], "STORE_000", "PROD_A", 0, 10.0],
        [DAYS[1], "STORE_999", "PROD_A", 1, None],
        [DAYS[1], "STORE_001", "PROD_B", 1, 99.0],
    ]
    for ending, write in FORMATS.items():
        write(tmp_path / f"wide{ending}", NAMES, ROWS)
        write(tmp_path / f"long{ending}", long, rows)
    code = f"""
import sys
from pathlib import Path
from tabtrail.bundle.input_blocks import InputFile
from tabtrail.bundle.load import load_bundle
from tabtrail.bundle.outputs import output_at
from tabtrail.bundle.predictor import Predictor
from tabtrail.bundle.score_file import score_file

predictor = Predictor(load_bundle(Path({str(trained.project.config().paths.models_dir)!r}), "shop_demand"))
for ending in {[*FORMATS]}:
    for name, refused in (("wide", 0), ("long", 1)):
        output = output_at(Path({str(tmp_path)!r}) / "out.parquet", None)
        found = score_file(predictor, InputFile(Path({str(tmp_path)!r}) / (name + ending)), output, intervals=True)
        assert found.rejected == refused, found
        print("pandas" in sys.modules, end=" ")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False"] * 2 * len(FORMATS), done.stderr
