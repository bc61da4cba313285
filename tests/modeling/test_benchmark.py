import polars as pl
import pytest
from tests.support.projects import ONE_CANDIDATE, Project, Trained

from tabtrail.data.dataset import scan_dataset
from tabtrail.data.ingest import ingest
from tabtrail.errors import ConfigError, DataError
from tabtrail.modeling.benchmark import run_benchmark
from tabtrail.modeling.candidates import list_candidates
from tabtrail.modeling.problem import problem_of
from tabtrail.modeling.table import Table, load_table, needed_columns


def table_of(project: Project, *overrides: str) -> Table:
    config = project.config(*overrides)
    ingest(config)
    return load_table(problem_of(config), scan_dataset(config.dataset).collect())


def test_the_order_of_the_file_changes_nothing(project: Project) -> None:
    config = project.config(*ONE_CANDIDATE)
    first = run_benchmark(problem_of(config), table_of(project, *ONE_CANDIDATE))
    lines = project.csv.read_bytes().splitlines()
    project.csv.write_bytes(b"\n".join([lines[0], *lines[:0:-1]]) + b"\n")
    second = run_benchmark(problem_of(config), table_of(project, *ONE_CANDIDATE))
    assert [r.mean("rmse") for r in first.results] == [r.mean("rmse") for r in second.results]
    assert [r.final.scores for r in first.results] == [r.final.scores for r in second.results]


def test_processes_and_one_process_give_the_same_scores(project: Project) -> None:
    table = table_of(project)
    candidates = (
        "candidates={LightGBM: {n_estimators: 30}, CatBoost: {iterations: 30}, RandomForest_5: {n_estimators: 5}, Blend: {}}"
    )
    serial, parallel = (
        run_benchmark(project.problem(candidates, f"engine.kind={kind}"), table) for kind in ("serial", "processes")
    )
    assert [(r.candidate.name, r.mean("rmse"), r.final.scores) for r in serial.results] == [
        (r.candidate.name, r.mean("rmse"), r.final.scores) for r in parallel.results
    ]


def test_early_stopping_chooses_fewer_rounds_inside_the_training_rows(project: Project) -> None:
    table = table_of(project)
    candidates = (
        "candidates={XGBoost: {n_estimators: 400, learning_rate: 0.3, early_stopping_rounds: 10},"
        " LightGBM: {n_estimators: 400, learning_rate: 0.3, early_stopping_rounds: 10},"
        " CatBoost: {iterations: 400, learning_rate: 0.3, early_stopping_rounds: 10},"
        " GradientBoosting: {n_estimators: 400, learning_rate: 0.3, early_stopping_rounds: 10},"
        " HistGradientBoosting: {max_iter: 400, learning_rate: 0.3, early_stopping_rounds: 10}}"
    )
    benchmark = run_benchmark(project.problem(candidates), table)
    chosen = {r.candidate.family: r.final.iterations for r in benchmark.results if r.candidate.early_stopping_rounds}
    assert len(chosen) == 5
    assert all(rounds is not None and 1 <= rounds < 400 for rounds in chosen.values())


def test_early_stopping_watches_native_categories_too(project: Project) -> None:
    common = "learning_rate: 0.3, early_stopping_rounds: 10, categories: native"
    candidates = (
        f"candidates={{XGBoost: {{n_estimators: 400, {common}}}, LightGBM: {{n_estimators: 400, {common}}},"
        f" CatBoost: {{n_estimators: 400, {common}}}, HistGradientBoosting: {{max_iter: 400, {common}}}}}"
    )
    overrides = (candidates, "split.folds=2")
    results = run_benchmark(problem_of(project.config(*overrides)), table_of(project, *overrides)).results
    chosen = {r.candidate.family: r.final.iterations for r in results if r.candidate.native}
    assert len(chosen) == 4
    assert all(rounds is not None and 1 <= rounds < 400 for rounds in chosen.values())
    assert all(r.final.scores["rmse"] < 1500 for r in results if r.candidate.native)


def test_strata_are_scored_apart(trained: Trained) -> None:
    champion = trained.report.leaderboard.champion_row
    rows = {name: scores.rows for name, scores in champion.test_by_stratum.items()}
    assert sum(rows.values()) == trained.report.leaderboard.test_rows
    squared = sum(scores.rows * scores["rmse"] ** 2 for scores in champion.test_by_stratum.values())
    assert squared / sum(rows.values()) == pytest.approx(champion.test["rmse"] ** 2, rel=1e-5)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ("{XGBoost: {booster: dart}}", r"candidates.XGBoost.booster: only gbtree can be exported to ONNX"),
        ("{CatBoost: {grow_policy: Depthwise}}", r"only SymmetricTree can be exported"),
        ("{LightGBM: {n_estimatorss: 3}}", r"LightGBM has no such parameter; did you mean 'n_estimators'\?"),
        (
            "{CatBoost: {iterations: 10, dept: 3}}",
            r"candidates.CatBoost.dept: CatBoost has no such parameter; did you mean 'depth'\?",
        ),
        ("{RandomForest: {early_stopping_rounds: 5}}", r"RandomForest has no rounds to stop"),
        ("{XGBoost: {early_stopping_rounds: 0}}", r"write a whole number of rounds, 1 or more"),
        ("{XGBoost: {n_jobs: 2}}", r"candidates.XGBoost.n_jobs: tabtrail sets this parameter itself"),
        (
            "{RandomForest: {categories: native}}",
            r"RandomForest does not split on categories by itself; HistG.*, XGBoost, L.* do",
        ),
        ("{LightGBM: {categories: natve}}", r"candidates.LightGBM.categories: write one_hot or native"),
        (
            "{RandomForest: {missing: native}}",
            r"RandomForest takes no missing numbers; HistG.*, XGBoost, LightGBM, CatBoost, RealMLP do",
        ),
        ("{LightGBM: {many_texts: targt}}", r"LightGBM.many_texts: write shared, target or frequency; did you mean 'target'\?"),
        ("{LightGBM: {missing: mean}}", r"candidates.LightGBM.missing: write median or native"),
        ("{LightGBM: {smearing: true}}", r"smearing: this corrects the mean of a learned logarithm; set target_transform to log"),
        ("{LightGBM: {smearing: 2, target_transform: log}}", r"candidates.LightGBM.smearing: write true or false"),
        ("{CatBoost: {categories: native, max_ctr_complexity: 2}}", r"only max_ctr_complexity 1 can be exported"),
        ("{LightGBM: {objective: tweedy}}", r"objective: only regression, .* can be exported to ONNX; did you mean 'tweedie'\?"),
        ("{LightGBM: {objective: binary}}", r"candidates.LightGBM.objective: only .* can be exported"),
        ("{XGBoost: {objective: 'rank:pairwise'}}", r"candidates.XGBoost.objective: only .* can be exported"),
        ("{CatBoost: {loss_function: LogLinQuantile}}", r"candidates.CatBoost.loss_function: only .* can be exported"),
        ("{CatBoost: {objective: MultiRMSE}}", r"candidates.CatBoost.objective: only .* can be exported"),
        ("{HistGradientBoosting: {loss: nope}}", r"candidates.HistGradientBoosting.loss: only .* can be exported"),
        (
            "{XGBoost: {objective: 'reg:gamma', target_transform: log1p}}",
            r"XGBoost.target_transform: reg:gamma has a link of its own and learns the target as it is; leave",
        ),
    ],
)
def test_a_candidate_that_cannot_be_built_is_a_config_error(project: Project, candidates: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list_candidates(project.config(f"candidates={candidates}").candidates)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ("{RandomForest: {max_depth: -5}}", r"RandomForest cannot be fitted: The 'max_depth' parameter"),
        ("{CatBoost: {depth: 50}}", r"CatBoost cannot be fitted: .*depth"),
        ("{LightGBM: {num_leaves: 1}}", r"LightGBM cannot be fitted: .*num_leaves"),
        ("{XGBoost: {max_depth: -5}}", r"XGBoost cannot be fitted: .*max_depth"),
    ],
)
def test_a_parameter_value_that_no_model_takes_is_one_line(project: Project, candidates: str, message: str) -> None:
    overrides = (f"candidates={candidates}", "engine.kind=serial")
    with pytest.raises(ConfigError, match=message) as caught:
        run_benchmark(project.problem(*overrides), table_of(project, *overrides))
    assert "\n" not in str(caught.value)


def test_strata_may_look_at_any_column_of_the_dataset(project: Project) -> None:
    overrides = (*ONE_CANDIDATE, "intervals.by=null", 'model.strata={shipped: STATUS == "Shipped", early: YEAR == 2003}')
    config = project.config(*overrides)
    ingest(config)
    table = load_table(problem_of(config), scan_dataset(config.dataset).select(needed_columns(problem_of(config))).collect())
    assert set(table.strata) == {"shipped", "early"}


def test_a_single_group_too_few_rows_and_a_constant_target_are_refused(project: Project) -> None:
    config = project.config(*ONE_CANDIDATE)
    ingest(config)
    data = scan_dataset(config.dataset).collect()
    for bad, message in (
        (data.with_columns(ORDERNUMBER=pl.lit(1)), r"1 distinct split keys cannot give a test part and 5 folds"),
        (data.head(4), r"4 rows with . distinct split keys"),
        (data.with_columns(SALES=pl.lit(5.0)), r"the target SALES has the same value in all 2,823 rows"),
    ):
        with pytest.raises(DataError, match=message):
            run_benchmark(problem_of(config), load_table(problem_of(config), bad))


def test_missing_numbers_an_empty_column_and_one_category_are_fitted(project: Project) -> None:
    config = project.config(
        "candidates={LinearRegression: {}, XGBoost: {n_estimators: 10}, RandomForest: {n_estimators: 5}}", "engine.kind=serial"
    )
    ingest(config)
    data = (
        scan_dataset(config.dataset)
        .collect()
        .with_columns(
            MSRP=pl.lit(None, pl.Int64),
            PRICEEACH=pl.when(pl.col("PRICEEACH") > 90).then(None).otherwise(pl.col("PRICEEACH")),
            COUNTRY=pl.lit("one"),
        )
    )
    benchmark = run_benchmark(problem_of(config), load_table(problem_of(config), data))
    assert benchmark.champion.mean("rmse") < benchmark.baseline.mean("rmse") / 2
