"""JSON strictly as RFC 8259 defines it, in UTF-8: NaN and repeated names in an object are refused."""

import json
from typing import Any, NoReturn


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text. Raises `ValueError` for a fault, without repeating any of the text.

    Numbers beyond the range of doubles become infinite, or stay whole numbers of any size: their column's contract refuses them.
    """
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except _RefusedError:
        raise
    except ValueError:
        raise ValueError("a number has too many digits") from None


def object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of name and value pairs. Raises `ValueError` for a repeated name."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _RefusedError("a column is there twice in one row")
    return row


class _RefusedError(ValueError):
    pass


def _refuse_constant(_: str) -> NoReturn:
    raise _RefusedError("NaN and Infinity are not JSON numbers")


_DECODER = json.JSONDecoder(object_pairs_hook=object_without_repeats, parse_constant=_refuse_constant)
