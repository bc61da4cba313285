"""What is logged, as plain data, computed before anything is sent."""

from collections.abc import Iterator, Sequence

from tabtrail.data.manifest import Manifest
from tabtrail.modeling.leaderboard import HeldOut, Refit, Row
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.modeling.metrics import METRICS, Scores
from tabtrail.modeling.results import Benchmark, Fit, Result
from tabtrail.tracking.card import model_card
from tabtrail.tracking.tags import PREDICTIONS, TAG, MetricItem, RunItems


def candidate_items(result: Result) -> RunItems:
    """Return what a candidate's run logs: parameters, `cv_`, `fold_` and `test_` metrics, seconds."""
    candidate = result.candidate
    params = {"candidate": candidate.name, "family": candidate.family} | {
        f"model.{k}": str(v) for k, v in candidate.params.items()
    }
    if candidate.early_stopping_rounds is not None:
        params["early_stopping_rounds"] = str(candidate.early_stopping_rounds)
    if result.final.iterations is not None:
        params["iterations_chosen"] = str(result.final.iterations)
    if candidate.native:
        params["categories"] = "native"
    if candidate.missing_native:
        params["missing"] = "native"
    params |= {name: "true" for name, on in (("smearing", candidate.smearing), ("bag", candidate.bag)) if on}
    if candidate.many_texts != "shared":
        params["many_texts"] = candidate.many_texts
    if candidate.rotated:
        params["coordinates"] = "rotated"
    if candidate.transform != "none":
        params["target_transform"] = candidate.transform_text
    metrics = [*_cv_metrics(result), *_prefixed("test", result.final), *_seconds(result)]
    metrics.append(MetricItem("model_bytes", result.model_bytes))
    if result.cost is not None:
        metrics += [MetricItem("row_us", result.cost.row_us), MetricItem("batch_row_us", result.cost.batch_row_us)]
    if result.parity is not None and result.parity.max_difference is not None:
        metrics.append(MetricItem("parity_max_difference", result.parity.max_difference))
    tags = {
        TAG + "kind": "candidate",
        TAG + "candidate": candidate.name,
        TAG + "family": candidate.family,
        TAG + "deployable": str(result.deployable).lower(),
        PREDICTIONS: result.predictions_sha256,
    }
    return RunItems(candidate.name, params, metrics, tags)


def comparison_items(row: Row) -> list[MetricItem]:
    """Return what is known of a candidate when all are fitted: its difference to the best, its intervals on the test part."""
    values = {
        "cv_difference_to_best": row.difference,
        "cv_difference_to_best_low": row.difference_low,
        "cv_difference_to_best_high": row.difference_high,
        "test_interval_coverage": row.interval_coverage,
        "test_interval_width": row.interval_width,
    }
    return [MetricItem(name, value) for name, value in values.items() if value is not None]


def held_out_items(held: HeldOut | None) -> list[MetricItem]:
    """Return what the champion came to on the rows that were held out to the end."""
    if held is None:
        return []
    known = {f"held_out_{METRICS[name].mlflow_name}": value for name, value in held.metrics.items()}
    more = {"held_out_interval_coverage": held.interval_coverage, "held_out_interval_width": held.interval_width}
    return [MetricItem(name, value) for name, value in (known | more).items() if value is not None]


def benchmark_items(
    benchmark: Benchmark, manifest: Manifest, findings: Sequence[Finding], notes: Sequence[str], *, refit: Refit | None = None
) -> RunItems:
    """Return what the parent run logs: the settings that all candidates share, the champion's metrics, and in words whether what
    is deployed is the model that was measured.
    """
    champion, problem, model = benchmark.champion, benchmark.problem, benchmark.problem.model
    params = {
        "target": model.target,
        "numeric_features": ", ".join(model.numeric_features),
        "categorical_features": ", ".join(model.categorical_features),
        **{f"derived.{name}": text for name, text in model.derived.items()},
        "frequency_encoded": ", ".join(model.frequency_encoded),
        "target_encoded": ", ".join(model.target_encoded),
        "random_state": str(model.random_state),
        "clip": " to ".join("open" if bound is None else f"{bound:g}" for bound in problem.clip),
        **{f"split.{name}": str(value) for name, value in problem.split},
        "candidates": str(len(benchmark.results)),
        "champion": champion.candidate.name,
        **{f"choice.{name}": str(value) for name, value in problem.choice},
        **({} if refit is None else {"deployed_rows": str(refit.rows)}),
    }
    metrics = [*_cv_metrics(champion), *_prefixed("test", champion.final)]
    tags = {
        TAG + "kind": "benchmark",
        TAG + "champion": champion.candidate.name,
        TAG + "synthetic": str(manifest.synthetic).lower(),
        TAG + "leakage": "; ".join(f"{each.column or 'split'}: {each.kind}" for each in findings) or "none found",
    }
    card = model_card(benchmark, manifest, findings, notes, refit=refit)
    return RunItems(benchmark_name(model.name), params, metrics, tags, card)


def benchmark_name(model: str) -> str:
    """Return the name of the run of a model's benchmark."""
    return f"benchmark {model}"


def _cv_metrics(result: Result) -> Iterator[MetricItem]:
    for metric in METRICS.values():
        mean, std = result.mean(metric.name), result.std(metric.name)
        if mean is not None and std is not None:
            yield MetricItem(f"cv_{metric.mlflow_name}", mean)
            yield MetricItem(f"cv_{metric.mlflow_name}_std", std)
        for fit in result.folds:
            if (value := fit.scores[metric.name]) is not None:
                yield MetricItem(f"fold_{metric.mlflow_name}", value, fit.fold)
    for stratum in result.final.strata:
        for metric in METRICS.values():
            if (value := result.stratum_mean(stratum, metric.name)) is not None:
                yield MetricItem(f"cv_{metric.mlflow_name}.{stratum}", value)


def _prefixed(prefix: str, fit: Fit) -> Iterator[MetricItem]:
    yield from _score_metrics(prefix, "", fit.scores)
    for stratum, scores in fit.strata.items():
        yield from _score_metrics(prefix, f".{stratum}", scores)


def _score_metrics(prefix: str, suffix: str, scores: Scores) -> Iterator[MetricItem]:
    for metric in METRICS.values():
        if (value := scores[metric.name]) is not None:
            yield MetricItem(f"{prefix}_{metric.mlflow_name}{suffix}", value)


def _seconds(result: Result) -> Iterator[MetricItem]:
    yield MetricItem("fit_seconds", result.final.fit_seconds)
    yield MetricItem("cv_fit_seconds", round(sum(fit.fit_seconds for fit in result.folds), 4))
