"""Files whose numbers are written as people write them: read as the config says, or refused with the edit that reads them."""

from pathlib import Path

import polars as pl
import pytest

from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.contract.number_advice import advise
from tabtrail.contract.numbers import NumberFormat
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import dataset_files
from tabtrail.data.thousands import Rows, ThousandsWatch
from tabtrail.errors import ConfigError, DataError


def source(folder: Path, text: str, settings: str = "") -> Config:
    """Return the config of a file with the columns a, b and y, of which y is predicted."""
    (folder / "input.csv").write_text(text, encoding="utf-8")
    (folder / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: input.csv}\n"
        "model: {name: m, target: y, numeric_features: [a], categorical_features: [b]}\n"
        "split: {kind: random, folds: 2, allow_leaky: true}\ncandidates: {LinearRegression: {}}\n" + settings,
        encoding="utf-8",
    )
    return load_config(folder / "config.yaml")


def rows(config: Config) -> list[tuple[object, ...]]:
    ingest(config)
    return scan_dataset(config.dataset).select("a", "b", "y").collect().rows()


DECIMAL_COMMA = "a;b;y\n0,5;x0;1.100\n1,5;x1;1.101\n7;x1;1.299,99\n-1,5;x1;1.000.000\n"


def test_a_decimal_comma_is_read_where_the_source_says_so(tmp_path: Path) -> None:
    config = source(tmp_path, DECIMAL_COMMA, 'source: {delimiter: ";", decimal: ",", thousands: "."}\n')
    assert rows(config) == [(0.5, "x0", 1100.0), (1.5, "x1", 1101.0), (7.0, "x1", 1299.99), (-1.5, "x1", 1_000_000.0)]


def test_a_column_may_write_its_numbers_in_its_own_way(tmp_path: Path) -> None:
    text = 'a,b,y\n95.7%,x0,"$2,871.00"\n-3 %,x1,"($1,000)"\n,x2,"$-0.5"\n'
    own = 'y: {dtype: float, number: {strip: ["$"], thousands: ",", parentheses_negative: true}}'
    config = source(tmp_path, text, f"contract: {{columns: {{a: {{dtype: float, number: {{percent: true}}}}, {own}}}}}\n")
    assert rows(config) == [(0.957, "x0", 2871.0), (-0.03, "x1", -1000.0), (None, "x2", -0.5)]


def test_whole_numbers_may_have_thousands_marks_too(tmp_path: Path) -> None:
    text = "a;b;y\n1\u00a0299;x0;1\n12 299 000;x1;2\n7;x2;3\n"
    config = source(tmp_path, text, 'source: {delimiter: ";", thousands: " "}\ncontract: {columns: {a: {dtype: int}}}\n')
    assert rows(config) == [(1299, "x0", 1.0), (12_299_000, "x1", 2.0), (7, "x2", 3.0)]
    assert scan_dataset(config.dataset).collect_schema()["a"] == pl.Int64


def test_a_wrongly_grouped_number_is_set_aside_and_not_read_otherwise(tmp_path: Path) -> None:
    config = source(
        tmp_path,
        DECIMAL_COMMA + "12.99;x1;3\n",
        'source: {delimiter: ";", decimal: ",", thousands: "."}\ncontract: {max_reject_share: 0.5}\n',
    )
    assert ingest(config).rejects == {"a: not float": 1}
    assert pl.read_parquet(config.paths.rejects)["a"].to_list() == ["12.99"]


def test_an_integer_that_no_double_equals_is_set_aside(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{n},x{n},{n}\n" for n in range(8)) + "9007199254740993,x,1\n9007199254740992,x,2\n1e300,x,3\n"
    config = source(tmp_path, text, "contract: {max_reject_share: 0.5}\n")
    assert ingest(config).rejects == {"a: not float": 1}
    assert scan_dataset(config.dataset).select("a").collect()["a"].to_list()[-2:] == [9007199254740992.0, 1e300]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("source: {decimal: ',', thousands: ','}", "source.thousands: ',' is the decimal mark and the thousands mark"),
        ("source: {decimal: ';'}", "source.decimal"),
        (
            "contract: {columns: {b: {dtype: string, number: {percent: true}}}}",
            "contract.columns.b.number: this says how numbers",
        ),
        ("contract: {columns: {a: {dtype: int, number: {percent: true}}}}", "contract.columns.a.number.percent: a percentage"),
        ("contract: {columns: {a: {dtype: float, number: {strip: ['-']}}}}", "contract.columns.a.number: strip: '-' is a part"),
        ("contract: {columns: {a: {dtype: float, number: {precent: true}}}}", "precent.*did you mean 'percent'"),
    ],
)
def test_a_format_of_numbers_that_cannot_be_is_refused_at_load(tmp_path: Path, settings: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        source(tmp_path, "a,b,y\n1,x,2\n", settings + "\n")


def refusal(config: Config) -> str:
    with pytest.raises(DataError) as caught:
        ingest(config)
    return str(caught.value)


def test_a_refusal_shows_values_with_their_lines_and_the_key_that_reads_them(tmp_path: Path) -> None:
    text = "a;b;y\n" + "".join(f"{n},5;x;1.1{n:02}\n" for n in range(30)) + "7;x1;1.299,99\n"
    config = source(tmp_path, text, 'source: {delimiter: ";"}\n')
    message = refusal(config)
    assert "a: not float (30 rows), '0,5' on line 2, '1,5' on line 3, '2,5' on line 4: set source.decimal: ','; " in message
    assert "y: not float (1 row), '1.299,99' on line 32: set source.decimal: ',' and source.thousands: '.'. " in message


def test_the_rows_of_a_refused_ingest_are_written_and_the_previous_dataset_stays(tmp_path: Path) -> None:
    config = source(tmp_path, "a,b,y\n" + "".join(f"{n},x,{n}\n" for n in range(9)))
    ingest(config)
    before = {path: path.read_bytes() for path in dataset_files(config.dataset)}
    config = source(tmp_path, 'a,b,y\n1,x,2\n"1,5",x,2\n3,x,x3\n')
    assert str(config.dataset.refused) in refusal(config)
    refused = pl.read_parquet(config.dataset.refused)
    assert refused.select("_line", "_rules", "a", "y").rows() == [(3, "a: not float", "1,5", "2"), (4, "y: not float", "3", "x3")]
    assert {path: path.read_bytes() for path in dataset_files(config.dataset)} == before
    ingest(source(tmp_path, "a,b,y\n1,x,2\n2,x,3\n3,x,4\n4,x,5\n5,x,7\n"))
    assert not config.dataset.refused.exists()


def test_a_refusal_shows_no_more_of_a_row_than_what_is_wrong(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{n}th,private,{n}\n" for n in range(9)) + "1,private,2,extra\n"
    message = refusal(source(tmp_path, text))
    assert "'0th' on line 2" in message
    assert "private" not in message
    assert "extra" not in message


def test_the_notes_say_how_numbers_that_were_set_aside_would_be_read(tmp_path: Path) -> None:
    config = source(tmp_path, 'a,b,y\n1,x,2\n"1,234",x,2\n3,x,3\n4,x,5\n5,x,6\n', "contract: {max_reject_share: 0.5}\n")
    assert any("a: not float: rejected, '1,234' on line 3; set source" in note for note in ingest(config).notes)


def test_a_file_of_which_every_row_is_rejected_is_refused_by_its_rules(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{n},x,{n},\n" for n in range(9))
    config = source(tmp_path, text, "contract: {max_reject_share: 1}\n")
    assert "every row was rejected: ragged: 4 fields, the header has 3 (9 rows), line 2, line 3, line 4. " in refusal(config)
    assert pl.read_parquet(config.dataset.refused).height == 9


@pytest.mark.parametrize(
    ("texts", "advice"),
    [
        (["5,5"], "source.decimal: ','"),
        (["1.299,99", "3,5"], "source.decimal: ',' and source.thousands: '.'"),
        (["2,871.00", "95"], "source.thousands: ','"),
        (["2,871"], "source.decimal: ',', or, if they mean other numbers, source.thousands: ','"),
        (["1 299,5", "1\u00a0299"], "source.decimal: ',' and source.thousands: ' '"),
        (["1'299.00"], 'source.thousands: "\'"'),
        (["$2871", "-$5"], "contract.columns.C.number: {strip: ['$']}"),
        (["5,5 €"], "source.decimal: ',' and contract.columns.C.number: {strip: ['€']}"),
        (
            ["95.7%"],
            "contract.columns.C.number: {strip: ['%']} (percent: true instead of the % reads hundredths, and rejects numbers"
            " without it)",
        ),
        (["(2871)", "5"], "contract.columns.C.number: {parentheses_negative: true}"),
        (["(€2,871.5)"], "source.thousands: ',' and contract.columns.C.number: {strip: ['€'], parentheses_negative: true}"),
        (["N/A", "-"], "source.null_values: {C: ['N/A', '-']} if they mean a missing value"),
        (["1.5"], "contract.columns.C.dtype: float"),
        (["1\xa0000"], "source.thousands: ' '"),
        (["#N/A", "#DIV/0!"], "source.null_values: {C: ['#N/A', '#DIV/0!']} if they mean a missing value"),
        (["Yes", "no"], "contract.columns.C.dtype: string (a category of the model, not a number)"),
        (["5 kg", "7 lb"], "contract.columns.C.number: {strip: ['kg', 'lb']} (they are cut off, and nothing is converted)"),
        (["12-AUG-20", "5"], None),
        (["9007199254740993"], None),
        (["1.5k", "2M"], "contract.columns.C.number: {multipliers: [k, M]}"),
        (["€1.5M", "2"], "contract.columns.C.number: {strip: ['€'], multipliers: [M]}"),
        (["1.5m"], "contract.columns.C.number: {strip: ['m']}"),
        (["5-", "7"], "contract.columns.C.number: {trailing_minus: true}"),
        (["100 CR", "20 DR"], None),
        (["<10", "~5"], None),
        (["1½", "5²"], None),
        (["5-", "--5"], None),
        (["5‰"], None),
    ],
)
def test_the_advice_names_the_keys_that_read_the_texts(texts: list[str], advice: str | None) -> None:
    assert advise("C", texts, NumberFormat()) == advice


def test_the_advice_for_whole_numbers_and_for_percentages_reads_them_in_that_column() -> None:
    assert advise("C", ["1,000", "2,345"], NumberFormat(), whole=True) == "source.thousands: ','"
    assert advise("C", ["5.0", "1e5"], NumberFormat(), whole=True) == "contract.columns.C.dtype: float"
    assert advise("C", ["5,5"], NumberFormat(), whole=True) == "contract.columns.C.dtype: float and source.decimal: ','"
    assert advise("C", ["n/a"], NumberFormat(), whole=True) == "source.null_values: {C: ['n/a']} if they mean a missing value"
    assert advise("C", ["1.2345678901234568e+16"], NumberFormat(), whole=True) is None
    percent = advise("C", ["0.5"], NumberFormat(percent=True))
    assert percent == "contract.columns.C.number: {strip: ['%']} in place of percent: true, if they are percentages, too"


def test_the_types_of_a_wide_table_are_asked_for_once_a_block_and_not_once_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    values, asked, schema = pl.DataFrame({f"n{place}": [0.5, 1.0] for place in range(50)}), [], pl.DataFrame.schema.fget

    def counted(frame: pl.DataFrame) -> pl.Schema:
        asked.append(frame.width)
        return schema(frame)  # type: ignore[misc]

    monkeypatch.setattr(pl.DataFrame, "schema", property(counted))
    watch = ThousandsWatch(dict.fromkeys(values.columns, NumberFormat()))
    watch.see(Rows(values, pl.Series([True, True]), lambda places: values))
    assert asked.count(50) < 5
    assert watch.findings() == []
