"""A bundle that is built again, after a kill or to sign it, is the registered one."""

import json
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from tests.support.projects import Project, close_stores
from tests.support.small_project import small
from tests.support.stages import run_ingest, run_train

from tabtrail.tracking.tags import BUNDLE
from tabtrail.workflows import train


@pytest.fixture
def project(tmp_path: Path, empty_store: Path) -> Project:
    made = small(tmp_path, empty_store)
    run_ingest(made.config())
    return made


def registered(project: Project) -> dict[str, Any]:
    """The metadata of the bundle in the only registered version."""
    uri = project.config().mlflow.tracking_uri
    (version,) = MlflowClient(uri, uri).search_model_versions("name = 'm'")
    folder = mlflow.artifacts.download_artifacts(version.source, tracking_uri=uri)
    return dict(json.loads(next(Path(folder).rglob("m_metadata.json")).read_text()))


def test_what_is_deployed_after_a_kill_between_registering_and_noting_it_is_what_is_registered(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = train.set_tags

    def killed_when_it_is_noted(store: Any, run_id: str, tags: dict[str, str]) -> None:
        if BUNDLE in tags:
            raise KeyboardInterrupt
        send(store, run_id, tags)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "set_tags", killed_when_it_is_noted)
        run_train(project.config())
    before = registered(project)
    time.sleep(1.1)  # a bundle notes the second in which it was made
    run_train(project.config())
    assert registered(project) == before
    assert json.loads((project.root / "models" / "m_metadata.json").read_text()) == before
    close_stores()
