"""The data contract as Polars expressions: what each row breaks, and when so many do that everything stops."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import polars as pl

from tabtrail.config.tree import Config
from tabtrail.contract.expressions import DATE_PARTS, ColumnRef, Literal, Node, parse_expression
from tabtrail.errors import DataError

Fences = Mapping[str, tuple[float, float]]
RAW = "_raw_"
RULES = "_rules"
_BAD = "_bad_"
_WARN = "_warn_"
_POLARS_DTYPE = {"int": pl.Int64, "float": pl.Float64, "string": pl.String}


@dataclass(frozen=True)
class Rules:
    """Conditions that are true where a row breaks them, by rule name (`COLUMN: what` for column rules).

    `outliers` sets aside rows that break no other rule, each by the first of them alone.
    """

    reject: dict[str, pl.Expr]
    warn: dict[str, pl.Expr]
    outliers: dict[str, pl.Expr] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """Rows of a stretch of text: `kept` as they go into the dataset, `rejects` as texts with line and rules, by line.

    `rows` counts both, `rejected` rows by rule, `warned` kept rows by warning; `size` is the text's length in bytes.
    """

    kept: pl.DataFrame
    rejects: pl.DataFrame
    rows: int
    rejected: dict[str, int]
    warned: dict[str, int]
    size: int


class Contract:
    """The rules over one header. Columns of `numbers` may be parsed by the CSV reader itself, which is faster than texts.

    The texts are the authority: a row that breaks a rule as parsed is checked again as texts, and a number column in which the
    reader found a null (a blank, say) is read as text from then on.
    """

    def __init__(self, config: Config, name: str, header: tuple[str, ...], delimiter: str, within: Fences) -> None:
        self._config, self._name, self._header, self._delimiter = config, name, header, delimiter
        self._rules = replace(build_rules(config), outliers=_outlier_rules(config, within))
        nulls = config.source.null_values
        dtypes = {column: _POLARS_DTYPE.get(config.column_rule(column).dtype) for column in header}
        self.numbers: dict[str, pl.DataType] = {
            column: dtype()
            for column, dtype in dtypes.items()
            if dtype in (pl.Int64, pl.Float64) and not any(nulls.get(column, ()))
        }

    def read_as_text(self, columns: set[str]) -> None:
        """Parse these columns no longer as numbers."""
        self.numbers = {name: dtype for name, dtype in self.numbers.items() if name not in columns}

    def with_nulls(self, rows: pl.DataFrame) -> set[str]:
        """Return the number columns that hold a null."""
        return {name for name in self.numbers if rows.get_column(name).null_count()}

    def check(self, rows: pl.DataFrame, first_line: int, text: bytes) -> Checked:
        """Check parsed rows, each of which is one line of the text."""
        marked = self._apply(rows, quoted=b'"' in text)
        bad = marked.get_column(_BAD).arg_true()
        warned = {name: int(marked.get_column(_WARN + name).sum()) for name in self._rules.warn}
        if not len(bad):
            return Checked(self._kept(marked), self._no_rejects(), rows.height, {}, warned, len(text))
        lines = text.split(b"\n")
        # After a line of ours: at the start of what it reads, Polars drops a mark and takes some texts for compressed data.
        ours = b"_" + self._delimiter.encode() * (len(self._header) - 1)
        texts = pl.read_csv(
            b"\n".join([ours, *(lines[index] for index in bad)]),
            has_header=False,
            schema=dict.fromkeys(self._header, pl.String()),
            separator=self._delimiter,
        ).slice(1)
        again = self._check_texts(texts, [first_line + index for index in bad])
        kept = self._kept(marked.filter(~pl.col(_BAD)))
        if again.kept.height:
            at = pl.concat([marked.get_column(_BAD).not_().arg_true(), pl.Series(bad).gather(self._good(texts))])
            kept = pl.concat([kept, again.kept])[at.arg_sort().to_list()]
        warned = {name: count + again.warned[name] for name, count in warned.items()}
        return Checked(kept, again.rejects, rows.height, again.rejected, warned, len(text))

    def check_records(
        self, records: Sequence[Sequence[str]], lines: Sequence[int], ragged: Sequence[Sequence[str]], ragged_lines: Sequence[int]
    ) -> Checked:
        """Check records as `csv` read them; those that have not the header's number of fields are set aside."""
        texts = pl.DataFrame(records, schema=dict.fromkeys(self._header, pl.String), orient="row")
        checked = self._check_texts(texts, lines)
        size = sum(len(field) for record in records for field in record)
        if not ragged:
            return replace(checked, size=size)
        rules = [f"ragged: {len(record)} fields, the header has {len(self._header)}" for record in ragged]
        set_aside = pl.DataFrame(
            {"_line": ragged_lines, RULES: rules, "_text": [self._delimiter.join(r) for r in ragged]}
        ).select(
            pl.lit(self._name).alias("_file"),
            pl.col("_line").cast(pl.Int64),
            RULES,
            *(pl.lit(None, dtype=pl.String).alias(name) for name in self._header),
            "_text",
        )
        rejects = pl.concat([checked.rejects, set_aside]).sort("_line")
        rejected = {**checked.rejected, **Counter(rules)}
        return replace(checked, rejects=rejects, rows=checked.rows + len(ragged), rejected=rejected, size=size)

    def _check_texts(self, texts: pl.DataFrame, lines: Sequence[int]) -> Checked:
        marked = self._apply(texts, quoted=True)
        bad = marked.get_column(_BAD)
        broken = [pl.when(expression).then(pl.lit(name)) for name, expression in self._rules.reject.items()]
        outlier = [pl.when(expression).then(pl.lit(name)) for name, expression in self._rules.outliers.items()]
        rules = pl.concat_str(broken, separator="; ", ignore_nulls=True) if broken else pl.lit("")
        wrong = marked.with_columns(pl.Series("_line", lines, dtype=pl.Int64)).filter(bad)
        rejects = wrong.select(
            pl.lit(self._name).alias("_file"),
            "_line",
            (pl.when(rules != "").then(rules).otherwise(pl.coalesce(outlier)) if outlier else rules).alias(RULES),
            *(pl.col(RAW + name).alias(name) for name in self._header),
            pl.lit(None, dtype=pl.String).alias("_text"),
        )
        warned = {name: int(marked.get_column(_WARN + name).sum()) for name in self._rules.warn}
        return Checked(self._kept(marked.filter(~bad)), rejects, texts.height, self._rejected(wrong, rejects), warned, 0)

    def _rejected(self, wrong: pl.DataFrame, rejects: pl.DataFrame) -> dict[str, int]:
        """Return how many rows broke each rule; a row may break several, but is an outlier of one column at most."""
        sums = [expression.sum().alias(str(index)) for index, expression in enumerate(self._rules.reject.values())]
        counts = dict(zip(self._rules.reject, wrong.select(sums).row(0) if sums else (), strict=True))
        for name in self._rules.outliers:
            counts[name] = int((rejects.get_column(RULES) == name).sum())
        return {name: int(count) for name, count in counts.items() if count}

    def _good(self, texts: pl.DataFrame) -> pl.Series:
        return self._apply(texts, quoted=True).get_column(_BAD).not_().arg_true()

    def _apply(self, rows: pl.DataFrame, *, quoted: bool) -> pl.DataFrame:
        """Return typed columns, their raw values `_raw_X`, whether the row is `_bad_`, and where it is not, its warnings."""
        config = self._config
        dtypes = rows.schema
        texts = []
        for name in self._header:
            nulls = [text for text in config.source.null_values.get(name, ()) if text]
            if dtypes[name] == pl.String and (quoted or nulls):
                is_null = pl.col(name).is_in(["", *nulls]) if nulls else pl.col(name) == ""
                texts.append(pl.when(~is_null).then(pl.col(name)).alias(name))
        frame = rows.with_columns(texts) if texts else rows
        raw = [pl.col(name).alias(RAW + name) for name in self._header]
        types = [self._typed(name, frame) for name in self._header if dtypes[name] == pl.String]
        # Columns that were parsed as numbers hold no null (see `with_nulls`), so that these rules cannot be broken.
        parsed = [name for name in self._header if dtypes[name] != pl.String]
        kept = {f"{name}: {what}" for name in parsed for what in ("missing", f"not {config.column_rule(name).dtype}")}
        rules = [expression for name, expression in self._rules.reject.items() if name not in kept]
        bad = pl.any_horizontal([pl.lit(False), *rules, *self._rules.outliers.values()]).alias(_BAD)
        warned = [(expression & ~pl.col(_BAD)).alias(_WARN + name) for name, expression in self._rules.warn.items()]
        return frame.lazy().with_columns(raw).with_columns(types).with_columns(bad).with_columns(warned).collect()

    def _typed(self, name: str, frame: pl.DataFrame) -> pl.Expr:
        """Most dates are of the first format and bare of spaces: the rest is tried only where that leaves something."""
        formats = self._config.cleaning.date_formats
        if self._config.column_rule(name).dtype == "date":
            column = frame.get_column(name)
            parsed = column.str.to_date(formats[0], strict=False)
            if parsed.null_count() == column.null_count():
                return pl.lit(parsed).alias(name)
        return typed(self._config, name)

    def _kept(self, good: pl.DataFrame) -> pl.DataFrame:
        cleaning = self._config.cleaning
        names = [name for name in self._header if name not in cleaning.drop_columns]
        fills = [pl.col(name).fill_null(cleaning.fill_value) for name in cleaning.fill_unknown_columns if name in names]
        kept = good.select(names).with_columns(fills)
        if cleaning.date_column is None:
            return kept
        date = pl.col(cleaning.date_column).dt
        return kept.with_columns(date.year().cast(pl.Int32).alias("YEAR"), date.month().cast(pl.Int32).alias("MONTH"))

    def _no_rejects(self) -> pl.DataFrame:
        return pl.DataFrame(schema=reject_schema(self._header))


def reject_schema(header: Sequence[str]) -> dict[str, pl.DataType]:
    """Return the columns of the rejects: where a row stood, what it broke, its texts, and the whole line where it was ragged."""
    texts: dict[str, pl.DataType] = {name: pl.String() for name in (RULES, *header, "_text")}
    return {"_file": pl.String(), "_line": pl.Int64(), **texts}


def typed(config: Config, name: str) -> pl.Expr:
    """Return the expression that turns a column of text into its declared type; what cannot be turned becomes null."""
    rule = config.column_rule(name)
    column = pl.col(name)
    if rule.dtype == "date":
        parsed = [column.str.strip_chars().str.to_date(form, strict=False) for form in config.cleaning.date_formats]
        return pl.coalesce(parsed).alias(name)
    if rule.dtype == "string":
        return column
    return column.str.strip_chars().cast(_POLARS_DTYPE[rule.dtype], strict=False)


def build_rules(config: Config) -> Rules:
    """Return the contract as expressions over typed columns `X` and their texts `_raw_X`."""
    reject: dict[str, pl.Expr] = {}
    for name in config.required_columns:
        if name not in config.cleaning.drop_columns:
            reject.update(_column_rules(config, name))
    cleaning = config.cleaning
    if cleaning.date_column is not None:
        date = pl.col(cleaning.date_column).dt
        for part, column in (("year", cleaning.year_check_column), ("month", cleaning.month_check_column)):
            if column is not None:
                stated = pl.col(column).cast(pl.Int64, strict=False)
                reject[f"{cleaning.date_column}: disagrees with {column}"] = getattr(date, part)().cast(pl.Int64) != stated
    warn: dict[str, pl.Expr] = {}
    for row in config.contract.rows:
        (reject if row.action == "reject" else warn)[row.name] = ~to_polars(parse_expression(row.check))
    return Rules(*({name: broken.fill_null(False) for name, broken in rules.items()} for rules in (reject, warn)))


def outlier_rule(config: Config, name: str) -> str:
    """Return the name of the rule that a column's outliers break."""
    return f"{name}: outlier beyond {config.profile.outliers.factor:g} IQR"


def _outlier_rules(config: Config, within: Fences) -> dict[str, pl.Expr]:
    outside = {name: (pl.col(name) < low) | (pl.col(name) > high) for name, (low, high) in within.items()}
    return {outlier_rule(config, name): expression.fill_null(False) for name, expression in outside.items()}


def _column_rules(config: Config, name: str) -> dict[str, pl.Expr]:
    rule = config.column_rule(name)
    column, raw = pl.col(name), pl.col(RAW + name)
    rules: dict[str, pl.Expr] = {}
    if rule.dtype != "string":
        rules[f"{name}: not {'a date of the formats' if rule.dtype == 'date' else rule.dtype}"] = (
            column.is_null() & raw.is_not_null()
        )
    if rule.dtype == "float":
        rules[f"{name}: not finite"] = ~column.is_finite()
    if (not rule.nullable or name == config.model.target) and name not in config.cleaning.fill_unknown_columns:
        rules[f"{name}: missing"] = raw.is_null()
    if rule.min is not None:
        rules[f"{name}: below {rule.min:g}"] = column < rule.min
    if rule.max is not None:
        rules[f"{name}: above {rule.max:g}"] = column > rule.max
    if rule.allowed is not None:
        values = pl.Series(rule.allowed, dtype=pl.String if rule.dtype == "string" else pl.Float64)
        rules[f"{name}: not an allowed value"] = ~column.is_in(values.cast(_POLARS_DTYPE[rule.dtype]).implode())
    return rules


def to_polars(node: Node) -> pl.Expr:
    """Return an expression tree as a Polars expression; division by zero and non-finite results are null."""
    if isinstance(node, Literal):
        return pl.lit(node.value)
    if isinstance(node, ColumnRef):
        return pl.col(node.name)
    operands = [to_polars(operand) for operand in node.operands]
    match node.operator:
        case "and":
            return reduce(lambda a, b: a & b, operands)
        case "or":
            return reduce(lambda a, b: a | b, operands)
        case "not":
            return ~operands[0]
        case "neg":
            return -operands[0]
        case "/":
            quotient = operands[0] / operands[1]
            return pl.when(quotient.is_finite()).then(quotient)
        case "log1p":
            return pl.when(operands[0] > -1).then((1 + operands[0]).log())
        case part if part in DATE_PARTS:
            return _date_part(part, operands[0])
        case _:
            return _BINARY[node.operator](*operands)


def _date_part(part: str, date: pl.Expr) -> pl.Expr:
    if part == "days":
        return (date - pl.date(1970, 1, 1)).dt.total_days()
    if part == "season":
        return date.dt.month() % 12 // 3 + 1
    found: pl.Expr = getattr(date.dt, part)()
    return found.cast(pl.Int64)


_BINARY = {
    "+": pl.Expr.__add__,
    "-": pl.Expr.__sub__,
    "*": pl.Expr.__mul__,
    "<": pl.Expr.__lt__,
    "<=": pl.Expr.__le__,
    ">": pl.Expr.__gt__,
    ">=": pl.Expr.__ge__,
    "==": pl.Expr.__eq__,
    "!=": pl.Expr.__ne__,
}


def break_circuit(source: str, rows: int, rejects: Mapping[str, int], rejected: int, max_share: float, first: str | None) -> None:
    """Raise `DataError` when more than `max_share` of the rows were set aside, naming the rules that most rows broke."""
    if rejected <= max_share * rows:
        return
    worst = "; ".join(
        f"{rule} ({count:,} rows)" for rule, count in sorted(rejects.items(), key=lambda item: -item[1])[:3] if count
    )
    dates = (
        " Do cleaning.date_formats have day, month and year in the file's order?"
        if any("date" in r or "disagrees" in r for r in rejects if rejects[r])
        else ""
    )
    raise DataError(
        f"{source}: {rejected:,} of {rows:,} rows break the contract, more than contract.max_reject_share {max_share:g} allows"
        f" (first on {first}): {worst}.{dates} Nothing was replaced."
    )
