"""Names of model families and metrics: unknown ones are refused before any work, with file, line and the nearest name."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from tests.support.commands import call, run_in
from tests.support.projects import REPO, Project

from tabtrail.config.load import load_config
from tabtrail.errors import ConfigError
from tabtrail.project.names import check_names


def line_of(project: Project, start: str) -> int:
    return next(i for i, text in enumerate(project.config_file.read_text().splitlines(), 1) if text.startswith(start))


@pytest.mark.parametrize("command", ["config show", "run", "train", "tune"])
def test_an_unknown_family_is_refused_by_every_command_that_trains_and_by_config_show(project: Project, command: str) -> None:
    project.config_file.write_text(project.config_file.read_text().replace("  XGBoost: {", "  XGBost: {", 1))
    line = line_of(project, "  XGBost")
    done = run_in(project, *command.split())
    assert done.returncode == 2
    expected = f"error: config_v2.yaml:{line}: candidates.XGBost: unknown model family 'XGBost'; did you mean 'XGBoost'?"
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1
    assert project.tree() == {}


def test_an_unknown_metric_and_every_unknown_family_are_named_at_once(project: Project) -> None:
    config = project.config("choice.metric=rsme", "candidates={LightGMB_5: {}, CatBoots: {}}")
    with pytest.raises(ConfigError) as caught:
        check_names(config)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(
        "--set candidates: candidates.LightGMB_5: unknown model family 'LightGMB'; did you mean 'LightGBM'?"
    )
    assert lines[2].startswith("--set choice.metric: choice.metric: unknown metric 'rsme'; did you mean 'rmse'?")


def test_the_json_schema_accepts_the_shipped_file_and_refuses_an_unknown_family_or_metric(project: Project) -> None:
    schema = json.loads(call("tabtrail", "config", "schema").stdout)
    shipped = yaml.safe_load(project.config_file.read_text())
    jsonschema.validate(shipped, schema)
    for wrong in ({"candidates": {"XGBost": {}}}, {"choice": {"metric": "rsme"}}, {"risk": {"models": ["etz"]}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**shipped, **wrong}, schema)


REFUSED = ("LightGBM_dart", "LightGBM_rf", "LightGBM_lintree", "XGBoost_dart", "XGBoost_linear")
CASES = sorted((REPO.parent / "shared" / "cases" / "link-objectives").glob("config_*.yaml"))


@pytest.mark.skipif(not CASES, reason="the shared cases are missing")
@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_what_cannot_be_exported_is_refused_before_the_first_fit_and_the_rest_is_not(file: Path) -> None:
    config = load_config(file, [])
    (name,) = config.candidates
    if name in REFUSED:
        with pytest.raises(ConfigError, match=f"candidates.{name}"):
            check_names(config)
    else:
        check_names(config)
