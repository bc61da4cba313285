"""Arrow and Parquet bodies that become large, or are of types that no model takes, are refused before they are unpacked."""

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabtrail.contract.schema import ColumnRule, Feature, ModelSchema
from tabtrail.serving.arrow_bodies import read_rows
from tabtrail.serving.body import ARROW, PARQUET
from tabtrail.serving.packed_sizes import parquet_size
from tabtrail.serving.problems import Refused

SCHEMA = ModelSchema("Y", (Feature("N", "numeric", ColumnRule("int")), Feature("T", "categorical", ColumnRule("str"))))
ROWS, SIZE = 1000, 100_000  # 100 MB of texts
LARGE = ["x" * SIZE] * ROWS


def stream(texts: pa.Array, compression: str | None = None) -> bytes:
    table, sink = pa.table({"N": pa.array(range(len(texts))), "T": texts}), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(texts: pa.Array, **named: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"N": pa.array(range(len(texts))), "T": texts}), sink, **{"compression": "zstd", **named})
    return sink.getvalue()


def understated(body: bytes) -> bytes:
    """The file with small numbers in its footer wherever that says how large the texts are."""
    group = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0)
    out = bytearray(body)
    footer = len(out) - 8 - struct.unpack("<I", out[-8:-4])[0]
    for size in (group.total_byte_size, group.column(1).total_uncompressed_size):
        number, rest = b"", size << 1
        while rest > 127:
            number, rest = number + bytes([rest & 127 | 128]), rest >> 7
        number += bytes([rest])
        at = out.index(number, footer)
        out[at : at + len(number)] = b"\x82" + b"\x80" * (len(number) - 2) + b"\x00"  # 1, in as many bytes
    return bytes(out)


def views() -> pa.Array:
    _, one, *data = pa.array(["x" * SIZE], pa.string_view()).buffers()
    return pa.Array.from_buffers(pa.string_view(), ROWS, [None, pa.py_buffer(one.to_pybytes() * ROWS), *data])


HOSTILE: dict[str, tuple[Callable[[], bytes], str, int]] = {
    "Arrow, zstd": (lambda: stream(pa.array(LARGE), "zstd"), ARROW, 413),
    "Arrow, lz4": (lambda: stream(pa.array(LARGE), "lz4"), ARROW, 413),
    "Arrow, a dictionary in zstd": (lambda: stream(pa.array(["x" * 70_000_000]).dictionary_encode(), "zstd"), ARROW, 413),
    "views of one text": (lambda: stream(views()), ARROW, 413),
    "one run": (lambda: stream(pa.RunEndEncodedArray.from_arrays(pa.array([ROWS]), pa.array(["x" * SIZE]))), ARROW, 422),
    "lists": (lambda: stream(pa.array([["a"]] * 9)), ARROW, 422),
    "structures": (lambda: stream(pa.array([{"a": 1}] * 9)), ARROW, 422),
    "bytes": (lambda: stream(pa.array([b"a"] * 9)), ARROW, 422),
    "a dictionary of lists": (
        lambda: stream(pa.DictionaryArray.from_arrays(pa.array([0] * 9), pa.array([["a"]]))), ARROW, 422,
    ),
    "lists in Parquet": (lambda: parquet(pa.array([["a"]] * 9)), PARQUET, 422),
    "Parquet": (lambda: parquet(pa.array(LARGE), use_dictionary=False), PARQUET, 413),
    "Parquet whose footer says less": (lambda: understated(parquet(pa.array(LARGE), use_dictionary=False)), PARQUET, 413),
    "a prefix that all texts share": (
        lambda: parquet(pa.array(LARGE), use_dictionary=False, column_encoding={"T": "DELTA_BYTE_ARRAY"}), PARQUET, 422,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_without_the_memory_that_it_would_take(name: str) -> None:
    make, media, status = HOSTILE[name]
    body = make()
    before, peak = pa.total_allocated_bytes(), pa.default_memory_pool().max_memory()
    with pytest.raises(Refused) as refused:
        read_rows(body, media, SCHEMA, 10_000)
    assert refused.value.status == status
    assert pa.total_allocated_bytes() <= before + 1_000_000
    assert pa.default_memory_pool().max_memory() <= max(peak, before + 64_000_000)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
@pytest.mark.parametrize("packed", ["zstd", "lz4", None])
def test_usual_columns_are_read_packed_or_not(kind: pa.DataType, packed: str | None) -> None:
    texts = pa.array(["USA", "Spain", "USA"]).cast(kind)
    wanted = [{"N": 0, "T": "USA"}, {"N": 1, "T": "Spain"}, {"N": 2, "T": "USA"}]
    assert read_rows(stream(texts, packed), ARROW, SCHEMA, 10) == wanted
    assert read_rows(parquet(texts, compression=packed or "none"), PARQUET, SCHEMA, 10) == wanted


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_the_size_of_a_file_is_the_one_that_its_honest_footer_says_less_the_heads_of_pages(version: str) -> None:
    body = parquet(pa.array([f"{number}" * 50 for number in range(3000)]), data_page_version=version, row_group_size=1000)
    metadata = pq.ParquetFile(io.BytesIO(body)).metadata
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    stated = sum(group.column(index).total_uncompressed_size for group in groups for index in (0, 1))
    assert stated - 200 * 2 * 2 * len(groups) < parquet_size(body, metadata) <= stated


@given(st.binary(min_size=40, max_size=60))
def test_bytes_that_are_no_page_headers_are_refused_not_a_failure(data: bytes) -> None:
    column = SimpleNamespace(data_page_offset=4, dictionary_page_offset=None, has_dictionary_page=False, total_compressed_size=30)
    group = SimpleNamespace(num_columns=1, column=lambda _: column)
    with suppress(ValueError):
        assert parquet_size(data, SimpleNamespace(num_row_groups=1, row_group=lambda _: group)) >= 0


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_a_stream_with_other_bytes_in_it_is_read_or_refused(at: int, data: bytes) -> None:
    body = bytearray(stream(pa.array(["USA"] * 3), "zstd"))
    body[at : at + len(data)] = data
    with suppress(Refused):
        read_rows(bytes(body), ARROW, SCHEMA, 10)
