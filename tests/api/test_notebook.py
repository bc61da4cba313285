"""The notebook of examples/ runs in Jupyter as it is committed, and shows tables."""

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from tests.support.projects import REPO

NOTEBOOK = REPO / "examples" / "notebook" / "used_cars.ipynb"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each cell of code left. A cell that raises is an error here."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(place / "ipython"))
        NotebookClient(notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(place)}}).execute()
    left = {each.name for each in place.iterdir()} - {"ipython"}
    assert left == set(), "a fit without a folder leaves nothing where it is called"
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def shown(outputs: list[Any]) -> str:
    return "\n".join(str(each["data"].get("text/html", "")) for each in outputs if each.output_type == "execute_result")


def test_the_notebook_runs_and_shows_champion_model_answer_and_explanation_as_tables(outputs: list[Any]) -> None:
    page = shown(outputs)
    assert page.count("<table") >= 8
    for text in ("the best baseline", "seen in training", "90% interval", "base value", "gives the target away"):
        assert text in page, text
    assert "must be a whole number" in page, "the row that breaks the contract is named"


def test_nothing_is_printed_into_the_notebook(outputs: list[Any]) -> None:
    assert [each.text for each in outputs if each.output_type == "stream"] == []


def test_the_notebook_is_committed_without_outputs_of_some_machine() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")
