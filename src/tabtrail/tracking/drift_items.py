"""What the run of a checked window says."""

from collections.abc import Iterator

from tabtrail.monitor.outcome import DriftReport
from tabtrail.tracking.tags import TAG, MetricItem, RunItems

DRIFT_EXPERIMENT = "_drift"
"""The experiment of a model's windows is the model's name with this ending."""


def drift_items(report: DriftReport) -> RunItems:
    """Return the window and its reference as parameters, PSI and p-value of each column and the errors as metrics."""
    compared, check = report.compared, report.check
    params = {"window": compared.window, "reference": compared.reference, "source": compared.source, "level": str(check.level)}
    tags = {TAG + "kind": "drift", TAG + "alarm": str(report.alarm).lower()}
    if compared.run_id is not None:
        tags[TAG + "model_run"] = compared.run_id
    columns = ", ".join(each.name for each in check.alarming) or "none"
    card = f"# {compared.window} against {compared.reference}\n\n{check.verdict}\n\nColumns that drift: {columns}\n"
    return RunItems(compared.window, params, list(_metrics(report)), tags, card)


def _metrics(report: DriftReport) -> Iterator[MetricItem]:
    check, found = report.check, report.performance
    yield MetricItem("alarm", float(report.alarm))
    yield MetricItem("rows", float(check.rows))
    yield MetricItem("columns_that_drift", float(len(check.alarming)))
    for column in check.columns:
        name = _metric_name(column.name)
        yield MetricItem(f"psi.{name}", column.psi)
        if column.adjusted:
            yield MetricItem(f"p_value.{name}", min(column.adjusted.values()))
    if report.martingale is not None:
        yield MetricItem("martingale", min(report.martingale.value, 1e300))
    if found is not None and found.mae is not None:
        yield MetricItem("mae" if found.kind == "measured" else "estimated_mae", found.mae.value)


def _metric_name(column: str) -> str:
    """Name of a column with characters that MLflow takes in names of metrics alone."""
    return "".join(each if each.isalnum() or each in "_-. /" else "_" for each in column)
