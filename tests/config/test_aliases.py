"""`cleaning.aliases`: tables of other spellings, with a context or without, in the YAML or in a file beside it."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.contract.aliases import MEANS, ContextAliases, SegmentReading, Stated, build_tables, respell
from tabtrail.contract.cells import CellReading
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.row_rules import respelled
from tabtrail.errors import ConfigError

ROWS = """city,state,land,x,y
Glendle,CA,USA,1,1
Glendle,CT,USA,2,2
Glendle,ca,U.S.A.,3,3
Glendale,CT,USA,4,4
Glendle,,USA,5,5
Glendle,n/a,,6,6
"""
TABLE = """
    - {land: USA, state: CA, city: Glendle, means: Glendale}
    - {land: USA, state: null, city: Glendle, means: Glen Dale}
"""


def config_of(folder: Path, aliases: str, rest: str = "", model: str = "city, state, land") -> Config:
    """Return the config of a file of cities, with tables of aliases as they stand in the YAML."""
    (folder / "input.csv").write_text(ROWS)
    (folder / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: input.csv}\nsource: {null_values: {state: [n/a]}}\n"
        f"model: {{name: m, target: y, numeric_features: [x], categorical_features: [{model}]}}\n"
        "split: {kind: random, folds: 2, allow_leaky: true}\ncandidates: {LinearRegression: {}}\n"
        f"cleaning:\n  fold_case: [state]\n{rest}  aliases:\n    {aliases}\n"
    )
    return load_config(folder / "config.yaml")


def cities(config: Config) -> list[str]:
    return scan_dataset(config.dataset).collect()["city"].to_list()


def test_a_spelling_means_another_text_beside_its_context_alone(tmp_path: Path) -> None:
    config = config_of(tmp_path, "land: {U.S.A.: USA}\n    city:" + TABLE)
    manifest = ingest(config)
    assert cities(config) == ["Glendale", "Glendle", "Glendale", "Glendale", "Glen Dale", "Glendle"]
    assert manifest.warnings == {
        "land: another spelling, replaced by cleaning.aliases": 1,
        "city: another spelling, replaced by cleaning.aliases": 3,
    }


def test_a_filled_gap_is_the_same_context_as_a_missing_value_and_as_its_word(tmp_path: Path) -> None:
    for state in ("null", "Unknown", "unknown"):
        table = f"land: {{U.S.A.: USA}}\n    city: [{{land: USA, state: {state}, city: Glendle, means: Glen Dale}}]"
        config = config_of(tmp_path, table, "  fill_unknown_columns: [state]\n")
        ingest(config)
        assert cities(config)[4] == "Glen Dale"


def test_contexts_are_read_first_whatever_the_order_of_the_tables(tmp_path: Path) -> None:
    tables = (
        "city: [{state: CALIFORNIA, city: Glendle, means: Glendale}]\n    land: {U.S.A.: USA}\n"
        "    state: [{land: USA, state: ca, means: California}]"
    )
    config = config_of(tmp_path, tables)
    ingest(config)
    assert cities(config)[:3] == ["Glendale", "Glendle", "Glendale"]


def test_a_table_in_a_file_is_the_same_as_in_the_yaml_and_makes_the_dataset_stale_when_it_changes(tmp_path: Path) -> None:
    inline = config_of(tmp_path, "city:" + TABLE)
    (tmp_path / "tables").mkdir()
    file = tmp_path / "tables" / "city.csv"
    file.write_text("\ufeffland,state,city,means,_rows\nUSA,CA,Glendle,Glendale,2\nUSA,,Glendle,Glen Dale,1\n", encoding="utf-8")
    config = config_of(tmp_path, "city: tables/city.csv")
    assert config.cleaning == inline.cleaning
    assert config.ingest_digest() == inline.ingest_digest()
    file.write_text("land,state,city,means\nUSA,CA,Glendle,Glendale\n")
    assert load_config(tmp_path / "config.yaml").ingest_digest() != config.ingest_digest()
    file.write_text("city,means\nGlendle,Glendale\n")
    config = load_config(tmp_path / "config.yaml")
    ingest(config)
    assert set(cities(config)) == {"Glendale"}, "a table without a context"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"config\.yaml:\d+: cleaning\.aliases\.city: there is no file .*city\.csv; write \{OTHER SPELLING: TEXT\}"),
        ("", r"city\.csv has no column 'city' in its first line; write"),
        ("City,means\n", r"city\.csv has no column 'city' in its first line; did you mean 'City'\?"),
        ("city,mean\n", r"city\.csv has no column 'means' in its first line; did you mean 'mean'\?"),
        ("city;means\na;b\n", r"city\.csv has ';' between its fields; save it with commas"),
        ("city,state,state,means\n", r"city\.csv has two columns 'state'"),
        ("city,means\na,b\nc\n", r"city\.csv line 3: 1 fields, the first line has 2"),
        ('city,means\n"a"b,c\n', r"city\.csv cannot be read"),
        ("city,means\ncaf\xe9,c\n", r"city\.csv is not UTF-8"),
        ("city,means\na,\n", r"row 1 has no text under 'means'; what means a missing value is said in source\.null_values"),
        ("city,means\na,b\na,c\n", r"'a' is there twice, for 'b' and 'c'; keep one"),
        ("city,stat,means\na,CA,b\n", r"'stat' is not a declared column; did you mean 'state'\? Else declare it"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_line_and_the_edit(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "city.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=message):
        config_of(tmp_path, "city: city.csv")


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("ctiy: {a: b}", r"cleaning\.aliases\.ctiy: 'ctiy' is not a declared column; did you mean 'city'\?"),
        ("city: [{lnad: USA, city: a, means: b}]", r"aliases\.city: 'lnad' is not a declared column; did you mean 'land'\?"),
        ("city: {a: b, b: c}", r"'a' leads to 'b', which is a spelling of 'c' itself; write that"),
        ("city: {a: b, b: a}", r"'a' leads to 'b', which is a spelling of 'a' in turn; keep one of the two"),
        ("city: [{city: a, means: b}, {city: b, means: c}]", r"'a' leads to 'b', which is a spelling of 'c' itself"),
        ("city: [{land: x, city: a, means: b}, {land: x, city: b, means: c}]", r"'a' \(x\) leads to 'b', which is a spelling of"),
        ("city: [{land: x, city: a, means: b}, {land: x, city: b, means: a}]", r"'a' \(x\) leads to 'b', .* keep one of the two"),
        ("city: [{land: x, city: a, means: b}, {land: x, city: a, means: c}]", r"'a' \(x\) is there twice, for 'b' and 'c'"),
        ("city: [{state: n/a, city: a, means: b}, {state: null, city: a, means: c}]", r"'a' \(missing\) is there twice"),
        ("city: [{state: ca, city: a, means: b}, {state: CA, city: a, means: c}]", r"'a' \(CA\) is there twice, for 'b' and 'c'"),
        (
            "city: [{land: x, city: a, means: b}, {city: a, means: c}]",
            r"row 2 has other columns than row 1 \(land, city, m",
        ),
        ("city: [{land: x, city: a, mean: b}]", r"row 1 has no 'means'; did you mean 'mean'\?"),
        ("city: [{land: x, city: null, means: b}]", r"row 1 has no text under 'city'"),
        ("state: [{land: x, state: n/a, means: b}]", r"row 1 has a text that means a missing value; see source\.null_values"),
        ("city: [{x: '1', city: a, means: b}]", r"'x' is not a text column, so that it cannot be the context"),
        ("city: [{land: 1, city: a, means: b}]", r"aliases\.city: row 1: 1 is not a text; quote it"),
        ("city: {file: city.csv}", r"aliases\.city: write the path of the file itself: city\.csv"),
        ("city: {a: 1}", r"aliases\.city: 1 is not a text; quote it"),
        ("land: {NO: Norway}", r"aliases\.land: false is not a text; quote it"),
        ("city: 5", r"aliases\.city: write \{OTHER SPELLING: TEXT\}, a list of rows"),
        ("city: [a, b]", r"aliases\.city: write \{OTHER SPELLING: TEXT\}, a list of rows"),
        (
            "city: [{state: x, city: a, means: b}]\n    state: [{city: b, state: x, means: y}]",
            r"aliases\.city: 'state' is a context here and told by 'city' there",
        ),
        ("y: [{land: x, y: a, means: b}]", r"'y' is not a text column"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_with_the_near_miss_and_the_edit(
    tmp_path: Path, aliases: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        config_of(tmp_path, aliases)


def test_a_column_that_is_spelled_by_a_context_is_no_input_without_it(tmp_path: Path) -> None:
    message = (
        r"cleaning\.aliases\.city: the model takes 'city' without 'state', .* add 'state' to model\.categorical_features, or key"
    )
    with pytest.raises(ConfigError, match=message):
        config_of(tmp_path, "city:" + TABLE, model="city, land")
    with pytest.raises(ConfigError, match=r"'state' is the context of a spelling; take it out of cleaning\.drop_columns"):
        config_of(tmp_path, "city:" + TABLE, "  drop_columns: [state]\n", model="land")
    config_of(tmp_path, "city:" + TABLE, model="land")
    demand = "demand: {name: d, target: y, series: [city], static: [land], horizon: 3}\n"
    (tmp_path / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: input.csv}\n"
        + demand
        + "contract: {columns: {day: {dtype: date}}}\ncleaning:\n  date_column: day\n  aliases:\n    city:"
        + TABLE
    )
    with pytest.raises(ConfigError, match=r"the model takes 'city' without 'state', .* add 'state' to demand\.static"):
        load_config(tmp_path / "config.yaml")


def test_a_segment_that_a_person_names_is_read_by_the_context_that_is_named_beside_it() -> None:
    rows = [{"state": "CA", "city": "Glendle", MEANS: "Glendale"}, {"state": None, "city": "Glendle", MEANS: "Glen Dale"}]
    tables = build_tables([Stated("city", ("state",), rows)], lambda _: CellReading())
    whole = SegmentReading.of({"town": "city", "province": "state"}, lambda _: CellReading(), tables)
    assert whole.read([("town", "Glendle"), ("province", "CA")]) == {"town": "Glendale", "province": "CA"}
    assert whole.read([("town", "Glendle"), ("province", "CT")])["town"] == "Glendle"
    alone = SegmentReading.of({"town": "city"}, lambda _: CellReading(), tables)
    assert alone.read([("town", "Glendle")]) == {"town": "Glendle"}, "of no state nothing is known, not that it is missing"


texts = st.sampled_from(["a", "b", "c", "", None])


@given(
    st.lists(st.tuples(texts, texts, st.sampled_from("abc"), st.sampled_from("xyz")), max_size=8),
    st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=20),
)
def test_rows_are_respelled_in_bulk_as_one_by_one(
    table: list[tuple[str | None, str | None, str, str]], rows: list[tuple[str | None, str | None, str | None]]
) -> None:
    names = ("p", "q", "t", MEANS)
    stated = Stated("t", ("p", "q"), [dict(zip(names, row, strict=True)) for row in table])
    (built,) = build_tables([stated], lambda name: CellReading(fill="a" if name == "p" else None))
    one_by_one = [dict(zip(names, (each or None for each in row), strict=False)) for row in rows]
    frame = pl.DataFrame(one_by_one, schema=dict.fromkeys(names[:3], pl.String))
    for row in one_by_one:
        respell(row, [built])
    assert frame.with_columns(respelled(built))["t"].to_list() == [row["t"] for row in one_by_one]
    assert ContextAliases.from_dict({"column": "t", "within": ["p", "q"], "rows": [list(each) for each in built.rows]}) == built
