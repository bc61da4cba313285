"""The page on the demand of many series: its figures are those of the files, and nothing on it is empty."""

import re
from dataclasses import replace
from math import isnan
from pathlib import Path

import polars as pl
import pytest
from tests.support.demand import both_project, demand_project
from tests.support.pages import Page
from tests.support.projects import Trained

from tabtrail import pipeline
from tabtrail.project.paths import Artifacts
from tabtrail.report.charts import Line
from tabtrail.report.demand_evidence import DemandEvidence
from tabtrail.report.demand_pictures import demand_horizons, demand_largest, demand_uplift, demand_worst
from tabtrail.report.demand_verdict import demand_verdict
from tabtrail.report.figures import places_of, shown
from tabtrail.report.page import render_report
from tabtrail.report.pictures import place_pictures
from tabtrail.report.svg import svg
from tabtrail.report.verdict import Number
from tabtrail.system.files import read_json
from tabtrail.tracking.artifacts import list_files
from tabtrail.tracking.store import open_store
from tabtrail.workflows.page_files import page_settings
from tabtrail.workflows.report import last_demand


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return demand_project(tmp_path_factory)


@pytest.fixture(scope="module")
def evidence(trained: Trained) -> DemandEvidence:
    config = trained.config
    store = open_store(config.mlflow)
    found = last_demand(Artifacts.of(config.for_demand()), page_settings(config), store)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def html(trained: Trained) -> str:
    return Artifacts.of(trained.config).page.read_text(encoding="utf-8")


def rendered(evidence: DemandEvidence) -> str:
    return render_report(None, evidence, place_pictures(None, evidence))


def sections(html: str) -> dict[str, str]:
    return dict(re.findall(r'<section id="([\w-]+)"[^>]*>(.*?)</section>', html, re.S))


def said(html: str) -> str:
    """What a person reads of a piece of the page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def test_the_page_says_of_every_model_what_the_leaderboard_says(html: str, trained: Trained) -> None:
    page, board = Page(html), read_json(Artifacts.of(trained.config).demand_leaderboard)
    assert board is not None
    header = [text for text, _ in page.tables["demand-models"][0]]
    names = {"MAE": "mae", "RMSSE": "rmsse", "WAPE": "wape", "bias": "bias", "RMSE": "rmse", "MASE": "mase"}
    champion = next(each for each in board["models"] if each["model"] == board["champion"])
    for each in board["models"]:
        cells = dict(zip(header, page.row("demand-models", each["model"]), strict=True))
        assert {label: float(cells[label][1] or "nan") for label in names} == {label: each[key] for label, key in names.items()}
        assert cells["MAE"][0] == shown(each["mae"], places=places_of(champion["mae"]))
        assert cells["kind"][0] == ("baseline" if each["baseline"] else "fitted")
    horizons = [(row[0][0], float(row[1][1] or "nan")) for row in page.tables["demand-by-horizon"][1:]]
    assert horizons == [(str(step), scores["mae"]) for step, scores in enumerate(champion["by_horizon"], 1)]


def test_no_section_is_empty_and_each_has_its_link(html: str) -> None:
    found = sections(html)
    assert list(found) == re.findall(r'<li><a href="#([\w-]+)">', html)
    assert {name: text for name, own in found.items() if len(text := said(own)) < 80} == {}
    assert "demand-uplift" in found
    assert "Not causal" in found["demand-uplift"]


def test_the_verdict_names_model_baseline_bias_and_what_is_deployed(evidence: DemandEvidence, html: str) -> None:
    told = said(sections(html)["demand-verdict"])
    assert evidence.board["champion"] in told
    assert evidence.best_baseline is not None
    assert evidence.best_baseline["model"] in told
    assert "It is deployed" in told
    figures = [part.value for sentence in demand_verdict(evidence) for part in sentence if isinstance(part, Number)]
    assert evidence.champion["mae"] in figures
    assert abs(evidence.champion["bias"]) in figures


def test_the_verdict_says_what_the_bound_on_the_bias_cost_and_what_mae_alone_would_have_ordered(evidence: DemandEvidence) -> None:
    low = {**evidence.champion, "model": "Low", "mae": evidence.champion["mae"] / 2, "bias": -0.4}
    changed = replace(evidence, board={**evidence.board, "models": [low, *evidence.models]})
    words = "".join(str(part.value) if isinstance(part, Number) else part for part in demand_verdict(changed)[2])
    assert words.endswith("would have ordered 0.4 too little.")
    assert "cost 1.0 of MAE" in words


def test_a_model_that_no_baseline_loses_to_is_not_called_better(evidence: DemandEvidence) -> None:
    metric = evidence.board["metric"]
    models = [{**each, metric: 0.0} if each["baseline"] else each for each in evidence.models]
    words = demand_verdict(replace(evidence, board={**evidence.board, "models": models}, decision={}))
    assert "no better" in str(words[1])
    assert "not deployed" in str(words[-1])


def test_intervals_are_drawn_where_the_forecasts_have_them_and_not_missed_where_not(evidence: DemandEvidence) -> None:
    assert evidence.forecasts is not None
    without = demand_largest(
        replace(
            evidence, forecasts=evidence.forecasts.select("series", "origin", "day", "horizon", "actual", "forecast", "baseline")
        )
    )
    banded = evidence.forecasts.with_columns(low_80=pl.col("forecast") * 0.5, high_80=pl.col("forecast") * 2)
    drawn = demand_largest(replace(evidence, forecasts=banded))
    assert without is not None
    assert drawn is not None
    labels = [[getattr(layer, "label", "") for layer in chart.layers] for chart in (without.charts[0], drawn.charts[0])]
    assert "80 % interval" not in labels[0]
    assert "80 % interval" in labels[1]


def test_coverage_by_horizon_stands_on_the_page_where_it_was_measured(evidence: DemandEvidence) -> None:
    steps = [{"coverage": 0.8 - step / 100, "pinball": 1.0} for step in range(7)]
    level = {"level": 0.8, "coverage": 0.77, "low": 0.7, "high": 0.83, "width": 4.2, "by_horizon": steps}
    page = rendered(replace(evidence, board={**evidence.board, "intervals": {"origins": 26, "levels": [level]}}))
    assert [value for _, value in Page(page).row("demand-coverage", "80 %")][1] == "0.77"
    assert "80 % interval held 77.0 %" in page
    assert '<figure id="picture-demand_coverage">' in page
    without = rendered(replace(evidence, board={**evidence.board, "intervals": None}))
    assert "demand-intervals" not in sections(without)


def test_one_series_has_a_whole_page(evidence: DemandEvidence) -> None:
    assert evidence.forecasts is not None
    assert evidence.series is not None
    one = evidence.series["series"][0]
    kept = {
        name: frame.filter(pl.col("series") == pl.lit(one, dtype=frame.schema["series"]))
        for name, frame in (("series", evidence.series), ("forecasts", evidence.forecasts))
    }
    scores = evidence.scores.filter((pl.col("split") != "class") | (pl.col("part") == kept["series"]["class"][0]))  # type: ignore[union-attr]
    page = rendered(replace(evidence, series=kept["series"], forecasts=kept["forecasts"], scores=scores))
    assert {name for name, own in sections(page).items() if len(said(own)) < 80} == set()


def test_of_ten_thousand_series_only_the_largest_and_the_worst_are_drawn(evidence: DemandEvidence) -> None:
    assert evidence.series is not None
    own = evidence.series.with_columns(drawn=pl.lit(None, dtype=pl.String))
    rest = pl.concat([own] * (10_000 // own.height + 1)).head(10_000)
    many = replace(evidence, series=pl.concat([evidence.series, rest]), board={**evidence.board, "series": 10_000})
    page = rendered(many)
    assert len(page) < 400_000
    assert len(Page(page).tables["demand-series"]) == 21
    for made in (demand_largest, demand_worst):
        picture, same = made(many), made(evidence)
        assert (picture and len(picture.charts)) == (same and len(same.charts))


def test_a_horizon_of_one_has_no_curve_and_a_flag_that_never_varied_no_bar(evidence: DemandEvidence) -> None:
    assert evidence.scores is not None
    assert (
        demand_horizons(
            replace(evidence, scores=evidence.scores.filter((pl.col("split") != "horizon") | (pl.col("part") == "1")))
        )
        is None
    )
    flat = replace(evidence, uplifts=tuple(replace(each, varied=False, share=0.0) for each in evidence.uplifts))
    assert demand_uplift(flat) is None
    assert "can say nothing of its effect" in said(sections(rendered(flat))["demand-uplift"])


def test_no_table_of_scores_has_a_column_without_a_value_and_money_stands_where_a_price_is(html: str, trained: Trained) -> None:
    assert trained.config.demand is not None
    assert trained.config.demand.price is not None
    tables = Page(html).tables
    for name in ("demand-by-horizon", "demand-by-class", "demand-by-level", "demand-models"):
        header, *rows = ([text for text, _ in row] for row in tables[name])
        assert [label for label, *cells in zip(header, *rows, strict=True) if set(cells) <= {"–"}] == []
        assert ("WAPE in money" in header) == (name != "demand-by-level")
    assert tables["demand-by-horizon"][0][0][0] == "days ahead"


def test_where_the_demand_of_a_day_is_not_known_no_line_is_drawn(evidence: DemandEvidence) -> None:
    assert evidence.series is not None
    recent = [1.0, 2.0, None, 4.0, None, 5.0, 6.0]
    own = evidence.series.with_columns(recent=pl.lit(recent, dtype=pl.List(pl.Float64)))
    picture = demand_largest(replace(evidence, series=own))
    assert picture is not None
    (line,) = [each for each in picture.charts[0].layers if isinstance(each, Line) and each.label == "actual"]
    assert [None if isnan(each) else each for each in line.y] == recent
    drawn = re.findall(r'class="line k0" d="([^"]+)"', svg(picture.charts[0], "x"))
    assert [path.count("L") for path in drawn[0].split("M")[1:]] == [1, 0, 1]
    assert len(re.findall(r'class="dots k0" d="M[^M]+h0"', svg(picture.charts[0], "x"))) == 1, "the single day is a dot"


def test_beside_a_model_of_rows_every_heading_and_command_says_that_it_is_of_demand(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    config = both_project(tmp_path_factory).config()
    pipeline.run_stage("report", config)
    html = Artifacts.of(config).page.read_text(encoding="utf-8")
    found = sections(html)
    own = {name: re.findall(r"<h2[^>]*>(.*?)</h2>", text)[0] for name, text in found.items() if name.startswith("demand-")}
    assert own.pop("demand-uplift").startswith("Promotion uplift")
    assert all(title.startswith("Demand: ") for title in own.values()), own
    run_id = (read_json(Artifacts.of(config.for_demand()).demand_leaderboard) or {})["run_id"]
    assert f"tabtrail reproduce {run_id}" in said(found["made"])
    assert "tabtrail explain --demand" in said(found["demand-explanations"])
    assert re.search(r"tabtrail (predict|promote \w+) --demand", said(found["demand-verdict"]))
    assert "forecasts units of 6 series" in said(html)
    assert Page(html).tables["demand-models"]


def test_a_refused_training_has_a_page_that_says_so(evidence: DemandEvidence) -> None:
    refused = replace(evidence, importance={}, uplifts=(), decision={})
    found = sections(rendered(refused))
    assert "demand-uplift" not in found
    assert "Nothing is explained" in said(found["demand-explanations"])
    assert "not deployed" in said(found["demand-verdict"])
    beaten = replace(refused, tags={"tabtrail.objections": "no model is worth deploying: Theta is better"})
    told = said(sections(rendered(beaten))["demand-verdict"])
    assert "It is NOT deployed: no model is worth deploying: Theta is better." in told


def test_page_pictures_and_tables_are_in_the_run(trained: Trained, evidence: DemandEvidence) -> None:
    config, run_id = trained.config, str(evidence.board["run_id"])
    store = open_store(config.mlflow)
    assert {"report.html", "demand_forecasts.parquet", "demand_global_importance.json"} <= set(list_files(store, run_id))
    pictures = {Path(each).name for each in list_files(store, run_id, "pictures")}
    assert {"demand_horizons.png", "demand_largest.png", "demand_uplift.png", "demand_importance.png"} <= pictures
    assert pictures <= {each.name for each in Artifacts.of(config).plots.glob("*.png")}
