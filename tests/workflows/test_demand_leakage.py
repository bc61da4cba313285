"""A planned column that is the demand itself is named, and left to its past or refused as the config says."""

from pathlib import Path

import polars as pl
import pytest
from tests.support.demand import demand_rows, write_project
from tests.support.projects import Project

from tabtrail import pipeline
from tabtrail.errors import LeakageError
from tabtrail.workflows.demand import prepare


@pytest.fixture
def leaking(tmp_path: Path) -> Project:
    project = write_project(tmp_path, demand_rows().with_columns(price=pl.col("units").cast(pl.Float64) * 2 + 1))
    pipeline.run_stage("ingest", project.config())
    return project


def test_under_drop_only_the_past_of_a_leak_is_read_and_nothing_of_it_is_asked_for(leaking: Project) -> None:
    warned, dropped = (prepare(leaking.config(f"leakage.policy={policy}")) for policy in ("warn", "drop"))
    assert [(each.column, each.kind) for each in warned.findings] == [("price", "predicts_alone")]
    assert (warned.recipe.prices, warned.recipe.lagged) == (("price",), ())
    assert (dropped.recipe.prices, dropped.recipe.lagged) == ((), ("price",))


def test_under_error_a_leak_stops_the_training_and_says_which_column(leaking: Project) -> None:
    with pytest.raises(LeakageError, match=r"price: predicts alone: .*Take it out of demand\.known_ahead"):
        pipeline.run_stage("demand", leaking.config("leakage.policy=error"))
