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


DEMAND_CONFIG = """version: 2
paths: {raw_csv: d.csv}
cleaning: {date_column: day}
contract: {columns: {item: {dtype: string}, sold: {dtype: int}}}
demand:
  candidates: CANDIDATES
  target: sold
  series: [item]
  search: SEARCH
"""


def write_demand(folder: Path, candidates: str, search: str = "{}") -> Path:
    file = folder / "config_v2.yaml"
    file.write_text(DEMAND_CONFIG.replace("CANDIDATES", candidates).replace("SEARCH", search))
    return file


@pytest.mark.parametrize(
    ("candidates", "told"),
    [
        ("{LightGMB_5: {}}", r"LightGMB_5: unknown model family 'LightGMB'; did you mean 'LightGBM'"),
        ("{MPL: {}}", r"MPL: unknown model family 'MPL'; did you mean 'MLP'"),
        ("{Blend: {}}", r"Blend: unknown model family 'Blend'"),
        ("{MeanBaseline: {}}", r"MeanBaseline: unknown model family"),
        ("{LightGBM: {num_leafs: 3}}", r"LightGBM\.num_leafs: .*did you mean 'num_leaves'"),
        ("{LightGBM: {scal: level}}", r"LightGBM\.scal: .*did you mean 'scale'"),
        ("{LightGBM: {scale: levels}}", r"LightGBM\.scale: 'levels' is unknown; write none or level"),
        ("{LightGBM: {objective: twedie}}", r"LightGBM\.objective: .*did you mean 'tweedie'"),
        ("{LightGBM: {objective: tweedie, target_transform: log1p}}", r"LightGBM\.target_transform: tweedie has a link"),
        ("{LightGBM: {target_transform: log2}}", r"LightGBM\.target_transform: 'log2' is not of a model of series"),
        ("{LightGBM: {target_transform: ratio(PRICE)}}", r"LightGBM\.target_transform: 'ratio\(PRICE\)' is not of"),
        ("{LightGBM: {target_transform: log1p, scale: level}}", r"LightGBM\.target_transform: with scale: level"),
        ("{LightGBM: {early_stopping_rounds: 5}}", r"LightGBM\.early_stopping_rounds: a model of series is fitted with all"),
        ("{LightGBM: {strategy: recursiv}}", r"LightGBM\.strategy: 'recursiv' is unknown.*did you mean 'recursive'"),
        ("{LightGBM: {strategi: recursive}}", r"LightGBM\.strategi: .*did you mean 'strategy'"),
        ("{CNNLSTM: {strategy: recursive}}", r"CNNLSTM\.strategy: a net of windows learns every horizon by itself"),
        ("{MLP: {epoch: 3}}", r"MLP\.epoch: .*did you mean 'epochs'"),
        ("{CNNLSTM: {scale: level}}", r"CNNLSTM\.scale: a window is learned in standard deviations"),
    ],
)
def test_what_is_no_candidate_of_series_is_refused_before_data_is_read(tmp_path: Path, candidates: str, told: str) -> None:
    config = load_config(write_demand(tmp_path, candidates), [])
    with pytest.raises(ConfigError, match=rf"config_v2\.yaml:\d+: demand\.candidates\.{told}"):
        check_names(config)


def test_a_value_that_a_search_of_series_tries_is_checked_as_the_candidate_is(tmp_path: Path) -> None:
    tried = "{LightGBM: {num_leaves: [7, 15], objective: [tweedie, twedie]}}"
    config = load_config(write_demand(tmp_path, "{LightGBM: {}}", tried), [])
    with pytest.raises(ConfigError, match=r"demand\.search\.LightGBM\.objective: twedie: .*did you mean 'tweedie'"):
        check_names(config)
    check_names(load_config(write_demand(tmp_path, "{LightGBM: {}}", tried.replace(", twedie", "")), []))


@pytest.mark.parametrize("command", ["config show", "run"])
def test_each_wrong_candidate_of_series_is_named_with_its_line_and_nothing_is_written(tmp_path: Path, command: str) -> None:
    write_demand(tmp_path, "\n    LightGMB: {}\n    XGBoost: {depth: 3}")
    done = run_in(Project(tmp_path), *command.split())
    assert done.returncode == 2
    assert "config_v2.yaml:7: demand.candidates.LightGMB: unknown model family" in done.stderr
    assert "config_v2.yaml:8: demand.candidates.XGBoost.depth: XGBoost has no such parameter" in done.stderr
    assert Project(tmp_path).tree() == {}


def test_the_json_schema_refuses_an_unknown_family_of_series() -> None:
    schema = json.loads(call("tabtrail", "config", "schema").stdout)
    own = yaml.safe_load(DEMAND_CONFIG.replace("CANDIDATES", "{MLP_small: {}}").replace("SEARCH", "{}"))
    jsonschema.validate(own, schema)
    own["demand"]["candidates"] = {"XGBost": {}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(own, schema)
