"""Tables fit their terminal: wrapped between words, then without some columns, then in blocks. Nothing is cut."""

import re

import pytest

from tabtrail.cli.runs import metric_label
from tabtrail.cli.table import fill, table_lines

HEADER = ["#", "when", "from", "run", "difference", "why"]
RUN = "bb641cc9afb14036ac03801113d082de"
ROWS = [
    ["1", "2026-11-27 20:11:12", "–", RUN, "", "the first one"],
    [
        "2",
        "2026-11-27 20:12:13",
        "GradientBoosting_200_depth4",
        RUN[::-1],
        "RMSE -1234.56789 (-2234.5 to -12.25)",
        "worse on the new rows",
    ],
]


def words_of(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_a_table_fits_its_terminal_and_breaks_no_number(width: int) -> None:
    lines = table_lines(HEADER, ROWS, width, optional=("run", "from"))
    assert max(map(len, lines)) <= width
    for number in ("-1234.56789", "(-2234.5", "-12.25)", "2026-11-27", "20:12:13"):
        assert any(number in line for line in lines), number


def test_a_mark_stays_on_the_line_of_its_name_and_names_stand_below_one_another() -> None:
    names = ["★ LightGBM", "≈ GradientBoosting_200_depth4", "  RandomForest_100_leaf5"]
    lines = table_lines(["candidate", "why"], [[name, "for a reason of several words"] for name in names], 45)
    assert [line[: len(name)] for line in lines for name in names if name in line] == names


def test_columns_that_are_left_out_are_named() -> None:
    lines = table_lines(HEADER, ROWS, 80, optional=("run", "from"))
    assert RUN not in words_of(lines)
    assert lines[-1].startswith("(no room for run")
    assert "--format json" in lines[-1]


def test_a_file_or_pipe_has_the_whole_table_with_a_line_for_each_row() -> None:
    lines = table_lines(HEADER, [*ROWS, ["3", "x" * 300, *[""] * 4]], None)
    assert len(lines) == 2 + 3
    assert all(cell in lines[3] for cell in ROWS[1])


def test_two_names_that_begin_alike_are_never_cut_to_twins() -> None:
    names = ["a_very_long_name_" * 6 + end for end in ("one", "two")]
    lines = table_lines(["name", "n"], [[name, "1"] for name in names], 60)
    assert max(map(len, lines)) <= 60
    text = "".join(re.sub(r"\s|─", "", line) for line in lines)
    assert all(name.replace("1", "") in text.replace("1", "") for name in names)


def test_many_columns_of_numbers_stand_in_blocks_that_repeat_the_first_column() -> None:
    lines = table_lines(["row", *(f"c{i}" for i in range(20))], [["x", *(f"{i}23456.789" for i in range(20))]], 80)
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("x ") for line in lines) > 1
    assert all(any(f"{i}23456.789" in line.split() for line in lines) for i in range(20))


def test_numbers_stand_right_and_texts_left() -> None:
    head, _, first, second = table_lines(["name", "value", "what"], [["a", "1", "x"], ["b", "1,234.5 %", "longer"]], None)
    assert head.index("what") == second.index("longer") == first.index("x")
    assert first.index("1") == second.index("%")


def test_a_wide_letter_takes_two_cells() -> None:
    lines = table_lines(["name", "n"], [["模型" * 3, "1"], ["ab", "2"]], None)
    assert lines[2].index("1") == lines[3].index("2") - 6


def test_a_sentence_breaks_between_words_and_keeps_a_figure_with_its_unit() -> None:
    lines = fill("it held 91.2 % of the rows", 13)
    assert lines == ["it held", "91.2 % of the", "rows"]


@pytest.mark.parametrize(
    ("logged", "said"), [("cv_root_mean_squared_error", "RMSE"), ("cv_mae", "MAE"), ("cv_pinball_loss", "pinball loss")]
)
def test_a_list_of_trainings_names_a_metric_by_its_label(logged: str, said: str) -> None:
    assert metric_label(logged) == said
