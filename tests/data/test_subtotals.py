"""Rows within a file that hold the sums of others: pointed at with their lines, and no row of the data taken for one."""

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl
import pytest
from tests.support.projects import REAL_CSV

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data.categories import CategoryWatch, TextLog
from tabtrail.data.ingest import ingest
from tabtrail.data.profile import read_profile
from tabtrail.data.subtotals import SubtotalWatch

HEADER = "land,city,a,y"
LANDS = ("France", "Italy", "Spain")


def source(folder: Path, lines: Iterable[str], settings: str = "", header: str = HEADER) -> Config:
    (folder / "input.csv").write_text(header + "\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: input.csv}\n"
        "model: {name: m, target: y, numeric_features: [a], categorical_features: [land]}\n"
        "split: {kind: random, folds: 2, allow_leaky: true}\ncandidates: {LinearRegression: {}}\n" + settings,
        encoding="utf-8",
    )
    return load_config(folder / "config.yaml")


def grouped(label: Callable[[str], str], *, repeat: bool = False, counts: bool = False) -> list[str]:
    """Return five rows of each land, then its subtotal, and the grand total at the end; `repeat` the land, and the sum of `a`."""
    drawn, lines, whole = random.Random(4), list[str](), 0
    for land in LANDS:
        rows = [(f"city {n}", n + 1, drawn.randint(10, 99)) for n in range(5)]
        lines += [f"{land},{city},{a},{y}" for city, a, y in rows]
        total = sum(y for _, _, y in rows)
        lines.append(f"{land if repeat else label(land)},{label(land) if repeat else ''},{15 if counts else ''},{total}")
        whole += total
    return [*lines, f"Grand Total,,{45 if counts else ''},{whole}"]


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("label", ["Total {}", "{} Total", "Subtotal: {}", "Summe {}", "Sous-total {}", "{} – Zwischensumme"])
def test_subtotals_of_groups_are_pointed_at_with_their_lines_and_the_rule_drops_them(
    tmp_path: Path, label: str, counts: bool
) -> None:
    config = source(tmp_path, grouped(label.format, counts=counts))
    found = ingest(config).findings
    (subtotals,) = [each for each in found if "subtotals" in each]
    first = label.format("France")
    assert f"land is {first!r} on line 7, land is {label.format('Italy')!r} on line 13" in subtotals
    assert "land is 'Grand Total' on line 20" in "".join(found) or "the last row says that it is a total" in "".join(found)
    rules = [each.rpartition("contract.rows: [")[2].removesuffix("]") for each in found]
    mended = source(
        tmp_path, grouped(label.format, counts=counts), f"contract: {{max_reject_share: 0.9, rows: [{', '.join(rules)}]}}\n"
    )
    manifest = ingest(mended)
    assert (manifest.findings, manifest.rows_kept, manifest.rows_rejected) == ([], 15, 4)


@pytest.mark.parametrize("word", ["Subtotal", "Sub-Total:", "Zwischensumme", "Sous-total", "小計"])
def test_a_subtotal_in_the_next_column_is_one_too(tmp_path: Path, word: str) -> None:
    config = source(tmp_path, grouped(lambda _: word, repeat=True))
    pipeline.run_stage("ingest", config)
    pipeline.run_stage("profile", config)
    found = read_profile(config.paths.output_dir).findings
    assert any(f"3 rows are subtotals and none of the data: city is {word!r} on line 7" in each for each in found)


def test_a_subtotal_is_found_where_its_rows_came_in_several_blocks_and_by_the_text_that_is_read(tmp_path: Path) -> None:
    config = source(tmp_path, grouped("Total {}".format)[:-1], "cleaning: {trim: true, fold_case: true}\n")
    (found,) = ingest(config).findings
    assert "check: \"land != 'TOTAL FRANCE' and land != 'TOTAL ITALY' and land != 'TOTAL SPAIN'\"" in found
    table = pl.read_csv(config.paths.raw_csv).with_columns(pl.col("y").cast(pl.Float64))
    whole, cut = (SubtotalWatch("x.csv", frozenset(), ()) for _ in range(2))
    labels = {"land": {f"Total {land}" for land in LANDS}}
    whole.see(table, pl.int_range(2, 2 + table.height, eager=True), labels)
    for place in range(table.height):
        cut.see(table.slice(place, 1), pl.Series([place + 2]), labels)
    assert cut.finding(None) == whole.finding(None)
    assert "3 rows are subtotals" in str(cut.finding(None))


def test_a_total_of_the_rows_above_by_their_name_may_hold_an_average_too(tmp_path: Path) -> None:
    lines = ["x,p,1,10", "x,q,2,11", "x,r,3,12", "x Total,s,2,33", *rows(lambda n: f"Cream {n % 3}")]
    (found,) = totals(source(tmp_path, lines))
    assert "a row is a subtotal and none of the data: land is 'x Total' on line 5" in found
    assert totals(source(tmp_path, [line.replace("x Total", "z Total") for line in lines])) == []


def totals(config: Config) -> list[str]:
    """The findings of an ingest, less that on copies of rows, which so few columns have."""
    return [each for each in ingest(config).findings if "copies of earlier rows" not in each]


def rows(name: Callable[[int], str], seed: int = 1) -> list[str]:
    drawn = random.Random(seed)
    return [f"{name(n)},city {n % 4},{drawn.randint(1, 9)},{drawn.randint(1, 40)}" for n in range(400)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "name",
    [
        lambda n: "Total Care" if n % 5 == 0 else f"Cream {n % 3}",
        lambda n: "Total" if n % 7 == 3 else "Shell",
        lambda n: "Sum 41" if n == 200 else "Blur",
        lambda n: "Care Total" if n % 2 else "Total Care",
        lambda n: "Subtotal" if n == 399 else "x",
        lambda n: "Totally Thai" if n % 3 else "Summe",
    ],
    ids=["product", "brand", "band", "two", "last", "restaurant"],
)
def test_names_with_such_words_raise_no_alarm(tmp_path: Path, name: Callable[[int], str], seed: int) -> None:
    assert totals(source(tmp_path, rows(name, seed))) == []


def test_a_brand_called_total_with_gaps_like_the_others_raises_no_alarm(tmp_path: Path) -> None:
    lines = [
        line.rpartition(",")[0].rpartition(",")[0] + f",,{n % 13}" if n % 3 else line
        for n, line in enumerate(rows(lambda n: "Total" if n % 4 else "Shell"))
    ]
    assert totals(source(tmp_path, lines)) == []


@pytest.mark.skipif(not REAL_CSV.is_file(), reason="the public tables are not here")
def test_clean_tables_raise_no_alarm() -> None:
    for file in sorted(REAL_CSV.parent.glob("*.csv")):
        table = pl.read_csv(file, infer_schema_length=None, encoding="cp850")
        categories, watch = CategoryWatch({}), SubtotalWatch(file.name, frozenset(), ())
        texts = TextLog(categories.dropped)
        categories.add(table.height, texts.see(table))
        watch.see(table, pl.int_range(table.height, eager=True), texts.labels)
        assert watch.finding(except_line=None) is None
        assert categories.doubtful() == []
