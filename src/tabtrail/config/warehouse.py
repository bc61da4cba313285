"""The section on the warehouse: the tables of PostgreSQL that validated rows are loaded into; how a database is named at all."""

import re

from pydantic import Field

from tabtrail.config.columns import Columns
from tabtrail.config.section import Names, Problems, Section, undeclared

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VARIABLE = "name an environment variable, as TABTRAIL_POSTGRES; the address, with its password, stays out of the file"
TABLE_NAME = (
    "write schema.name, or the name alone, as they are called in the database; its address belongs in an environment variable"
)
_MOST_BYTES = 63  # of a name: PostgreSQL cuts longer ones (NAMEDATALEN)


class Warehouse(Section):
    table: str | None = Field(None, description="The table of PostgreSQL that the validated rows replace, as schema.name.")
    key: Names = Field((), description="Columns whose values tell the rows of the table apart: its primary key.")
    summaries: str | None = Field(None, description="The schema in which every summary becomes a table of its name.")
    address_variable: str = Field("TABTRAIL_POSTGRES", description="The environment variable that holds the address.")

    @property
    def is_configured(self) -> bool:
        """Whether there is a table to load."""
        return self.table is not None or self.summaries is not None


def is_variable(text: str) -> bool:
    """Tell whether a text can name an environment variable."""
    return _VARIABLE.fullmatch(text) is not None


def is_table_name(text: str) -> bool:
    """Tell whether a text can name a table, or a schema and a table in it."""
    parts = text.split(".")
    return len(parts) <= 2 and all(part and len(part.encode()) <= _MOST_BYTES and not set(part) & set("/:@\0") for part in parts)


def check_warehouse(warehouse: Warehouse, columns: Columns, summaries: tuple[str, ...]) -> Problems:
    """Yield what is wrong with names of tables, schema, key and variable; `summaries` are those of the config."""
    if warehouse.table is not None and not is_table_name(warehouse.table):
        yield ("warehouse", "table"), TABLE_NAME
    if warehouse.summaries is not None and (not is_table_name(warehouse.summaries) or "." in warehouse.summaries):
        yield ("warehouse", "summaries"), "write the name of a schema"
    if warehouse.summaries is not None and not summaries:
        yield ("warehouse", "summaries"), "there are no aggregations, so there is nothing to load"
    if warehouse.key and warehouse.table is None:
        yield ("warehouse", "key"), "there is no warehouse.table whose key this could be"
    for name in warehouse.key:
        if name not in columns.dataset:
            yield ("warehouse", "key"), undeclared(name, columns.dataset)
    if warehouse.table is not None and warehouse.table in {f"{warehouse.summaries}.{each}" for each in summaries}:
        yield ("warehouse", "table"), "a summary of this name would be loaded into it as well; give it another name"
    if not is_variable(warehouse.address_variable):
        yield ("warehouse", "address_variable"), VARIABLE
