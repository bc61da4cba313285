"""`tabtrail sql`: questions to the DuckDB file."""

from typing import Annotated

import typer

from tabtrail.cli.job import begin_job
from tabtrail.cli.options import ConfigOption, FormatOption, SetOption, new_group
from tabtrail.cli.output import cell, plain, print_json, print_table
from tabtrail.data.warehouse import query as run_query

app = new_group()


@app.command(epilog="example: tabtrail sql 'SELECT candidate, cv_rmse FROM runs ORDER BY 2'")
def sql(
    query: Annotated[str, typer.Argument(help="One SQL statement; tables: the data, runs, folds, error_slices, predictions.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    format_: FormatOption = "text",
) -> None:
    """Ask the DuckDB file, which nothing can change: the data, and the runs of the last benchmark."""
    loaded = begin_job(config, set_)
    names, rows = run_query(loaded.paths.duckdb_file, query)
    if format_ == "json":
        print_json([dict(zip(names, map(plain, row), strict=True)) for row in rows])
    else:
        print_table(f"{len(rows):,} rows", names, [[cell(value) for value in row] for row in rows])
