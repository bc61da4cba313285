"""The model card: the description of a benchmark's run, in Markdown.

Its headings follow Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019, section 4).
"""

from collections.abc import Iterator, Sequence

from tabtrail.config.model import Model
from tabtrail.data.manifest import Manifest
from tabtrail.modeling.leaderboard import Refit
from tabtrail.modeling.leakage.findings import Finding
from tabtrail.modeling.metrics import Metric, headline
from tabtrail.modeling.ranking import chosen_by
from tabtrail.modeling.results import Benchmark, Result

_MOST_ROWS = 12


def model_card(
    benchmark: Benchmark, manifest: Manifest, findings: Sequence[Finding], notes: Sequence[str], *, refit: Refit | None = None
) -> str:
    """Return intended use, data, metrics, limits and leakage findings of the champion. Texts of the data are in code spans."""
    model = benchmark.problem.model
    parts = (
        f"# {model.name}",
        "**The data is synthetic** (written by `tabtrail sample`): the figures say nothing about a real business."
        if manifest.synthetic
        else "",
        "## Leakage findings\n\n" + _leakage(findings, notes),
        "## Intended use\n\n" + _use(model),
        "## Data\n\n" + _data(benchmark, manifest),
        "## Metrics\n\n" + "\n".join(_metrics(benchmark)),
        "" if refit is None else refit.said(benchmark.chosen, int(benchmark.split.train.sum())),
        "## Limits\n\n" + "\n".join(f"- {each}" for each in _limits(benchmark)),
        "The page `report.html` and the folder `pictures` among the artifacts show all of this.",
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _leakage(findings: Sequence[Finding], notes: Sequence[str]) -> str:
    lines = [f"- **{each.label.capitalize()}** {code(each.column or 'split')} {each.text}" for each in findings]
    lines += [f"- **Note** {each}" for each in notes]
    return "\n".join(lines) or "The audit found no column that gives the target away, and nothing wrong with the split."


def _use(model: Model) -> str:
    unit = f" in {model.currency}" if model.currency else ""
    inputs = ", ".join(code(name) for name in model.inputs)
    return (
        f"Predicts {code(model.target)}{unit} of one row from {inputs}. It is meant for rows like those of the training; what"
        " it learned is association, not cause and effect."
    )


def _data(benchmark: Benchmark, manifest: Manifest) -> str:
    split = benchmark.problem.split
    by = f" by {code(split.group_key)}" if split.group_key and split.kind in ("group", "group_time") else ""
    return (
        f"{code(manifest.source)}: {manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept, {manifest.rows_rejected:,}"
        f" rejected; data sha256 `{manifest.data_sha256[:12]}`. {int(benchmark.split.train.sum()):,} rows to learn from,"
        f" {int(benchmark.split.test.sum()):,} to test; {split.kind.replace('_', ' ')} split{by}, {split.folds} folds"
        + (f" × {split.repeats}." if split.repeats > 1 else ".")
    )


def _metrics(benchmark: Benchmark) -> Iterator[str]:
    champion, chosen, unit = benchmark.champion, benchmark.problem.metric, benchmark.problem.model.currency
    rule = chosen_by(benchmark)
    first, *rest = headline(chosen)
    header = [f"cv {first.label}{_after(first, unit)}", "± std", *(f"cv {metric.label}" for metric in rest)]
    header += [f"test {metric.label}" for metric in (first, *rest)]
    yield f"Champion: **{champion.candidate.name}**, chosen as the {rule}; the test part chose nothing.\n"
    yield f"| candidate | {' | '.join(header)} |"
    yield f"| --- |{' ---: |' * len(header)}"
    shown = list(benchmark.results[:_MOST_ROWS])
    shown += [each for each in (champion, benchmark.baseline) if each not in shown]
    for result in shown:
        yield _row(result, [first, *rest], bold=result is champion)
    for name, why in benchmark.dropped.items():
        yield f"\n{name} was {why}."


def _row(result: Result, metrics: Sequence[Metric], *, bold: bool) -> str:
    name, first = result.candidate.name, metrics[0]
    values = [(first, result.mean(first.name)), (first, result.std(first.name))]
    values += [(metric, result.mean(metric.name)) for metric in metrics[1:]]
    values += [(metric, result.final.scores[metric.name]) for metric in metrics]
    return f"| {f'**{name}**' if bold else name} | " + " | ".join(_shown(metric, value) for metric, value in values) + " |"


def _limits(benchmark: Benchmark) -> Iterator[str]:
    champion, metric, model = benchmark.champion, benchmark.problem.metric, benchmark.problem.model
    for name in champion.final.strata:
        if (value := champion.stratum_mean(name, metric.name)) is not None:
            error = f"{_shown(metric, value)}{_after(metric, model.currency)}"
            yield f"{code(name)} ({code(model.strata[name])}): cross-validated {metric.label} {error}"
    yield "Outside of what the training rows held the service answers with a warning; trees do not extrapolate."
    yield "One test part of this size is noise: read the ± before the order."


def _shown(metric: Metric, value: float | None) -> str:
    return "–" if value is None else metric.text(value).replace(",", "")


def _after(metric: Metric, currency: str) -> str:
    return f" {currency}" if currency and metric.unit == "target" else ""


def code(text: str) -> str:
    """Put a text of the data where Markdown does nothing with it."""
    return "`" + " ".join(text.replace("`", "'").replace("|", "/").split())[:120] + "`"
