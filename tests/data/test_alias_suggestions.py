"""Which texts of a column may be other spellings of one: planted ones are found, and different names are not merged."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest
import yaml
from tests.support.projects import REAL_CSV

from tabtrail.cli.suggestions import suggested_yaml
from tabtrail.config.load import load_config
from tabtrail.data.alias_suggestions import Suggestion, suggest_aliases, suggest_plain_aliases
from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.data.similar_texts import differing, fold

PLACES = [
    *[("Springfield", "IL", 40), ("Springfield", "MA", 30), ("Portland", "OR", 50), ("Portland", "ME", 20), ("Boston", "MA", 60)],
    *[("Chicago", "IL", 90), ("Eugene", "OR", 80), ("Bangor", "ME", 70), ("Austin", "TX", 90), ("Dallas", "TX", 90)],
    *[("Houston", "TX", 90), ("Worcester", "MA", 50), ("Salem", "OR", 70), ("Lewiston", "ME", 30), ("Peoria", "IL", 40)],
]


def frame(places: Sequence[tuple[str, str | None, int]]) -> pl.DataFrame:
    rows = [(city, state) for city, state, count in places for _ in range(count)]
    return pl.DataFrame(rows, schema={"city": pl.String, "state": pl.String}, orient="row")


def merges(rows: pl.DataFrame, column: str = "city") -> dict[str, str]:
    return {each.text: each.means for each in suggest_aliases(rows.lazy()) if each.column == column}


def real() -> pl.DataFrame:
    if not REAL_CSV.exists():
        pytest.skip("the real file is not here")
    return pl.read_csv(REAL_CSV, encoding="cp1252", infer_schema_length=0)


def test_no_two_texts_of_the_real_file_are_merged() -> None:
    assert suggest_aliases(real().lazy()) == []


SLIPS: dict[str, Callable[[str, random.Random], str]] = {
    "case": lambda text, _: text.upper(),
    "blanks": lambda text, _: f" {text}",
    "a letter twice": lambda text, drawn: (at := drawn.randrange(1, len(text))) and text[:at] + text[at - 1] + text[at:],
    "a letter left out": lambda text, drawn: (at := drawn.randrange(1, len(text))) and text[:at] + text[at + 1 :],
    "two letters swapped": lambda text, drawn: (
        (at := drawn.randrange(1, len(text) - 1)) and text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    ),
    "an accent": lambda text, _: text.replace("o", "ö").replace("a", "á"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_planted_spellings_of_the_cities_of_the_real_file_are_all_found_and_no_others(slip: str) -> None:
    rows, drawn, planted = real(), random.Random(slip), dict[str, str]()
    cities = rows["CITY"].to_list()
    for city in sorted({city for city in cities if len(city) > 5 and " " not in city}):
        other = SLIPS[slip](city, drawn)
        if other != city:
            planted[other] = city
            for place in [at for at, each in enumerate(cities) if each == city][::4]:
                cities[place] = other
    assert len(planted) > 30
    assert merges(rows.with_columns(pl.Series("CITY", cities)), "CITY") == planted


def test_a_spelling_is_proposed_beside_the_contexts_alone_in_which_both_stand() -> None:
    rows = frame([*PLACES, ("Portlnd", "OR", 3), ("Portlnd", "TX", 2), ("Bostn", "MA", 1)])
    found = suggest_aliases(rows.lazy())
    assert [(each.text, each.means, each.rows, each.rows_of_means, each.context) for each in found] == [
        ("Portlnd", "Portland", 3, 70, (("state", "OR"),)),
        ("Bostn", "Boston", 1, 60, (("state", "MA"),)),
    ]


def test_names_in_other_places_are_not_merged_and_a_name_in_two_places_is_one_text() -> None:
    assert merges(frame([*PLACES, ("Bostan", "TX", 3), ("San Jose", "CA", 30), ("San José", "CR", 5)])) == {}
    assert merges(frame([*PLACES, ("SPRINGFIELD", "IL", 3), ("springfield", "MA", 3)])) == {
        "SPRINGFIELD": "Springfield",
        "springfield": "Springfield",
    }


def test_without_a_context_a_slip_is_told_by_being_rare() -> None:
    alone = frame([("Bergen", None, 100), ("Borgen", None, 11), ("Bergne", None, 4), ("Oslo", None, 60)])
    assert merges(alone) == {"Bergne": "Bergen"}


@pytest.mark.parametrize(
    ("other", "means"),
    [
        ("Suedvorstadt", "Südvorstadt"),
        ("Sudvorstadt", "Südvorstadt"),
        ("Alt-Stadt", "Altstadt"),
        ("Neust.", "Neustadt"),
        ("Gr. Markt", "Großer Markt"),
        ("U.S.A.", "USA"),
        ("LODZ", "Łódź"),
        ("2-Zimmer", "2 Zimmer"),
        ("Nord.", None),  # Nordend or Nordstadt
        ("A-", None),
        ("1-5", None),
    ],
)
def test_a_text_is_found_by_letters_spelled_out_by_marks_and_by_what_an_abbreviation_cuts(other: str, means: str | None) -> None:
    names = ["Südvorstadt", "Altstadt", "Neustadt", "Großer Markt", "USA", "Łódź", "2 Zimmer", "Nordend", "Nordstadt", "A", "15"]
    found = suggest_plain_aliases("place", {**dict.fromkeys(names, 40), other: 4})
    assert [each.means for each in found] == ([means] if means else [])


def test_a_text_as_near_to_two_names_is_left_out_and_none_leads_to_another_spelling() -> None:
    assert merges(frame([("Marten", None, 100), ("Martin", None, 100), ("Martyn", None, 2)])) == {}
    chain = merges(frame([("Bergen", None, 900), ("Bergenn", None, 80), ("Bergennn", None, 2)]))
    assert chain["Bergenn"] == "Bergen"
    assert set(chain.values()) == {"Bergen"}


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("São Paulo", "SAO  PAULO", 0),
        ("St. Louis", "St Louis", 0),
        ("New-York", "New York", 0),
        ("Kobenhavn", "København", 0),
        ("Sae Diego", "San Diego", 1),
        ("Whte Plains", "White Plains", 1),
        ("S10_1678", "S10_1679", None),
        ("1.5 l", "15 l", None),
        ("A+", "A-", None),
        ("Austria", "Australia", None),
        ("Slovakia", "Slovenia", None),
        ("Iran", "Iraq", None),
        ("North Korea", "South Korea", None),
        ("North Sydney", "South Sydney", None),
        ("Male", "Female", None),
        ("Team A", "Team B", None),
    ],
)
def test_slips_are_told_from_other_names(one: str, other: str, edits: int | None) -> None:
    assert differing(fold(one), fold(other)) == edits


def test_what_is_printed_is_yaml_that_merges_when_it_is_taken_over_and_nothing_before(tmp_path: Path) -> None:
    rows = frame([*PLACES, ("Portlnd", "OR", 3), ("Portlnd", "TX", 2), ("yes", "MA", 40), ("Yes", "MA", 4), ("No: 1", "MA", 3)])
    rows.with_columns(pl.int_range(pl.len()).alias("x"), (pl.int_range(pl.len()) % 7).alias("y")).write_csv(tmp_path / "in.csv")
    text = "version: 2\npaths: {raw_csv: in.csv}\nsplit: {kind: random, folds: 2, allow_leaky: true}\n"
    text += "model: {name: m, target: y, numeric_features: [x], categorical_features: [city, state]}\n"
    (tmp_path / "config.yaml").write_text(text)
    config = load_config(tmp_path / "config.yaml")
    ingest(config)
    printed = suggested_yaml(suggest_aliases(scan_dataset(config.dataset)))
    assert "Nothing was applied" in printed
    assert "- {state: OR, city: Portlnd, means: Portland}    # 3 rows, beside 70; 1 letter differs" in printed
    assert "Portlnd" in scan_dataset(config.dataset).collect()["city"]
    assert set(yaml.safe_load(printed)) == {"cleaning"}
    (tmp_path / "config.yaml").write_text(text + printed)
    config = load_config(tmp_path / "config.yaml")
    ingest(config)
    counts = dict(scan_dataset(config.dataset).collect()["city"].value_counts().iter_rows())
    assert (counts["Portland"], counts["Portlnd"], counts["yes"]) == (73, 2, 44)
    assert suggest_aliases(scan_dataset(config.dataset)) == []
    assert suggested_yaml([]).startswith("# No texts")


def test_odd_texts_are_quoted_in_what_is_printed() -> None:
    odd = [Suggestion("a: b", text, "x # y", 1, 2, 0) for text in ("true", "- z", "'q'", "1", "é\u200b", "a\nb")]
    table = yaml.safe_load(suggested_yaml(odd))["cleaning"]["aliases"]["a: b"]
    assert table == {each.text: "x # y" for each in odd}
