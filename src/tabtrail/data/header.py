"""What the header of a source must be, before a row is read, and what its columns are called from then on."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tabtrail.config.dataset import TableRules
from tabtrail.contract.layout import Layout, fold_name, is_nameless, look_alike, name_columns, unnamed_columns
from tabtrail.errors import DataError, nearest
from tabtrail.reading.header import Header, advise

RESERVED = ("_file", "_line", "_rules", "_text", "_raw_", "_warn_", "_bad_", "_cell_", "_is_cell_", "_stratum_")


class HeaderError(DataError):
    """The columns of a source are not those of the config: `found` are its own, `missing` those that are not among them."""

    def __init__(self, message: str, found: tuple[str, ...], missing: tuple[str, ...]) -> None:
        super().__init__(message)
        self.found, self.missing = found, missing


def check_header(name: str, header: Header, rules: TableRules) -> tuple[str, ...]:
    """Return what the columns of a source are called.

    Raises `DataError`, with one line for each fault, for a missing, repeated, unnamed or reserved column, and for names that
    DuckDB or a person takes for one.
    """
    found = name_columns(header.written, rules.source.layout, rules.columns.required)
    if problems := list(_header_problems(header, found, rules)):
        where = f"{name}, line {header.line}" if header.line else name
        missing = tuple(column for column in rules.columns.required if column not in found)
        raise HeaderError("\n".join(f"{where}: {each}" for each in problems), found, missing)
    return found


def _header_problems(header: Header, found: Sequence[str], rules: TableRules) -> Iterator[str]:
    layout, columns = rules.source.layout, rules.columns
    yield from _repeated(header.written, found)
    yield from _undeclared(header, found, rules)
    yield from _not_renamed(header.written, found, layout)
    yield from _look_alikes([column for column in found if column not in rules.cleaning.drop_columns])
    if taken := [column for column in found if look_alike(column) in map(look_alike, columns.derived)]:
        yield f"ingest adds {_listed(columns.derived)} from the date, but the file has '{taken[0]}'; {_RENAME}"
    yield from _reserved(found)
    if pattern := next((each for each in found if each == "*" or (each.startswith("^") and each.endswith("$"))), None):
        yield f"column '{pattern}' reads like a pattern of columns; {_RENAME}"


def refuse_reserved(where: str, columns: Iterable[str]) -> None:
    """Raise `DataError` for a column that begins like one of tabtrail's own."""
    if problem := next(_reserved(columns), None):
        raise DataError(f"{where}: {problem}")


def _reserved(columns: Iterable[str]) -> Iterator[str]:
    if reserved := [column for column in columns if column.casefold().startswith(RESERVED)]:
        yield f"column '{reserved[0]}' begins like a column of tabtrail's own ({', '.join(RESERVED)}); {_RENAME}"


def rules_for(header: Header, rules: TableRules) -> TableRules:
    """Return the rules for the rows below a header: its own delimiter, and its columns without a name dropped."""
    source = rules.source.model_copy(update={"delimiter": header.delimiter})
    unnamed = unnamed_columns(header.written, source.layout)
    cleaning = rules.cleaning.model_copy(update={"drop_columns": (*rules.cleaning.drop_columns, *unnamed)})
    return replace(rules, source=source, cleaning=cleaning)


def require_same_columns(name: str, line: int, found: Sequence[str], expected: Sequence[str]) -> None:
    """Raise `DataError` for a file with other columns than the files before it; their order may differ."""
    if odd := sorted(set(found) ^ set(expected)):
        raise DataError(f"{name}, line {line}: its columns are not those of the other files (column '{odd[0]}')")


_RENAME = "rename it (source.rename)"


def _repeated(written: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    for column, count in Counter(column for column in found if column.strip()).items():
        if count > 1:
            names = {old for old, new in zip(written, found, strict=True) if new == column}
            told = f" ({_listed(sorted(names))} are read so)" if names != {column} else ""
            yield f"column '{column}' is there {count} times{told}; rename or remove one"


def _undeclared(header: Header, found: Sequence[str], rules: TableRules) -> Iterator[str]:
    missing = [column for column in rules.columns.required if column not in found]
    if not missing:
        nameless = (each for each in enumerate(found, 1) if is_nameless(each[1]) and each[1] not in rules.columns.required)
        if unnamed := next(nameless, None):
            place, column = unnamed
            shown = f" ('{column}', which is pandas' word for that)" if column.strip() else ""
            yield f"column {place} has no name{shown}; name it, or set source.unnamed: drop to leave it out"
        return
    hints = ", ".join(f"'{column}'{nearest(column, list(found))}" for column in missing)
    advice = advise(header, rules.source.layout, rules.columns.required)
    if len(found) == 1 and "skip_rows" not in advice:
        advice = f"; the header has a single column: is source.delimiter right ('{header.delimiter}')?{advice}"
    yield f"missing column {hints}{advice}"


def _not_renamed(written: Sequence[str], found: Sequence[str], layout: Layout) -> Iterator[str]:
    """Yield each name to replace that is not in the file, unless the new name is there already."""
    fold = fold_name if layout.fold_header else str
    names = {fold(name) for name in written}
    for old, new in layout.rename.items():
        if fold(old) not in names and new not in found:
            yield f"source.rename: there is no column '{old}'{nearest(old, list(written))}"


def _look_alikes(kept: Iterable[str]) -> Iterator[str]:
    """Yield each name that is one with an earlier one to DuckDB, which knows no case, or to a person."""
    seen: dict[str, str] = {}
    for column in kept:
        twin = seen.setdefault(look_alike(column), column)
        if twin != column:
            yield (
                f"the columns '{twin}' and '{column}' differ by case, blanks or invisible signs alone, and SQL takes such names"
                f" for one; give one of them another name, as source.rename: {{{column}: {column.strip()}_2}}"
            )


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)
