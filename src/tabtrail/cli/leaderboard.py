"""How a benchmark's leaderboard is printed for people."""

from tabtrail.cli.output import SYNTHETIC, number, print_table, print_text
from tabtrail.modeling.leaderboard import Leaderboard, Row


def print_leaderboard(board: Leaderboard) -> None:
    """Print what to know first, errors, proof and intervals of every candidate, and the champion."""
    for finding in board.findings:
        print_text(f"LEAKAGE  {finding}")
    for note in board.notes:
        print_text(f"NOTE  {note}")
    _print_errors(board)
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


def _print_errors(board: Leaderboard) -> None:
    header = ["candidate", "cv RMSE", "± std", "to the best (95 %)", "cv MAE", "test RMSE", "test MAE", "fit s"]
    rows = [
        [
            ("★ " if row.candidate == board.champion else "  ") + row.candidate,
            *map(number, (row.cv_rmse, row.cv_rmse_std)),
            _difference(board, row),
            *map(number, (row.cv_mae, row.test_rmse, row.test_mae, row.fit_seconds)),
        ]
        for row in board.candidates
    ]
    print_table(_title(board), header, rows)


def _title(board: Leaderboard) -> str:
    by = board.split["group_key"] if board.split["kind"] in ("group", "group_time") else None
    split = f"{board.split['kind'].replace('_', '-')} split" + (f" by {by}" if by else "")
    repeats = f" × {board.split['repeats']}" if board.split["repeats"] > 1 else ""
    unit = f", {board.currency}" if board.currency else ""
    rows_of = f"{board.train_rows:,} rows train, {board.test_rows:,} test"
    return f"{board.target}{unit}: {rows_of}, {board.split['folds']}{repeats} folds, {split}"


def _print_proofs(board: Leaderboard) -> None:
    strata = list(board.candidates[0].cv_by_stratum)
    title = f"R², {_level(board)} intervals on the test part, largest difference of the ONNX graph in target standard deviations"
    header = ["candidate", "cv R²", "test R²", "coverage", "mean width", "parity", "kB", *(f"cv RMSE {name}" for name in strata)]
    rows = [
        [
            "  " + row.candidate,
            *map(number, (row.cv_r2, row.test_r2, row.interval_coverage, row.interval_width)),
            _parity(row),
            f"{row.model_bytes / 1000:,.0f}",
            *(number(row.cv_by_stratum[name]["rmse"]) for name in strata),
        ]
        for row in board.candidates
    ]
    print_table(title + ", size" + (", RMSE by stratum" if strata else ""), header, rows)


def _level(board: Leaderboard) -> str:
    return f"{board.interval_level * 100:g}%"


def _difference(board: Leaderboard, row: Row) -> str:
    if row.candidate == board.best:
        return ""
    return f"+{row.difference:.4g} ({row.difference_low:.4g} to {row.difference_high:.4g})"


def _parity(row: Row) -> str:
    found = "no graph" if row.parity_max_difference is None else f"{row.parity_max_difference:.1e}"
    return found if row.deployable else f"{found}: not deployable"
