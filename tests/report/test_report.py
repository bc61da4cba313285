"""The page for people, parsed: what stands on it is what the JSON and MLflow hold, and nothing of the data is markup."""

import re
from html import escape
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient
from tests.support.odd_project import odd
from tests.support.pages import Page
from tests.support.projects import Project, Trained

from tabtrail import pipeline
from tabtrail.errors import TabtrailError, UsageError
from tabtrail.project.paths import Artifacts
from tabtrail.report.charts import Axis, Bars, Chart, Picture
from tabtrail.report.figures import are_years, places_of, shown, slice_text
from tabtrail.report.frame import prose
from tabtrail.report.png import draw
from tabtrail.report.svg import svg
from tabtrail.system.files import read_json, write_json
from tabtrail.workflows.forecast import forecast_segment
from tabtrail.workflows.report import report_run

SECTIONS = ["verdict", "leakage", "leaderboard", "champion", "explanations", "data", "made"]


def test_figures_have_thousands_apart_significant_digits_and_whole_ones_no_decimals() -> None:
    figures = [(416.34, 4), (0.000123456, 4), (2003.0, 4), (2823.4, 4), (12345.6, 4), (0.9996, 3), (7.0, 3), (-0.05, 3)]
    written = [shown(value, digits) for value, digits in figures]
    assert written == ["416.3", "0.0001235", "2,003", "2,823", "12,346", "1.00", "7", "-0.0500"]
    assert [shown(value, 3, percent=True) for value in (0.9996, 0.4567, 1.0)] == ["100.0 %", "45.7 %", "100.0 %"]
    assert [shown(value, 4, percent=True) for value in (0.04146, -0.0001, 0.000001)] == ["4.15 %", "-0.01 %", "<0.01 %"]


def test_figures_of_one_column_have_the_decimals_of_its_best_and_none_is_shown_as_a_zero_that_it_is_not() -> None:
    assert [places_of(each) for each in (416.34, 0.0123, 98765.0, 0.0, None)] == [1, 5, 0, None, None]
    written = [shown(value, places=1) for value in (416.34, 1866.34, -0.03, 0.0012, 4e-13, -0.0001, 0.0)]
    assert written == ["416.3", "1,866.3", "-0.03", "0.001", "<0.1", ">-0.1", "0.0"]
    assert [are_years(*bounds) for bounds in ((2003, 2005), (2003.5, 2005), (10, 2005))] == [True, False, False]


def test_slices_of_numbers_have_thousands_apart_and_no_digit_that_orders_them_and_years_no_comma() -> None:
    told = ["0: 4454 to below 32266.4", "9: 2021 to 2023", "3: Benzin", "0", "missing"]
    assert [slice_text(each) for each in told] == ["4,454 to below 32,266.4", "2021 to 2023", "3: Benzin", "0", "missing"]


def test_no_line_of_words_ends_within_a_figure_and_percent_signs_stand_alike() -> None:
    assert prose("80% of <5 %, within 7e-08") == "80\u00a0% of &lt;5\u00a0%, within 7e\u201108"


def panels_of(html: str, picture: str) -> list[str]:
    """The charts of a figure, by the ids of their titles."""
    figure = re.search(rf'<figure id="picture-{picture}"[^>]*>.*?</figure>', html, re.S)
    assert figure is not None
    return re.findall(r'<title id="([^"]+)-t">', figure[0])


@pytest.fixture(scope="module")
def html(reported: Trained) -> str:
    return Artifacts.of(reported.config).page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_sections_stand_in_their_order_under_headings_in_order(page: Page) -> None:
    assert page.sections == SECTIONS
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_the_page_is_one_small_file_that_names_nothing_outside(html: str, reported: Trained) -> None:
    assert Artifacts.of(reported.config).page.stat().st_size < 1_500_000
    assert not re.search(r"""(?:src|href|action)=["']?(?:https?:|//|file:)""", html)
    assert "@import" not in html
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_the_leaderboard_on_the_page_is_the_json_and_mlflow(page: Page, reported: Trained) -> None:
    uri = reported.config.mlflow.tracking_uri
    client = MlflowClient(uri, uri)
    stored = read_json(Artifacts.of(reported.config).leaderboard)
    assert stored is not None
    places = places_of(reported.report.leaderboard.champion_row.cv["rmse"])
    for row in stored["candidates"]:
        cells = page.row("candidates", row["candidate"])
        metrics = client.get_run(row["run_id"]).data.metrics
        for place, key, metric in (
            (1, "cv_rmse", "cv_root_mean_squared_error"),
            (2, "cv_rmse_std", "cv_root_mean_squared_error_std"),
            (5, "cv_mae", "cv_mean_absolute_error"),
            (6, "test_rmse", "test_root_mean_squared_error"),
            (7, "test_mae", "test_mean_absolute_error"),
        ):
            text, value = cells[place]
            assert value is not None
            assert float(value) == row[key] == metrics[metric]
            assert text == shown(row[key], places=places)
            assert float(text.replace(",", "")) == pytest.approx(row[key], abs=0.05)


def test_coverage_slices_importance_and_statistics_on_the_page_are_those_of_the_files(page: Page, reported: Trained) -> None:
    config, board = reported.config, reported.report.leaderboard
    for row in board.coverage:
        name = row.value if row.by == "all" else f"{row.by}: {row.value}"
        cells = page.row("coverage", name)
        assert [float(value or "nan") for _, value in cells[1:]] == [row.rows, row.coverage, row.mean_width]
    importance = reported.report.importance
    assert {row[0][0]: float(row[1][1] or "nan") for row in page.tables["importance"][1:]} == importance
    slices = pl.read_parquet(config.paths.output_dir / "metrics" / "error_slices.parquet").row(0, named=True)
    first = page.tables["slices"][1]
    assert (first[0][0], first[1][0]) == (slices["column"], slice_text(slices["slice"]))
    assert float(first[3][1] or "nan") == slices["rmse"]
    stats = pl.read_csv(config.paths.output_dir / "summary" / "numeric_descriptive_stats.csv")
    repeated = {"YEAR": "YEAR_ID", "MONTH": "MONTH_ID"}
    shown_columns = {row[0][0] for row in page.tables["numbers"][1:]}
    assert shown_columns == set(stats["column"]) - set(repeated)
    for column, first in repeated.items():
        assert f"the same as{first} in every row" in page.row("columns", column)[2][0]
    for row in stats.filter(~pl.col("column").is_in([*repeated])).iter_rows(named=True):
        cells = page.row("numbers", row["column"])
        assert float(cells[2][1] or "nan") == row["mean"]
        assert float(cells[7][1] or "nan") == row["median"]


def test_a_partition_beside_the_column_it_repeats_is_drawn_once(html: str) -> None:
    correlated = html[html.index('id="correlations-1-t"') :].split("</svg>")[0]
    assert "<title>YEAR_ID</title>" in correlated
    assert "<title>YEAR</title>" not in correlated


def test_the_verdict_has_five_sentences_and_the_findings_come_next(html: str, page: Page, reported: Trained) -> None:
    sentences = re.search(r'<ol class="verdict">(.*?)</ol>', html, re.S)
    board = reported.report.leaderboard
    assert sentences is not None
    assert sentences[1].count("<li>") == 5
    assert f'value="{board.champion_row.cv["rmse"]!r}"' in sentences[1]
    headline = re.search(r'<p class="headline">(.*?)</p>', html)
    assert headline is not None
    assert f"{board.champion} predicts SALES with an RMSE of" in headline[1]
    assert re.search(r"less than always predicting the mean\.", headline[1])
    values = re.findall(r'<dd class="value"><data value="([^"]+)">', html)
    mean = next(row for row in board.candidates if row.candidate == board.baseline).cv["rmse"]
    error = board.champion_row.cv["rmse"]
    assert mean is not None
    assert error is not None
    assert list(map(float, values)) == [error, 1 - error / mean, board.champion_row.interval_coverage]
    assert html.index("DEALSIZE</bdi>: binned") < html.index('<table id="candidates">')


def test_every_picture_has_a_title_a_text_alternative_and_axes_with_names(html: str) -> None:
    charts = re.findall(r"<svg class=\"chart\".*?</svg>", html, re.S)
    assert len(charts) >= 25
    for chart in charts:
        assert re.search(r"<title id=[^>]*>[^<]+</title><desc id=[^>]*>[^<]{20,}</desc>", chart)
        assert 'class="label"' in chart or 'class="cell"' in chart
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_a_baseline_stands_at_the_edge_of_the_fold_scores_with_its_value(html: str, reported: Trained) -> None:
    board = reported.report.leaderboard
    mean = next(row for row in board.candidates if row.candidate == board.baseline).cv["rmse"]
    assert mean is not None
    figure = html[html.index('id="picture-fold_scores"') :].split("</figure>")[0]
    assert f">{shown(mean)}</text>" in figure
    assert f"<title>{board.baseline}</title>" in figure
    ticks = [float(text.replace(",", "")) for text in re.findall(r'class="tick" text-anchor="middle"[^>]*>([\d,.]+)<', figure)]
    assert max(ticks) < mean / 1.5, "the baseline would press the others into a corner"


def test_coverage_is_drawn_from_its_promise_with_the_range_that_chance_allows(reported: Trained, html: str) -> None:
    figure = html[html.index('id="picture-interval_coverage"') :].split("</figure>")[0]
    assert figure.count('class="whisker"') == len(reported.report.leaderboard.coverage)
    assert re.search(r"all rows: [\d.]+ % of [\d,]+ rows \(95 % range [\d.]+ to [\d.]+ %\)", figure)


def test_residuals_are_drawn_by_prediction_and_by_date(html: str) -> None:
    assert panels_of(html, "residuals") == ["residuals-1", "residuals-2"]
    assert '<title id="residuals-2-t">Residual by date</title>' in html
    years = re.findall(r">(20\d\d)</text>", html[html.index('id="residuals-2-t"') :].split("</svg>")[0])
    assert years == ["2003", "2004", "2005"]


def test_charts_of_the_profile_have_files_of_their_own_named_after_their_columns(reported: Trained) -> None:
    drawn = {file.name for file in Artifacts.of(reported.config).plots.glob("*_*.png")}
    assert {
        "hist_sales.png",
        "hist_quantityordered.png",
        "scatter_quantityordered_vs_sales.png",
        "scatter_priceeach_vs_sales.png",
        "box_sales_by_productline.png",
        "box_quantityordered_by_dealsize.png",
    } <= drawn
    assert not {name for name in drawn if name.startswith("hist_")} - {"hist_sales.png", "hist_quantityordered.png"}


def test_every_metric_stands_on_the_page_with_the_figures_of_the_json(page: Page, reported: Trained) -> None:
    for row in reported.report.leaderboard.candidates:
        for part, values in (("cv", row.cv), ("test", row.test)):
            cells = page.row(f"metrics-{part}", row.candidate)
            shown_values = [None if value is None else float(value) for _, value in cells[1:]]
            assert shown_values == [values[name] for name in ("r2", "mape", "wape", "medae", "rmsle", "bias")]


def test_candidates_that_the_folds_cannot_tell_from_the_champion_are_marked(page: Page, reported: Trained) -> None:
    board = reported.report.leaderboard
    marks = {row[0][0].lstrip("★≈ "): row[0][0][0] for row in page.tables["candidates"][1:]}
    expected = {row.candidate: "≈" for row in board.candidates if row.indistinguishable} | {board.champion: "★"}
    assert {name: mark for name, mark in marks.items() if mark in "★≈"} == expected


def test_the_pictures_and_the_page_are_artifacts_of_the_run(reported: Trained) -> None:
    uri = reported.config.mlflow.tracking_uri
    client, run = MlflowClient(uri, uri), reported.report.leaderboard.parent_run_id
    names = {item.path for item in client.list_artifacts(run)} | {item.path for item in client.list_artifacts(run, "pictures")}
    tables = {"predictions.parquet", "folds.parquet", "shap_values.parquet", "profile.json", "learning_curve.json"}
    assert {"report.html", *tables, "partial_dependence.json"} <= names
    pictures = {
        "predicted_actual", "residuals", "error_slices", "interval_coverage", "learning_curve", "fold_scores", "histograms",
        "scatter", "boxes", "correlations", "shap_importance", "shap_beeswarm", "shap_dependence", "partial_dependence",
    }  # fmt: skip
    assert {f"pictures/{name}.png" for name in pictures} <= names
    card = client.get_run(run).data.tags["mlflow.note.content"]
    headings = re.findall(r"^## (.*)$", card, re.M)
    assert headings == ["Leakage findings", "Intended use", "Data", "Metrics", "Limits"]
    assert f"{reported.report.leaderboard.champion_row.cv['rmse']:.7g}" in card


def test_an_unchanged_report_is_not_written_again_and_an_altered_one_is(reported: Trained, tmp_path: Path) -> None:
    assert pipeline.run_stage("report", reported.config) is False
    config = reported.copy(tmp_path).config(*reported.overrides)  # other processes read the page of the shared project
    pipeline.run_stage("report", config)
    before = Artifacts.of(config).page.read_bytes()
    Artifacts.of(config).page.write_text("altered")
    assert pipeline.run_stage("report", config) is True
    assert Artifacts.of(config).page.read_bytes() == before


def test_the_report_of_a_run_by_its_id_is_the_same_page(reported: Trained, tmp_path: Path) -> None:
    board = reported.report.leaderboard
    before = Artifacts.of(reported.config).page.read_text(encoding="utf-8")
    elsewhere = reported.project.config(*reported.overrides, f"paths.output_dir={tmp_path / 'output'}")
    report_run(elsewhere, board.candidates[0].run_id)
    assert Artifacts.of(elsewhere).page.read_text(encoding="utf-8") == before


def test_a_run_without_shap_says_what_is_missing_and_what_makes_it(reported: Trained, tmp_path: Path) -> None:
    project = reported.copy(tmp_path)
    config = project.config(*reported.overrides)
    Artifacts.of(config).shap.unlink()
    pipeline.run_stage("report", config)
    page = Artifacts.of(config).page.read_text(encoding="utf-8")
    assert "This run left no Shapley values. <code>tabtrail train --force</code> makes it." in page
    assert Page(page).sections == SECTIONS


def test_shap_values_that_do_not_add_up_are_an_error_not_a_picture(reported: Trained, tmp_path: Path) -> None:
    config = reported.copy(tmp_path).config(*reported.overrides)
    table = pl.read_parquet(Artifacts.of(config).shap)
    table.with_columns(pl.col("prediction") + 50).write_parquet(Artifacts.of(config).shap)
    with pytest.raises(TabtrailError, match="Shapley values miss the predictions"):
        pipeline.run_stage("report", config)


@pytest.mark.parametrize("run_id", ["0" * 32, "no such run"])
def test_a_missing_run_is_one_message(reported: Trained, run_id: str) -> None:
    with pytest.raises(UsageError, match=f"there is no run {run_id} in the MLflow store"):
        report_run(reported.config, run_id)


def test_hostile_names_and_ten_thousand_categories_are_escaped_text(tmp_path: Path) -> None:
    config = odd(tmp_path).config("report.learning_curve_folds=0", "explain.max_rows=60")
    pipeline.run(config)
    html = Artifacts.of(config).page.read_text(encoding="utf-8")
    page = Page(html)
    assert page.sections == SECTIONS
    assert page.tags.count("script") == 1
    assert "<b>0</b>" not in html
    assert 'alert("x")' not in html
    assert "&lt;script&gt;" in html
    assert '<script>alert("x")</script>' in "".join(page.texts)
    assert len(html) < 1_500_000
    assert panels_of(html, "residuals") == ["residuals-1"], "there are no dates, and so no residuals by date"


def test_thirty_rows_make_a_page(tmp_path: Path) -> None:
    rows = ["y,x,c"] + [f"{3 * i + i * 7 % 31},{i},{'ab'[i % 2]}" for i in range(30)]
    (tmp_path / "small.csv").write_text("\n".join(rows))
    (tmp_path / "config_v2.yaml").write_text(
        "version: 2\npaths: {raw_csv: small.csv}\nmodel: {target: y, numeric_features: [x], categorical_features: [c]}\n"
        "split: {kind: random}\ncandidates: {LinearRegression: {}}\nengine: {kind: serial}\n"
    )
    config = Project(tmp_path).config()
    pipeline.run(config)
    html = Artifacts.of(config).page.read_text(encoding="utf-8")
    assert Page(html).sections == SECTIONS
    assert "There is no learning curve" in html


def test_stored_forecasts_are_on_the_page_and_other_documents_are_not(reported: Trained, tmp_path: Path) -> None:
    config = reported.copy(tmp_path).config(*reported.overrides)
    assert "Forecast and risk" not in Artifacts.of(config).page.read_text(encoding="utf-8"), "no section without a forecast"
    result = forecast_segment(config, {"product_line": "Classic Cars"}).result
    folder = config.paths.output_dir / "timeseries"
    write_json(folder / "other.json", {"label": "<b>no result</b>"})
    write_json(folder / "stale.json", {**result.model_dump(mode="json"), "label": "of other data", "data_sha256": "0" * 64})
    assert pipeline.run_stage("report", config) is True
    html = Artifacts.of(config).page.read_text(encoding="utf-8")
    assert Page(html).sections == [*SECTIONS[:-1], "forecast", SECTIONS[-1]]
    assert "no result" not in html
    assert "of other data" not in html
    assert 'id="picture-forecast_1"' in html
    assert result.forecast is not None
    assert f'<data value="{sum(result.forecast.mean)!r}">' in html
    for line in result.summary:
        assert escape(line, quote=False).replace("'", "&#39;") in html


def test_a_label_of_300_characters_or_markup_fits_and_is_escaped(tmp_path: Path) -> None:
    names = ("x" * 300, "<script>", "a\"b'c", "🙂", "$x_1$", "")
    chart = Chart("<i>t</i>", "alt & more", Axis("a < b"), Axis("", names), (Bars((1.0, 2.0, 3.0, 0.0, -1.0, 2.0)),))
    drawn = str(svg(chart, "id"))
    assert "<script>" not in drawn
    assert "<i>" not in drawn
    assert "a &lt; b" in drawn
    picture = Picture("p", "$t$ & <t>", "", (chart,))
    draw(picture, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_rows_outside_a_stratum_are_no_slice_without_a_name(reported: Trained) -> None:
    slices = pl.read_parquet(reported.config.paths.output_dir / "metrics" / "error_slices.parquet")
    assert set(slices.filter(column="stratum")["slice"]) == {"price_at_cap", "price_below_cap"}
    assert "" not in slices["slice"].to_list()
