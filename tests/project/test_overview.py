"""What a training found, as the terminal and the Python API read it."""

import pytest
from tests.support.demand import demand_project
from tests.support.projects import Trained

from tabtrail.errors import NotTrainedError
from tabtrail.project.overview import read_overview
from tabtrail.project.project import Project


def test_the_overview_of_rows_says_what_the_leaderboard_and_the_manifest_say(trained: Trained) -> None:
    found, board = read_overview(Project(trained.config)), trained.report.leaderboard
    assert board is not None
    assert (found.rows_in, found.rows_kept, found.rows_rejected) == (2823, 2823, 0)
    (rows,) = found.trained
    assert [each.name for each in rows.contenders] == [each.candidate for each in board.candidates]
    assert [each.error for each in rows.contenders] == [each.cv["rmse"] for each in board.candidates]
    assert [each.name for each in rows.contenders if each.is_champion] == [board.champion] == [rows.champion]
    assert {each.name for each in rows.contenders if each.is_baseline} == {"MeanBaseline", "FormulaBaseline"}
    assert [each.worse for each in rows.contenders if each.name == board.best] == [None]
    assert rows.intervals is not None
    assert rows.intervals.coverage == board.champion_row.interval_coverage
    assert list(rows.importance.values()) == sorted(rows.importance.values(), reverse=True)
    assert [each.column for each in rows.findings] == ["DEALSIZE"]
    assert rows.deployment.run_id == board.champion_row.run_id
    assert all(path.exists() for path in found.places.values())


def test_the_overview_of_series_has_their_forecasters_and_the_intervals_nearest_to_nine_in_ten(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    trained = demand_project(tmp_path_factory)
    (series,) = read_overview(Project(trained.config)).trained
    assert (series.of, series.metric, series.unit) == ("series", "MAE", "units")
    assert series.champion in [each.name for each in series.contenders if not each.is_baseline]
    assert [each.error for each in series.contenders] == sorted(each.error or 0 for each in series.contenders)
    assert series.intervals is not None
    assert series.intervals.level == 0.9
    assert series.learned.startswith("7 days ahead at ")


def test_without_a_training_the_overview_says_which_command_makes_one(trained: Trained) -> None:
    with pytest.raises(NotTrainedError, match="run `tabtrail train` first"):
        read_overview(Project(trained.project.config("paths.output_dir=elsewhere")))
