"""What a run prints: one screen, whatever was found."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tabtrail.cli.screen import MOST_LINES, WIDTH, screen_lines
from tabtrail.cli.typed import Typed
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.project.deployment import Deployment
from tabtrail.project.overview import Contender, Intervals, Overview, Trained

END = ["page: output/report.html", "done in 1.0 s", "next:", "  tabtrail serve --config config_v2.yaml"]
TYPED = Typed(None, None)


def contender(place: int, **changed: object) -> Contender:
    plain = Contender(f"Candidate_{place}", 100.123456 + place, 1.23456, place * 1.0, -0.5, 3.98765, 12.3456)
    return replace(plain, **changed)


ROWS = Trained(
    of="rows",
    name="cars",
    target="price",
    unit="EUR",
    metric="RMSE",
    is_percent=False,
    learned="800 rows train, 200 test, 5 folds, random split",
    contenders=(contender(0, is_champion=True, worse=None), *(contender(place) for place in range(1, 30))),
    champion="Candidate_0",
    reason="smallest mean RMSE over the folds",
    intervals=Intervals(0.9, 0.91234, 1234.5678),
    findings=(),
    importance={f"column_{place}": 1000.0 / (place + 1) for place in range(12)},
    importance_missing=None,
    deployment=Deployment("Candidate_0", "0" * 32, True, (), ""),
)
SERIES = replace(
    ROWS,
    of="series",
    contenders=tuple(
        Contender(
            f"Model_{place}", 4.0 + place, is_champion=place == 0, is_baseline=place > 3, figures={"wape": 0.4, "bias": -0.1}
        )
        for place in range(20)
    ),
    champion="Model_0",
)
FOUND = Overview(
    source="cars.csv",
    rows_in=1000,
    rows_kept=990,
    rows_rejected=10,
    rejects={"price_below_zero": 10},
    warnings={},
    synthetic=False,
    findings=(),
    shifts=(),
    trained=(ROWS,),
    page=Path("output/report.html"),
    places={},
)
LEAK = Finding("a_column_with_a_long_name", "predicts_alone", "its values", 12.345678, 456.789)
AWFUL = replace(
    FOUND,
    synthetic=True,
    warnings={f"rule_number_{place}": 1000 for place in range(30)},
    rejects={f"another_rule_{place}": 1000 for place in range(30)},
    findings=tuple(f"the values of a column are odd, {'very ' * 60}odd" for _ in range(7)),
    shifts=("the unit of price " * 20,),
    trained=tuple(
        replace(
            each,
            findings=(LEAK,) * 9,
            notes=("a note " * 40,) * 5,
            reason="chosen because " * 20,
            deployment=Deployment("Old", "1" * 32, False, ("it is worse " * 30,) * 4, "tabtrail promote 3 --force"),
        )
        for each in (ROWS, SERIES)
    ),
)


@pytest.mark.parametrize(
    "found",
    [FOUND, replace(FOUND, trained=(SERIES,)), replace(FOUND, trained=(ROWS, SERIES)), replace(AWFUL, trained=AWFUL.trained[:1])],
)
@pytest.mark.parametrize("width", [WIDTH, 120])
def test_whatever_was_found_stands_on_one_screen(found: Overview, width: int) -> None:
    lines = screen_lines(found, END, TYPED, width=width)
    assert len(lines) <= MOST_LINES, "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert lines[-len(END) :] == END


def test_of_many_contenders_the_champion_and_the_best_baseline_stay_and_the_rest_is_counted() -> None:
    contenders = (*(contender(place) for place in range(20)), contender(20, is_baseline=True), contender(21, is_champion=True))
    lines = screen_lines(replace(FOUND, trained=(replace(ROWS, contenders=contenders),)), END, TYPED)
    shown = [line for line in lines if "Candidate_" in line and "±" in line]
    assert any(line.startswith("★ Candidate_21") for line in shown)
    assert any("Candidate_20 (baseline)" in line for line in shown)
    assert f"  and {22 - len(shown)} more: --verbose, or the page" in lines


def test_figures_have_at_most_four_significant_digits() -> None:
    text = "\n".join(screen_lines(FOUND, END, TYPED))
    assert re.search(r"★ Candidate_0 +100\.1 ± 1\.2", text)
    assert "+1.00 (-0.500 to 3.99)" in text
    assert "its 90% intervals held 91.2% of the test rows and are 1,235 EUR wide on average" in text


def test_what_gives_the_target_away_is_one_line_that_says_how_many_more_there_are() -> None:
    leaks = tuple(replace(LEAK, column=f"column_{place}") for place in range(9))
    (line,) = [
        each for each in screen_lines(replace(FOUND, trained=(replace(ROWS, findings=leaks),)), END, TYPED) if "LEAK" in each
    ]
    assert line.startswith("LEAKAGE  column_0: predicts alone; column_1: predicts alone")
    assert line.endswith("and 7 more")


def test_a_model_that_was_not_deployed_is_said_with_the_command_that_changes_it() -> None:
    refused = Deployment("Old", "1" * 32, False, ("it is worse",), "tabtrail promote 3")
    lines = screen_lines(replace(FOUND, trained=(replace(ROWS, deployment=refused),)), END, Typed(Path("my cars.yaml"), None))
    assert f"NOT DEPLOYED: Old (run {'1' * 32}) stays" in lines
    text = re.sub(r" \\\n +", " ", "\n".join(lines))  # as a shell reads on; the program may be a long path
    assert "promote 3 --config 'my cars.yaml'\n" in text


def test_bars_are_as_long_as_the_values_and_the_longest_is_the_first() -> None:
    bars = [line.rpartition(" ")[2] for line in screen_lines(FOUND, END, TYPED) if line.startswith("  column_")]
    assert [round(len(bar) / len(bars[0]), 1) for bar in bars[:2]] == [1.0, 0.5]
    assert len(bars) == 5


def test_two_long_names_of_columns_stand_whole_beside_their_bars() -> None:
    names = [f"{'a_very_long_name_of_a_column_' * 2}{end}" for end in ("one", "two")]
    lines = screen_lines(replace(FOUND, trained=(replace(ROWS, importance=dict.fromkeys(names, 1.0)),)), END, TYPED)
    assert all(f"  {name}" in lines for name in names)


def test_why_the_winner_is_not_deployed_stays_whole_however_short_the_screen_is() -> None:
    reason = (
        "its error is worse than the champion's by 12 % on the rows that both were tested on, and its intervals held 61 % of them"
    )
    refused = Deployment("Old", "1" * 32, False, (reason, "another reason"), "tabtrail promote 3 --force")
    awful = replace(AWFUL, trained=tuple(replace(each, deployment=refused) for each in AWFUL.trained[:1]))
    lines = screen_lines(awful, END, TYPED)
    assert len(lines) <= MOST_LINES
    assert f"because (1 of 2: --verbose): {reason}" in " ".join(line.strip() for line in lines)


def test_what_to_look_at_is_said_once_and_keeps_its_last_clause() -> None:
    looks = tuple(f"column_{place}: {'odd values, ' * 60}and so on; set contract.columns.column_{place}" for place in range(3))
    text = "\n".join(screen_lines(replace(FOUND, findings=looks), END, TYPED))
    assert text.count("LOOK AT THIS") == 1
    assert all(f"set contract.columns.column_{place}" in re.sub(r"\n +", " ", text) for place in range(3))


def test_candidates_that_were_dropped_are_named_below_the_leaderboard_with_the_reason() -> None:
    why = "dropped after repeat 1 of 1: RMSE 65.08 worse than Candidate_0 (95 %: 12.37 to 117.8)"
    one = screen_lines(replace(FOUND, trained=(replace(ROWS, dropped={"Line": why}),)), END, TYPED)
    said = "dropped after repeat 1 of 1: Line, RMSE 65.08 worse than Candidate_0"
    assert one.index(next(line for line in one if line.startswith(said))) > one.index(next(line for line in one if "★" in line))
    two = screen_lines(replace(FOUND, trained=(replace(ROWS, dropped={"Line": why, "Other": why}),)), END, TYPED)
    assert "dropped after repeat 1 of 1 (why: --verbose or the page): Line, Other" in two


def test_columns_that_are_left_out_because_they_give_the_target_away_are_named() -> None:
    lines = screen_lines(replace(FOUND, trained=(replace(ROWS, left_out=(replace(LEAK, column="casual"),)),)), END, TYPED)
    assert "leakage: in the model, nothing was found that gives the target away" in lines
    assert any(line.startswith("left out, as they give it away: ") and "casual" in line for line in lines)
    assert max(map(len, lines)) <= WIDTH
