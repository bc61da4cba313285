"""Texts that differ by blanks, invisible signs, composition or case alone: pointed at with counts, and mended where asked."""

import random
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import polars as pl
import pytest
import yaml
from tests.support.projects import REAL_CSV

from tabtrail.cli.suggestions import suggested_yaml
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.contract.cells import CellReading
from tabtrail.data.alias_suggestions import suggest_aliases
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.spellings import find_spellings, spelled
from tabtrail.errors import ConfigError

MEND = "cleaning: {trim: [b], fold_case: [b]%s}\n"


def source(folder: Path, texts: Iterable[str], settings: str = "", name: str = "input.csv") -> Config:
    """Return the config of a file with the columns b (text), a and y, of which y is predicted."""
    rows = "".join(f'"{text}",{n},{3 * n + n % 7}\n' for n, text in enumerate(texts))
    (folder / name).write_text("b,a,y\n" + rows, encoding="utf-8")
    (folder / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: 'input*.csv'}\n"
        "model: {name: m, target: y, numeric_features: [a], categorical_features: [b]}\n"
        "split: {kind: random, folds: 2, allow_leaky: true}\ncandidates: {LinearRegression: {}}\n" + settings,
        encoding="utf-8",
    )
    return load_config(folder / "config.yaml")


def texts_of(config: Config) -> dict[str | None, int]:
    return dict(scan_dataset(config.dataset).collect()["b"].value_counts().iter_rows())


FRANCE = [*["France"] * 5, *["FRANCE"] * 2, " France", "Fran\u200bce", "France\xa0", "España", "Espan\u0303a", "Oslo"]


def test_categories_that_differ_by_their_spelling_alone_are_pointed_at_with_counts_and_keys(tmp_path: Path) -> None:
    config = source(tmp_path, FRANCE)
    assert ingest(config).findings == [
        "b: 'France' (5 rows) is also written 'FRANCE' (2), ' France' (1), 'France\\xa0' (1) …; 'España' (1 row) is also written"
        " 'Espan\\u0303a' (1): to take them for one, name them in cleaning.aliases (tabtrail profile --suggest-aliases writes the"
        " lines)"
    ]


@pytest.mark.parametrize("texts", [["x", "X", "y"], ["x", "x ", "y"], ["x y", "x  y"], ["é", "e\u0301"]])
def test_the_table_that_the_advice_names_mends_the_file(tmp_path: Path, texts: list[str]) -> None:
    config = source(tmp_path, 4 * texts)
    (found,) = ingest(config).findings
    assert found.endswith("name them in cleaning.aliases (tabtrail profile --suggest-aliases writes the lines)")
    table = yaml.safe_load(suggested_yaml(suggest_aliases(scan_dataset(config.dataset))))
    assert ingest(source(tmp_path, 4 * texts, yaml.safe_dump(table))).findings == []


def test_a_text_that_is_written_like_a_missing_value_is_pointed_at(tmp_path: Path) -> None:
    config = source(tmp_path, ["n/a", "N/A", "N/A ", "x", "  ", ""], "source: {null_values: {b: [N/A, NA]}}\n")
    assert ingest(config).findings == [
        "b: 'N/A' (a missing value) is also written 'N/A ' (1), 'n/a' (1); '' (a missing value) is also written '  ' (1): to take"
        " them for one, name them in source.null_values: {b: ['N/A ', 'n/a', '  ']}"
    ]


def test_spellings_are_one_text_once_they_are_trimmed_and_folded(tmp_path: Path) -> None:
    config = source(tmp_path, FRANCE, MEND % "")
    assert ingest(config).findings == []
    assert texts_of(config) == {"FRANCE": 10, "ESPAÑA": 2, "OSLO": 1}
    everywhere = source(tmp_path, FRANCE, "cleaning: {trim: true, fold_case: true}\n")
    ingest(everywhere)
    assert texts_of(everywhere) == texts_of(config)


def test_null_words_aliases_filling_and_missing_values_go_by_the_text_that_is_read(tmp_path: Path) -> None:
    settings = "source: {null_values: {b: [n/a]}}\n" + MEND % ", aliases: {b: {Gaul: France}}, fill_unknown_columns: [b]"
    config = source(tmp_path, ["France", " gaul ", "N/A ", "  ", "\u200b", "", "unknown", "n/a"], settings)
    manifest = ingest(config)
    assert texts_of(config) == {"FRANCE": 2, "UNKNOWN": 6}
    assert manifest.nulls["b"] == 5


def test_rows_are_rejected_by_the_text_that_is_read_and_set_aside_as_they_were_written(tmp_path: Path) -> None:
    contract = (
        "contract: {max_reject_share: 0.9, columns: {b: {dtype: string, nullable: false, allowed: [FRANCE, TOTAL]}},"
        " rows: [{name: no_total, check: \"b != 'TOTAL'\"}]}\n"
    )
    config = source(tmp_path, ["France", " FRANCE ", "total\xa0", " ", "Oslo ", "france"], contract + MEND % "")
    manifest = ingest(config)
    assert texts_of(config) == {"FRANCE": 3}
    assert manifest.rejects == {"b: missing": 1, "b: not an allowed value": 1, "no_total": 1}
    assert pl.read_parquet(config.paths.rejects)["b"].to_list() == ["total\xa0", None, "Oslo "]


def test_an_appended_file_is_compared_with_the_rows_before_and_read_as_they_were(tmp_path: Path) -> None:
    assert ingest(source(tmp_path, ["France", "Oslo"] * 9)).findings == []
    config = source(tmp_path, ["FRANCE"] * 3, name="input2.csv")
    appended = ingest(config, append=True)
    assert appended.findings == [
        "b: 'France' (9 rows) is also written 'FRANCE' (3): to take them for one, name them in cleaning.aliases (tabtrail profile"
        " --suggest-aliases writes the lines)"
    ]
    assert ingest(config).findings == appended.findings
    (tmp_path / "input3.csv").write_text("b,a,y\nx,1,none\n")
    loose = source(tmp_path, ["FRANCE"] * 3, "contract: {max_reject_share: 0.1}\n", name="input2.csv")
    (tmp_path / "input3.csv").rename(tmp_path / "later.csv")
    assert ingest(loose).findings == appended.findings
    (tmp_path / "later.csv").rename(tmp_path / "input3.csv")
    assert ingest(loose, append=True).findings == appended.findings
    (tmp_path / "input3.csv").unlink()
    mended = source(tmp_path, ["FRANCE"] * 3, MEND % "", name="input2.csv")
    (tmp_path / "input2.csv").rename(tmp_path / "later.csv")
    ingest(mended)
    (tmp_path / "later.csv").rename(tmp_path / "input2.csv")
    assert ingest(mended, append=True).findings == []
    assert texts_of(mended) == {"FRANCE": 12, "OSLO": 9}


def test_texts_of_single_things_are_not_compared(tmp_path: Path) -> None:
    assert ingest(source(tmp_path, [*(f"id{n}" for n in range(2_500)), "x", "X"])).findings == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("cleaning: {trim: [a]}", "cleaning.trim: 'a' is not a text column"),
        ("cleaning: {fold_case: [y]}", "cleaning.fold_case: 'y' is not a text column"),
        (
            "cleaning: {fold_case: [b]}\ncontract: {rows: [{name: r, check: \"b != 'Total'\"}]}",
            "contract.rows.0.check: 'Total' cannot stand in b, whose texts cleaning.fold_case changes; write 'TOTAL'",
        ),
        (
            "cleaning: {trim: true}\ncontract: {columns: {b: {dtype: string, allowed: ['x ', y]}}}",
            "contract.columns.b.allowed: 'x ' cannot stand in b, whose texts cleaning.trim changes; write 'x'",
        ),
        (
            "cleaning: {fold_case: [b], aliases: {b: {x: One, X: Two}}}",
            "cleaning.aliases.b: 'x' is there twice as cleaning.fold_case reads it, for 'One' and 'TWO'",
        ),
        (
            "source: {null_values: {b: [n/a]}}\ncleaning: {fold_case: [b], aliases: {b: {N/A: One}}}",
            "cleaning.aliases.b: 'N/A' means a missing value",
        ),
        ("cleaning: {fold_case: yes please}", "cleaning.fold_case"),
    ],
)
def test_words_that_can_never_stand_in_a_column_are_refused_with_their_key(tmp_path: Path, settings: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source(tmp_path, ["x"], settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(("trim", "fold"), [(True, False), (False, True), (True, True)])
def test_texts_in_bulk_are_spelled_as_the_contract_says(trim: bool, fold: bool) -> None:
    reading, drawn = CellReading(trim=trim, fold_case=fold), random.Random(5)
    letters = [*"aZ ß \t", "\xa0", "\u200b", "e\u0301", "ﬁ", "İ", "ǆ", "\u0345", "\r", "\x00", "Å", "ς"]
    texts = [*map("".join, product(letters, repeat=2)), *("".join(drawn.choices(letters, k=5)) for _ in range(500)), "", None]
    found = spelled(pl.Series("t", texts, dtype=pl.String), reading)
    assert found.to_list() == [None if text is None else reading.spell(text) for text in texts]
    assert spelled(found, reading).to_list() == found.to_list()


@pytest.mark.skipif(not REAL_CSV.is_file(), reason="the public tables are not here")
def test_clean_tables_raise_no_alarm(tmp_path: Path) -> None:
    for file in sorted(REAL_CSV.parent.glob("*.csv")):
        texts = pl.read_csv(file, infer_schema=False, encoding="cp850")
        (tmp_path / file.stem).mkdir()
        texts.write_parquet(tmp_path / file.stem / "part.parquet")
        assert find_spellings(tmp_path / file.stem, {}, texts.columns, {}) == []
