"""How a benchmark's leaderboard is printed for people."""

from tabtrail.cli.output import SYNTHETIC, number, print_table, print_text
from tabtrail.modeling.leaderboard import Leaderboard, Row
from tabtrail.modeling.metrics import headline, others


def print_leaderboard(board: Leaderboard) -> None:
    """Print what to know first, errors, proof and intervals of every candidate, and the champion."""
    for finding in board.findings:
        print_text(f"{finding.label}  {finding}")
    for finding in board.left_out:
        print_text(f"left out of the model, as it gives the target away: {finding}")
    for note in board.notes:
        print_text(f"NOTE  {note}")
    _print_errors(board)
    for name, why in board.dropped.items():
        print_text(f"not in the table: {name} was {why}")
    _print_other_metrics(board)
    _print_proofs(board)
    if board.synthetic:
        print_text(SYNTHETIC)
    if board.coverage:
        print_table(
            f"the champion's {_level(board)} intervals on the test part",
            ["of", "rows", "coverage", "mean width"],
            [[f"{row.by} {row.value}", str(row.rows), number(row.coverage), number(row.mean_width)] for row in board.coverage],
        )
    parts = ", ".join(f"{weight:.0%} {name}" for name, weight in board.weights.items())
    made_of = f", made of {parts}" if parts else ""
    print_text(f"champion: {board.champion}{made_of} ({board.chosen_by}; the test part decides nothing)")
    if board.parts_text:
        print_text(f"split: {board.parts_text}")
    if (held := board.held_out) is not None:
        metric = board.chosen_metric
        held_by = "" if held.interval_coverage is None else f", its intervals hold {held.interval_coverage:.1%}"
        print_text(
            f"held out: {held.rows:,} rows from {held.since} on, on which the champion alone was scored: {metric.label}"
            f" {number(held.metrics[metric.name])}{held_by}"
        )
    if board.deployed_text:
        print_text(f"deployed: {board.deployed_text}")


def _print_errors(board: Leaderboard) -> None:
    metrics = headline(board.chosen_metric)
    chosen, *rest = metrics
    header = ["candidate", f"cv {chosen.label}", "± std", "to the best (95 %)"]
    header += [*(f"cv {metric.label}" for metric in rest), *(f"test {metric.label}" for metric in metrics), "fit s"]
    rows = [
        [
            _mark(board, row) + row.candidate,
            *map(number, (row.cv[chosen.name], row.cv_std[chosen.name])),
            _difference(board, row),
            *(number(row.cv[metric.name]) for metric in rest),
            *(number(row.test[metric.name]) for metric in metrics),
            number(row.fit_seconds),
        ]
        for row in board.candidates
    ]
    print_table(_title(board), header, rows)
    if any(row.indistinguishable for row in board.candidates):
        print_text("≈: the folds cannot tell it from the champion (★)")


def _mark(board: Leaderboard, row: Row) -> str:
    return "★ " if row.candidate == board.champion else "≈ " if row.indistinguishable else "  "


def _print_other_metrics(board: Leaderboard) -> None:
    metrics = others(board.chosen_metric)
    shares = " and ".join(metric.label for metric in metrics if metric.is_percent)
    for part, title in (("cv", "other metrics, means over the folds"), ("test", "other metrics, on the test part")):
        rows = [[row.candidate, *(number(getattr(row, part)[each.name]) for each in metrics)] for row in board.candidates]
        print_table(
            title + (f" ({shares} as shares)" if shares else ""), ["candidate", *(metric.label for metric in metrics)], rows
        )


def _title(board: Leaderboard) -> str:
    by = board.split["group_key"] if board.split["kind"] in ("group", "group_time") else None
    split = f"{board.split['kind'].replace('_', '-')} split" + (f" by {by}" if by else "")
    repeats = f" × {board.split['repeats']}" if board.split["repeats"] > 1 else ""
    unit = f", {board.currency}" if board.currency else ""
    rows_of = f"{board.train_rows:,} rows train, {board.test_rows:,} test"
    return f"{board.target}{unit}: {rows_of}, {board.split['folds']}{repeats} folds, {split}"


def _print_proofs(board: Leaderboard) -> None:
    strata = list(board.candidates[0].cv_by_stratum)
    label = board.chosen_metric.label
    title = f"{_level(board)} intervals on the test part, largest difference of the ONNX graph in target standard deviations"
    header = ["candidate", "coverage", "mean width", "parity", "kB", "µs", *(f"cv {label} {name}" for name in strata)]
    rows = [
        [
            row.candidate,
            *map(number, (row.interval_coverage, row.interval_width)),
            _parity(row),
            f"{row.model_bytes / 1000:,.0f}",
            _cost(row),
            *(number(row.cv_by_stratum[name][board.metric]) for name in strata),
        ]
        for row in board.candidates
    ]
    print_table(title + ", size, CPU µs of one row" + (f", {label} by stratum" if strata else ""), header, rows)


def _cost(row: Row) -> str:
    """CPU time of one row, with a mark where size or time is over the budget."""
    return number(row.row_us) + (" over budget" if row.over_budget else "")


def _level(board: Leaderboard) -> str:
    return f"{board.interval_level * 100:g}%"


def _difference(board: Leaderboard, row: Row) -> str:
    if row.candidate == board.best or row.difference is None:
        return ""
    return f"+{row.difference:.4g} ({row.difference_low:.4g} to {row.difference_high:.4g})"


def _parity(row: Row) -> str:
    found = "no graph" if row.parity_max_difference is None else f"{row.parity_max_difference:.1e}"
    return found if row.deployable else f"{found}: not deployable"
