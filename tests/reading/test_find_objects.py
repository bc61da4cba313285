"""Which objects of a bucket an address names: those that the same pattern finds among files."""

from pathlib import Path

import pytest
from tests.support.buckets import Buckets

from tabtrail.errors import ConfigError
from tabtrail.reading.find import find_sources
from tabtrail.storage.address import Address

NAMES = (
    "raw/2023/a.csv", "raw/2023/b.csv.gz", "raw/2024/a.csv", "raw/2024/deep/er/a.csv", "raw/a.csv", "raw/b.CSV", "raw/~$a.csv",
    "raw/a.csv.synthetic", "raw/a [1].csv", "raw/ü.csv", "other/a.csv", "raw/100%.csv",
)  # fmt: skip
PATTERNS = (
    "raw/*.csv", "raw/*/a.csv", "raw/**/a.csv", "raw/**/*.csv", "raw/202[34]/*.csv*", "raw/[!2]*.csv", "raw/?.csv", "*/a.csv",
    "raw/2023/a.csv", "raw/100%.csv", "raw/a [1].csv", "**/b.*",
)  # fmt: skip


@pytest.fixture(scope="module")
def bucket(moto_server: Buckets) -> str:
    name = moto_server.new()
    for each in NAMES:
        moto_server.put(name, each, b"x")
    return name


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_finds_the_objects_that_it_finds_as_files(pattern: str, bucket: str, tmp_path: Path) -> None:
    for each in NAMES:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_bytes(b"x")
    here = find_sources(tmp_path / pattern, tmp_path)
    there = find_sources(Address(bucket, pattern), tmp_path)
    assert list(there) == list(here)
    assert all(
        str(file) == f"s3://{bucket}/{path.relative_to(tmp_path)}"
        for file, path in zip(there.values(), here.values(), strict=True)
    )


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize(("name", "message"), [("raw", "is a folder"), ("none/*.csv", "no object"), ("raw/c.csv", "no object")])
def test_an_address_that_names_nothing_is_refused(name: str, message: str, bucket: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_sources(Address(bucket, name), Path())
