"""A config without candidates stands for the default list; one that names some stands for itself."""

from pathlib import Path

import pytest
from tests.support.small_project import CANDIDATES, small

from tabtrail import pipeline
from tabtrail.config.budget import parse_budget
from tabtrail.errors import DataError
from tabtrail.progress import Progress
from tabtrail.project.names import check_names
from tabtrail.workflows import default_candidates
from tabtrail.workflows.default_candidates import with_default_candidates


def test_the_list_is_made_from_the_dataset_and_said_with_its_reasons(tmp_path: Path, empty_store: Path) -> None:
    config = small(tmp_path, empty_store, y=lambda a, random: (a + 1) ** 3).config("candidates={}")
    with pytest.raises(DataError, match="there is no dataset"):
        with_default_candidates(config)
    pipeline.run_stage("ingest", config)
    lines: list[str] = []
    found = with_default_candidates(config, Progress(say=lines.append))
    assert {"LinearRegression", "LightGBM_bag", "LightGBM_log_bag", "CatBoost_bag", "Blend"} < set(found.candidates)
    assert found.candidates["LightGBM_log_bag"]["target_transform"] == "log"
    assert lines[0].startswith("train: the config names no candidates; for 200 rows × 1 numbers and 1 texts")
    assert len(lines) == 1 + len(found.candidates)
    check_names(found)
    assert with_default_candidates(found) is found
    assert found.choice.racing is True, "who cannot win is not worth a proof"
    assert (
        with_default_candidates(config.changed(choice=config.choice.model_copy(update={"racing": False}))).choice.racing is False
    )
    assert (
        with_default_candidates(config.changed(choice=config.choice.model_copy(update={"budget": "9min"}))).choice.racing is False
    )


@pytest.mark.parametrize(
    ("installed", "gpu", "budget", "device"),
    [
        (False, True, "1h", None),
        (True, False, None, None),
        (True, False, "29min", None),
        (True, False, "9 trials", None),
        (True, False, "30min", "cpu"),
        (True, True, None, "cuda"),
    ],
)
def test_a_net_learns_where_pytorch_is_and_a_gpu_or_half_an_hour(
    monkeypatch: pytest.MonkeyPatch, installed: bool, gpu: bool, budget: str | None, device: str | None
) -> None:
    monkeypatch.setattr(default_candidates, "missing_modules", lambda *names: [] if installed else list(names))
    monkeypatch.setattr(default_candidates, "finds_gpu", lambda: gpu)
    assert default_candidates._device_of_nets(None if budget is None else parse_budget(budget)) == device


def test_named_candidates_are_all_that_is_tried(tmp_path: Path, empty_store: Path) -> None:
    config = small(tmp_path, empty_store).config()
    assert with_default_candidates(config).candidates == CANDIDATES
