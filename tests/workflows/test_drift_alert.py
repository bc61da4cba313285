"""What is told of windows that alarm."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tabtrail.config.load import load_config
from tabtrail.monitor.check import DriftCheck
from tabtrail.monitor.outcome import Compared, DriftReport, MartingaleState
from tabtrail.progress import Progress
from tabtrail.workflows.drift_alert import tell_alarms
from tabtrail.workflows.drift_job import TRAINING, Job

COMPARED = Compared(
    window="june",
    reference=TRAINING,
    source="file",
    model="m",
    target="y",
    unit="EUR",
    run_id="r1",
    created="",
    synthetic=False,
    left_out={},
)
CHECK = DriftCheck("june", 300, 900, "", 0.05, True, "V4LUE", True, 0.0, None, None, (), (), ())
STATE = MartingaleState(value=30.0, largest=31.0, alarmed=True, looks=3, parts={}, leading=(("SALES", 2.0), ("MSRP", 1.0)))
REPORT = DriftReport(COMPARED, CHECK, alarm=True, martingale=STATE, files=("drift/june.json",))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "config.yaml").write_text(
        "version: 2\npaths: {raw_csv: in.csv}\nmodel: {name: m, target: y, numeric_features: [x]}\n"
        "split: {kind: random, allow_leaky: true}\nalerts: {command: [sh, -c, 'cat > alert.json']}\n"
    )
    return Job(load_config(tmp_path / "config.yaml"))


def test_windows_that_alarm_are_told_in_one_alert_by_columns_and_figures(job: Job, tmp_path: Path) -> None:
    said = list[str]()
    tell_alarms(replace(job, progress=Progress(said.append)), [replace(REPORT, alarm=False), REPORT])
    told = json.loads((tmp_path / "alert.json").read_text())
    assert said == ["alert of drift sent"]
    assert (told["kind"], told["model"], told["exit_code"]) == ("drift", "m", 5)
    assert told["message"] == "drift in june; look first at SALES, MSRP"
    window = {"window": "june", "source": "file", "run_id": "r1", "rows": 300, "columns": ["SALES", "MSRP"], "martingale": 31.0}
    assert told["details"] == {"windows": [{**window, "files": ["drift/june.json"]}]}


@pytest.mark.parametrize("quiet", [replace(REPORT, alarm=False), replace(REPORT, compared=replace(COMPARED, reference="2003"))])
def test_no_alarm_and_a_period_of_the_past_are_not_told(job: Job, tmp_path: Path, quiet: DriftReport) -> None:
    tell_alarms(job, [quiet])
    assert not (tmp_path / "alert.json").exists()
