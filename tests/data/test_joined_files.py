"""What is kept of the rows of files is the same whether they were read one after the other or each by itself and then joined."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabtrail.data import categories, copies, file_sample
from tabtrail.data.categories import CategoryWatch, RecordedTexts, TextLog
from tabtrail.data.copies import CopyWatch
from tabtrail.data.file_sample import FileSample
from tabtrail.data.partitions import DatasetWriter
from tabtrail.data.repeats import RepeatWatch

Files = list[list[list[int]]]
"""Numbers of the rows of each stretch of each file."""
FILES = st.lists(st.lists(st.lists(st.integers(0, 40), max_size=30), min_size=1, max_size=4), min_size=1, max_size=5)


@pytest.fixture(autouse=True, scope="module")
def _small() -> Any:
    """Limits that a few rows reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_sample, "ENOUGH", 5)
        patch.setattr(categories, "_MOST", 6)
        patch.setattr(categories, "_MOST_AT_ALL", 20)
        patch.setattr(copies, "_MOST", 8)
        yield


def frame(numbers: list[int]) -> pl.DataFrame:
    texts = [f"Total {number}" if number % 5 == 0 else f"t{number}" for number in numbers]
    return pl.DataFrame({"t": texts, "v": pl.Series(numbers, dtype=pl.Float64)}, schema={"t": pl.String, "v": pl.Float64})


def sampled(sample: FileSample, name: str, stretches: list[list[int]]) -> None:
    row = 1
    for numbers in stretches:
        sample.add(frame(numbers), name, row=row, rows=len(numbers))
        row += len(numbers)


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_a_sample_of_files(files: Files) -> None:
    together, joined = FileSample(), FileSample()
    for number, stretches in enumerate(files):
        sampled(together, f"{number}", stretches)
        alone = FileSample()
        sampled(alone, f"{number}", stretches)
        joined.join(pickle.loads(pickle.dumps(alone)))
    assert joined.rows().equals(together.rows())
    rows = [sum(map(len, stretches)) for stretches in files]
    assert together.rows().height <= max(10, sum(map(bool, rows)))


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_the_texts_of_categories(files: Files) -> None:
    together, joined, labels = CategoryWatch({}), CategoryWatch({}), list[Any]()
    for stretches in files:
        own, alone, recorded = TextLog(together.dropped), TextLog(frozenset()), RecordedTexts()
        for numbers in stretches:
            rows = frame(numbers)
            together.add(rows.height, own.see(rows))
            recorded.add(rows.height, alone.see(rows))
        for stretch in recorded.stretches:
            joined.add(*stretch)
        labels.append(own.labels == alone.labels)
    assert (joined.dropped, joined.columns, joined.doubtful()) == (together.dropped, together.columns, together.doubtful())
    assert joined._known == together._known
    assert all(labels)


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_copies_of_rows_and_the_hashes_of_the_target(files: Files) -> None:
    together, joined = (CopyWatch(), RepeatWatch()), (CopyWatch(), RepeatWatch())
    for number, stretches in enumerate(files):
        alone = CopyWatch(), RepeatWatch()
        for watches in (together, alone):
            line = 2
            for numbers in stretches:
                rows = frame(numbers)
                watches[0].see(rows, f"{number}.csv", pl.int_range(line, line + rows.height, eager=True))
                watches[1].see(rows.get_column("v"))
                line += rows.height
        joined[0].join(alone[0])
        joined[1].join(alone[1].sums)
    assert joined[0].finding() == together[0].finding()
    assert joined[1].sums == together[1].sums


def test_equal_rows_of_two_files_are_two_parquet_files(tmp_path: Path) -> None:
    def written(name: str, write: Callable[[DatasetWriter], None]) -> dict[str, bytes]:
        folder = tmp_path / name
        folder.mkdir()
        write(DatasetWriter(folder, ["t"]))
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def together(writer: DatasetWriter) -> None:
        for numbers in ([1, 2], [1, 3], [1]):
            writer.add(frame(numbers), 10)
            writer.end_file()

    def joined(writer: DatasetWriter) -> None:
        for place, numbers in enumerate(([1, 2], [1, 3], [1])):
            folder = tmp_path / f"alone-{place}"
            folder.mkdir()
            alone = DatasetWriter(folder, ["t"])
            alone.add(frame(numbers), 10)
            alone.end_file()
            writer.take(alone.written())

    found = written("together", together)
    assert written("joined", joined) == found
    assert sorted(name.rpartition("-")[2] for name in found if name.startswith("t=t1/"))[:2] == ["2.parquet", "3.parquet"]


def test_a_writer_whose_folder_was_removed_does_not_make_it_again(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "removed", ["t"])
    writer.add(frame([1]), 10)
    with pytest.raises(FileNotFoundError):
        writer.end_file()
    assert not (tmp_path / "removed").exists()
