"""Windows of later rows against what the model learned from: files, the log of the service, late labels."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support.commands import overrides, run_in
from tests.support.logged import write_log
from tests.support.projects import Project

from tabtrail.data.dataset import scan_dataset

LOG = overrides("serve.prediction_log_dir=log")
KEY = ["--key", "request_id", "--key", "row"]


@pytest.fixture(scope="module")
def project(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A trained project of its own for this module."""
    target = tmp_path_factory.mktemp("drift") / "project"
    shutil.copytree(small.root, target)
    return Project(target)


@pytest.fixture
def log(project: Project) -> Any:
    """An empty folder for the log."""
    folder = project.root / "log"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def rows_of(project: Project, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Rows of the dataset as a client sends them."""
    config = project.config()
    data = scan_dataset(config.dataset).select(config.model.inputs).collect().sample(count, seed=1)
    return [{**row, **changes} for row in data.to_dicts()]


def file_of(project: Project, rows: list[dict[str, Any]], name: str) -> Path:
    path = project.root / name
    with path.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_rows_like_those_of_the_training_do_not_alarm(project: Project) -> None:
    done = run_in(project, "drift", "--input", str(file_of(project, rows_of(project, 300), "same.csv")), "--format=json", "-q")
    report = json.loads(done.stdout)[0]
    assert (done.returncode, report["alarm"]) == (0, False)
    assert report["performance"]["kind"] == "estimated"
    assert {each["name"] for each in report["check"]["apart"]} >= {"QTR_ID", "MONTH_ID", "YEAR_ID"}
    assert json.loads((project.root / "output" / "drift" / "same.json").read_text())["check"] == report["check"]


def test_a_changed_unit_ends_with_exit_code_5_and_names_its_column_first(project: Project) -> None:
    rows = rows_of(project, 300)
    changed = [{**row, "QUANTITYORDERED": row["QUANTITYORDERED"] * 100} for row in rows]
    done = run_in(project, "drift", "--input", str(file_of(project, changed, "units.csv")), "-q")
    assert done.returncode == 5
    assert "QUANTITYORDERED" in done.stdout.splitlines()[0]


def test_values_that_cannot_be_read_count_as_outside_the_contract(project: Project) -> None:
    changed = [{**row, "MSRP": "n/a"} for row in rows_of(project, 300)]
    done = run_in(project, "drift", "--input", str(file_of(project, changed, "unread.csv")), "--format=json", "-q")
    column = next(each for each in json.loads(done.stdout)[0]["check"]["columns"] if each["name"] == "MSRP")
    assert (done.returncode, column["alarm"], column["out_of_contract"]["now"]) == (5, True, 1.0)


def test_a_window_with_too_few_rows_is_described_and_does_not_alarm(project: Project) -> None:
    path = file_of(project, rows_of(project, 10, COUNTRY="Atlantis"), "few.csv")
    done = run_in(project, "drift", "--input", str(path), "-q")
    assert done.returncode == 0
    assert "10 rows are fewer than drift.min_rows (30)" in done.stdout


def test_a_store_that_is_away_hides_no_alarm(project: Project) -> None:
    path = file_of(project, rows_of(project, 300, COUNTRY="Atlantis"), "away.csv")
    done = run_in(project, "drift", "--input", str(path), *overrides("mlflow.tracking_uri=http://127.0.0.1:9"))
    assert done.returncode == 5
    assert "the runs are not tracked" in done.stderr
    assert (project.root / "output" / "drift" / "away.json").is_file()


def test_an_ignored_column_is_listed_apart(project: Project) -> None:
    path = file_of(project, rows_of(project, 300, COUNTRY="Atlantis"), "atlantis.csv")
    assert run_in(project, "drift", "--input", str(path), "-q").returncode == 5
    done = run_in(project, "drift", "--input", str(path), "-q", *overrides("drift.ignore=[COUNTRY]"))
    assert (done.returncode, "COUNTRY (drift.ignore)" in done.stdout) == (0, True)


def test_two_ways_to_name_a_window_are_refused(project: Project) -> None:
    done = run_in(project, "drift", "--input", "x.csv", "--between", "2003", "2004")
    assert (done.returncode, "give one of them" in done.stderr) == (2, True)


def test_a_bundle_without_a_reference_is_loaded_and_says_to_train_again(project: Project, tmp_path: Path) -> None:
    old = Project(shutil.copytree(project.root, tmp_path / "old"))
    rewrite_metadata_without_reference(old)
    done = run_in(old, "drift", "--input", str(file_of(old, rows_of(old, 40), "rows.csv")))
    assert (done.returncode, "train again" in done.stderr) == (1, True)
    assert run_in(old, "predict", "--json", json.dumps(rows_of(old, 1)[0])).returncode == 0


def rewrite_metadata_without_reference(project: Project) -> None:
    """Make the bundle one of an earlier version."""
    from tabtrail.bundle.metadata import OWN_HASH, canonical
    from tabtrail.system.hashes import sha256_json

    path = project.root / "models" / "sales_regressor_metadata.json"
    body = json.loads(path.read_text())
    del body["files"]["reference"], body["reference_missing"], body[OWN_HASH]
    path.write_bytes(canonical({**body, OWN_HASH: sha256_json(body)}))
    (path.parent / "sales_regressor_reference.json").unlink()


def test_the_log_is_watched_by_a_martingale_that_remembers(project: Project, log: Path) -> None:
    write_log(project.config(), log, rows_of(project, 400))
    done = run_in(project, "drift", *LOG, "--format=json", "-q")
    first = json.loads(done.stdout)[0]
    assert (done.returncode, first["martingale"]["alarmed"], first["check"]["rows"]) == (0, False, 400)
    write_log(project.config(), log, rows_of(project, 400, QUANTITYORDERED=97))
    done = run_in(project, "drift", *LOG, "--format=json", "-q")
    second = json.loads(done.stdout)[0]
    assert (done.returncode, second["martingale"]["alarmed"], second["martingale"]["looks"]) == (5, True, 2)
    assert second["martingale"]["leading"][0][0] in ("QUANTITYORDERED", "(prediction)")
    again = json.loads(run_in(project, "drift", *LOG, "--format=json", "-q").stdout)[0]
    assert again["martingale"] == second["martingale"]


def test_a_log_without_rows_of_the_last_days_is_checked_by_all_rows_of_the_deployed_model(project: Project, log: Path) -> None:
    unasked = run_in(project, "drift", *LOG, "--format=json")
    assert (unasked.returncode, json.loads(unasked.stdout)) == (0, [])
    assert "of the deployed model" in unasked.stderr
    assert "has no row yet; there is nothing to check" in unasked.stderr
    write_log(project.config(), log, rows_of(project, 400, QUANTITYORDERED=97), days_ago=20)
    done = run_in(project, "drift", *LOG, "--format=json", "-q")
    (report,) = json.loads(done.stdout)
    assert (done.returncode, report["check"]["rows"]) == (5, 400)
    assert "no row is of the last 7 days" in report["compared"]["notes"][0]


def labels(project: Project, actuals: pl.DataFrame, *words: str) -> Any:
    path = project.root / "actuals.parquet"
    actuals.write_parquet(path)
    return run_in(project, "labels", *LOG, "--input", str(path), *(words or KEY), "--format=json", "-q")


def test_labels_are_joined_once_and_a_second_time_changes_nothing(project: Project, log: Path) -> None:
    predicted = write_log(project.config(), log, rows_of(project, 50), request="q")
    actuals = pl.DataFrame({"request_id": ["q"] * 51, "row": range(1, 52), "SALES": [*(1.1 * each for each in predicted), 1.0]})
    first, second = labels(project, actuals), None
    files = sorted(log.iterdir())
    second = labels(project, actuals)
    assert [json.loads(each.stdout)[name] for each in (first, second) for name in ("labelled", "known_before", "unknown")] == [
        *(50, 0, 1),
        *(0, 50, 1),
    ]
    assert sorted(log.iterdir()) == files
    report = json.loads(run_in(project, "drift", *LOG, "--format=json", "-q").stdout)[0]
    assert (report["performance"]["kind"], report["performance"]["rows"]) == ("measured", 50)


def test_another_value_for_a_labelled_row_is_refused_and_joins_nothing(project: Project, log: Path) -> None:
    write_log(project.config(), log, rows_of(project, 5), request="q")
    assert labels(project, pl.DataFrame({"request_id": ["q"], "row": [2], "SALES": [10.0]})).returncode == 0
    done = labels(project, pl.DataFrame({"request_id": ["q", "q"], "row": [1, 2], "SALES": [5.0, 11.0]}))
    assert (done.returncode, "has the label 10 already, and now gets 11" in done.stderr) == (3, True)
    done = labels(project, pl.DataFrame({"request_id": ["q", "q"], "row": [1, 1], "SALES": [5.0, 6.0]}))
    assert (done.returncode, "rows 1 and 2 have one key" in done.stderr) == (3, True)
    assert len(list(log.glob("labels-*"))) == 1


def test_a_request_of_several_rows_needs_the_row_in_the_key(project: Project, log: Path) -> None:
    write_log(project.config(), log, rows_of(project, 5), request="q")
    done = labels(project, pl.DataFrame({"request_id": ["q"], "SALES": [5.0]}), "--key", "request_id")
    assert (done.returncode, "add `row` to the key" in done.stderr) == (3, True)


def test_a_key_that_the_log_does_not_have_is_refused_with_the_near_one(project: Project, log: Path) -> None:
    done = labels(project, pl.DataFrame({"request": ["q"], "SALES": [5.0]}), "--key", "request")
    assert (done.returncode, "did you mean 'request_id'?" in done.stderr) == (2, True)


def test_the_reference_holds_no_rare_text_and_is_small(project: Project) -> None:
    path = project.root / "models" / "sales_regressor_reference.json"
    countries = scan_dataset(project.config().dataset).select("COUNTRY").collect()["COUNTRY"].value_counts()
    rare = countries.filter(pl.col("count") < 10)["COUNTRY"].to_list()
    kept = next(each["values"] for each in json.loads(path.read_text())["columns"] if each["name"] == "COUNTRY")
    assert "USA" in kept
    assert not set(rare) & set(kept)
    assert path.stat().st_size <= 200_000


def test_a_file_of_any_kind_is_read_as_scoring_reads_it(project: Project) -> None:
    rows = rows_of(project, 200)
    pl.DataFrame(rows).write_parquet(project.root / "rows.parquet")
    (project.root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    csv_file = file_of(project, rows, "rows.csv")
    checks = []
    for path in (csv_file, project.root / "rows.parquet", project.root / "rows.jsonl"):
        report = json.loads(run_in(project, "drift", "--input", str(path), "--format=json", "-q").stdout)[0]
        checks.append(report["check"] | {"window": ""})
    assert checks[0] == checks[1] == checks[2]
