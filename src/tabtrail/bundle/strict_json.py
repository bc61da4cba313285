"""JSON as RFC 8259 has it and no further: no NaN, no name twice in one object, no text that is not UTF-8."""

import json
from typing import Any, NoReturn


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text. Raises `ValueError` saying what is wrong, without a word of the text.

    Numbers that no double holds become infinite or stay whole numbers of any size: their column's contract refuses them.
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
    """Return the object of name and value pairs. Raises `ValueError` for a name that stands twice."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _RefusedError("a column stands twice in one row")
    return row


class _RefusedError(ValueError):
    pass


def _refuse_constant(_: str) -> NoReturn:
    raise _RefusedError("NaN and Infinity are no JSON numbers")


_DECODER = json.JSONDecoder(object_pairs_hook=object_without_repeats, parse_constant=_refuse_constant)
