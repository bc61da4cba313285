"""The verdict in five sentences: what was made, whether it is better than nothing, how sure the choice is, where and how much
to trust it, and what makes the figures too good."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from tabtrail.modeling.leaderboard import Leaderboard


@dataclass(frozen=True)
class Number:
    """A figure of the text: the very value of the JSON, and how many significant digits a person is shown of it."""

    value: float
    digits: int = 4
    percent: bool = False


Sentence = tuple[str | Number, ...]


def verdict(board: Leaderboard, slices: pl.DataFrame | None) -> tuple[Sentence, ...]:
    """Return five sentences, made of texts and figures."""
    return _made(board), _worth(board), _choice(board), _trust(board, slices), _warning(board)


def _unit(board: Leaderboard) -> str:
    return f" {board.currency}" if board.currency else ""


def _made(board: Leaderboard) -> Sentence:
    row, by = board.champion_row, board.split["group_key"]
    kept = f", rows of one {by} kept together" if by and board.split["kind"].startswith("group") else ""
    return (
        f"{board.champion} predicts {board.target} of a row with a cross-validated error (RMSE) of ",
        Number(row.cv_rmse),
        " ± ",
        Number(row.cv_rmse_std),
        f"{_unit(board)}, learned from ",
        Number(board.train_rows, 12),
        f" rows{kept}; on the ",
        Number(board.test_rows, 12),
        " rows of the test part, which chose nothing, it is ",
        Number(row.test_rmse),
        ".",
    )


def _worth(board: Leaderboard) -> Sentence:
    rows = {row.candidate: row for row in board.candidates}
    mean, champion = rows[board.baseline], board.champion_row
    if board.champion == board.baseline or mean.cv_rmse <= champion.cv_rmse:
        return (f"It is no better than always predicting the mean of {board.target}: nothing was learned.",)
    formula = next((row for row in board.candidates if row.family == "FormulaBaseline"), None)
    also = (
        (", and the best formula alone by ", Number(formula.cv_rmse)) if formula and formula.candidate != board.champion else ()
    )
    saved: Any = Number(float(f"{100 * (1 - champion.cv_rmse / mean.cv_rmse):.3g}"), 3)
    return (
        "Always predicting the mean errs by ",
        Number(mean.cv_rmse),
        *also,
        ": the model takes away ",
        saved,
        " % of that error.",
    )


def _choice(board: Leaderboard) -> Sentence:
    learned = [row for row in board.candidates if row.candidate != board.champion]
    if board.champion != board.best:
        row = board.champion_row
        return (
            f"It is not the one with the least error, which is {board.best}, but the smallest that these folds cannot tell from"
            " it: the difference is ",
            Number(row.difference),
            " (95 % interval ",
            Number(row.difference_low),
            " to ",
            Number(row.difference_high),
            ").",
        )
    if not learned:
        return ("It was the only candidate.",)
    second = learned[0]
    sure = "the folds tell the two apart" if second.difference_low > 0 else "the folds cannot tell the two apart"
    return (
        f"The next best, {second.candidate}, errs more by ",
        Number(second.difference),
        " (95 % interval ",
        Number(second.difference_low),
        " to ",
        Number(second.difference_high),
        f"): {sure}.",
    )


def _trust(board: Leaderboard, slices: pl.DataFrame | None) -> Sentence:
    row = board.champion_row
    if row.interval_coverage is None or row.interval_width is None:
        return ("There were too few rows for prediction intervals: treat each prediction as a rough guess.",)
    worst: Sentence = ()
    if slices is not None and slices.height:
        first = slices.row(0, named=True)
        name = first["slice"].partition(": ")[2] or first["slice"]
        share = Number(first["share_of_squared_error"], 3, percent=True)
        worst = f"; trust it least where {first['column']} is {name}, which makes ", share, " of the squared error"
    return (
        f"Its {board.interval_level:.0%} intervals held ",
        Number(row.interval_coverage, 3, percent=True),
        " of the test rows and are ",
        Number(row.interval_width),
        f"{_unit(board)} wide on average",
        *worst,
        ".",
    )


def _warning(board: Leaderboard) -> Sentence:
    synthetic = "The data is synthetic, so that nothing here says anything about a real business; t" if board.synthetic else "T"
    if not board.findings:
        return (f"{synthetic}he audit found no column or split that gives {board.target} away.",)
    names = ", ".join(dict.fromkeys(each.column or "the split" for each in board.findings))
    return (f"{synthetic}he audit has findings that may make these figures too good to expect in use: {names}; read them next.",)
