"""Small Arrow and Parquet bodies that unpack to gigabytes are refused, and cost the worker no memory."""

import io
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.projects import Project, serving

ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


def packed(example: dict[str, Any], media: str) -> bytes:
    """One text of 200 kB for all of 10,000 rows, once in a dictionary."""
    rows = 10_000
    columns: dict[str, Any] = {name: pa.array([value] * rows) for name, value in example.items()}
    columns["COUNTRY"] = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 200_000]))
    table, sink = pa.table(columns), io.BytesIO()
    if media == PARQUET:
        pq.write_table(table, sink, compression="zstd")
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("media", [ARROW, PARQUET])
def test_a_text_that_a_dictionary_repeats_for_all_rows_is_refused(small: Project, media: str) -> None:
    with serving(small, door=False) as client:
        example = client.get("/schema").json()["example"]
        body = packed(example, media)
        process = psutil.Process(client.process.pid)  # type: ignore[attr-defined]
        client.post("/predict/batch", content=body[:-1], headers={"content-type": media})
        before = process.memory_info().rss
        for _ in range(3):
            answer = client.post("/predict/batch", content=body, headers={"content-type": media})
            assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
        assert process.memory_info().rss - before < 100_000_000
        peak = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) < 600_000
