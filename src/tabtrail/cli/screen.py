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
_LINES_OF_A_REASON = 6  # of why a model is not deployed: those of the gate take two or three
_BAR = 40  # the cells of the longest bar
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SYNTHETIC = "THE DATA IS SYNTHETIC: made up by `tabtrail sample`, to try the commands with"


@dataclass(frozen=True)
class _Room:
    """What one screen has room for: cells in a line, bars, things to look at in the data, lines of a sentence, and empty lines
    between the parts; and how commands were typed.
    """

    width: int
    bars: int
    looks: int
    lines: int
    gaps: bool
    typed: Typed


# From much room to little: bars, things to look at, lines of a sentence, gaps.
_ROOMS = ((5, 4, 4, True), (5, 3, 2, True), (3, 3, 2, False), (3, 2, 2, False), (0, 2, 2, False), (0, 1, 1, False))


def screen_lines(found: Overview, end: Sequence[str], typed: Typed, *, width: int = WIDTH) -> list[str]:
    """Return the lines of the screen; `end` are the last ones, which stay as they are (a command to copy, say).

    Leaderboards are cut to the rows that there are lines for; where that is not enough, what stands around them is shorter.
    """
    lines = list[str]()
    for room in _ROOMS:
        lines = _fitted(found, end, _Room(width, *room, typed))
        if len(lines) <= MOST_LINES:
            break
    return lines


def _fitted(found: Overview, end: Sequence[str], room: _Room) -> list[str]:
    lines = list(_head(found, room))
    around = [(list(_above(each, room)), list(_below(each, room))) for each in found.trained]
    fixed = len(lines) + len(end) + sum(len(above) + len(below) for above, below in around)
    for trained, (above, below) in zip(found.trained, around, strict=True):
        lines += [*above, *leaderboard_lines(trained, (MOST_LINES - fixed) // len(around), room.width), *below]
    return [*lines, *end]


def _head(found: Overview, room: _Room) -> Iterator[str]:
    """Yield what became of the rows, and what to look at in the data."""
    width = room.width
    if found.synthetic:
        yield _SYNTHETIC
    counts = f"{found.rows_in:,} rows in, {found.rows_kept:,} kept, {found.rows_rejected:,} rejected"
    yield from _cut(f"{printable(found.source)}: {counts}", width, 1)
    if found.rejects:
        where = f" (see {relative(found.places['rejects'])})" if "rejects" in found.places else ""
        yield _listed("  rejected: ", (f"{rule} {rows:,}" for rule, rows in found.rejects.items()), width, where)
    if found.warnings:
        yield _listed("  warnings: ", (f"{rule} {rows:,} rows" for rule, rows in found.warnings.items()), width)
    yield from _looks([*found.findings, *(f"the unit may change: {each}" for each in found.shifts)], room)


def _looks(looks: Sequence[str], room: _Room) -> Iterator[str]:
    """Yield what to look at in the data, under one heading."""
    if not looks:
        return
    more = f", {room.looks} of {len(looks)} (--verbose or the page for all)" if len(looks) > room.looks else ""
    yield f"LOOK AT THIS in the data{more}:"
    for each in looks[: room.looks]:
        first, *rest = _shortened(each, room.width - 4, room.lines)
        yield from (f"  - {first}", *(f"    {line}" for line in rest))


def _above(trained: Trained, room: _Room) -> Iterator[str]:
    """Yield what stands above a leaderboard: what gives the target away, and what was learned from."""
    yield _leakage(trained, room.width)
    if trained.left_out:
        names = (f"{each.column} ({each.kind.replace('_', ' ')})" for each in trained.left_out)
        yield _listed("left out, as they give it away: ", names, room.width)
    if trained.notes:
        more = f" (1 of {len(trained.notes)}: --verbose or the page)" if len(trained.notes) > 1 else ""
        yield from _shortened(f"NOTE{more}  {trained.notes[0]}", room.width, room.lines)
    if room.gaps:
        yield ""
    unit = "" if trained.unit.startswith("units") else f", {trained.unit}"
    yield from _cut(f"{trained.target}{unit}: {trained.learned}", room.width, min(2, room.lines))


def _leakage(trained: Trained, width: int) -> str:
    if not trained.findings:
        of = "in the model, " if trained.left_out else ""
        return f"leakage: {of}nothing was found that gives the target away"
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
    """Yield what stands below a leaderboard: who is not in it, the champion, how far its intervals hold, what is deployed, and
    what moves it.
    """
    width, most = room.width, min(2, room.lines)
    yield from _dropped(trained, room)
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
    if room.gaps:
        yield ""
    yield from _movers(trained, room)


def _dropped(trained: Trained, room: _Room) -> Iterator[str]:
    """Yield who is not in the leaderboard: one with its reason, several by name, for each way in which they left."""
    ways = dict[str, list[str]]()
    for name, why in trained.dropped.items():
        ways.setdefault(why.partition(":")[0], []).append(name)
    for way, names in ways.items():
        why = trained.dropped[names[0]].partition(": ")[2]
        if len(names) == 1:
            yield from _shortened(f"{way}: {names[0]}, {why}", room.width, min(2, room.lines))
        else:
            yield _listed(f"{way} (why: --verbose or the page): ", names, room.width)


def _deployed(trained: Trained, room: _Room) -> Iterator[str]:
    """Yield what is deployed. Why the winner is not stands whole, however little room there is: nothing is more urgent."""
    deployed, refit = trained.deployment, trained.leaderboard and trained.leaderboard.refit
    if deployed.is_winner:
        learned = f" from all {refit.rows:,} rows" if refit else ""
        yield from fill(f"deployed: {deployed.model}{learned} (run {deployed.run_id})", room.width)
        return
    stays = f"{deployed.model} (run {deployed.run_id}) stays" if deployed.model else "there is no deployed model"
    yield from _cut(f"NOT DEPLOYED: {stays}", room.width, 1)
    for reason in deployed.reasons[:1]:
        more = f" (1 of {len(deployed.reasons)}: --verbose)" if len(deployed.reasons) > 1 else ""
        yield from (f"  {line}" for line in _shortened(f"because{more}: {reason}", room.width - 2, _LINES_OF_A_REASON))
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
    yield from _cut(f"{what}: mean |SHAP|, {trained.unit}" + (f" ({more} more: the page)" if more else ""), room.width, 1)
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


def _shortened(text: str, width: int, most: int) -> list[str]:
    """Return a sentence as at most so many lines. Where it is longer, its last clause stays, which says what to do: the evidence
    before that is what is cut.
    """
    lines, (start, mark, last) = fill(printable(text), width), printable(text).rpartition("; ")
    if len(lines) <= most or not mark:
        return _cut(text, width, most)
    while start := start.rpartition(" ")[0]:
        lines = fill(f"{start} … {last}", width)
        if len(lines) <= most:
            return lines
    return _cut(text, width, most)


def _listed(start: str, items: Iterable[str], width: int, end: str = "", *, separator: str = ", ") -> str:
    """Return one line of as many items as fit, with how many more there are."""
    items = list(map(printable, items))
    for count in range(len(items), 0, -1):
        more = f" and {len(items) - count} more" if count < len(items) else ""
        line = start + separator.join(items[:count]) + more
        if cell_len(line) <= width:
            return line + end if cell_len(line + end) <= width else line
    return f"{start}{len(items)}: --verbose"
