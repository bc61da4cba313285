"""An ONNX file examined before a runtime loads it: it must hold standard operators and all of its weights, and nothing else.

This reads the wire form of protocol buffers (https://protobuf.dev/programming-guides/encoding) with the field numbers of
onnx/onnx.proto3, so that prediction needs no ONNX package.
"""

import re
from collections.abc import Iterator

from tabtrail.errors import BundleError

OPERATOR_DOMAINS = frozenset(("", "ai.onnx.ml"))
_MOST_DEPTH = 16  # an exported pipeline nests a handful of graphs; recursion in a runtime must not be provoked
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_WIDTH = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
# The numbers of an attribute follow one another, each with its tag (floats = 7, ints = 8); trees have hundreds of thousands,
# which are skipped at once.
_NUMBERS = re.compile(rb"(?:\x3d.{4})+|(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])+", re.DOTALL)

# By kind of message: the fields that hold a message of another kind.
_WITHIN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "opset": {},
    "tensor": {},
}
_DOMAIN = {"node": 7, "opset": 1}
_REFUSED = {
    ("model", 20): "training steps",
    ("model", 25): "functions of its own",
    ("tensor", 13): "weights in another file",
    ("tensor", 14): "weights in another file",
}


def require_plain_graph(data: bytes) -> None:
    """Raise `BundleError` for bytes that are not an ONNX model, or one with custom operators, functions or outside weights."""
    pending = [("model", 0, len(data), 0)]
    graphs = 0
    while pending:
        kind, start, stop, depth = pending.pop()
        if depth > _MOST_DEPTH:
            raise BundleError("the graph is not a plain ONNX model: it is nested too deeply")
        within, domain = _WITHIN[kind], _DOMAIN.get(kind)
        for number, wire, low, high in _fields(data, kind, start, stop):
            if (inner := within.get(number)) is not None and wire == _BYTES:
                pending.append((inner, low, high, depth + 1))
                graphs += inner == "graph"
            elif inner is not None:
                raise BundleError("the graph is not a plain ONNX model: a field is of the wrong type")
            elif (kind, number) in _REFUSED and data[low:high] != b"\0":
                raise BundleError(f"the graph is not a plain ONNX model: it has {_REFUSED[kind, number]}")
            elif number == domain and _text(data[low:high]) not in OPERATOR_DOMAINS:
                raise BundleError(
                    f"the graph is not a plain ONNX model: it has operators of the domain '{_text(data[low:high])[:60]}'"
                )
    if graphs == 0:
        raise BundleError("the graph is not a plain ONNX model: it has no graph")


def _fields(data: bytes, kind: str, position: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield field number, wire type, and where its value starts and ends."""
    while position < stop:
        if kind == "attribute" and (run := _NUMBERS.match(data, position, stop)) is not None:
            position = run.end()
            continue
        tag, position = _varint(data, position, stop)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            start = position
            _, end = _varint(data, position, stop)
        elif wire == _BYTES:
            size, start = _varint(data, position, stop)
            end = start + size
        elif wire in _WIDTH:
            start, end = position, position + _WIDTH[wire]
        else:
            raise BundleError("the graph is not a plain ONNX model: it is not a protocol buffer")
        if end > stop or number == 0:
            raise BundleError("the graph is not a plain ONNX model: it is cut short or damaged")
        yield number, wire, start, end
        position = end


def _varint(data: bytes, position: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while position < stop and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise BundleError("the graph is not a plain ONNX model: it is cut short or damaged")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
