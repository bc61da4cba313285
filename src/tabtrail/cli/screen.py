"""What a run found, on one screen: at most 30 lines that fit 80 columns. The long tables are printed with --verbose."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from tabtrail.cli.contenders import figure, leaderboard_lines, shown_value
from tabtrail.cli.output import command_lines, printable, relative
from tabtrail.cli.table import fill
from tabtrail.cli.typed import Typed
from tabtrail.project.overview import Overview, Trained

MOST_LINES = 30
WIDTH = 80
_BARS, _LEAST_BARS, _BAR = 5, 3, 40  # how many, how many where room is short, and the cells of the longest
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SYNTHETIC = "THE DATA IS SYNTHETIC: made up by `tabtrail sample`, to try the commands with"


@dataclass(frozen=True)
class _Room:
    """What one screen has: cells in a line, how many bars there is room for (with all of them there are empty lines, too), and
    how commands were typed.
    """

    width: int
    bars: int
    typed: Typed

    @property
    def is_short(self) -> bool:
        """Whether a sentence has one line, and nothing is left empty."""
        return self.bars < _BARS


def screen_lines(found: Overview, end: Sequence[str], typed: Typed, *, width: int = WIDTH) -> list[str]:
    """Return the lines of the screen; `end` are the last ones, which stay as they are (a command to copy, say).

    Leaderboards are cut to the rows that there are lines for; where that is not enough, what stands around them is shorter.
    """
    lines = list[str]()
    for bars in (_BARS, _LEAST_BARS, 0):
        lines = _fitted(found, end, _Room(width, bars, typed))
        if len(lines) <= MOST_LINES:
            break
    return lines


def _fitted(found: Overview, end: Sequence[str], room: _Room) -> list[str]:
    lines = list(_head(found, room.width))
    around = [(list(_above(each, room)), list(_below(each, room))) for each in found.trained]
    fixed = len(lines) + len(end) + sum(len(above) + len(below) for above, below in around)
    for trained, (above, below) in zip(found.trained, around, strict=True):
        lines += [*above, *leaderboard_lines(trained, (MOST_LINES - fixed) // len(around), room.width), *below]
    return [*lines, *end]


def _head(found: Overview, width: int) -> Iterator[str]:
    """Yield what became of the rows, and what to look at in the data."""
    if found.synthetic:
        yield _SYNTHETIC
    counts = f"{found.rows_in:,} rows in, {found.rows_kept:,} kept, {found.rows_rejected:,} rejected"
    yield from _cut(f"{printable(found.source)}: {counts}", width, 1)
    if found.rejects:
        where = f" (see {relative(found.places['rejects'])})" if "rejects" in found.places else ""
        yield _listed("  rejected: ", (f"{rule} {rows:,}" for rule, rows in found.rejects.items()), width, where)
    if found.warnings:
        yield _listed("  warnings: ", (f"{rule} {rows:,} rows" for rule, rows in found.warnings.items()), width)
    looks = [*(f"LOOK AT THIS: {each}" for each in found.findings), *(f"UNIT MAY CHANGE: {each}" for each in found.shifts)]
    for each in looks[:2]:
        yield from _cut(each, width, 2)
    if len(looks) > 2:
        yield f"{len(looks) - 2} more to look at in the data: --verbose, or the page"


def _above(trained: Trained, room: _Room) -> Iterator[str]:
    """Yield what stands above a leaderboard: what gives the target away, and what was learned from."""
    yield _leakage(trained, room.width)
    if trained.notes:
        more = f" (and {len(trained.notes) - 1} more)" if len(trained.notes) > 1 else ""
        yield from _cut(f"NOTE{more}  {trained.notes[0]}", room.width, 1 if room.is_short else 2)
    if not room.is_short:
        yield ""
    unit = "" if trained.unit.startswith("units") else f", {trained.unit}"
    yield from _cut(f"{trained.target}{unit}: {trained.learned}", room.width, 1 if room.is_short else 2)


def _leakage(trained: Trained, width: int) -> str:
    if not trained.findings:
        return "leakage: nothing was found that gives the target away"
    full, short = [], []
    for each in trained.findings:
        what = f"{printable(each.column or 'the split')}: {each.kind.replace('_', ' ')}"
        with_, without = each.cv_rmse_with, each.cv_rmse_without
        worth = f" (RMSE {figure(with_)} with it, {figure(without)} without)" if with_ is not None and without is not None else ""
        short.append(what)
        full.append(what + worth)
    label = "UNIT  " if all(each.label == "UNIT" for each in trained.findings) else "LEAKAGE  "
    whole = label + "; ".join(full)
    return whole if cell_len(whole) <= width else _listed(label, short, width, separator="; ")


def _below(trained: Trained, room: _Room) -> Iterator[str]:
    """Yield what stands below a leaderboard: the champion, how far its intervals hold, what is deployed, what moves it."""
    width, most = room.width, 1 if room.is_short else 2
    tied = "; ≈ cannot be told from it" if any(each.is_tied for each in trained.contenders) else ""
    yield from _cut(f"champion: {trained.champion} ({trained.reason}{tied})", width, most)
    held = trained.intervals
    if held is not None:
        wide = "" if held.width is None else f" and are {figure(held.width)} {trained.unit} wide on average"
        of = "test rows" if trained.of == "rows" else "outcomes"
        yield from _cut(f"its {held.level:.0%} intervals held {held.coverage:.1%} of the {of}{wide}", width, most)
    if trained.leaderboard is not None and (said := trained.leaderboard.held_out) is not None:
        error = shown_value(trained, said.metrics[trained.leaderboard.metric])
        yield from _cut(f"held out: {trained.metric} {error} on {said.rows:,} rows from {said.since} on", width, 1)
    yield from _deployed(trained, room)
    if not room.is_short:
        yield ""
    yield from _movers(trained, room)


def _deployed(trained: Trained, room: _Room) -> Iterator[str]:
    deployed, refit = trained.deployment, trained.leaderboard and trained.leaderboard.refit
    if deployed.is_winner:
        learned = f" from all {refit.rows:,} rows" if refit else ""
        yield from fill(f"deployed: {deployed.model}{learned} (run {deployed.run_id})", room.width)
        return
    stays = f"{deployed.model} (run {deployed.run_id}) stays" if deployed.model else "there is no deployed model"
    yield from _cut(f"NOT DEPLOYED: {stays}", room.width, 1)
    for reason in deployed.reasons[:1]:
        more = f" (and {len(deployed.reasons) - 1} more: --verbose)" if len(deployed.reasons) > 1 else ""
        yield from (f"  {line}" for line in _cut(f"because{more}: {reason}", room.width - 2, 1 if room.is_short else 2))
    yield "  to change that:"
    yield from command_lines(*room.typed.words(deployed.next_command), width=room.width)


def _movers(trained: Trained, room: _Room) -> Iterator[str]:
    """Yield the largest mean absolute Shapley values as bars of text, or as one line where room is short."""
    what = f"what moves a {'prediction' if trained.of == 'rows' else 'forecast'}"
    largest = list(trained.importance.items())[: room.bars or 1]
    if not largest:
        if trained.importance_missing:
            yield from _cut(f"{what} is not known: {trained.importance_missing}", room.width, 1)
        return
    if not room.bars:
        yield _listed(f"{what}: ", (f"{name} {figure(value)}" for name, value in trained.importance.items()), room.width)
        return
    more = len(trained.importance) - len(largest)
    yield f"{what}: mean |SHAP|, {trained.unit}" + (f" ({more} more are in the page)" if more else "")
    long = max((cell_len(name) for name, _ in largest if cell_len(name) <= room.width // 2), default=2)
    wide = max(len(figure(value)) for _, value in largest)
    top = max(value for _, value in largest) or 1.0
    for name, value in largest:
        if cell_len(name) > long:  # on lines of its own, since cut names may look the same
            yield from (f"  {line}" for line in fill(printable(name), room.width - 2))
            name = ""
        bar = _bar(value / top, min(_BAR, room.width - long - wide - 6))
        yield f"  {set_cell_size(printable(name), long)}  {figure(value):>{wide}}  {bar}"


def _bar(share: float, cells: int) -> str:
    eighths = max(1, round(8 * cells * share))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _cut(text: str, width: int, most: int) -> list[str]:
    """Return a sentence as at most so many lines; one that is longer ends with three dots."""
    lines = fill(printable(text), width)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while cell_len(last) > width - 2:
        last = last.rpartition(" ")[0] or last[:-1]
    return [*lines[: most - 1], f"{last} …"]


def _listed(start: str, items: Iterable[str], width: int, end: str = "", *, separator: str = ", ") -> str:
    """Return one line of as many items as fit, with how many more there are."""
    items = list(map(printable, items))
    for count in range(len(items), 0, -1):
        more = f" and {len(items) - count} more" if count < len(items) else ""
        line = start + separator.join(items[:count]) + more
        if cell_len(line) <= width:
            return line + end if cell_len(line + end) <= width else line
    return f"{start}{len(items)}: --verbose"
