"""The pictures of the data: histograms, scatter plots, box plots, correlations."""

from collections.abc import Callable
from itertools import pairwise

from tabtrail.data.profile import ColumnProfile, Group, Profile
from tabtrail.report.charts import Axis, Boxes, Cells, Chart, Columns, Picture, Points, are_whole, file_name
from tabtrail.report.data_evidence import DataEvidence
from tabtrail.report.figures import shown

Label = Callable[[str], str]
_MOST_HISTOGRAMS = 12


def histograms(evidence: DataEvidence) -> Picture | None:
    """How often each value of a number column occurs: the target first, then the model's inputs, then the others."""
    if evidence.profile is None:
        return None
    wanted = [evidence.target, *evidence.settings.inputs]
    columns = {each.column: each for each in evidence.profile.columns if each.histogram is not None}
    chosen = [columns[name] for name in dict.fromkeys([*wanted, *columns]) if name in columns][:_MOST_HISTOGRAMS]
    if not chosen:
        return None
    left = len(columns) - len(chosen)
    note = "How often each value occurs, over all known values."
    note += f" {left:,} further number columns are not drawn." if left else ""
    return Picture(
        "histograms", "Distribution of the numbers", note, tuple(_histogram(each, evidence.settings.label) for each in chosen)
    )


def scatter(evidence: DataEvidence) -> Picture | None:
    """Pairs of number columns, a dot a row of the profile's sample."""
    profile = evidence.profile
    if profile is None or not profile.scatter or not any(profile.sample.values()):
        return None
    drawn = len(next(iter(profile.sample.values())))
    note = f"{drawn:,} of {profile.rows:,} rows are drawn." if drawn < profile.rows else f"All {drawn:,} rows are drawn."
    charts = tuple(_scatter(profile, pair, evidence.settings.label) for pair in profile.scatter)
    return Picture("scatter", "Numbers against one another", note, charts)


def boxes(evidence: DataEvidence) -> Picture | None:
    """Number columns by the groups of a text column."""
    profile = evidence.profile
    if profile is None:
        return None
    charts = tuple(chart for pair in profile.boxes if (chart := _box_plot(profile, pair, evidence.settings.label)) is not None)
    note = "Boxes hold the middle half of the rows with the median in it; whiskers reach from the 5th to the 95th percentile."
    return Picture("boxes", "Numbers by group", note, charts) if charts else None


def correlations(evidence: DataEvidence) -> Picture | None:
    """The correlations of the number columns, as a matrix."""
    profile = evidence.profile
    if profile is None or len(profile.correlated) < 2:
        return None
    note = "Pearson's r, from -1 to 1, where both are known."
    return Picture("correlations", "Correlations", note, (_correlations(profile),))


def single_charts(evidence: DataEvidence) -> list[Picture]:
    """Return charts of the profile as pictures of their own, for people who look for one of them by its name.

    Those are every scatter plot (`scatter_msrp_vs_sales`), every box plot (`box_sales_by_productline`), and the histogram of each
    column that a box plot measures (`hist_sales`): names of columns in lower case.
    """
    profile, label = evidence.profile, evidence.settings.label
    if profile is None:
        return []
    columns = {each.column: each for each in profile.columns if each.histogram is not None}
    charts: dict[str, Chart | None] = {}
    for measure, by in profile.boxes:
        if measure in columns:
            charts[file_name("hist", measure)] = _histogram(columns[measure], label)
        charts[file_name("box", measure, "by", by)] = _box_plot(profile, (measure, by), label)
    for x, y in profile.scatter if any(profile.sample.values()) else ():
        charts[file_name("scatter", x, "vs", y)] = _scatter(profile, (x, y), label)
    return [Picture(name, chart.title, "", (chart,)) for name, chart in charts.items() if chart is not None]


def _histogram(column: ColumnProfile, label: Label) -> Chart:
    numbers, histogram = column.numbers, column.histogram
    if numbers is None or histogram is None:
        raise ValueError(column.column)
    alt = (
        f"Histogram of {column.column}: from {shown(numbers.min)} to {shown(numbers.max)}, half of the rows between"
        f" {shown(numbers.q1)} and {shown(numbers.q3)}, median {shown(numbers.median)}."
    )
    edges = pairwise(histogram.edges)
    texts = tuple(
        f"{shown(low)} to {shown(high)}: {rows:,} rows" for (low, high), rows in zip(edges, histogram.counts, strict=True)
    )
    layer = Columns(histogram.edges, tuple(map(float, histogram.counts)), texts=texts)
    return Chart(
        column.column,
        alt,
        Axis(label(column.column), whole=column.dtype != "DOUBLE"),
        Axis("rows", low=0),
        (layer,),
    )


def _scatter(profile: Profile, pair: tuple[str, str], label: Label) -> Chart:
    x, y = pair
    r = _correlation(profile, x, y)
    alt = f"Each dot is a row: {x} to the right, {y} upwards" + (f"; correlation {r:.2f}." if r is not None else ".")
    points = Points(profile.sample[x], profile.sample[y])
    across, upright = (Axis(label(name), whole=are_whole(profile.sample[name])) for name in pair)
    return Chart(f"{y} against {x}", alt, across, upright, (points,))


def _box_plot(profile: Profile, pair: tuple[str, str], label: Label) -> Chart | None:
    measure, by = pair
    groups = sorted((each for each in profile.groups if (each.measure, each.by) == pair), key=lambda each: -each.numbers.median)
    if not groups:
        return None
    left = profile.groups_left_out.get(f"{measure} by {by}", 0)
    title = f"{measure} by {by}" + (f", the {len(groups)} largest groups of {len(groups) + left:,}" if left else "")
    alt = "Medians: " + "; ".join(f"{each.value[:60]} {shown(each.numbers.median)}" for each in groups) + "."
    boxes = Boxes(tuple(_five(each) for each in groups), tuple(_text(each) for each in groups))
    return Chart(title, alt, Axis(label(measure)), Axis(by, tuple(each.value for each in groups)), (boxes,))


def _five(group: Group) -> tuple[float, ...]:
    numbers = group.numbers
    return numbers.p05, numbers.q1, numbers.median, numbers.q3, numbers.p95


def _text(group: Group) -> str:
    numbers = group.numbers
    return (
        f"{group.value}: {group.rows:,} rows, median {shown(numbers.median)}, middle half {shown(numbers.q1)} to"
        f" {shown(numbers.q3)}, 5th to 95th percentile {shown(numbers.p05)} to {shown(numbers.p95)}"
    )


def _correlation(profile: Profile, x: str, y: str) -> float | None:
    names = profile.correlated
    return profile.correlations[names.index(x)][names.index(y)] if x in names and y in names else None


def _correlations(profile: Profile) -> Chart:
    names = profile.correlated
    pairs = [
        (abs(value), value, x, y)
        for row, x in enumerate(names)
        for column, y in enumerate(names)
        if column < row and (value := profile.correlations[row][column]) is not None
    ]
    strongest = "; ".join(f"{x} and {y} {value:.2f}" for _, value, x, y in sorted(pairs, reverse=True)[:5])
    alt = f"Matrix of the correlations of {len(names)} columns. The strongest: {strongest or 'none'}."
    return Chart("Correlations of number columns", alt, Axis("", names), Axis("", names), (Cells(profile.correlations),))
