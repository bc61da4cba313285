"""The proposal as YAML, every guess with what it rests on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tabtrail.config.coordinates import named_coordinates
from tabtrail.config.schema_file import editor_line
from tabtrail.contract.numbers import MULTIPLIERS, NumberFormat, mark_variants
from tabtrail.proposal.columns import Columns, Guess
from tabtrail.proposal.naming import Names
from tabtrail.proposal.numbers import Numbers, may_be_held_above_zero
from tabtrail.proposal.roles import Roles
from tabtrail.proposal.texts import Texts
from tabtrail.proposal.variants import Variants, write_variants
from tabtrail.proposal.yaml_text import YamlText, scalar

DOCS = "docs/your-own-csv.md"
_CAPPED, _MANY_VALUES = 0.02, 100  # share of the rows with one of so many values: a measured one is hardly met so often
# A row of 300 inputs takes 640 µs in the smallest of graphs (measured on a loaded machine), and the default allows 300 µs.
_MANY_INPUTS, _ROW_US, _LEAST_ROW_US = 15, 10, 1_000


@dataclass(frozen=True)
class Draft:
    """What is written for a model of rows: what was read, the role of every column, names, and what the check of it found.

    `share` is the allowed share of rejected rows, with `share_reason`; `rules` are row rules that set totals aside, by name;
    `as_text` are columns whose texts broke their type, `checked` are findings of the check by ingest, and `variants` texts that
    may be other spellings of one.
    """

    texts: Texts
    columns: Columns
    roles: Roles
    names: Names
    rules: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    share_reason: str = ""
    as_text: frozenset[str] = frozenset()
    checked: tuple[str, ...] = ()
    variants: Variants = field(default_factory=dict)


def write(draft: Draft) -> str:
    """Return the text of the config."""
    out = YamlText()
    write_head(out, draft.texts, draft.names, f"Predict {draft.roles.target.name}")
    write_paths(out, draft.names)
    write_source(out, draft.texts, draft.columns, draft.as_text)
    _write_cleaning(out, draft)
    _write_contract(out, draft)
    out.section("duckdb")
    out.value("table", draft.names.data)
    _write_model(out, draft)
    _write_split(out, draft)
    _write_rest(out, draft)
    return out.text()


def write_head(out: YamlText, texts: Texts, names: Names, what: str) -> None:
    """Write what the config is for, how it came about, and the command that runs it."""
    seen = f"all {texts.rows:,} rows" if texts.look.sampled is None else f"{texts.rows:,} rows, {texts.look.sampled}"
    out.whole_note(editor_line())
    out.note(f"{what} from {texts.look.file.name}: proposed by `tabtrail init`, which looked at {seen}.")
    out.note(f"Beside each guess stands what it rests on. Change what you know better ({DOCS} describes every key), then:")
    out.note(f"tabtrail run --config {names.config.name}")
    out.value("version", 2, depth=0)


def write_paths(out: YamlText, names: Names) -> None:
    """Write where the file lies and where results go."""
    folder = f"results/{names.data}"
    out.section("paths", "from the folder of this file")
    out.value("raw_csv", names.raw)
    out.value("processed_dir", f"{folder}/processed/{names.data}_parquet")
    out.value("duckdb_file", f"{folder}/{names.data}.duckdb")
    out.value("models_dir", f"{folder}/models")
    out.value("output_dir", f"{folder}/output")


def write_source(out: YamlText, texts: Texts, columns: Columns, as_text: frozenset[str]) -> None:
    """Write how the file is read."""
    lines = list(_source_lines(texts))
    out.section("source")
    for key, value, comment in lines:
        out.value(key, value, comment)
    if texts.look.kind == "csv" or columns.decimal != "." or columns.thousands:
        out.value("decimal", columns.decimal, _mark_evidence(columns, "decimal"))
    if columns.thousands:
        out.value("thousands", columns.thousands, _mark_evidence(columns, "thousands"))
    words = {name: [*each.words] for name, each in columns.guesses.items() if each.words and name not in as_text}
    if words:
        out.opening("null_values", "texts that stand where there is no value")
        for name, own in words.items():
            out.value(name, own, _word_evidence(columns.guesses[name]), depth=2)
    if not lines and columns.decimal == "." and texts.look.kind != "csv" and not columns.thousands and not words:
        out.value("encoding", "auto", f"{texts.look.kind}: cells have types of their own")


def _source_lines(texts: Texts) -> Iterator[tuple[str, Any, str]]:
    source, table, look = texts.source, texts.table, texts.look
    if look.kind in ("csv", "json lines"):
        yield "encoding", *_encoding(texts)
    if look.kind == "csv" and table is not None:
        said = (
            "the first line says so (sep=)"
            if table.by_sep
            else f"{len(table.names)} fields in {table.width_share:.0%} of the first {table.looked_at:,} records"
        )
        yield "delimiter", table.delimiter, said
    if source.sheet:
        others = ", ".join(sheet for sheet in texts.sheets if sheet != source.sheet)
        yield "sheet", source.sheet, f"the sheet with the most cells at its beginning; the others: {others}"
    if table is not None and source.skip_rows:
        shown = next((line for line in table.above if line.strip()), "")
        yield "skip_rows", source.skip_rows, f"above the header on line {table.line}, such as {shown[:50]!r}"
    if table is not None and source.skip_after_header:
        yield "skip_after_header", 1, f"line {table.line + 1} holds words where all below it are numbers: units"
    if source.comment:
        yield "comment", source.comment, "lines that begin with it are no rows"
    if source.rename:
        yield (
            "rename",
            dict(source.rename),
            "names that differ by case alone, mean something to tabtrail, or that a pattern is to find",
        )
    if source.unnamed == "drop":
        yield "unnamed", "drop", "a column without a name, such as an index that was written along"


def _encoding(texts: Texts) -> tuple[str, str]:
    if texts.look.sampled is not None:
        return "auto", f"what was looked at is {texts.encoding}; a file of which not all was looked at decides by itself"
    if texts.replaced:
        return "auto", f"nearly all is {texts.encoding}, and {texts.replaced:,} characters are not: they are replaced by U+FFFD"
    if texts.encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        return texts.encoding, "every byte reads so" if texts.encoding == "utf-8" else "the file begins with its mark"
    return texts.encoding, "it is not UTF-8; so its bytes above 127 read most like letters within words"


def _mark_evidence(columns: Columns, mark: str) -> str:
    for name, each in columns.guesses.items():
        numbers = each.numbers
        if numbers is None or numbers.written.decimal != columns.decimal:
            continue
        if mark == "decimal" and numbers.decisive is not None:
            return f"{name}: {each.seen.example(numbers.decisive)}"
        if mark == "thousands" and numbers.written.thousands == columns.thousands:
            found = each.seen.known.filter(
                each.seen.known["text"].str.contains(rf"\d[{re.escape(mark_variants(numbers.written))}]\d")
            )
            return f"{name}: {each.seen.example(str(found['text'][0]))}" if found.height else f"as {name} is written"
    return "no number has one" if mark == "decimal" else "no number has one; beside a decimal comma a point parts thousands"


def _word_evidence(guess: Guess) -> str:
    rows = dict(guess.seen.counts.select("text", "rows").rows())
    shown = ", ".join(f"{word.strip() or 'a blank'} in {rows.get(word, 0):,} rows" for word in guess.words[:3])
    return f"{shown}; first {guess.seen.example(guess.words[0])}"


def _write_cleaning(out: YamlText, draft: Draft) -> None:
    roles, texts = draft.roles, draft.texts
    dropped = [*texts.dropped, *(name for name, each in draft.columns.guesses.items() if each.kind == "empty")]
    dated = {name: each for name, each in draft.columns.guesses.items() if name in (roles.date, *roles.date_parts)}
    padded = {name: each for name, each in draft.columns.guesses.items() if each.padded}
    if dropped or dated or padded or draft.variants:
        out.section("cleaning" if dropped or dated or padded else "# cleaning")
    if dropped:
        why = "empty in every row" + (", or with lists and objects in them" if texts.dropped else "")
        out.value("drop_columns", dropped, why)
    if padded:
        first = next(iter(padded.values()))
        out.value("trim", [*padded], f"blanks fill their texts up, as {first.seen.example(first.padded or '')}")
    if roles.date is not None:
        write_dates(out, dated, roles.date)
    elif dated:
        write_dates(out, dated, None)
    if draft.variants:
        write_variants(out, draft.variants)
    if draft.checked:
        out.section("# What ingest found, to be looked at")
    for finding in draft.checked:
        out.note(f"- {finding}")


def write_dates(out: YamlText, dated: Mapping[str, Guess], main: str | None) -> None:
    """Write the column of the dates of the rows, and the formats of all."""
    if main is not None:
        out.value("date_column", main)
        _write_formats(out, "date_formats", dated[main], depth=1)
    others = [name for name in dated if name != main]
    if others:
        out.opening("dates", "further columns of dates")
        for name in others:
            _write_formats(out, name, dated[name], depth=2)
    if any(each.dates is not None and each.dates.has_offset for each in dated.values()):
        out.value(
            "time_zone", "UTC", "some texts say how far they are from UTC; name your own zone, as Europe/Berlin, for its days"
        )


def _write_formats(out: YamlText, key: str, guess: Guess, *, depth: int) -> None:
    dates = guess.dates
    assert dates is not None  # noqa: S101 - it is a column of dates
    total = guess.seen.filled
    said = f"{dates.read:,} of {total:,} texts, {dates.days:,} days from {dates.first} to {dates.last}"
    if dates.proof and dates.disproven:
        said += f"; not {dates.disproven}: {guess.seen.example(dates.proof)}"
    if dates.decided:
        said += f"; not {dates.disproven}: {dates.decided}"
    if dates.rival:
        shown = guess.seen.examples(guess.seen.known["text"].head(2).to_list(), 2)
        out.note(
            f"LOOK AT THIS: no row tells whether the day or the month stands first ({shown}): no number beyond 12 is in either"
            f" place. {dates.rival_reason} If it is the other way round, take the line that is off:",
            depth=depth,
        )
        formats = [dates.rival if form == dates.formats[0] else form for form in dates.formats]
        out.off(f"{scalar(key)}: {scalar(formats)}", depth=depth)
    out.value(key, [*dates.formats], said, depth=depth)


def _write_contract(out: YamlText, draft: Draft) -> None:
    out.section("contract")
    out.value("max_reject_share", draft.share, draft.share_reason)
    out.opening("columns")
    for name, each in draft.columns.guesses.items():
        if each.kind != "empty":
            rule, comment = column_rule(draft, each)
            out.value(name, rule, comment, depth=2)
    if draft.rules:
        out.opening("rows")
        for name, check in draft.rules.items():
            out.item({"name": name, "check": check}, "a row of totals is set aside: it is the sum of rows, and no row", depth=2)


def column_rule(draft: Draft, guess: Guess) -> tuple[dict[str, Any], str]:
    """Return what the contract says of a column, and the figures that it rests on."""
    roles = draft.roles
    used = guess.name in roles.features or guess.name in (roles.target.name, roles.date)
    as_text = guess.name in draft.as_text or guess.name in (*roles.categorical, roles.group)
    if guess.numbers is not None and not as_text and (used or not guess.numbers.rejected):
        return number_rule(guess, draft.columns.own_format(guess), draft.columns, whole=draft.texts.look.sampled is None)
    if guess.dates is not None and used and not as_text:
        others = [text for text in guess.dates.odd if text not in guess.dates.words]
        odd = f"; {guess.dates.rejected:,} rows have others, such as {guess.seen.example(others[0])}" if others else ""
        return {"dtype": "datetime" if guess.dates.timed else "date"}, f"{guess.dates.days:,} days{_gaps(guess)}{odd}"
    words = () if guess.name in draft.as_text else guess.words
    counts = guess.seen.counts.filter(~pl.col("text").is_in([*words]))
    shown = ", ".join(f"{text[:24]} {rows:,}" for text, rows, _ in counts.head(3).rows())
    reason = f"{guess.reason}; " if guess.reason else f"LOOK AT THIS: {guess.doubt}; " if guess.doubt else ""
    return {"dtype": "string"}, f"{reason}{counts.height:,} different ({shown}){_gaps(guess)}"


def _range(numbers: Numbers) -> str:
    if numbers.whole and numbers.least >= 1_500 and numbers.largest < 2_200:  # years
        return f"{numbers.least:.0f} to {numbers.largest:.0f}"
    return f"{numbers.least:,.6g} to {numbers.largest:,.6g}"


def number_rule(guess: Guess, own: NumberFormat | None, columns: Columns, *, whole: bool) -> tuple[dict[str, Any], str]:
    """Return the rule of a column of numbers; of a file of which not all was seen they may have fractions."""
    numbers = guess.numbers
    assert numbers is not None  # noqa: S101 - it is a column of numbers
    rule: dict[str, Any] = {"dtype": "int" if numbers.whole and whole and not numbers.rejected else "float"}
    if own is not None and (number := dict(_number_keys(own, columns))):
        rule["number"] = number
    said = f"{_range(numbers)}, {numbers.distinct:,} different{_gaps(guess)}"
    if own is not None and own.strip:
        marked = guess.seen.known.filter(pl.col("text").str.contains_any(list(own.strip)), pl.col("text").str.contains(r"\d"))
        said += f"; {' and '.join(own.strip)} cut off, as in {guess.seen.example(str(marked['text'][0]))}"
    if own is not None and own.multipliers:
        said += f"; {', '.join(f'1{word} is {10 ** MULTIPLIERS[word.lower()]:,}' for word in own.multipliers)}"
    if own is not None and own.percent:
        said += "; percentages as fractions: 12 % is 0.12"
    if may_be_held_above_zero(guess.name, numbers.least):
        said += "; min: 0 would set rows below 0 aside"
    if numbers.open:
        text = guess.seen.known.filter(guess.seen.known["text"].str.contains(r"\d[.,]\d{3}"))["text"]
        said += f"; LOOK AT THIS: whether {text[0]} is a fraction no text of this column decides" if len(text) else ""
    if numbers.rejected:
        odd = [text for text in numbers.odd if text not in numbers.words]
        said += f"; {numbers.rejected:,} rows are set aside, such as {guess.seen.example(odd[0])}"
    return rule, said


def _number_keys(own: NumberFormat, columns: Columns) -> Iterator[tuple[str, Any]]:
    if own.decimal != columns.decimal:
        yield "decimal", own.decimal
    if own.thousands != columns.thousands:
        yield "thousands", own.thousands or ""
    if own.strip:
        yield "strip", [*own.strip]
    if own.percent:
        yield "percent", True
    if own.parentheses_negative:
        yield "parentheses_negative", True
    if own.trailing_minus:
        yield "trailing_minus", True
    if own.multipliers:
        yield "multipliers", [*own.multipliers]


def _gaps(guess: Guess) -> str:
    return f", {guess.missing:,} rows without" if guess.missing else ""


def _write_model(out: YamlText, draft: Draft) -> None:
    roles = draft.roles
    numbers = roles.target.numbers
    assert numbers is not None  # noqa: S101 - the target is one of numbers
    out.section("model")
    out.value("name", draft.names.model)
    out.value("target", roles.target.name, _target_evidence(roles.target))
    if numbers.written.strip and (unit := next((mark for mark in numbers.written.strip if mark != "%"), None)):
        out.value("currency", unit, "the unit that stands in its cells")
    for key, names in (("numeric_features", roles.numeric), ("categorical_features", roles.categorical)):
        if names:
            out.opening(key)
            for name in names:
                out.item(name, _feature_comment(roles, name))
    if roles.date_parts:
        out.opening("date_parts", "parts of the date that differ between rows")
        for name, parts in roles.date_parts.items():
            out.value(name, [*parts], depth=2)
    if roles.left_out:
        out.note("Left out of the model; move a name up to take it in:", depth=1)
        for name, reason in roles.left_out.items():
            leak = "SUSPECTED LEAK, it gives the target away: " if name in roles.suspects else ""
            out.off(scalar(name), f"{leak}{reason}")


def _target_evidence(target: Guess) -> str:
    numbers = target.numbers
    assert numbers is not None  # noqa: S101 - the target is one of numbers
    said = f"{_range(numbers)}, {numbers.distinct:,} different values"
    capped = target.seen.counts.head(1)
    if int(capped["rows"][0]) >= _CAPPED * target.seen.rows and numbers.distinct > _MANY_VALUES and _is_largest(target):
        said += f"; {int(capped['rows'][0]):,} rows have the largest: is it a cap, so that the true ones are not known?"
    if missing := target.seen.rows - numbers.read:
        said += f"; {missing:,} of {target.seen.rows:,} rows have none, and are set aside"
    return said + ("; with so few, predictions are numbers between them (regression only)" if numbers.distinct <= 10 else "")


def _is_largest(target: Guess) -> bool:
    """Whether the most frequent value of a target is its largest one."""
    place, values = int(target.seen.counts["place"][0]), target.values()
    return bool(values[place] == values.max())


def _feature_comment(roles: Roles, name: str) -> str:
    if name in roles.kept_suspects:
        return f"LOOK AT THIS: {roles.kept_suspects[name]}; kept, since nothing is learned without it"
    if name in roles.strong:
        return f"LOOK AT THIS: {roles.strong[name]}; take it out where it is known only once {roles.target.name} is"
    return roles.notes.get(name, "")


def _write_split(out: YamlText, draft: Draft) -> None:
    roles = draft.roles
    out.section("split")
    out.value("kind", roles.split, roles.split_reason)
    if roles.split == "group":
        out.value("group_key", roles.group)
    if roles.split == "random" and roles.date is not None:
        out.value("allow_leaky", True, "said, since rows have dates: later rows are learned from than some that are tested on")
    if roles.folds != 5:
        out.value("folds", roles.folds, "fewer than five, as there are few rows")
    if roles.split == "time":
        out.note(
            "To place rows by chance instead, which is right where order in time is of no account (its errors look smaller):",
            depth=1,
        )
        out.off("kind: random", depth=1)
        out.off("allow_leaky: true", depth=1)
    elif roles.split == "group" and roles.date is not None:
        out.off("kind: group_time", "holds out the latest groups instead, where what comes is what is predicted")


def _write_rest(out: YamlText, draft: Draft) -> None:
    inputs = len(draft.roles.features)
    if inputs > _MANY_INPUTS:
        out.section("choice")
        allowed = max(_LEAST_ROW_US, _ROW_US * inputs)
        out.value("max_row_us", allowed, f"{inputs} inputs: a row of so many may take more than the 300 µs of the default")
    out.section("mlflow")
    out.value("experiment", draft.names.model)
    out.section("# candidates")
    out.note(
        "None are named, so that a list is made from the table that ingest leaves: a line, bags of LightGBM and CatBoost, the"
        " logarithm beside a skewed target, a blend. `tabtrail run` says which and why; name some here to choose yourself."
    )
    for pair in named_coordinates(draft.roles.numeric):
        out.note(f"Trees get the places of {' and '.join(pair)} along more directions, too (model.coordinates).")
