"""How far a job has come: a line that moves on a terminal, a line for each thing said elsewhere, nothing when quiet."""

import re

import pytest

from tabtrail.cli.progress_line import progress_on_stderr


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error taken for a terminal of 80 columns without colours."""
    for name, value in (("TTY_COMPATIBLE", "1"), ("COLUMNS", "80"), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)


def work(quiet: bool) -> None:
    with progress_on_stderr(quiet) as progress:
        progress.begin("train", 4, 5)
        progress.say("train: leakage: none")
        for done in range(1, 41):
            progress.advance(done, 40)


@pytest.mark.usefixtures("terminal")
def test_a_terminal_shows_stage_count_and_time_on_one_line_that_fits_it(capsys: pytest.CaptureFixture[str]) -> None:
    work(quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    shown = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]", err)]
    assert any(line.startswith("starting ") and "0:00:0" in line for line in shown), "it moves before anything is known"
    assert any(re.match(r"train \(4 of 5\)", line) for line in shown)
    assert "train: leakage: none" in [line.strip() for line in shown]
    assert max(map(len, shown)) <= 80


def test_elsewhere_each_quarter_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    work(quiet=False)
    assert capsys.readouterr().err.splitlines() == [
        "train: leakage: none",
        "10 of 40 fits",
        "20 of 40 fits",
        "30 of 40 fits",
    ]


@pytest.mark.usefixtures("terminal")
def test_quiet_says_nothing_on_a_terminal_too(capsys: pytest.CaptureFixture[str]) -> None:
    work(quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("terminal")
def test_many_words_beside_the_count_take_the_place_of_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_on_stderr(quiet=False) as progress:
        progress.begin("report", 5, 5)
        progress.advance(10, 12, "fits of the learning curve")
    shown = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]", capsys.readouterr().err)]
    assert any(line.startswith("report (5 of 5): 10 of 12 fits of the learning curve  0:00:0") for line in shown)
    assert max(map(len, shown)) <= 80
