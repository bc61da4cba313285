"""Looking a stored forecast up, and the names of the files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.projects import Project, serving

from tabtrail.bundle.stored_forecasts import (
    AmbiguousForecastError,
    NoForecastError,
    TooManyStepsError,
    look_up,
    result_path,
    safe_part,
)

NAMES = ["product_line", "country"]


def store(folder: Path, segment: dict[str, str], *, prefix: str = "sales", with_forecast: bool = True) -> Path:
    path = result_path(folder, prefix, segment, NAMES)
    path.parent.mkdir(parents=True, exist_ok=True)
    forecast = {
        "model": "average",
        "steps": 3,
        "periods": ["2005-06-01", "2005-07-01", "2005-08-01"],
        "mean": [1.0, 2.0, 3.0],
        "intervals": [{"level": 0.8, "lower": [0.0, 1.0, 2.0], "upper": [2.0, 3.0, 4.0], "coverage": 0.8}],
        "flags": [],
    }
    result: dict[str, Any] = {
        "label": " · ".join(segment.values()) or "all",
        "segment": segment,
        "status": "ok" if with_forecast else "too_short",
        "reason": "5 months are fewer than 6",
        "created": "2026-01-01",
        "run_id": "r",
        "data_sha256": "0",
        "synthetic": False,
        "series": {"frequency": "MS", "unit": "USD"},
        "forecast": forecast if with_forecast else None,
        "outer": {"chosen": {"mase": 0.5}},
    }
    path.write_text(json.dumps(result), encoding="utf-8")
    return path


def test_the_file_of_the_users_example_has_the_name_that_they_gave_it(tmp_path: Path) -> None:
    path = result_path(tmp_path, "sales", {"product_line": "Classic Cars", "country": "USA"}, NAMES)
    assert path == tmp_path / "timeseries" / "sales_ts_risk_Classic_Cars_USA.json"
    assert result_path(tmp_path, "sales", {"country": "USA"}, NAMES).name == "sales_ts_risk_all_USA.json"


@pytest.mark.parametrize("text", ["../../etc/passwd", "a/b", "", "Größe", "x" * 500, "a\x00b", "Classic_Cars", "all", ".."])
def test_a_value_that_is_no_file_name_is_made_safe_and_told_apart(text: str) -> None:
    part = safe_part(text)
    assert set(part) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert len(part) < 80
    assert part[-9] == "-"
    assert part != safe_part(text + " ")


def test_two_segments_with_the_same_safe_name_have_two_files(tmp_path: Path) -> None:
    one, other = {"product_line": "A B", "country": "C"}, {"product_line": "A", "country": "B C"}
    first, second = store(tmp_path, one), store(tmp_path, other)
    assert first != second
    assert store(tmp_path, one) == first
    assert store(tmp_path, other) == second
    assert look_up(tmp_path, one)["segment"] == one
    assert look_up(tmp_path, other)["segment"] == other


def test_a_stored_forecast_is_found_and_cut_to_the_steps(tmp_path: Path) -> None:
    store(tmp_path, {"product_line": "Classic Cars", "country": "USA"})
    store(tmp_path, {"country": "USA"})
    found = look_up(tmp_path, {"product_line": "Classic Cars", "country": "USA"}, 2)
    assert (found["mean"], found["periods"], found["steps"]) == ([1.0, 2.0], ["2005-06-01", "2005-07-01"], 2)
    assert found["intervals"] == [{"level": 0.8, "lower": [0.0, 1.0], "upper": [2.0, 3.0], "coverage": 0.8}]
    assert (found["unit"], found["frequency"], found["mase"]) == ("USD", "MS", 0.5)
    assert look_up(tmp_path, {"country": "USA"})["label"] == "USA"


def test_what_is_not_stored_is_said_and_so_is_what_has_no_forecast(tmp_path: Path) -> None:
    with pytest.raises(NoForecastError, match="no forecast of all rows is stored; `tabtrail forecast` makes it"):
        look_up(tmp_path, {})
    store(tmp_path, {"country": "Belgium"}, with_forecast=False)
    with pytest.raises(NoForecastError, match="there is no forecast of Belgium: 5 months are fewer than 6"):
        look_up(tmp_path, {"country": "Belgium"})
    with pytest.raises(NoForecastError, match="product_line Planes, country Belgium"):
        look_up(tmp_path, {"product_line": "Planes", "country": "Belgium"})


def test_two_stored_forecasts_of_one_segment_are_ambiguous(tmp_path: Path) -> None:
    store(tmp_path, {"country": "USA"})
    store(tmp_path, {"country": "USA"}, prefix="other")
    with pytest.raises(AmbiguousForecastError, match="2 stored forecasts are of country USA"):
        look_up(tmp_path, {"country": "USA"})


@pytest.mark.parametrize("steps", [0, -1, 4, 10_000])
def test_only_steps_that_are_stored_can_be_asked_for(tmp_path: Path, steps: int) -> None:
    store(tmp_path, {"country": "USA"})
    with pytest.raises(TooManyStepsError, match="steps must be 1 to 3"):
        look_up(tmp_path, {"country": "USA"}, steps)


def test_a_file_that_is_damaged_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    store(tmp_path, {"country": "USA"}).write_text("{", encoding="utf-8")
    with pytest.raises(NoForecastError):
        look_up(tmp_path, {"country": "USA"})


def test_a_file_of_another_shape_is_said_to_be_of_another_version(tmp_path: Path) -> None:
    store(tmp_path, {"country": "USA"}).write_text('{"segment": {"country": "USA"}, "forecast": {"steps": 3}}', encoding="utf-8")
    with pytest.raises(NoForecastError, match="is not of this version; `tabtrail forecast` makes it again"):
        look_up(tmp_path, {"country": "USA"})


def test_the_service_answers_from_what_is_stored(project: Project) -> None:
    output = project.config().paths.output_dir
    store(output, {"product_line": "Classic Cars", "country": "USA"})
    store(output, {"country": "Spain"}).write_text('{"segment": {"country": "Spain"}, "forecast": 3}', encoding="utf-8")
    asked = {"product_line": "Classic Cars", "country": "USA"}
    with serving(project) as client:
        found = client.get("/forecast", params={**asked, "steps": 2})
        assert (found.status_code, found.json()) == (200, look_up(output, asked, 2))
        answers = {
            "none stored": client.get("/forecast", params={"country": "S3cret"}),
            "damaged": client.get("/forecast", params={"country": "Spain"}),
            "too many steps": client.get("/forecast", params={**asked, "steps": 4}),
            "no number": client.get("/forecast", params={**asked, "steps": "S3cret"}),
            "twice": client.get("/forecast?country=USA&country=S3cret"),
        }
    statuses = {"none stored": 404, "damaged": 404, "too many steps": 422, "no number": 422, "twice": 422}
    assert {name: answer.status_code for name, answer in answers.items()} == statuses
    for answer in answers.values():
        assert answer.headers["content-type"] == "application/problem+json"
        assert "S3cret" not in answer.text
        assert ("Classic Cars" in answer.text) == (answer.status_code == 404)  # which lists what is stored


def test_the_look_up_imports_none_of_the_libraries_that_fit() -> None:
    heavy = "mlflow shap duckdb matplotlib sklearn pandas polars joblib statsmodels arch scipy pydantic numpy"
    code = f"import sys, tabtrail.bundle.stored_forecasts; print([n for n in '{heavy}'.split() if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
