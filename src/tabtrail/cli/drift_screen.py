"""How a checked window is printed for people: the verdict first, then what moved."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from tabtrail.cli.output import SYNTHETIC, moment, print_json, print_table, print_text, printable

if TYPE_CHECKING:
    from tabtrail.monitor.check import ColumnDrift
    from tabtrail.monitor.outcome import DriftReport, MartingaleState, Together
    from tabtrail.monitor.performance import Estimate, Performance
    from tabtrail.monitor.plain_psi import PlainPsi
    from tabtrail.workflows.drift_history import Event

_MOST_COLUMNS = 12  # what one screen has room for; the files have all


def print_reports(reports: "Sequence[DriftReport]") -> None:
    """Print one window in full, several as a table with the verdicts of those that alarm; of none there is nothing to print."""
    if len(reports) == 1:
        print_report(reports[0])
        return
    if not reports:
        return
    rows = [[each.compared.window, f"{each.check.rows:,}", "DRIFT" if each.alarm else "–", _named(each)] for each in reports]
    print_table(f"against {reports[0].compared.reference}", ["window", "rows", "", "columns that drift"], rows)
    for each in reports:
        if each.alarm:
            print_text(f"{each.compared.window}: {each.check.verdict}")
    _print_apart(reports[-1])


def print_report(report: "DriftReport") -> None:
    """Print the verdict and the columns of a window, those that alarm first, then by weight."""
    compared, found = report.compared, report.check
    if report.martingale is not None:
        print_text(_watched(report.martingale))
    print_text(found.verdict if report.martingale is None else f"As a single check it would be: {found.verdict}")
    shown = found.columns[:_MOST_COLUMNS]
    title = f"{compared.window}, {found.rows:,} rows, against {compared.reference}, {found.reference_rows:,} rows"
    print_table(title, ["column", "PSI", "chance", "moved, sd", "p", ""], [_row(each) for each in shown])
    if len(found.columns) > len(shown):
        print_text(f"{len(found.columns) - len(shown)} more columns are in the files; none of them weighs more.")
    _print_apart(report)
    if (plain := report.plain_psi.get(compared.target)) is not None:
        _print_plain(plain, compared.target, compared.reference)
    if report.together is not None:
        print_text(_together(report.together))
    if report.performance is not None:
        print_text(_performance(report.performance, compared.unit))
    for note in (*found.notes, *compared.notes):
        print_text(f"NOTE  {note}")
    for reason, count in compared.left_out.items():
        print_text(f"NOTE  {count:,} rows were left out: {reason}")
    if compared.synthetic:
        print_text(SYNTHETIC)


def _print_plain(plain: "PlainPsi", target: str, reference: str) -> None:
    explains = "does not explain" if plain.value > plain.by_chance else "explains"
    print_text(
        f"PSI of {target} as it is often computed (ten equal bins over the range of {reference}): {plain.value:.4f}; two samples"
        f" of {sum(plain.reference):,} and {sum(plain.window):,} rows without any drift exceed {plain.by_chance:.4f} in 5 % of"
        f" cases, so chance {explains} it."
    )


def _watched(state: "MartingaleState") -> str:
    leading = ", ".join(f"{name} {value:,.3g}" for name, value in state.leading[:3])
    said = "ALARM" if state.alarmed else "No alarm"
    return (
        f"{said}: the martingale over all rows since the deployment is {state.value:,.3g} (largest {state.largest:,.3g}), and"
        f" alarms at 20. Most gained {leading}."
    )


def _together(found: "Together") -> str:
    if found.p_value > 0.05:  # a description at the usual level: it never alarms
        return f"All columns together: a model cannot tell the rows apart (AUC {found.auc:.2f}, p {found.p_value:.2f})."
    leading = ", ".join(f"{printable(name)} {share:.0%}" for name, share in list(found.columns.items())[:3])
    return f"All columns together: a model tells the rows apart (AUC {found.auc:.2f}, p {found.p_value:.2f}), by {leading}."


def _performance(found: "Performance | Estimate", unit: str) -> str:
    if found.kind == "measured":
        known = cast("Performance", found)
        said = "more than" if known.worse else "within"
        text = (
            f"Errors of {known.rows:,} labelled rows: MAE {known.mae.value:,.4g} {unit}, {said} what chance gives at training's"
            f" ({known.mae.low:,.4g} to {known.mae.high:,.4g})."
        )
        if known.coverage is not None:
            text += f" Intervals of {known.level:.0%} held in {known.coverage.value:.1%} of them."
        worse = "; ".join(
            f"{each.column} {printable(each.value)} ({each.before:,.4g} → {each.now:,.4g})" for each in known.slices[:3]
        )
        return text + (f" Worse: {worse}." if worse else "")
    guess = cast("Estimate", found)
    if guess.mae is None:
        return f"There are no labels yet, and no estimate of the errors: {guess.withheld}."
    return (
        f"There are no labels yet. ESTIMATED MAE {guess.mae.value:,.4g} {unit} ({guess.mae.low:,.4g} to {guess.mae.high:,.4g};"
        f" training {guess.before:,.4g}), if the target depends on the inputs as it did; an estimate never alarms."
    )


def _row(column: "ColumnDrift") -> list[str]:
    moved = "" if column.wasserstein is None else f"{column.wasserstein:.2f}"
    smallest = min(column.adjusted.values(), default=1.0)
    shown = "<0.001" if smallest < 0.001 else f"{smallest:.3f}"
    mark = "DRIFT" if column.alarm else ""
    return [column.name, f"{column.psi:.4f}", f"{column.psi_by_chance:.4f}", moved, shown, mark]


def _named(report: "DriftReport") -> str:
    names = [each.name for each in report.check.alarming] + [f"{name} (absent)" for name in report.check.absent]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _print_apart(report: "DriftReport") -> None:
    if report.check.apart:
        names = ", ".join(f"{each.name} ({each.apart})" for each in report.check.apart)
        print_text(f"Apart, as they follow from the date or are ignored, and never alarm: {names}")


def print_history(events: "Sequence[Event]", *, as_json: bool) -> None:
    """Print what was checked and deployed, oldest first."""
    if as_json:
        print_json([each.to_dict() for each in events])
        return
    alarms = {None: "", False: "–", True: "DRIFT"}
    rows = [[moment(each.when), each.kind, each.name, alarms[each.alarm], each.about, each.measured] for each in events]
    print_table(
        "checked windows and deployments",
        ["when (UTC)", "what", "of", "", "columns, or models", "measured"],
        rows,
        optional=("measured",),
    )
