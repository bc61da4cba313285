"""The JSON Schema that lies in the package, and the lines by which an editor finds it."""

import json

import pytest
from tests.support.projects import REPO

from tabtrail.config.load import config_schema
from tabtrail.config.schema_file import SCHEMA_FILE, editor_line
from tabtrail.project.names import add_names


def test_the_schema_in_the_package_is_that_of_the_config() -> None:
    schema = config_schema()
    add_names(schema)
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(schema)), "`make schema` writes it again"


@pytest.mark.parametrize("config", [REPO / "config_v2.yaml", *sorted(REPO.glob("examples/*/config.yaml"))], ids=str)
def test_the_configs_of_the_repository_lead_an_editor_to_the_schema(config: object) -> None:
    path = REPO / str(config)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert (path.parent / first.removeprefix("# yaml-language-server: $schema=")).samefile(SCHEMA_FILE)


def test_the_line_of_an_installation_is_an_address_of_the_file() -> None:
    assert editor_line() == f"yaml-language-server: $schema={SCHEMA_FILE.as_uri()}"
