"""`cleaning.aliases`: tables of other spellings, in the YAML or in CSV files beside it, and what is wrong with one."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from tabtrail.config.file import KeyPath, RawConfig, resolve_path
from tabtrail.config.section import Problems
from tabtrail.contract.aliases import MEANS, ContextAliases, Stated, Texts, in_order, read_rows
from tabtrail.contract.cells import CellReading
from tabtrail.errors import ConfigError, nearest

_MOST_ROWS = 100_000  # they are part of the config that a run records, and of the bundle
AliasRows = tuple[dict[str, str | None], ...]
_FORM = (
    "write {OTHER SPELLING: TEXT}, a list of rows as {STATE: CA, CITY: Glendle, means: Glendale}, or the path of a CSV file with"
    f" such columns, the last of them '{MEANS}'"
)


def _form(table: Any) -> Any:
    """Check the form of a table. A path was replaced by the rows of its file before."""
    if isinstance(table, str):
        raise PydanticCustomError("aliases", "the file '{file}' was not read; name it in the YAML file", {"file": table})
    if isinstance(table, dict) and list(table) == ["file"] and str(table["file"]).lower().endswith(".csv"):
        raise PydanticCustomError("aliases", "write the path of the file itself: {file}", {"file": str(table["file"])})
    is_list = isinstance(table, list | tuple)
    rows = table if is_list else [table]
    if not all(isinstance(row, dict) for row in rows):
        raise PydanticCustomError("aliases", "{form}", {"form": _FORM})
    for number, row in enumerate(rows, 1):
        empty = (str, type(None)) if is_list else str
        for each, kinds in [*((name, str) for name in row), *((text, empty) for text in row.values())]:
            if not isinstance(each, kinds):
                where = f"row {number}: " if is_list else ""
                raise PydanticCustomError("aliases", "{where}{odd} is not a text; quote it", {"where": where, "odd": str(each)})
    return table


AliasTable = Annotated[dict[str, str] | AliasRows | str, BeforeValidator(_form)]
"""Other spellings of the texts of a column: by spelling alone, or in rows with their context."""


def read_alias_files(raw: RawConfig) -> None:
    """Replace the paths of tables by the rows of their files. Raises `ConfigError` naming key, file and line."""
    cleaning = raw.values.get("cleaning")
    stated = cleaning.get("aliases") if isinstance(cleaning, dict) else None
    tables: dict[Any, Any] = stated if isinstance(stated, dict) else {}
    for column, table in list(tables.items()):
        if isinstance(table, str):
            key: KeyPath = ("cleaning", "aliases", str(column))
            try:
                tables[column] = read_alias_file(resolve_path(raw.root, table), str(column))
            except ValueError as error:
                raise ConfigError(f"{raw.places.locate(key)}: {'.'.join(map(str, key))}: {error}") from None


def read_alias_file(path: Path, column: str) -> list[dict[str, str | None]]:
    """Return the rows of a table, an empty cell as None; columns that begin with `_` are notes. Raises `ValueError`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_rows(path.name, csv.reader(file, strict=True), column))
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; {_FORM}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not UTF-8; save it as such") from None
    except (OSError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{path.name} cannot be read: {reason}") from None


def _rows(name: str, reader: Any, column: str) -> Iterator[dict[str, str | None]]:
    header: list[str] = next(reader, [])
    if len(header) == 1 and ";" in header[0]:
        raise ValueError(f"{name} has ';' between its fields; save it with commas")
    for needed in (column, MEANS):
        if needed not in header:
            raise ValueError(f"{name} has no column '{needed}' in its first line{nearest(needed, header) or f'; {_FORM}'}")
    if twin := next((each for each in header if header.count(each) > 1), None):
        raise ValueError(f"{name} has two columns '{twin}'")
    for index, cells in enumerate(reader):
        if not cells:
            continue
        if len(cells) != len(header):
            raise ValueError(f"{name} line {reader.line_num}: {len(cells)} fields, the first line has {len(header)}")
        if index >= _MOST_ROWS:
            raise ValueError(f"{name} has more than {_MOST_ROWS:,} rows")
        yield {each: cell or None for each, cell in zip(header, cells, strict=True) if not each.startswith("_")}


def plain_table(table: Any) -> Mapping[str, str]:
    """Return the spellings that need no context, of a table of either form; none where there is one."""
    if isinstance(table, dict):
        return table
    rows: AliasRows = () if isinstance(table, str) else table
    if any(len(row) > 2 for row in rows):
        return {}
    pairs = ((next((name for name in row if name != MEANS), MEANS), row) for row in rows)
    return {str(row[name]): str(row[MEANS]) for name, row in pairs if row.get(name) and row.get(MEANS)}


def tables_with_context(tables: Mapping[str, Any]) -> list[Stated]:
    """Return the tables whose rows have a context. Malformed rows, which the check of the config names, are left out."""
    found = list[Stated]()
    for column, table in tables.items():
        rows: AliasRows = () if isinstance(table, dict | str) else table
        names = tuple(name for name in (rows[0] if rows else ()) if name not in (column, MEANS))
        if names:
            found.append(Stated(column, names, [row for row in rows if set(row) == {*names, column, MEANS}]))
    return found


def check_alias_rows(tables: Mapping[str, Any]) -> Problems:
    """Yield what is wrong with the rows of a table: one without the spelling or what it means, one with other columns than the
    first, a spelling without context that is there twice.
    """
    for column, table in tables.items():
        rows = () if isinstance(table, dict | str) else table
        problems = (problem for number, row in enumerate(rows, 1) if (problem := _row_problem(column, number, row, table[0])))
        if (first := next(problems, None) or _twice(column, rows)) is not None:
            yield ("cleaning", "aliases", column), first


def _row_problem(column: str, number: int, row: Mapping[str, str | None], first: Mapping[str, str | None]) -> str | None:
    for name in (column, MEANS):
        if name not in row:
            return f"row {number} has no '{name}'{nearest(name, list(row)) or f'; {_FORM}'}"
        if not row[name]:
            return f"row {number} has no text under '{name}'; what means a missing value is said in source.null_values"
    if set(row) != set(first):
        return f"row {number} has other columns than row 1 ({', '.join(first)}); give all rows the same"
    return None


def _twice(column: str, rows: AliasRows) -> str | None:
    seen: dict[str | None, str | None] = {}
    for row in rows if rows and len(rows[0]) == 2 else ():
        if (known := seen.setdefault(row[column], row[MEANS])) != row[MEANS]:
            return _conflict(row[column], row[MEANS], known, ())
    return None


def check_context(stated: Stated, reading: Callable[[str], CellReading], earlier: Sequence[ContextAliases]) -> Problems:
    """Yield what is wrong with a table as its columns are read: words for a missing value, a spelling that is there twice, one
    that leads to another one.
    """
    key, seen = ("cleaning", "aliases", stated.column), dict[Texts, str]()
    for row in read_rows(stated, reading, earlier):
        if row.spelling is None or row.means is None:
            yield key, f"row {row.number} has a text that means a missing value; see source.null_values"
        elif (known := seen.setdefault((*row.context, row.spelling), row.means)) != row.means:
            yield key, _conflict(row.spelling, row.means, known, row.context)
    for (*context, spelling), means in seen.items():
        target = seen.get((*context, means), means)
        if target != means and spelling != means:
            yield key, f"'{spelling}'{_beside(context)} leads to '{means}', {leads_on(target, to=str(spelling))}"


def leads_on(target: str, *, to: str) -> str:
    """Say what to do with a text that stands for a spelling and is one itself, of `target`."""
    if target == to:
        return f"which is a spelling of '{target}' in turn; keep one of the two"
    return f"which is a spelling of '{target}' itself; write that"


def _conflict(spelling: str | None, means: str | None, known: str | None, context: Sequence[str | None]) -> str:
    return f"'{spelling}'{_beside(context)} is there twice, for '{known}' and '{means}'; keep one"


def _beside(context: Sequence[str | None]) -> str:
    return f" ({', '.join(text or 'missing' for text in context)})" if context else ""


def check_order(tables: Sequence[Stated]) -> Problems:
    """Yield the tables that are contexts of each other, so that neither can be applied first."""
    ordered = in_order(tables)
    for place, each in enumerate(ordered):
        if waiting := [later.column for later in ordered[place:] if later.column in each.within]:
            yield (
                ("cleaning", "aliases", each.column),
                f"'{waiting[0]}' is a context here and told by '{each.column}' there; take one of the two contexts out",
            )
            return
