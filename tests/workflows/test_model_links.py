"""Every candidate's pipeline and input example under the names that people look for."""

from pathlib import Path

import joblib
import pandas as pd
import pytest
from tests.support.projects import Trained

from tabtrail.config.data import Paths
from tabtrail.project.paths import Artifacts
from tabtrail.tracking.models import LoggedModel
from tabtrail.workflows.model_links import link_models


def stored(folder: Path, name: str) -> LoggedModel:
    place = folder / "mlruns" / name
    place.mkdir(parents=True)
    (place / "model.pkl").write_bytes(name.encode())
    (place / "input_example.parquet").write_bytes(b"example of " + name.encode())
    return LoggedModel("run", str(place), "")


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(Paths(raw_csv=tmp_path / "x.csv", output_dir=tmp_path / "output"), "m")


def test_each_candidate_of_a_training_has_a_pipeline_that_predicts_its_example(trained: Trained) -> None:
    artifacts, board = Artifacts.of(trained.config), trained.report.leaderboard
    names = {row.candidate for row in board.candidates}
    assert {file.name for file in artifacts.pipelines.iterdir()} == {f"{name}_pipeline.joblib" for name in names}
    assert {file.name for file in artifacts.input_examples.iterdir()} == {f"{name}_input_example.parquet" for name in names}
    example = pd.read_parquet(artifacts.input_examples / f"{board.champion}_input_example.parquet")
    assert list(example.columns) == [*trained.config.model.inputs]
    assert len(joblib.load(artifacts.pipelines / f"{board.champion}_pipeline.joblib").predict(example)) == len(example)


def test_a_link_is_another_name_of_the_file_in_the_store(artifacts: Artifacts, tmp_path: Path) -> None:
    model = stored(tmp_path, "A")
    for _ in range(2):
        link_models(artifacts, {"A": model})
        assert (artifacts.pipelines / "A_pipeline.joblib").samefile(Path(model.location) / "model.pkl")
        assert [file.name for file in artifacts.pipelines.iterdir()] == ["A_pipeline.joblib"]
    (Path(model.location) / "model.pkl").unlink()
    assert (artifacts.pipelines / "A_pipeline.joblib").read_bytes() == b"A"


def test_links_of_candidates_that_are_gone_are_removed_and_other_files_stay(artifacts: Artifacts, tmp_path: Path) -> None:
    link_models(artifacts, {"A": stored(tmp_path, "A"), "B": stored(tmp_path, "B")})
    (artifacts.pipelines / "notes.txt").write_text("mine")
    link_models(artifacts, {"C": stored(tmp_path, "C")})
    assert sorted(file.name for file in artifacts.pipelines.iterdir()) == ["C_pipeline.joblib", "notes.txt"]
    assert [file.name for file in artifacts.input_examples.iterdir()] == ["C_input_example.parquet"]


def test_files_are_copied_where_there_are_no_hard_links(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    model = stored(tmp_path, "A")
    link_models(artifacts, {"A": model})
    copy = artifacts.pipelines / "A_pipeline.joblib"
    assert copy.read_bytes() == b"A"
    assert not copy.samefile(Path(model.location) / "model.pkl")


def test_a_store_on_a_server_has_nothing_to_link(artifacts: Artifacts, tmp_path: Path) -> None:
    link_models(artifacts, {"A": stored(tmp_path, "A")})
    link_models(artifacts, {"A": LoggedModel("run", "mlflow-artifacts:/1/models/m-1/artifacts", "")})
    assert list(artifacts.pipelines.iterdir()) == []
