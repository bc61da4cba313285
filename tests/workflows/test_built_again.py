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
from tests.support.servers import Servers
from tests.support.small_project import small
from tests.support.stages import run_ingest, run_train

from tabtrail.bundle.load import load_bundle
from tabtrail.config.tree import Config
from tabtrail.tracking.tags import BUNDLE
from tabtrail.workflows import train


@pytest.fixture
def project(tmp_path: Path, empty_store: Path) -> Project:
    made = small(tmp_path, empty_store)
    run_ingest(made.config())
    return made


def files_of_the_version(config: Config) -> Path:
    """The folder of the bundle in the only registered version."""
    uri = config.mlflow.tracking_uri
    (version,) = MlflowClient(uri, uri).search_model_versions(f"name = '{config.model.name}'")
    return Path(mlflow.artifacts.download_artifacts(version.source, tracking_uri=uri)) / "data" / "bundle"


def registered(config: Config) -> dict[str, Any]:
    """The metadata of the bundle in the only registered version."""
    return dict(json.loads((files_of_the_version(config) / f"{config.model.name}_metadata.json").read_text()))


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
    before = registered(project.config())
    time.sleep(1.1)  # a bundle notes the second in which it was made
    run_train(project.config())
    assert registered(project.config()) == before
    assert json.loads((project.root / "models" / "m_metadata.json").read_text()) == before
    close_stores()


@pytest.mark.parametrize("kind", ["sqlite", "server"])
def test_a_version_that_was_registered_before_there_was_a_key_is_signed_with_its_bundle(
    project: Project, kind: str, servers: Servers
) -> None:
    key_pair(project.root)
    words = () if kind == "sqlite" else (f"mlflow.tracking_uri={servers.proxied.uri}", "model.name=signed_later")
    config = project.config(*words)
    run_train(config)
    before = registered(config)
    run_train(project.config("bundle={signing_key: private.pem, public_key: public.pem}", *words))
    assert registered(config) == before
    assert load_bundle(files_of_the_version(config), config.model.name, project.root / "public.pem", pickle=False).sha256
    aliases = MlflowClient(*[config.mlflow.tracking_uri] * 2).get_registered_model(config.model.name).aliases
    assert {alias: int(version) for alias, version in aliases.items()} == {"champion": 1}
    close_stores()
