"""How large Arrow and Parquet bodies become, by the sizes that their readers allocate, before anything is unpacked.

What the footer of a Parquet file says of its size may be wrong; a page is unpacked to the size in front of it (PageHeader of
parquet.thrift), and so is a buffer of an Arrow IPC stream (BodyCompression of Arrow's Message.fbs).
"""

import struct
from typing import Any

import pyarrow as pa

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2  # kinds of messages in Arrow's Message.fbs
_COMPACT_INTEGERS, _COMPACT_LISTS = (4, 5, 6), (9, 10)  # kinds of values in Thrift's compact protocol
_NESTED = 16  # levels of a page header, which has three


def stream_size(body: bytes) -> int:
    """Return the bytes of all buffers of an Arrow IPC stream. Raises `ValueError` or `pa.ArrowException` for a broken one."""
    total = 0
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(body)):
        try:
            total += _message_size(message.metadata.to_pybytes(), message.body)
        except struct.error:
            raise ValueError("a message of the stream is cut off") from None
    return total


def _message_size(head: bytes, body: Any) -> int:
    root = _follow(head, 0)
    kind, header = _field(head, root, 1), _field(head, root, 2)
    if body is None or not kind or not header or head[kind] not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return 0
    table = _follow(head, header)
    if head[kind] == _DICTIONARY_BATCH:
        table = _follow(head, _field(head, table, 1))
    buffers = _field(head, table, 2)
    if not _field(head, table, 3) or not buffers:  # not compressed
        return int(body.size)
    vector = _follow(head, buffers)
    (count,) = struct.unpack_from("<I", head, vector)
    packed = [struct.unpack_from("<qq", head, vector + 4 + 16 * index) for index in range(count)]
    return sum(_buffer_size(body, start, length) for start, length in packed if length)


def _buffer_size(body: Any, start: int, length: int) -> int:
    (unpacked,) = struct.unpack_from("<q", body, start)
    if unpacked < -1:
        raise ValueError("a buffer of the stream has a negative size")
    return length if unpacked == -1 else int(unpacked)  # -1: this one is not compressed


def _field(data: bytes, table: int, index: int) -> int:
    """Return where a field of a FlatBuffers table lies, 0 where it is not set."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * index >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset: int = struct.unpack_from("<H", data, vtable + 4 + 2 * index)[0]
    return table + offset if offset else 0


def _follow(data: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", data, at)[0])


def parquet_size(body: bytes, metadata: Any) -> int:
    """Return the bytes of all pages of a Parquet file. Raises `ValueError` for a broken page header."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    return sum(_pages_size(body, group.column(index)) for group in groups for index in range(group.num_columns))


def _pages_size(body: bytes, chunk: Any) -> int:
    starts = [chunk.data_page_offset, chunk.dictionary_page_offset if chunk.has_dictionary_page else None]
    at = min(start for start in starts if start)
    end, total = at + chunk.total_compressed_size, 0
    while at < end:
        page = _PageHeader(body, at)
        if page.unpacked < 0 or page.packed < 0:
            raise ValueError("a page has a negative size")
        total += page.unpacked
        at = page.end + page.packed
    return total


class _PageHeader:
    """The sizes of a page, which Thrift's compact protocol puts in front of it, and where its header ends."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self.end = data, at
        self.unpacked = self.packed = 0
        try:
            self._read_struct(0)
        except IndexError:
            raise ValueError("a page header is cut off") from None

    def _read_struct(self, depth: int) -> None:
        name = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            name = name + step if step else self._integer()
            if depth == 0 and name in (2, 3) and kind in _COMPACT_INTEGERS:
                value = self._integer()
                self.unpacked, self.packed = (value, self.packed) if name == 2 else (self.unpacked, value)
            elif kind > 2:
                self._skip(kind, depth)

    def _skip(self, kind: int, depth: int) -> None:
        if depth > _NESTED:
            raise ValueError("a page header is nested too deeply")
        if kind in _COMPACT_INTEGERS:
            self._varint()
        elif kind == 8:
            length = self._varint()  # which moves `end`
            self.end += length
        elif kind in _COMPACT_LISTS:
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._varint()
            for _ in range(count):
                self._skip(head & 15, depth + 1)
        elif kind == 12:
            self._read_struct(depth + 1)
        else:
            self.end += 8 if kind == 7 else 1

    def _byte(self) -> int:
        self.end += 1
        return self._data[self.end - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number of a page header is too long")
        return value | byte << shift

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
