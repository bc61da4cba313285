"""What is printed for people: whole in files and pipes, as wide as the terminal on one."""

import pytest

from tabtrail.cli.output import print_table, print_text

HEADER = ["candidate", "cv RMSE", "± std", "to the best (95 %)", "cv MAE", "test RMSE", "test MAE", "fit s"]
ROW = [
    "  GradientBoosting_200_depth4",
    "419.3834",
    "45.811",
    "+2.843 (-4.256 to 9.942)",
    "208.8161",
    "363.1379",
    "192.8131",
    "0.58",
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output taken for a terminal of 80 columns without colours."""
    for name, value in (("TTY_COMPATIBLE", "1"), ("COLUMNS", "80"), ("TERM", "dumb"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("terminal")
def test_a_table_too_wide_for_the_terminal_is_printed_in_blocks_that_fit_with_every_value_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table("errors of all candidates, each measured on the same folds of the training part, in US dollars", HEADER, [ROW])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(lines)
    assert all(value.strip() in words for value in (*HEADER, *ROW))
    assert sum(ROW[0].strip() in line for line in lines) == 2


@pytest.mark.usefixtures("terminal")
def test_a_sentence_breaks_between_words_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "champion: LightGBM (smallest mean RMSE over the folds; the test part decides nothing), as [the rule] :x: says"
    print_text(sentence)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert " ".join(line.strip() for line in lines) == sentence


def test_elsewhere_a_table_is_one_block_and_a_sentence_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("errors", HEADER, [ROW])
    print_text("word " * 40)
    lines = capsys.readouterr().out.splitlines()
    assert all(value.strip() in next(line for line in lines if ROW[0] in line) for value in ROW)
    assert lines[-1].split() == ["word"] * 40
