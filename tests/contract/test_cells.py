"""How the cells of a column are read: said once by the config, carried by the bundle."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.projects import Project
from tests.support.stages import run_ingest

from tabtrail.contract.cells import CellReading, read_text
from tabtrail.contract.dates import DateFormat
from tabtrail.contract.numbers import NumberFormat
from tabtrail.contract.schema import ColumnRule, Feature, ModelSchema
from tabtrail.data.dataset import scan_dataset
from tabtrail.errors import ConfigError

READING = CellReading(
    nulls=("N/A",),
    trim=True,
    aliases={"U.S.A.": "USA"},
    fill="Unknown",
    number=NumberFormat(decimal=",", strip=("€",)),
    date=DateFormat(("%d/%m/%Y",), (1990, 2050)),
)


def feature(**changes: Any) -> Feature:
    return replace(Feature("COUNTRY", "categorical", ColumnRule("string")), **changes)


def test_a_reading_comes_back_from_the_json_of_a_schema() -> None:
    schema = ModelSchema("Y", (feature(reading=READING),))
    assert ModelSchema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_a_schema_written_before_there_were_readings_reads_cells_as_they_stand() -> None:
    known = ModelSchema("Y", (feature(),)).to_dict()
    del known["features"][0]["reading"]
    assert ModelSchema.from_dict(known).features[0].reading == CellReading()


def test_the_config_says_how_the_cells_of_a_column_are_read(project: Project) -> None:
    rules = project.config('source.null_values={STATE: ["", "N/A"]}').table_rules
    assert rules.reading("STATE") == CellReading(nulls=("N/A",), fill="Unknown")
    assert rules.reading("ORDERDATE").date.formats == ("%m/%d/%Y %H:%M", "%m/%d/%Y", "%Y-%m-%d")
    assert rules.reading("SALES") == CellReading()


def test_null_words_spellings_and_the_word_for_a_gap_are_spelled_as_the_texts_of_their_column_are() -> None:
    reading = CellReading(("n/a",), trim=True, fold_case=True, aliases={" U.S.A. ": "usa"}, fill="Unknown").spelled()
    assert (reading.nulls, reading.aliases, reading.fill) == (("N/A",), {"U.S.A.": "USA"}, "UNKNOWN")
    assert [read_text(text, reading) for text in ("u.s.a.", " Usa", "N/a ", "\u200b", "unknown")] == [
        "USA",
        "USA",
        None,
        None,
        "UNKNOWN",
    ]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("{SALES: {a: b}}", r"cleaning\.aliases\.SALES: 'SALES' is not a text column"),
        ("{STATE: {CAL: CA, Cal.: CAL}}", r"'Cal\.' leads to 'CAL', which is a spelling of 'CA' itself; write that"),
        ('{STATE: {"": CA}}', r"'' means a missing value, so it is no spelling of 'CA'"),
        ('{STATE: {none: ""}}', r"'none' cannot stand for a missing value here; add it to source\.null_values"),
    ],
)
def test_a_spelling_that_cannot_be_is_refused_with_the_key_that_mends_it(project: Project, aliases: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        project.config(f"cleaning.aliases={aliases}")


def test_other_spellings_become_one_text_in_the_dataset(project: Project) -> None:
    config = project.config("cleaning.aliases={COUNTRY: {USA: United States, UK: United Kingdom}}")
    run_ingest(config)
    found = set(scan_dataset(config.dataset).select("COUNTRY").collect()["COUNTRY"])
    assert {"United States", "United Kingdom"} <= found
    assert not {"USA", "UK"} & found


def test_texts_are_read_as_they_stand_where_nothing_is_said() -> None:
    assert read_text(" Usa ", CellReading()) == " Usa "
    assert read_text("", CellReading()) is None
