"""The proposal for a demand over time as YAML, every guess with what it rests on."""

from dataclasses import dataclass, replace
from typing import Any

from tabtrail.contract.numbers import NumberFormat
from tabtrail.contract.schema import flag_meanings
from tabtrail.proposal.columns import Columns, Guess
from tabtrail.proposal.naming import Names
from tabtrail.proposal.series import Series, is_flag
from tabtrail.proposal.texts import Texts
from tabtrail.proposal.write import number_rule, write_dates, write_head, write_paths, write_source
from tabtrail.proposal.yaml_text import YamlText, scalar


@dataclass(frozen=True)
class SeriesDraft:
    """What is written for a demand; `share` of rejected rows with its reason and `checked` come from the check by ingest."""

    texts: Texts
    columns: Columns
    series: Series
    names: Names
    share: float = 1.0
    share_reason: str = ""
    checked: tuple[str, ...] = ()


def write_series(draft: SeriesDraft) -> str:
    """Return the text of the config."""
    out, series = YamlText(), draft.series
    write_head(out, draft.texts, draft.names, f"Forecast {series.target} over time")
    write_paths(out, draft.names)
    write_source(out, draft.texts, draft.columns, frozenset(_wide_columns(series)))
    empty = [name for name, each in draft.columns.guesses.items() if each.kind == "empty"]
    out.section("cleaning")
    if dropped := [*draft.texts.dropped, *empty]:
        out.value("drop_columns", dropped, "empty in every row, or with lists in them")
    write_dates(out, {series.date: draft.columns.guesses[series.date]}, series.date)
    if draft.checked:
        out.section("# What ingest found, to be looked at")
    for finding in draft.checked:
        out.note(f"- {finding}")
    _write_contract(out, draft)
    out.section("duckdb")
    out.value("table", draft.names.data)
    _write_demand(out, draft)
    out.section("mlflow")
    out.value("experiment", draft.names.model)
    out.section("# demand.candidates")
    out.note("None are named, so that the default list is tried beside the baselines, which are always there.")
    return out.text()


def _wide_columns(series: Series) -> list[str]:
    return [] if series.wide is None else [name for names in series.wide.members.values() for name in names]


def _write_contract(out: YamlText, draft: SeriesDraft) -> None:
    series, guesses = draft.series, draft.columns.guesses
    wide = set(_wide_columns(series))
    out.section("contract")
    out.value("max_reject_share", draft.share, draft.share_reason)
    out.opening("columns")
    for name, each in guesses.items():
        if name not in wide and each.kind != "empty":
            out.value(name, *_rule(draft, each), depth=2)
    for long, members in series.wide.members.items() if series.wide else ():
        out.value(long, *_long_rule(draft, [guesses[name] for name in members]), depth=2)


def _rule(draft: SeriesDraft, guess: Guess) -> tuple[dict[str, Any], str]:
    series, name = draft.series, guess.name
    if name == series.date and guess.dates is not None:
        return {"dtype": "date"}, f"{guess.dates.days:,} days"
    if name in series.known_ahead and is_flag(guess):
        return {"dtype": "int", "min": 0, "max": 1}, flag_meanings(guess.seen.counts["text"])
    numbers = guess.numbers
    used = name in (series.target, *series.known_ahead) or f"{series.closed} {series.stockout}".find(name) >= 0
    if numbers is not None and name not in (*series.keys, *series.static) and (used or not numbers.rejected):
        return number_rule(guess, draft.columns.own_format(guess), draft.columns, whole=draft.texts.look.sampled is None)
    return {"dtype": "string"}, f"{guess.seen.distinct:,} different"


def _long_rule(draft: SeriesDraft, members: list[Guess]) -> tuple[dict[str, Any], str]:
    """Return the rule of a long column: what holds for all of the items that it is made of."""
    numbers = [each.numbers for each in members if each.numbers is not None]
    whole = all(each.whole and not each.rejected for each in numbers) and draft.texts.look.sampled is None
    rule: dict[str, Any] = {"dtype": "int" if whole else "float"}
    own = next((found for each in members if (found := draft.columns.own_format(each)) is not None), None)
    if own is not None and own != replace(NumberFormat(), decimal=draft.columns.decimal, thousands=draft.columns.thousands):
        rule["number"] = {"decimal": own.decimal, "thousands": own.thousands or "", "strip": [*own.strip]}
    least, largest = min(each.least for each in numbers), max(each.largest for each in numbers)
    return rule, f"{least:,.6g} to {largest:,.6g}, from {len(members):,} columns such as {members[0].name}"


def _write_demand(out: YamlText, draft: SeriesDraft) -> None:
    series = draft.series
    out.section("demand")
    out.value("name", draft.names.model)
    out.value("target", series.target)
    if series.wide is not None:
        out.opening("melt", "items stand side by side: each of these columns becomes a row of its own")
        out.opening("columns", depth=2)
        for long, pattern in series.wide.patterns.items():
            out.value(long, pattern, depth=3)
    out.value("series", [*series.keys], series.reasons.get("series", ""))
    if series.static:
        out.value("static", [*series.static], "the same in every row of a series")
    if series.hierarchy:
        out.value("hierarchy", [*series.hierarchy], "whose totals are judged too")
    out.value("frequency", series.frequency, series.reasons.get("frequency", ""))
    out.value("horizon", series.horizon, "periods ahead that are forecast at most")
    if series.origins != 3:
        out.value("origins", series.origins, "fewer than three, as the history is short")
    _write_ahead(out, series)
    if series.added_up:
        out.value("duplicates", "sum", "several rows of a series in one period are sales one by one")
    if series.pauses:
        out.value(
            "missing_periods",
            "missing",
            "some days have no row at all, as where all is closed: nothing was asked for, nothing is known",
        )
    else:
        out.value(
            "missing_periods",
            "zero",
            "a series without a row in a period sold nothing; write missing where nothing is known of it",
        )
    out.opening("choice", "so that a first run ends with a model and its figures; take it out once the figures are worth a gate")
    out.value("max_bias", None, depth=2)
    out.value("deploy_unless_beaten", True, "a model that is no better than the best baseline is deployed, and said", depth=2)
    if series.left_out:
        out.note("Not taken:", depth=1)
        for name, reason in series.left_out.items():
            out.off(scalar(name), reason)


def _write_ahead(out: YamlText, series: Series) -> None:
    if series.known_ahead:
        out.value(
            "known_ahead",
            [*series.known_ahead],
            "planned, by their names: their values of days to come are given with a forecast",
        )
    if series.price:
        out.value("price", series.price, "errors are counted in money by it")
    if series.closed:
        out.value("closed", series.closed, "neither learned from nor judged")
    if series.stockout:
        out.value("stockout", series.stockout, "what is sold on a day that ends without stock is not what was asked for")
