"""A leaderboard as five columns of at most four significant digits, cut to the rows that there is room for."""

from collections.abc import Sequence

from tabtrail.cli.table import table_lines
from tabtrail.project.overview import Contender, Trained

_LEAST_ROWS = 3  # the champion, the best other, the best baseline


def leaderboard_lines(trained: Trained, room: int, width: int) -> list[str]:
    """Return a table of at most `room` lines where they hold three contenders; those left out are counted in the last one."""
    for most in range(len(trained.contenders), _LEAST_ROWS - 1, -1):
        lines = _table(trained, most, width)
        if len(lines) <= room:
            return lines
    return _table(trained, _LEAST_ROWS, width)


def _table(trained: Trained, most: int, width: int) -> list[str]:
    shown = _chosen(trained.contenders, most)
    left_out = len(trained.contenders) - len(shown)
    header, rows = _ROWS[trained.of](trained, shown)
    table = table_lines(header, rows, width, optional=(header[-1], header[-2]))
    return [*table, f"  and {left_out} more: --verbose, or the page"] if left_out else table


def _chosen(contenders: Sequence[Contender], most: int) -> list[Contender]:
    """Return so many contenders in their order: the champion and the best baseline are always among them."""
    kept = [each for each in contenders if each.is_champion] + [each for each in contenders if each.is_baseline][:1]
    others = [each for each in contenders if each not in kept]
    kept += others[: max(0, most - len(kept))]
    return [each for each in contenders if each in kept]


def _rows_of_rows(trained: Trained, shown: Sequence[Contender]) -> tuple[list[str], list[list[str]]]:
    header = ["  model", f"{trained.metric} ± std", "worse by (95 % interval)", "µs a row"]
    return header, [[_named(each), _spread(trained, each), _worse(trained, each), _micro(each.row_us)] for each in shown]


def _rows_of_series(trained: Trained, shown: Sequence[Contender]) -> tuple[list[str], list[list[str]]]:
    header = ["  model", trained.metric, "WAPE", "bias", "beats SeasonalNaive (95 %)"]
    rows = []
    for each in shown:
        numbers = [shown_value(trained, each.error), percent(each.figures.get("wape")), percent(each.figures.get("bias"))]
        rows.append([_named(each), *numbers, _skill(each)])
    return header, rows


_ROWS = {"rows": _rows_of_rows, "series": _rows_of_series}


def _named(each: Contender) -> str:
    mark = "★ " if each.is_champion else "≈ " if each.is_tied else "  "
    return mark + each.name + (" (baseline)" if each.is_baseline and "Baseline" not in each.name else "")


def shown_value(trained: Trained, value: float | None) -> str:
    """Show a value of the metric of the choice."""
    return percent(value) if trained.is_percent else figure(value)


def _spread(trained: Trained, each: Contender) -> str:
    if each.error is None or each.spread is None:
        return shown_value(trained, each.error)
    if trained.is_percent:
        return f"{100 * each.error:.1f} ± {100 * each.spread:.1f} %"
    shown = figure(each.error)
    _, point, decimals = shown.partition(".")
    spread = figure(each.spread) if "e" in shown else f"{each.spread:,.{len(decimals) if point else 0}f}"
    return f"{shown} ± {spread}"


def _worse(trained: Trained, each: Contender) -> str:
    if each.worse is None or each.worse_low is None or each.worse_high is None:
        return ""
    scale, unit = (100, " %") if trained.is_percent else (1, "")
    worse, low, high = (scale * value for value in (each.worse, each.worse_low, each.worse_high))
    return f"{'+' if worse >= 0 else ''}{_three(worse)}{unit} ({_three(low)} to {_three(high)})"


def _three(value: float) -> str:
    """Show three significant digits; whole numbers from 1,000 on."""
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e9 else f"{value:#.3g}".removesuffix(".")


def _skill(each: Contender) -> str:
    value, low, high = (each.figures.get(name) for name in ("skill", "skill_low", "skill_high"))
    if value is None or low is None or high is None or not (value or low or high):
        return ""
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _micro(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def figure(value: float | None) -> str:
    """Show four significant digits, which is more than folds or origins can tell apart; whole numbers from 10,000 on."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e9 else f"{value:#,.4g}".removesuffix(".")


def percent(value: float | None) -> str:
    """Show a share as percent, with one decimal."""
    return "–" if value is None else f"{100 * value:.1f} %"
