"""The model card: the description of a benchmark's run, in Markdown.

Its headings follow Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019, section 4).
"""

from collections.abc import Iterator, Sequence

from tabtrail.config.tree import Config
from tabtrail.data.manifest import Manifest
from tabtrail.modeling.benchmark import Benchmark, Result
from tabtrail.modeling.leaderboard import RULES
from tabtrail.modeling.leakage.findings import Finding

_MOST_ROWS = 12


def model_card(
    config: Config, benchmark: Benchmark, manifest: Manifest, findings: Sequence[Finding], notes: Sequence[str]
) -> str:
    """Return intended use, data, metrics, limits and leakage findings of the champion. Texts of the data are in code spans."""
    parts = (
        f"# {config.model.name}",
        "**The data is synthetic** (written by `tabtrail sample`): the figures say nothing about a real business."
        if manifest.synthetic
        else "",
        "## Leakage findings\n\n" + _leakage(findings, notes),
        "## Intended use\n\n" + _use(config),
        "## Data\n\n" + _data(config, benchmark, manifest),
        "## Metrics\n\n" + "\n".join(_metrics(config, benchmark)),
        "## Limits\n\n" + "\n".join(f"- {each}" for each in _limits(config, benchmark)),
        "The page `report.html` and the folder `pictures` among the artifacts show all of this.",
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _leakage(findings: Sequence[Finding], notes: Sequence[str]) -> str:
    lines = [f"- **Leakage** {_code(each.column or 'split')} {_text(each)}" for each in findings]
    lines += [f"- **Note** {each}" for each in notes]
    return "\n".join(lines) or "The audit found no column that gives the target away, and nothing wrong with the split."


def _text(finding: Finding) -> str:
    worth = ""
    if finding.cv_rmse_with is not None and finding.cv_rmse_without is not None:
        worth = f" (RMSE {finding.cv_rmse_with:,.7g} with it, {finding.cv_rmse_without:,.7g} without)"
    return f"{finding.kind.replace('_', ' ')}: {finding.evidence.rstrip('.')}{worth}"


def _use(config: Config) -> str:
    unit = f" in {config.model.currency}" if config.model.currency else ""
    inputs = ", ".join(_code(name) for name in config.model.inputs)
    return (
        f"Predicts {_code(config.model.target)}{unit} of one row from {inputs}. For rows like those of the training; what it"
        " tells is no cause and effect."
    )


def _data(config: Config, benchmark: Benchmark, manifest: Manifest) -> str:
    split = config.split
    by = f" by {_code(split.group_key)}" if split.group_key and split.kind in ("group", "group_time") else ""
    return (
        f"{_code(manifest.source)}: {manifest.rows_in:,} rows in, {manifest.rows_kept:,} kept, {manifest.rows_rejected:,}"
        f" rejected; data sha256 `{manifest.data_sha256[:12]}`. {int(benchmark.split.train.sum()):,} rows to learn from,"
        f" {int(benchmark.split.test.sum()):,} to test; {split.kind.replace('_', ' ')} split{by}, {split.folds} folds"
        + (f" × {split.repeats}." if split.repeats > 1 else ".")
    )


def _metrics(config: Config, benchmark: Benchmark) -> Iterator[str]:
    champion = benchmark.champion
    yield f"Champion: **{champion.candidate.name}**, chosen as the {RULES[config.choice.rule]}; the test part chose nothing.\n"
    yield f"| candidate | cv RMSE{_unit(config)} | ± std | cv MAE | test RMSE | test MAE |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    shown = list(benchmark.results[:_MOST_ROWS])
    shown += [each for each in (champion, benchmark.baseline) if each not in shown]
    for result in shown:
        yield _row(result, bold=result is champion)


def _row(result: Result, *, bold: bool) -> str:
    test, name = result.final.scores, result.candidate.name
    values = (result.mean("rmse"), result.std("rmse"), result.mean("mae"), test.rmse, test.mae)
    return f"| {f'**{name}**' if bold else name} | " + " | ".join(f"{value:.7g}" for value in values) + " |"


def _limits(config: Config, benchmark: Benchmark) -> Iterator[str]:
    champion = benchmark.champion
    for name in champion.final.strata:
        if (rmse := champion.stratum_mean(name, "rmse")) is not None:
            yield f"{_code(name)} ({_code(config.model.strata[name])}): cross-validated RMSE {rmse:.7g}{_unit(config)}"
    yield "Outside of what the training rows held the service answers with a warning; trees do not extrapolate."
    yield "One test part of this size is noise: read the ± before the order."


def _unit(config: Config) -> str:
    return f" {config.model.currency}" if config.model.currency else ""


def _code(text: str) -> str:
    """Put a text of the data where Markdown does nothing with it."""
    return "`" + " ".join(text.replace("`", "'").replace("|", "/").split())[:120] + "`"
