"""A bundle that is built again, after a kill or to sign it, is the registered one."""

import json
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from tests.support.bundles import key_pair
from tests.support.projects import Project, close_stores
from tests.support.small_project import small
from tests.support.stages import run_ingest, run_train

from tabtrail.bundle.load import load_bundle
from tabtrail.tracking.tags import BUNDLE
from tabtrail.workflows import train


@pytest.fixture
def project(tmp_path: Path, empty_store: Path) -> Project:
    made = small(tmp_path, empty_store)
    run_ingest(made.config())
    return made


def files_of_the_version(project: Project) -> Path:
    """The folder of the bundle in the only registered version."""
    uri = project.config().mlflow.tracking_uri
    (version,) = MlflowClient(uri, uri).search_model_versions("name = 'm'")
    return Path(mlflow.artifacts.download_artifacts(version.source, tracking_uri=uri)) / "data" / "bundle"


def registered(project: Project) -> dict[str, Any]:
    """The metadata of the bundle in the only registered version."""
    return dict(json.loads((files_of_the_version(project) / "m_metadata.json").read_text()))


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


def test_a_version_that_was_registered_before_there_was_a_key_is_signed_with_its_bundle(project: Project) -> None:
    key_pair(project.root)
    run_train(project.config())
    before = registered(project)
    run_train(project.config("bundle={signing_key: private.pem, public_key: public.pem}"))
    assert registered(project) == before
    assert load_bundle(files_of_the_version(project), "m", project.root / "public.pem", pickle=False).sha256
    uri = project.config().mlflow.tracking_uri
    assert {alias: int(version) for alias, version in MlflowClient(uri, uri).get_registered_model("m").aliases.items()} == {
        "champion": 1
    }
    close_stores()
