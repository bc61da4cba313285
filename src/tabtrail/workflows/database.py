"""Results as tables of the database, beside the data."""

from contextlib import suppress

from tabtrail.config.tree import Config
from tabtrail.data.manifest import verify_dataset
from tabtrail.data.warehouse import refresh_result_tables
from tabtrail.errors import DataError
from tabtrail.project.record import updated_output


def take_in_results(config: Config) -> None:
    """Bring the tables of results into the database; the stage that built it stays as fresh as it was.

    Nothing happens without a sound dataset: the database takes the tables up when it is built from one.
    """
    config = config.whole
    with suppress(DataError):
        verify_dataset(config.dataset, config.ingest_digest())
        with updated_output(config.paths.output_dir, config.paths.duckdb_file) as announce:
            refresh_result_tables(config.database, announce)
