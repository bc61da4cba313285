import json
import time
from pathlib import Path

import pytest
import yaml
from tests.support.projects import Project

from tabtrail.config.load import config_schema, load_config
from tabtrail.contract.expressions import parse_expression
from tabtrail.errors import ConfigError


def write(project: Project, old: str, new: str) -> None:
    text = project.config_file.read_text()
    assert old in text
    project.config_file.write_text(text.replace(old, new, 1))


def test_paths_and_the_mlflow_uri_start_at_the_yaml_file_not_at_the_working_folder(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    config = project.config()
    assert config.paths.raw_csv == project.csv
    assert config.mlflow.tracking_uri == f"sqlite:///{project.root}/mlruns/mlflow.db"


def test_an_unknown_key_is_refused_with_line_key_path_and_nearest_name(project: Project) -> None:
    write(project, "  encoding: cp850", "  encodng: cp850")
    line = next(i for i, text in enumerate(project.config_file.read_text().splitlines(), 1) if "encodng" in text)
    with pytest.raises(ConfigError, match=rf"config_v2.yaml:{line}: source.encodng: unknown key; did you mean 'encoding'\?"):
        project.config()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("split.test_size=2", r"--set split.test_size: split.test_size: is 2, where less than 1 belongs"),
        ("split.folds=five", r"split.folds: is the text 'five', where a whole number belongs"),
        (
            "contract.columns.SALES.dtype=flot",
            r"contract.columns.SALES.dtype: is the text 'flot', where one of int, .*, datetime belongs; did you mean 'float'",
        ),
        ("contract.columns.SALES.mini=1", r"unknown key; did you mean 'min'\?"),
        ("model.target=ORDERLINENUMBER", r"a column is named twice among target and features"),
        ("model.strata={x: PRICEACH > 1}", r"'PRICEACH' is not a declared column; did you mean 'PRICEEACH'\?"),
        ("model.strata={x: COUNTRY > 3}", r"'>' cannot be applied to text and number"),
        ("model.strata={x: PRICEEACH + 1}", r"gives a number; write a comparison"),
        (
            "aggregations=[{name: a, group_by: [COUNTRY], measures: {x: summ(SALES)}}]",
            r"is not a measure; write count, or one of",
        ),
        (
            "aggregations=[{name: n, group_by: [YEAR], measures: {x: count}}, {name: N, group_by: [YEAR], measures: {x: count}}]",
            r"aggregations.1.name: 'N' differs from 'n' by case alone",
        ),
        (
            "aggregations=[{name: a, group_by: [COUNTRY], measures: {Total: sum(SALES), total: count}}]",
            r"aggregations.0.measures.total: 'total' differs from 'Total' by case alone, and SQL takes such columns for one",
        ),
        (
            "aggregations=[{name: a, group_by: [COUNTRY], measures: {country: count}}]",
            r"aggregations.0.measures.country: 'country' differs from 'COUNTRY' by case alone",
        ),
        (
            "aggregations=[{name: a, group_by: [COUNTRY], measures: {COUNTRY: count}}]",
            r"aggregations.0.measures.COUNTRY: 'COUNTRY' is a column of group_by, too",
        ),
        ("model.strata={cap: PRICEEACH > 1, CAP: PRICEEACH > 2}", r"model.strata.CAP: 'CAP' differs from 'cap' by case alone"),
        ("model.derived_features.msrp=MSRP * 2", r"model.derived_features.msrp: 'msrp' differs from 'MSRP' by case alone"),
        ("split.group_key=null", r"a group split needs the column whose rows stay together"),
        ("model.coordinates=[[MSRP, MSPR]]", r"coordinates.0: 'MSPR' is not among model.numeric_features; did you mean 'MSRP'\?"),
        ("model.coordinates=[[MSRP, MSRP]]", r"'MSRP' is named twice; write two columns, as \[longitude, latitude\]"),
        ("parquet.partition_by=[YEER]", r"'YEER' is not a declared column; did you mean 'YEAR'\?"),
        ("model.currency=2003-13-45", r"--set model.currency: the value is not YAML; quote it"),
        ("contract.columns.COUNTRY.min=1", r"min and max are for numbers"),
        ("contract.columns.COUNTRY.allowed=[1, 2]", r"these are not all values of a string column"),
        ("contract.columns.QTR_ID.allowed=[one]", r"these are not all values of a int column"),
        ("cleaning.date_formats=[]", r"cleaning.date_formats: is an empty list, where at least 1 item belongs"),
        ("cleaning.drop_columns=[SALES]", r"'SALES' is both dropped and used"),
        ("cleaning.fill_unknown_columns=[SALES]", r"'SALES' is not a text column"),
        ("parquet.partition_by=[ADDRESSLINE2]", r"'ADDRESSLINE2' is not a declared column"),
        ("contract.rows=[{name: a, check: YEAR == YEAR_ID}]", r"'YEAR' is not a declared column"),
        (
            "aggregations=[{name: a, group_by: [COUNTRY], measures: {x: sum(STATUS)}}]",
            r"'STATUS' is not a number, so it has no sum",
        ),
        ("model.numeric_features=[prediction]", r"a feature cannot be called 'prediction'"),
        ("paths.processed_dir=.", r"this would replace the folder of the config file"),
        ("paths.processed_dir=data/raw", r"this folder is replaced as a whole, and paths.raw_csv is in it"),
        ("nonsense", r"write it as section.key=value"),
    ],
)
def test_a_wrong_value_is_one_line_that_says_where(project: Project, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        project.config(override)
    assert "\n" not in str(caught.value)


def test_a_missing_required_key_and_a_repeated_key_are_named(project: Project) -> None:
    write(project, "  target: SALES\n", "")
    with pytest.raises(ConfigError, match=r"model.target: this key is required"):
        project.config()
    write(project, "  currency: USD", "  target: SALES\n  target: MSRP")
    with pytest.raises(ConfigError, match=r"model.target: this key is given twice"):
        project.config()


@pytest.mark.parametrize("text", ["- a list", "a: [", "a: \tb\n\t- c", "\x00"])
def test_a_file_that_is_not_a_yaml_mapping_is_refused(project: Project, text: str) -> None:
    project.config_file.write_text(text)
    with pytest.raises(ConfigError, match=r"config_v2.yaml"):
        project.config()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("".join(" " * depth + "a:\n" for depth in range(1500)), "nested too deeply"),
        ("version: 2\nmodel: {target: 2003-99-99}", r"a date or number in it cannot be read \(month must be in 1..12\)"),
        ("version: " + "9" * 5000, r"a date or number in it cannot be read \(Exceeds the limit"),
        ("version: 2\nmodel: {target: a\0}", r"the character #x0000, \d+ characters from the start, is not allowed"),
    ],
)
def test_why_a_text_is_not_yaml_is_said_in_words(project: Project, text: str, reason: str) -> None:
    project.config_file.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        project.config()


def test_aliases_of_aliases_in_an_override_are_bounded_by_the_same_words(project: Project) -> None:
    bomb = "{a: &a [1, 1, 1, 1, 1, 1, 1, 1], b: &b [*a, *a, *a, *a, *a, *a, *a, *a], c: &c [*b, *b, *b, *b, *b, *b, *b, *b],"
    bomb += " d: &d [*c, *c, *c, *c, *c, *c, *c, *c], e: &e [*d, *d, *d, *d, *d, *d, *d, *d], f: [*e, *e, *e, *e, *e, *e, *e]}"
    with pytest.raises(ConfigError, match="--set candidates: its aliases stand for more than 100,000 values"):
        project.config(f"candidates={bomb}")


def test_a_missing_config_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no config file .*; name one with --config"):
        load_config(tmp_path / "none.yaml")


def test_flags_beat_the_environment_which_beats_the_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project.config().split.folds == 5
    monkeypatch.setenv("TABTRAIL__SPLIT__FOLDS", "6")
    assert project.config().split.folds == 6
    assert project.config("split.folds=7").split.folds == 7
    monkeypatch.setenv("TABTRAIL__SPLIT__FOLDS", "x")
    with pytest.raises(ConfigError, match=r"environment variable TABTRAIL__SPLIT__FOLDS: split.folds"):
        project.config()


def test_mlflows_own_variable_names_the_store(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert project.config().mlflow.tracking_uri == "http://127.0.0.1:5000"


def test_numbers_with_an_exponent_are_numbers(project: Project) -> None:
    assert project.config("export.parity_tolerance=1e-4").export.parity_tolerance == 1e-4


def test_the_tree_is_frozen(project: Project) -> None:
    with pytest.raises(ValueError, match="frozen"):
        project.config().split.folds = 3  # type: ignore[misc]


def test_the_json_schema_knows_every_key_of_the_shipped_file(project: Project) -> None:
    schema = config_schema()
    shipped = yaml.safe_load(project.config_file.read_text())
    assert set(shipped) <= set(schema["properties"])
    for name, section in shipped.items():
        if isinstance(section, dict) and name != "candidates":
            definition = schema["properties"][name]["$ref"].rpartition("/")[2]
            assert set(section) <= set(schema["$defs"][definition]["properties"])


def test_a_config_knows_where_its_keys_stand_and_is_equal_wherever_they_do(project: Project) -> None:
    before = project.config()
    write(project, "choice:", "# moved down\nchoice:")
    moved = project.config()
    line = next(i for i, text in enumerate(project.config_file.read_text().splitlines(), 1) if text.startswith("  metric:"))
    assert moved.locate(("choice", "metric")) == f"config_v2.yaml:{line}"
    assert before.locate(("choice", "metric")) == f"config_v2.yaml:{line - 1}"
    assert moved == before
    assert moved.changed(choice=moved.choice).locate(("choice", "metric")) == f"config_v2.yaml:{line}"
    assert project.config("choice.metric=mae").locate(("choice", "metric")) == "--set choice.metric"


def test_the_config_accepts_any_family_and_metric_for_those_above_it_know_them(project: Project) -> None:
    config = project.config("candidates={Oracle: {}}", "choice.metric=luck")
    assert (list(config.candidates), config.choice.metric) == (["Oracle"], "luck")


@pytest.mark.parametrize("merge", ["<<: [{}]", "x: [{}]"])
def test_a_small_file_that_stands_for_billions_of_values_is_refused_at_once(project: Project, merge: str) -> None:
    levels = "\n".join(f"a{n}: &a{n}\n  {merge.format(', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, 10))
    project.config_file.write_text(f"a0: &a0 {{k: v}}\n{levels}\n")
    started = time.process_time()
    with pytest.raises(ConfigError, match="its aliases stand for more than 100,000 values"):
        project.config()
    assert time.process_time() - started < 2  # seconds; it took 20


def test_an_anchor_inside_itself_is_refused(project: Project) -> None:
    project.config_file.write_text("version: 2\npaths: &p\n  more: [*p]\n")
    with pytest.raises(ConfigError, match="aliases"):
        project.config()


def test_parts_of_dates_are_derived_features_of_their_own_names(project: Project) -> None:
    model = project.config("model.date_parts={ORDERDATE: [year, weekday]}").model
    assert list(model.derived)[:2] == ["ORDERDATE_year", "ORDERDATE_weekday"]
    assert model.formulas["ORDERDATE_weekday"] == parse_expression("weekday(ORDERDATE)")
    assert "ORDERDATE" in model.number_inputs
    assert model.without_columns({"ORDERDATE_year"}).date_parts == {"ORDERDATE": ("weekday",)}
    assert model.without_columns({"ORDERDATE"}).date_parts == {}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            "{ORDERDATE: [hour]}",
            r"model.date_parts.ORDERDATE_hour: 'hour' takes a column that keeps the time of day; set contract",
        ),
        (
            "{ORDERDAT: [year]}",
            r"model.date_parts.ORDERDAT_year: 'ORDERDAT' is not a declared column; did you mean 'ORDERDATE'\?",
        ),
        ("{CITY: [year]}", r"model.date_parts.CITY_year: 'year' takes a date column, not text"),
        ("{ORDERDATE: [year, year]}", r"model.date_parts: a part is named twice"),
        ("{ORDERDATE: [yaer]}", r"model.date_parts.ORDERDATE"),
    ],
)
def test_parts_that_a_column_does_not_have_are_refused(project: Project, parts: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        project.config(f"model.date_parts={parts}")


def test_a_formula_that_doubles_with_each_derived_feature_is_refused(project: Project) -> None:
    doubled = {f"D{n}": f"D{n - 1} + D{n - 1}" if n else "QUANTITYORDERED + 1" for n in range(40)}
    with pytest.raises(ConfigError, match=r"model.derived_features.D1\d: with the derived features in it"):
        project.config(f"model.derived_features={json.dumps(doubled)}")
    with pytest.raises(ConfigError, match=r"model.derived_features.D: .* operations within one another"):
        project.config("model.derived_features={D: '" + "-" * 150 + "MSRP'}")


def test_names_that_become_files_cannot_leave_their_folder(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"model.name"):
        project.config("model.name=../evil")


def test_faults_of_types_of_names_and_between_sections_are_reported_together(project: Project) -> None:
    changes = ("split.folds=two", "model.targt=SALES", "parquet.partition_by=[YEER]", "profile.group_by=[CONTRY]")
    with pytest.raises(ConfigError) as caught:
        project.config(*changes)
    lines = str(caught.value).splitlines()
    assert {line.split(": ")[1] for line in lines} == {"split.folds", "model.targt", "parquet.partition_by", "profile"}
    assert "did you mean 'target'?" in str(caught.value)
    assert "did you mean 'YEAR'?" in str(caught.value)


def test_what_follows_from_a_fault_alone_is_no_second_one(project: Project) -> None:
    changes = ("model.numeric_features=5", "cleaning.date_column=[a]")
    with pytest.raises(ConfigError) as caught:
        project.config(*changes)
    assert {line.split(": ")[1] for line in str(caught.value).splitlines()} == {"model.numeric_features", "cleaning.date_column"}
