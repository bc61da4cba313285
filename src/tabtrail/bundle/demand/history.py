"""What a forecast reads of the past: the latest periods of every series, in a file of its own beside the bundle.

`<name>_history.npz` is replaced as data comes in, without a training. It holds plain arrays (no pickle is ever read from it) and
the sha256 of all of them, and names the model's name, so that a file of another model or a damaged one is refused.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabtrail.bundle.demand.features import Array
from tabtrail.bundle.demand.history_file import history_name
from tabtrail.errors import BundleError

FORMAT = 1
ANSWERED = 61
"""Periods up to the latest that can be asked for: two months of days, so that what was forecast lately can be looked at."""
_HEAD, _SHUT = "head", "shut"
# 100,000 series with four columns over a year of days take 1.2 GB; the texts of the head take some hundred bytes.
_MOST_UNPACKED, _MOST_HEAD = 2**31, 16_000_000
_MOST_PERIOD = 1_000_000  # days since 1970, which is the year 4707


@dataclass(frozen=True)
class History:
    """The periods `first` to `as_of` of every series, and of columns known ahead those that are planned after `as_of` too.

    `keys` [series, columns] are the texts that make a series, `static` [series] the static columns; `target` [series, periods]
    is NaN where it is not known, `known` [series, periods + planned]. `data_sha256` is that of the dataset it was made of. `shut`
    [series, planned] are the periods after `as_of` that the plan has as closed; None where it says nothing of that.
    """

    name: str
    first: int
    as_of: int
    keys: NDArray[np.str_]
    target: Array
    known: Mapping[str, Array]
    static: Mapping[str, NDArray[np.str_]]
    data_sha256: str
    state: Mapping[str, Any]
    shut: NDArray[np.bool_] | None = None

    @property
    def series(self) -> int:
        return len(self.target)

    def shut_at(self, places: NDArray[np.int64], periods: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which periods [rows] of series at places [rows] the plan has as closed; -1 is a series that is not here."""
        if self.shut is None:
            return np.zeros(len(places), dtype=bool)
        at = periods - self.as_of - 1
        inside = (places >= 0) & (at >= 0) & (at < self.shut.shape[1])
        return np.asarray(inside & self.shut[np.where(inside, places, 0), np.where(inside, at, 0)])

    def is_shut(self, place: int, period: int) -> bool:
        """Tell of one period what `shut_at` tells of many, without arrays of one value."""
        at = period - self.as_of - 1
        return self.shut is not None and place >= 0 and 0 <= at < self.shut.shape[1] and bool(self.shut[place, at])


def write_history(history: History) -> bytes:
    """Return the file of a history."""
    arrays = _arrays(history)
    head = {
        "format": FORMAT,
        "name": history.name,
        "first": history.first,
        "as_of": history.as_of,
        "data_sha256": history.data_sha256,
        "state": dict(history.state),
        "sha256": _digest(arrays),
    }
    buffer = io.BytesIO()
    text = json.dumps(head, sort_keys=True).encode()
    np.savez_compressed(buffer, **{_HEAD: np.frombuffer(text, np.uint8)}, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read_history(data: bytes, name: str) -> History:
    """Return the history in a file's bytes. Raises `BundleError` for one that is damaged, malformed or of another bundle."""
    file = history_name(name)
    try:
        _require_bounded(data)
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        head = json.loads(arrays.pop(_HEAD).tobytes())
        if head["format"] != FORMAT or head["name"] != name:
            raise BundleError(f"{file} is of another model or format; run `tabtrail demand update`")
        if head["sha256"] != _digest(arrays):
            raise BundleError(f"{file} was altered: its sha256 is not the one it states; run `tabtrail demand update`")
        known = {key.removeprefix("known/"): value for key, value in arrays.items() if key.startswith("known/")}
        static = {key.removeprefix("static/"): value for key, value in arrays.items() if key.startswith("static/")}
        found = History(
            name,
            int(head["first"]),
            int(head["as_of"]),
            arrays["keys"],
            arrays["target"],
            known,
            static,
            str(head["data_sha256"]),
            dict(head["state"]),
            arrays.get(_SHUT),
        )
        _require_shapes(found)
    except BundleError:
        raise
    except Exception:  # noqa: BLE001 - a crafted file can make zipfile, numpy and zlib raise almost anything
        raise BundleError(f"{file} is damaged; run `tabtrail demand update`") from None
    return found


def _require_bounded(data: bytes) -> None:
    """Raise `ValueError` for a file that unpacks to more than any history, or holds what `write_history` does not write."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        members = packed.infolist()
    names = [each.filename for each in members]
    plain = all(each.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for each in members)
    if not plain or len(set(names)) < len(names) or sum(each.file_size for each in members) > _MOST_UNPACKED:
        raise ValueError
    if any(each.filename == f"{_HEAD}.npy" and each.file_size > _MOST_HEAD for each in members):
        raise ValueError


def _arrays(history: History) -> dict[str, NDArray[Any]]:
    return {
        "keys": history.keys,
        "target": history.target,
        **{f"known/{name}": values for name, values in history.known.items()},
        **{f"static/{name}": values for name, values in history.static.items()},
        **({} if history.shut is None else {_SHUT: history.shut}),
    }


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        found.update(f"{name}\0{values.dtype.str}\0{values.shape}\0".encode())
        found.update(values.tobytes())
    return found.hexdigest()


def _require_shapes(history: History) -> None:
    series, periods = history.target.shape
    numbers = (history.target, *history.known.values())
    texts = (history.keys, *history.static.values())
    if (
        any(values.dtype != np.float64 or values.ndim != 2 for values in numbers)
        or any(values.dtype.kind != "U" or len(values) != series for values in texts)
        or any(len(values) != series or values.shape[1] < periods for values in history.known.values())
        or history.as_of - history.first + 1 != periods
        or max(abs(history.first), abs(history.as_of)) > _MOST_PERIOD
        or history.keys.ndim != 2
        or (
            history.shut is not None and (history.shut.dtype != np.bool_ or history.shut.ndim != 2 or len(history.shut) != series)
        )
    ):
        raise ValueError
