"""What ingest finds in a file that a person should look at before the figures are trusted."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from tabtrail import pipeline
from tabtrail.config.load import load_config
from tabtrail.config.tree import Config
from tabtrail.data import repeats
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.manifest import read_manifest
from tabtrail.data.profile import read_profile


def source(folder: Path, lines: Iterable[str], settings: str = "") -> Config:
    """Return the config of a file with the columns b, a and y, of which y is predicted."""
    (folder / "input.csv").write_text("b,a,y\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    (folder / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: input.csv}\n"
        "model: {name: m, target: y, numeric_features: [a], categorical_features: [b]}\n"
        "split: {kind: random, folds: 2, allow_leaky: true}\ncandidates: {LinearRegression: {}}\n" + settings,
        encoding="utf-8",
    )
    return load_config(folder / "config.yaml")


def findings(config: Config) -> list[str]:
    return ingest(config).findings


def thousands_dot() -> list[str]:
    return [f"x{n % 3},{n},{950 + n // 2 if n % 2 == 0 else f'1.{n:03}'}" for n in range(40)]


def test_a_dot_that_may_part_thousands_is_pointed_at_with_values_lines_and_keys(tmp_path: Path) -> None:
    (found,) = findings(source(tmp_path, thousands_dot()))
    assert found.startswith("y: 1.001 on line 3, 1.003 on line 5, 1.005 on line 7 (20 of 40 values) are read as fractions")
    assert "set source.thousands: '.' and source.decimal: ','" in found
    config = source(tmp_path, thousands_dot(), "source: {thousands: '.', decimal: ','}\n")
    assert findings(config) == []
    assert scan_dataset(config.dataset).collect()["y"].to_list()[1] == 1001


def test_a_single_dotted_number_is_enough_and_quotes_do_not_hide_it(tmp_path: Path) -> None:
    (found,) = findings(source(tmp_path, [*(f'"x",{n},"98{n}"' for n in range(9)), '"x\ny",9,"1.033"']))
    assert "y: 1.033 on line 11 (1 of 10 values)" in found


def test_a_comma_may_part_thousands_where_it_is_the_decimal_mark(tmp_path: Path) -> None:
    lines = [f'x,{n},"{950 + n if n % 2 else f"1,{n:03}"}"' for n in range(20)]
    (found,) = findings(source(tmp_path, lines, "source: {decimal: ','}\n"))
    assert "y: 1,002 on line 4" in found
    assert "set source.thousands: ',' and source.decimal: '.'" in found


@pytest.mark.parametrize(
    "value",
    [
        lambda drawn: f"{drawn.uniform(0.5, 200):.3f}",
        lambda drawn: f"{drawn.uniform(1, 900):.3f}",
        lambda drawn: repr(round(drawn.uniform(1, 900), 3)),
        lambda drawn: f"{drawn.uniform(1, 900):.2f}",
        lambda drawn: f"{drawn.choice([1.125, 250, 3.375, 500, 7.625]):.3f}",
        lambda drawn: repr(drawn.choice([1.125, 250, 3.5, 500, 7.25])),
        lambda drawn: str(drawn.randint(0, 999)),
        lambda drawn: str(drawn.choice([1.033, 982, 2000])),
        lambda drawn: str(drawn.choice([1.033, 0.982, 982])),
        lambda drawn: str(drawn.choice([1.033, 9, 12])),
    ],
    ids=[
        "decimals",
        "from one on",
        "trailing zeros cut",
        "prices",
        "eighths",
        "fractions",
        "counts",
        "plain 2000",
        "below one",
        "small",
    ],
)
def test_true_fractions_raise_no_alarm(tmp_path: Path, value: object) -> None:
    drawn = random.Random(3)
    assert callable(value)
    assert findings(source(tmp_path, (f"x,{n},{value(drawn)}" for n in range(400)))) == []


TOTAL = [*(f"x{n % 3},{n},{2 * n}" for n in range(40)), "Grand Total,,1560"]


def test_a_last_row_with_the_sums_of_those_above_is_pointed_at(tmp_path: Path) -> None:
    config = source(tmp_path, TOTAL)
    (found,) = findings(config)
    assert found.startswith("input.csv: the last row holds the sums of the rows above in y, b is 'Grand Total'")
    rule = """contract.rows: [{name: no_total, check: "b != 'Grand Total'"}]"""
    assert rule in found
    pipeline.run_stage("ingest", config)
    pipeline.run_stage("profile", config)
    assert read_profile(config.paths.output_dir).findings == (found,)
    named = source(tmp_path, TOTAL, rule.replace("contract.rows:", "contract: {max_reject_share: 0.1, rows:") + "}\n")
    manifest = ingest(named)
    assert (manifest.findings, manifest.rejects, manifest.rows_kept) == ([], {"no_total": 1}, 40)


@pytest.mark.parametrize("last", [",780,1560", "Summe,,1560", "TOTAL:,780,1560.0", "Sub-Total,,", "total,,99"])
def test_a_total_is_one_with_and_without_a_word_for_it(tmp_path: Path, last: str) -> None:
    settings = "contract: {max_reject_share: 0.1, columns: {b: {dtype: string}}}\n"
    manifest = ingest(source(tmp_path, [*TOTAL[:-1], last], settings))
    assert len(manifest.findings) + manifest.rows_rejected == 1


@pytest.mark.parametrize("last", ["x,780,1560", "x,,", "Total,1,2", "x,780,", "Totalis,,1560", ",780,1559"])
def test_a_last_row_like_the_others_raises_no_alarm(tmp_path: Path, last: str) -> None:
    assert findings(source(tmp_path, [*TOTAL[:-1], last], "contract: {max_reject_share: 0.1}\n")) == []


def rows_of(seed: int, count: int = 300) -> list[str]:
    drawn = random.Random(seed)
    return [f"x{drawn.randint(0, 9)},{drawn.uniform(0, 1)},{drawn.uniform(0, 1e5):.2f}" for _ in range(count)]


def test_rows_that_all_occur_twice_or_three_times_are_pointed_at_first(tmp_path: Path) -> None:
    once = rows_of(1)
    shuffled = random.Random(2).sample(2 * once, 2 * len(once))
    assert findings(source(tmp_path, shuffled))[0].startswith(
        "every row occurs twice (or a multiple of that): the 600 rows may be 300"
    )
    assert "three times" in findings(source(tmp_path, 3 * once))[0]
    assert findings(source(tmp_path, once)) == []
    (found,) = findings(source(tmp_path, [*once, *once[1:], "x,1,2"]))
    assert found.startswith("299 of 600 rows are copies of earlier rows")


def test_rows_with_equal_targets_alone_are_not_repeated(tmp_path: Path) -> None:
    lines = [f"x,{n},{n // 2}" for n in range(100)]
    assert findings(source(tmp_path, lines)) == []


def test_a_copy_of_a_file_among_several_is_found_by_its_rows(tmp_path: Path) -> None:
    config = source(tmp_path, rows_of(1), "")
    text = (tmp_path / "input.csv").read_bytes()
    (tmp_path / "input2.csv").write_bytes(text.replace(b"\n", b"\r\n"))
    (tmp_path / "config.yaml").write_text((tmp_path / "config.yaml").read_text().replace("input.csv", "input*.csv"))
    config = load_config(tmp_path / "config.yaml")
    assert "every row occurs twice" in findings(config)[0]
    (tmp_path / "input3.csv").write_text("b,a,y\n" + "\n".join(rows_of(7)))
    assert ingest(config, append=True).findings == []
    assert read_manifest(config.dataset).target_sums == ingest(config).target_sums


def test_rows_are_not_read_again_where_their_targets_do_not_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabtrail.data.ingest.times_repeated", lambda *_: pytest.fail("a second pass"))
    assert findings(source(tmp_path, rows_of(1, 301))) == []
    assert repeats.RepeatWatch().suspected(0) == []
