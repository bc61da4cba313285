"""What was checked for drift and what came of it, from the files that `tabtrail drift` and the watch of a log leave."""

from collections.abc import Iterator, Mapping, Sequence
from math import log10
from typing import Any

import plotly.graph_objects as go
import polars as pl

from tabtrail.dashboard.figures import bars, columns, finish
from tabtrail.dashboard.wording import counted, listed, plain, shown
from tabtrail.monitor.check import ADVICE
from tabtrail.monitor.martingale import ALARM_AT

Document = Mapping[str, Any]
_MOST_DRAWN = 15
_MOST_WINDOWS = 40
_LEAST = 1e-6
"""Capital that is drawn at the foot of the axis: a martingale without drift falls towards nothing."""
_EVENTS = {"when": pl.String, "what": pl.String, "of": pl.String, "alarm": pl.String, "about": pl.String, "measured": pl.String}


def is_check(document: Document | None) -> bool:
    """Tell whether a JSON file is that of a checked window."""
    return document is not None and "compared" in document and "check" in document


def name_of(document: Document) -> str:
    """Return a window with what it was compared with."""
    return f"{document['compared']['window']} against {document['compared']['reference']}"


def windows_frame(documents: Sequence[Document]) -> pl.DataFrame:
    """Return a row for each checked window, newest first: checked (UTC), window, rows, alarm, columns that alarm, what was
    tested.
    """
    schema = {
        "checked": pl.String,
        "window": pl.String,
        "rows": pl.Int64,
        "alarm": pl.String,
        "columns": pl.String,
        "source": pl.String,
    }
    rows = [
        {
            "checked": _moment(each["compared"]["created"]),
            "window": name_of(each),
            "rows": each["check"]["rows"],
            "alarm": "DRIFT" if each["alarm"] else "–",
            "columns": ", ".join(_alarming(each)),
            "source": each["compared"]["source"],
        }
        for each in documents
    ]
    return pl.DataFrame(rows, schema=schema).sort("checked", "window", descending=True)


def columns_frame(document: Document) -> pl.DataFrame:
    """Return a row for each column of a window, those that alarm first, then by weight: column, alarm, weight, importance (share
    of the model's SHAP importance), psi, psi_by_chance, moved (standard deviations of the reference), missing_before, missing_now
    (shares), p (smallest of its tests, adjusted for all), why.
    """
    numbers = ("weight", "importance", "psi", "psi_by_chance", "moved", "missing_before", "missing_now", "p")
    schema = {"column": pl.String, "alarm": pl.String, **dict.fromkeys(numbers, pl.Float64), "why": pl.String}
    check = document["check"]
    rows = [_column_row(each) for each in (*check["columns"], *check["apart"])]
    absent = [{"column": name, "alarm": "DRIFT", "why": "absent"} for name in check["absent"]]
    return pl.DataFrame([*absent, *rows], schema=schema)


def weights_figure(document: Document) -> go.Figure | None:
    """Return the columns by drift times their share of the model's importance; by drift alone where no importance is known."""
    check = document["check"]
    weighed = any(each["importance"] is not None for each in check["columns"])
    key = "weight" if weighed else "drift"
    ranked = sorted(check["columns"], key=lambda each: -each[key])[:_MOST_DRAWN]
    if not ranked:
        return None
    told = "; ".join(f"{each['name']} {shown(each[key], 3)}{' (alarm)' if each['alarm'] else ''}" for each in ranked[:5])
    unit = "PSI above chance × importance" if weighed else "PSI above chance"
    title = "Columns by weighted drift" if weighed else "Columns by drift"
    left = f" {len(check['columns']) - len(ranked)} more are in the table." if len(check["columns"]) > len(ranked) else ""
    names = [f"{each['name']}{' · alarm' if each['alarm'] else ''}" for each in ranked]
    figure = bars(names, [each[key] for each in ranked], title, f"{title} of {name_of(document)}: {told}.{left}", unit=unit)
    return figure.update_xaxes(exponentformat="power")


def shares_figure(document: Document, column: str) -> go.Figure | None:
    """Return the shares of a column's groups in the window beside those of the reference; None where they were not kept."""
    shape = document["shapes"].get(column)
    if not shape:
        return None
    window, reference = document["compared"]["window"], document["compared"]["reference"]
    moved = sorted(zip(shape["names"], shape["before"], shape["now"], strict=True), key=lambda each: -abs(each[2] - each[1]))[:3]
    told = "; ".join(f"{name} {shown(before, 3, percent=True)} → {shown(now, 3, percent=True)}" for name, before, now in moved)
    figure = go.Figure()
    names = [plain(each) for each in shape["names"]]
    for label, values in ((reference, shape["before"]), (window, shape["now"])):
        percent = [100 * each for each in values]
        figure.add_bar(x=names, y=percent, name=plain(label), hovertemplate="%{x}: %{y:.1f} %")
    figure.update_xaxes(type="category")
    alt = f"{column}, {window} beside {reference}: the shares that changed most are {told}."
    return finish(figure, f"{column}: then and now", alt, x="groups (tenths of the reference)", y="% of the rows")


def over_windows_figure(table: pl.DataFrame, reference: str) -> go.Figure | None:
    """Return by how much PSI passes what chance exceeds in 5 % of windows, by column and window (of the table `drift`); None for
    fewer than two windows.
    """
    own = table.filter(pl.col("reference") == reference, pl.col("apart").is_null())
    windows = own.select("window", "created").unique().sort("created", "window")["window"].unique(maintain_order=True).to_list()
    if len(windows) < 2:
        return None
    windows = sorted(windows)[-_MOST_WINDOWS:]
    ratio = own.filter(pl.col("window").is_in(windows)).with_columns(times=pl.col("psi") / pl.col("psi_by_chance"))
    newest = ratio.sort("created").group_by("column", "window").agg(pl.col("times").last(), pl.col("column_alarm").last())
    ranked = (
        newest.group_by("column").agg(pl.col("times").max()).sort("times", "column", descending=[True, False], nulls_last=True)
    )
    names = ranked["column"].head(_MOST_DRAWN).to_list()
    known = {(row["column"], row["window"]): row for row in newest.iter_rows(named=True)}
    cells = [[_times(known.get((name, window))) for window in windows] for name in names]
    marks = [["●" if (known.get((name, window)) or {}).get("column_alarm") else "" for window in windows] for name in names]
    figure = go.Figure(
        go.Heatmap(
            x=[plain(each) for each in windows],
            y=[plain(each) for each in names],
            z=cells,
            text=marks,
            texttemplate="%{text}",
            colorscale="Cividis",
            zmin=0,
            zmax=3,
            colorbar={"title": {"text": "× chance"}},
            hovertemplate="%{y}, %{x}: %{z:.2f} × chance<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category").update_xaxes(type="category")
    alarming = newest.filter("column_alarm")
    told = "; ".join(
        f"{column} in {window}" for column, window in alarming.select("column", "window").sort("window").head(8).iter_rows()
    )
    alt = f"PSI over the value that chance exceeds in 5 % of windows, against {reference}. Dots are alarms: {told or 'none'}."
    alt += f" {alarming.height - 8} more alarms are in the table." if alarming.height > 8 else ""
    return finish(figure, "PSI by column and window", alt, x="window", y="column", height=140 + 26 * len(names))


def martingale_points(state: Document | None, documents: Sequence[Document]) -> tuple[list[Any], list[float], str]:
    """Return places and values of the martingale, and what the places are: looks, from the state of the watch; else, where that
    is not there, the checks of the log by their time.
    """
    kept = (state or {}).get("martingale") or {}
    if kept.get("history"):
        first = int(kept["looks"]) - len(kept["history"]) + 1
        return list(range(first, int(kept["looks"]) + 1)), [float(each) for each in kept["history"]], "looks at the log"
    known = sorted((each for each in documents if each.get("martingale")), key=lambda each: each["compared"]["created"])
    return [_moment(each["compared"]["created"]) for each in known], [each["martingale"]["value"] for each in known], "time (UTC)"


def martingale_figure(state: Document | None, documents: Sequence[Document]) -> go.Figure | None:
    """Return the martingale of the deployed model's log with its alarm line, on a logarithmic axis; None where no log was looked
    at.
    """
    places, values, what = martingale_points(state, documents)
    if not values:
        return None
    drawn = [max(each, _LEAST) for each in values]
    largest = max(values)
    figure = go.Figure(
        go.Scatter(x=places, y=drawn, mode="lines+markers", name="martingale", hovertemplate="%{x}: %{y:.4~g}<extra></extra>")
    )
    figure.add_hline(y=ALARM_AT, line_dash="dash", line_color="#D55E00", annotation_text=f"alarm at {ALARM_AT:g}")
    top = max(log10(ALARM_AT) + 0.5, log10(max(drawn)) + 0.3)
    figure.update_yaxes(type="log", range=[log10(min(drawn)) - 0.3, top], dtick=1, exponentformat="power")
    if not what.startswith("looks"):
        figure.update_xaxes(type="category")
    said = "It has alarmed." if largest >= ALARM_AT else "It has not alarmed."
    over = counted(len(values), "look" if what.startswith("looks") else "check")
    alt = f"Martingale over {over} of the log: now {shown(values[-1], 3)}, largest {shown(largest, 3)}, alarm at {ALARM_AT:g}."
    return finish(figure, "Evidence of drift since the deployment", f"{alt} {said}", x=what, y="martingale (1 at the start)")


def errors_figure(documents: Sequence[Document], reference: str) -> go.Figure | None:
    """Return the mean absolute error of each window against a reference, where it was measured or estimated; None for fewer than
    two.
    """
    known = {
        str(each["compared"]["window"]): each
        for each in documents
        if each["compared"]["reference"] == reference and (each.get("performance") or {}).get("mae")
    }
    if len(known) < 2:
        return None
    names = sorted(known)[-_MOST_WINDOWS:]
    values = [float(known[name]["performance"]["mae"]["value"]) for name in names]
    unit = str(known[names[-1]]["compared"]["unit"])
    guessed = [name for name in names if known[name]["performance"]["kind"] != "measured"]
    told = "; ".join(f"{name} {shown(value)}" for name, value in zip(names, values, strict=True))
    alt = f"Mean absolute error by window: {told}." + (f" Estimated without labels: {listed(guessed)}." if guessed else "")
    figure = columns(
        [plain(each) for each in names], values, "Error by window", alt, x="window", y=f"MAE, {unit}" if unit else "MAE"
    )
    return figure.update_xaxes(type="category")


def advice(document: Document) -> list[tuple[str, str, str]]:
    """Return for each alarming column its name, why it alarms, and what to look at first."""
    check, level = document["check"], document["check"]["level"]
    found = [(name, "the column is absent", ADVICE["absent"]) for name in check["absent"]]
    for each in check["columns"]:
        if each["alarm"]:
            kinds = [kind for kind, p in each["adjusted"].items() if p <= level]
            said = dict.fromkeys(ADVICE["error" if each["role"] == "error" else kind] for kind in kinds or ["distribution"])
            found.append((each["name"], "; ".join(each["why"]), " ".join(said)))
    return found


def events_frame(
    documents: Sequence[Document], promotions: pl.DataFrame | None, retrainings: Sequence[Document] = ()
) -> pl.DataFrame:
    """Return checks, deployments and retrainings, newest first: when (UTC), what, of, alarm, about, measured; as `tabtrail drift
    --history` lists them.
    """
    deployed = () if promotions is None else promotions.iter_rows(named=True)
    rows = [*map(_check_event, documents), *map(_deployment_event, deployed), *_retraining_events(retrainings)]
    return pl.DataFrame(rows, schema=_EVENTS).sort("when", "of", descending=True)


def _check_event(document: Document) -> dict[str, Any]:
    watched = document.get("martingale")
    return {
        "when": _moment(document["compared"]["created"]),
        "what": "check",
        "of": name_of(document),
        "alarm": "DRIFT" if document["alarm"] else "–",
        "about": ", ".join(_alarming(document)),
        "measured": "" if not watched else f"martingale {shown(watched['largest'], 3)}",
    }


def _deployment_event(row: dict[str, Any]) -> dict[str, Any]:
    before = "" if row["before_model"] is None else f", before {row['before_model']}"
    difference = "" if row["difference"] is None else f"{row['metric'] or 'rmse'} {row['difference']:+.4g}"
    about = f"{row['after_model']}{before}"
    return {
        "when": str(row["at_utc"])[:19],
        "what": row["action"],
        "of": f"run {row['after_run_id']}",
        "about": about,
        "measured": difference,
    }


def _retraining_events(retrainings: Sequence[Document]) -> Iterator[dict[str, Any]]:
    for each in retrainings:
        alarm = f"alarm of run {each['run_id']}"
        if each.get("trained") is None:
            about = f"waits for labels: {each['labelled']:,} of {each['needed']:,}"
            yield {"when": _moment(each["alarmed"]), "what": "retraining due", "of": alarm, "about": about}
        else:
            about = "; ".join((each["action"], *each["reasons"]))
            labels = f"{each['labelled']:,} labels"
            yield {"when": _moment(each["trained"]), "what": "retraining", "of": alarm, "about": about, "measured": labels}


def _column_row(column: Document) -> dict[str, Any]:
    return {
        "column": column["name"],
        "alarm": "DRIFT" if column["alarm"] else "apart" if column["apart"] else "–",
        **{name: column[name] for name in ("weight", "importance", "psi", "psi_by_chance")},
        "moved": column["wasserstein"],
        "missing_before": column["missing"]["before"],
        "missing_now": column["missing"]["now"],
        "p": min(column["adjusted"].values(), default=None),
        "why": "; ".join(column["why"]) or ("" if not column["apart"] else f"not tested: {column['apart']}"),
    }


def _alarming(document: Document) -> list[str]:
    check = document["check"]
    return [each["name"] for each in check["columns"] if each["alarm"]] + [f"{name} (absent)" for name in check["absent"]]


def _times(row: Mapping[str, Any] | None) -> float | None:
    return None if row is None or row["times"] is None else round(row["times"], 3)


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")
