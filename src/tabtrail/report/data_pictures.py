"""The pictures of the data: histograms, scatter plots, box plots, correlations."""

from collections.abc import Iterator, Mapping

from tabtrail.data.profile import ColumnProfile, Group, Profile
from tabtrail.report.charts import Axis, Boxes, Cells, Chart, Columns, Picture, Points

_MOST_HISTOGRAMS = 12


def data_pictures(profile: Profile, wanted: list[str], labels: Mapping[str, str]) -> Iterator[Picture]:
    """Yield the pictures of a profile. `wanted` orders the histograms, `labels` has name and unit of a column where known."""
    columns = {each.column: each for each in profile.columns if each.histogram is not None}
    chosen = [columns[name] for name in dict.fromkeys([*wanted, *columns]) if name in columns][:_MOST_HISTOGRAMS]
    if chosen:
        note = "How often each value occurs, over all known values."
        left = len(columns) - len(chosen)
        note += f" {left:,} further number columns are not drawn." if left else ""
        yield Picture("histograms", "Distribution of the numbers", note, tuple(_histogram(each, labels) for each in chosen))
    if profile.scatter and any(profile.sample.values()):
        shown = len(next(iter(profile.sample.values())))
        note = f"{shown:,} of {profile.rows:,} rows are drawn." if shown < profile.rows else f"All {shown:,} rows are drawn."
        yield Picture(
            "scatter", "Numbers against one another", note, tuple(_scatter(profile, *pair, labels) for pair in profile.scatter)
        )
    boxes = tuple(chart for pair in profile.boxes if (chart := _box_plot(profile, *pair, labels)) is not None)
    if boxes:
        note = "Boxes hold the middle half of the rows with the median in it; whiskers reach from the 5th to the 95th percentile."
        yield Picture("boxes", "Numbers by group", note, boxes)
    if len(profile.correlated) > 1:
        yield Picture(
            "correlations", "Correlations", "Pearson's r, from -1 to 1, where both are known.", (_correlations(profile),)
        )


def _histogram(column: ColumnProfile, labels: Mapping[str, str]) -> Chart:
    numbers, histogram = column.numbers, column.histogram
    if numbers is None or histogram is None:
        raise ValueError(column.column)
    alt = (
        f"Histogram of {column.column}: from {numbers.min:,.6g} to {numbers.max:,.6g}, half of the rows between"
        f" {numbers.q1:,.6g} and {numbers.q3:,.6g}, median {numbers.median:,.6g}."
    )
    layer = Columns(histogram.edges, tuple(map(float, histogram.counts)))
    return Chart(
        column.column,
        alt,
        Axis(labels.get(column.column, column.column), whole=column.dtype != "DOUBLE"),
        Axis("rows", low=0),
        (layer,),
    )


def _scatter(profile: Profile, x: str, y: str, labels: Mapping[str, str]) -> Chart:
    r = _correlation(profile, x, y)
    alt = f"Each dot is a row: {x} to the right, {y} upwards" + (f"; correlation {r:.2f}." if r is not None else ".")
    points = Points(profile.sample[x], profile.sample[y])
    return Chart(f"{y} against {x}", alt, Axis(labels.get(x, x)), Axis(labels.get(y, y)), (points,))


def _box_plot(profile: Profile, measure: str, by: str, labels: Mapping[str, str]) -> Chart | None:
    groups = sorted(
        (each for each in profile.groups if (each.measure, each.by) == (measure, by)), key=lambda each: -each.numbers.median
    )
    if not groups:
        return None
    left = profile.groups_left_out.get(f"{measure} by {by}", 0)
    title = f"{measure} by {by}" + (f", the {len(groups)} largest groups of {len(groups) + left:,}" if left else "")
    alt = "Medians: " + "; ".join(f"{each.value[:60]} {each.numbers.median:,.6g}" for each in groups) + "."
    boxes = Boxes(tuple(_five(each) for each in groups), tuple(_text(each) for each in groups))
    return Chart(title, alt, Axis(labels.get(measure, measure)), Axis(by, tuple(each.value for each in groups)), (boxes,))


def _five(group: Group) -> tuple[float, ...]:
    numbers = group.numbers
    return numbers.p05, numbers.q1, numbers.median, numbers.q3, numbers.p95


def _text(group: Group) -> str:
    numbers = group.numbers
    return (
        f"{group.value}: {group.rows:,} rows, median {numbers.median:,.6g}, middle half {numbers.q1:,.6g} to {numbers.q3:,.6g},"
        f" 5th to 95th percentile {numbers.p05:,.6g} to {numbers.p95:,.6g}"
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
