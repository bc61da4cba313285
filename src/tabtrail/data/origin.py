"""Where the rows of a project come from: its files, or a table of a database."""

from pathlib import Path

from tabtrail.config.data import Paths, Source
from tabtrail.reading.find import find_sources
from tabtrail.reading.postgres import Relation, relation_of
from tabtrail.storage.objects import StoredFile


def find_origin(paths: Paths, source: Source, root: Path) -> dict[str, StoredFile | Relation]:
    """Return the files that `paths.raw_csv` names, or the one table or query that `source` does, by name.

    Raises `ConfigError` where there is no such file; whether there is such a table, its server knows.
    """
    relation = relation_of(source)
    if relation is not None:
        return {relation.name: relation}
    assert paths.source is not None  # noqa: S101 - the config has one of the two
    return dict(find_sources(paths.source, root))
